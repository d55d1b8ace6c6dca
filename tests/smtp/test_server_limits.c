#include "gateway/smtp/engine.h"
#include "tests/smtp/dialogue.h"

/* Caps, closings, and what an idle engine holds. */

static const struct smtp_server_opts plain = {
    .hostname = "mx.example",
    .size_max = 25 << 20,
    .rcpt_max = 50000,
    .mechanisms = "PLAIN LOGIN",
};

static void
begin(struct owner *o, const struct smtp_server_opts *opts, int answer)
{
	owner_init(o, opts, answer, false);
	owner_play(o, "EHLO x\r\n", 8, 0);
	buf_clear(&o->wire);
	buf_clear(&o->log);
}

static void
give(struct owner *o, const char *text)
{
	owner_give(o, text, strlen(text));
}

static void
give_times(struct owner *o, const char *text, size_t times)
{
	size_t i;

	for (i = 0; i < times && !o->closed; i++)
		give(o, text);
}

static const char *
tail(struct owner *o, size_t n)
{
	const char *text = buf_cstr(&o->wire);

	return o->wire.n > n ? text + o->wire.n - n : text;
}

/* A verb, n octets of x in all, CRLF. */
static const struct {
	const char *label, *head;
	size_t n; /* of the line with CRLF */
	const char *want;
} line_rows[] = {
    {"512", "NOOP ", 512, "250 2.0.0 OK\r\n"},
    {"513", "NOOP ", 513, "500 5.5.2 Line too long\r\n"},
    {"unknown of 513", "xxxxx", 513, "500 5.5.2 Line too long\r\n"},
    {"MAIL of 4096", "MAIL FROM:<a@b> ", 4096, "555 5.5.4"},
    {"MAIL of 4097", "MAIL FROM:<a@b> ", 4097, "500 5.5.2"},
    {"RCPT of 4096", "rcpt TO:<a@b> ", 4096, "503 5.5.1"},
    {"RCPT of 4097", "rcpt TO:<a@b> ", 4097, "500 5.5.2"},
    {"AUTH of 12288", "AUTH PLAIN ", 12288, "535 5.7.8"},
    {"AUTH of 12289", "AUTH PLAIN ", 12289,
     "500 5.5.6 Authentication exchange line is too long\r\n"},
    {"64 KiB", "NOOP ", 65536, "500 5.5.2 Line too long\r\n"},
};

START_TEST(lines_have_caps)
{
	static const size_t pieces[] = {1, 2, 511, 512, 513, 4095, 100000};
	size_t n = line_rows[_i].n, i, at, now;
	char *line = malloc(n);

	memset(line, 'x', n);
	memcpy(line, line_rows[_i].head, strlen(line_rows[_i].head));
	memcpy(line + n - 2, "\r\n", 2);
	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct owner o;

		begin(&o, &plain, ANSWER_NOW);
		for (at = 0; at < n; at += now) {
			now = n - at < pieces[i] ? n - at : pieces[i];
			owner_give(&o, line + at, now);
		}
		ck_assert_msg(strncmp(buf_cstr(&o.wire), line_rows[_i].want,
				      strlen(line_rows[_i].want)) == 0,
			      "%s in pieces of %zu: %s", line_rows[_i].label,
			      pieces[i], buf_cstr(&o.wire));
		buf_clear(&o.wire);
		give(&o, "NOOP\r\n");
		ck_assert_str_eq(buf_cstr(&o.wire), "250 2.0.0 OK\r\n");
		owner_fini(&o);
	}
	free(line);
}
END_TEST

START_TEST(a_megabyte_without_a_newline)
{
	static char block[8192];
	struct owner o;
	size_t sent = 0;

	memset(block, 'M', sizeof(block));
	begin(&o, &plain, ANSWER_NOW);
	while (!o.closed && sent < 1 << 20) {
		owner_give(&o, block, sizeof(block));
		sent += sizeof(block);
		ck_assert_uint_le(o.server->line.size,
				  ENGINE_LINE_AUTH_MAX + 1);
	}
	ck_assert(o.closed);
	ck_assert_uint_le(sent, ENGINE_SKIP_MAX + sizeof(block));
	ck_assert_str_eq(buf_cstr(&o.wire), "500 5.5.2 Line too long\r\n");
	ck_assert_str_eq(buf_cstr(&o.log), "close line-too-long\n");
	owner_fini(&o);
}
END_TEST

START_TEST(an_overlong_auth_answer_cancels)
{
	static char block[13000];
	struct owner o;
	int answer;

	memset(block, 'a', sizeof(block));
	for (answer = ANSWER_NOW; answer <= ANSWER_FIFO; answer++) {
		begin(&o, &plain, answer);
		owner_play(&o, "AUTH PLAIN\r\n", 12, 0);
		owner_give(&o, block, sizeof(block));
		give(&o, "\r\nNOOP\r\n");
		owner_settle_all(&o);
		ck_assert_str_eq(
		    buf_cstr(&o.wire),
		    "334 YXNr\r\n500 5.5.6 Authentication exchange line is "
		    "too long\r\n250 2.0.0 OK\r\n");
		ck_assert_str_eq(buf_cstr(&o.log), "auth PLAIN\nauth cancel\n");
		owner_fini(&o);
	}
}
END_TEST

START_TEST(errors_are_counted)
{
	struct owner o;

	begin(&o, &plain, ANSWER_NOW);
	give_times(&o, "FOO\r\n", 100);
	ck_assert_str_eq(tail(&o, 27), "421 4.7.0 Too many errors\r\n");
	ck_assert_uint_eq(o.replied_count, 1 + 1 + 20 + 1);
	ck_assert_str_eq(buf_cstr(&o.log), "close too-many-errors\n");
	owner_fini(&o);
}
END_TEST

START_TEST(an_accepted_message_forgives)
{
	struct owner o;
	int i;

	begin(&o, &plain, ANSWER_NOW);
	for (i = 0; i < 10; i++) {
		give_times(&o, "FOO\r\n", 15);
		give(&o, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n.\r\n");
	}
	ck_assert(!o.closed);
	owner_fini(&o);
}
END_TEST

START_TEST(commands_that_do_nothing_are_counted)
{
	struct owner o;

	begin(&o, &plain, ANSWER_NOW);
	give_times(&o, "NOOP\r\n", 900);
	ck_assert(!o.closed);
	give_times(&o, "RSET\r\n", 1000);
	ck_assert(o.closed);
	owner_fini(&o);
}
END_TEST

/* A mailing with a few dead addresses is no attack; a list of them is. */
START_TEST(refused_recipients_are_counted_apart)
{
	struct owner o;

	begin(&o, &plain, ANSWER_FIFO);
	give(&o, "MAIL FROM:<a@x>\r\n");
	give_times(&o, "RCPT TO:<no@y>\r\nRCPT TO:<b@y>\r\n", 900);
	ck_assert(!o.closed);
	give_times(&o, "RCPT TO:<no@y>\r\n", 1000);
	ck_assert(o.closed);
	ck_assert_ptr_nonnull(
	    strstr(buf_cstr(&o.log), "reset\nclose too-many-errors\n"));
	owner_fini(&o);
}
END_TEST

/* Before the login nobody has 64 MiB of a refused chunk read, nor a thousand
 * recipients refused, each with its line in the log. */
static const struct {
	const char *label, *script;
	size_t times, replies; /* at most */
} stranger_rows[] = {
    {"RCPT", "RCPT TO:<b@y>\r\n", 100, 21},
    {"BDAT", "BDAT 3\r\nabc", 100, 21},
    {"a chunk of some size", "BDAT 65537\r\n", 1, 1},
    {"the largest chunk a login may send", "BDAT 67108864 LAST\r\n", 1, 1},
};

START_TEST(a_stranger_has_little)
{
	struct smtp_server_opts opts = plain;
	struct owner o;

	opts.require_auth = true;
	begin(&o, &opts, ANSWER_NOW);
	o.replied_count = 0;
	give_times(&o, stranger_rows[_i].script, stranger_rows[_i].times);
	ck_assert_msg(o.closed, "%s", stranger_rows[_i].label);
	ck_assert_uint_le(o.replied_count, stranger_rows[_i].replies);
	owner_fini(&o);
}
END_TEST

/* A client that pipelines without having logged in learns why. */
START_TEST(a_stranger_hears_the_reason)
{
	struct smtp_server_opts opts = plain;
	struct owner o;

	opts.require_auth = true;
	begin(&o, &opts, ANSWER_NOW);
	give(&o, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 3 LAST\r\nabc"
		 "QUIT\r\n");
	ck_assert_str_eq(buf_cstr(&o.wire),
			 "530 5.7.0 Authentication required\r\n"
			 "503 5.5.1 Send MAIL first\r\n"
			 "503 5.5.1 Send MAIL first\r\n"
			 "221 2.0.0 Bye\r\n");
	owner_fini(&o);
}
END_TEST

START_TEST(a_hundred_thousand_recipients)
{
	struct owner o;
	size_t i;
	char line[64];

	begin(&o, &plain, ANSWER_LIFO);
	o.quiet = true;
	give(&o, "MAIL FROM:<a@x>\r\n");
	for (i = 0; i < 100000 && !o.closed; i++) {
		snprintf(line, sizeof(line), "RCPT TO:<u%zu@y>\r\n", i);
		give(&o, line);
	}
	/* One over the cap is to be sent later, and is no error. */
	ck_assert(!o.closed);
	ck_assert_uint_eq(i, 100000);
	ck_assert_uint_eq(o.replied_count, 1 + 1 + 1 + 100000);
	ck_assert_ptr_nonnull(strstr(tail(&o, 120), "452 4.5.3 Too many"));
	buf_clear(&o.wire);
	give_times(&o, "FOO\r\n", 19);
	ck_assert(!o.closed);
	owner_fini(&o);
}
END_TEST

/* More than the ring holds, in one block, answered from the end. */
START_TEST(the_ring_is_bounded)
{
	struct owner o;
	struct buf script;
	char want[32];
	size_t i, most = 0;
	size_t at = 0;
	const char *p;

	buf_init(&script, 1 << 20);
	for (i = 0; i < 500; i++)
		buf_printf(&script, "RCPT TO:<%s%zu@y>\r\n",
			   i % 3 == 0 ? "no" : "u", i);
	buf_add_str(&script, "DATA\r\n");
	begin(&o, &plain, ANSWER_LIFO);
	owner_play(&o, "MAIL FROM:<a@x>\r\n", 17, 0);
	buf_clear(&o.wire);
	while (at < script.n) {
		at += smtp_server_input(o.server,
					slice_from(buf_slice(&script), at));
		if (o.ask_count > most)
			most = o.ask_count;
		owner_move(&o);
	}
	owner_settle_all(&o);
	ck_assert_uint_eq(most, SMTP_TICKETS_MAX);
	for (i = 0, p = buf_cstr(&o.wire); i < 500; i++) {
		snprintf(want, sizeof(want), "%s",
			 i % 3 == 0 ? "550 5.1.2" : "250 2.1.5");
		ck_assert_msg(strncmp(p, want, 9) == 0, "%zu: %.20s", i, p);
		p = strchr(p, '\n') + 1;
	}
	ck_assert_str_eq(p, "354 End data with <CR><LF>.<CR><LF>\r\n");
	ck_assert_ptr_null(o.server->tickets.ring);
	buf_fini(&script);
	owner_fini(&o);
}
END_TEST

/* wake comes once for a drain, not for each of the answers before it. */
START_TEST(wake_comes_when_it_helps)
{
	static const char script[] =
	    "RCPT TO:<1@y>\r\nRCPT TO:<2@y>\r\nRCPT TO:<3@y>\r\nDATA\r\n";
	struct owner o;
	size_t used;

	begin(&o, &plain, ANSWER_FIFO);
	owner_play(&o, "MAIL FROM:<a@x>\r\n", 17, 0);
	o.woken = false;
	used =
	    smtp_server_input(o.server, slice_of(script, sizeof(script) - 1));
	ck_assert_uint_eq(used, sizeof(script) - 1 - 6);
	ck_assert_uint_eq(o.ask_count, 3);
	owner_settle(&o, &o.asks[2]);
	owner_settle(&o, &o.asks[0]);
	ck_assert(!o.woken);
	owner_settle(&o, &o.asks[1]);
	ck_assert(o.woken);
	o.ask_count = 0;
	owner_fini(&o);
}
END_TEST

/* A client that sees the refusal early would stop sending the chunk, and its
 * next command would be eaten as the rest of it. */
START_TEST(a_refused_chunk_is_answered_behind_it)
{
	static const char *const senders[] = {"nodata", "a"};
	struct owner o;
	size_t i;

	for (i = 0; i < 2; i++) {
		struct smtp_server_opts opts = plain;
		char line[64];

		opts.size_max = i == 0 ? 1000 : 5;
		begin(&o, &opts, ANSWER_NOW);
		snprintf(line, sizeof(line), "MAIL FROM:<%s@x>\r\n",
			 senders[i]);
		give(&o, line);
		give(&o, "RCPT TO:<b@y>\r\n");
		buf_clear(&o.wire);
		give(&o, "BDAT 6\r\nQUIT\r");
		ck_assert_uint_eq(o.wire.n, 0);
		give(&o, "\n");
		ck_assert_uint_gt(o.wire.n, 0);
		ck_assert(!o.closed);
		owner_fini(&o);
	}
}
END_TEST

START_TEST(oversized_data_is_read_to_its_end)
{
	static char block[1 << 16];
	struct smtp_server_opts opts = plain;
	struct owner o;
	size_t i;

	for (i = 0; i < sizeof(block); i++)
		block[i] = "0123456789abcd\r\n"[i % 16];
	opts.size_max = 1 << 20;
	begin(&o, &opts, ANSWER_NOW);
	o.quiet = true;
	give(&o, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n");
	for (i = 0; i < 16; i++)
		owner_give(&o, block, sizeof(block));
	ck_assert_uint_eq(o.body_bytes, 1 << 20);
	for (i = 0; i < 8; i++)
		owner_give(&o, block, sizeof(block));
	ck_assert_uint_eq(o.body_bytes, 1 << 20);
	ck_assert(!smtp_server_in_transaction(o.server));
	ck_assert(smtp_server_in_body(o.server));
	buf_clear(&o.wire);
	give(&o, ".\r\nNOOP\r\n");
	ck_assert_str_eq(buf_cstr(&o.wire),
			 "552 5.3.4 Message is 1.5 MB, maximum is 1 MB\r\n"
			 "250 2.0.0 OK\r\n");
	ck_assert_str_eq(buf_cstr(&o.log), "mail a@x\ndata\nreset\n");
	owner_fini(&o);
}
END_TEST

START_TEST(a_message_of_exactly_the_maximum)
{
	struct smtp_server_opts opts = plain;
	struct owner o;

	opts.size_max = 10;
	begin(&o, &opts, ANSWER_NOW);
	give(&o, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n");
	buf_clear(&o.wire);
	give(&o, "..234567\r\n\r\n.\r\n"); /* the stuffing does not count */
	ck_assert_ptr_nonnull(strstr(buf_cstr(&o.wire), "552 5.3.4"));
	give(&o, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n");
	buf_clear(&o.wire);
	give(&o, "..2345\r\n\r\n.\r\n");
	ck_assert_str_eq(buf_cstr(&o.wire), "250 2.0.0 Queued\r\n");
	owner_fini(&o);
}
END_TEST

START_TEST(endless_data_is_cut_off)
{
	static char block[1 << 20];
	struct smtp_server_opts opts = plain;
	struct owner o;
	size_t sent = 0;

	memset(block, 'x', sizeof(block));
	opts.size_max = 1 << 20;
	begin(&o, &opts, ANSWER_NOW);
	o.quiet = true;
	give(&o, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n");
	for (; !o.closed && sent < 200; sent++)
		owner_give(&o, block, sizeof(block));
	ck_assert_uint_le(sent, 66);
	ck_assert_str_eq(buf_cstr(&o.log),
			 "mail a@x\ndata\nreset\nclose endless-data\n");
	owner_fini(&o);
}
END_TEST

START_TEST(long_lines_in_a_message)
{
	static char line[1002];
	struct owner o;

	memset(line, 'x', sizeof(line));
	begin(&o, &plain, ANSWER_NOW);
	o.quiet = true;
	give(&o, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n");
	owner_give(&o, line, 998);
	give(&o, "\r\n");
	owner_give(&o, line, 999);
	buf_clear(&o.wire);
	give(&o, "\r\nQUIT\r\n.\r\nNOOP\r\n");
	ck_assert_str_eq(buf_cstr(&o.wire),
			 "554 5.6.0 Message format error: line over 998 "
			 "characters\r\n250 2.0.0 OK\r\n");
	owner_fini(&o);
}
END_TEST

static void
leave_now(struct owner *o)
{
	smtp_server_shutdown(o->server, 421, "4.3.2", "Service shutting down",
			     "shutdown");
}

#define BYE "421 4.3.2 Service shutting down\r\n"

START_TEST(shutdown_between_commands)
{
	struct owner o;

	begin(&o, &plain, ANSWER_NOW);
	leave_now(&o);
	ck_assert_str_eq(buf_cstr(&o.wire), BYE);
	ck_assert_str_eq(buf_cstr(&o.log), "close shutdown\n");
	leave_now(&o); /* twice is once */
	ck_assert_str_eq(buf_cstr(&o.log), "close shutdown\n");
	owner_fini(&o);
}
END_TEST

START_TEST(shutdown_waits_for_the_answer_to_the_dot)
{
	struct owner o;

	begin(&o, &plain, ANSWER_FIFO);
	owner_play(&o, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 38, 0);
	buf_clear(&o.wire);
	buf_clear(&o.log);
	ck_assert_uint_eq(
	    smtp_server_input(o.server, SLICE_LIT(".\r\nNOOP\r\n")), 3);
	leave_now(&o);
	ck_assert_uint_eq(o.wire.n, 0);
	ck_assert_uint_eq(smtp_server_input(o.server, SLICE_LIT("NOOP\r\n")),
			  0);
	owner_settle_all(&o);
	ck_assert_str_eq(buf_cstr(&o.wire), "250 2.0.0 Queued\r\n" BYE);
	ck_assert_str_eq(buf_cstr(&o.log), "dot\nclose shutdown\n");
	owner_fini(&o);
}
END_TEST

static const struct {
	const char *label, *script, *log;
} body_shutdown[] = {
    {"DATA", "DATA\r\nabc", "data\nabcreset\nclose shutdown\n"},
    {"BDAT", "BDAT 10\r\nabc", "data\nabcreset\nclose shutdown\n"},
    {"BDAT being thrown away", "BDAT 3\r\na%bBDAT 10\r\nabc",
     "data\na\r\nreset\nclose shutdown\n"},
};

START_TEST(shutdown_inside_a_body)
{
	struct owner o;
	const char *script = body_shutdown[_i].script;

	begin(&o, &plain, ANSWER_NOW);
	give(&o, "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n");
	buf_clear(&o.log);
	if (_i == 2) {
		give(&o, "BDAT 9\r\na\r\n");
		owner_give(&o, "\0ab", 3);
	} else {
		give(&o, script);
	}
	buf_clear(&o.wire);
	leave_now(&o);
	ck_assert_str_eq(buf_cstr(&o.wire), BYE);
	ck_assert_str_eq(buf_cstr(&o.log), body_shutdown[_i].log);
	owner_fini(&o);
}
END_TEST

START_TEST(late_answers_after_the_end_are_ignored)
{
	struct owner o;
	struct ask asks[2];

	begin(&o, &plain, ANSWER_FIFO);
	owner_play(&o, "MAIL FROM:<a@x>\r\n", 17, 0);
	smtp_server_input(o.server,
			  SLICE_LIT("RCPT TO:<bye@y>\r\nRCPT TO:<b@y>\r\n"));
	ck_assert_uint_eq(o.ask_count, 2);
	memcpy(asks, o.asks, sizeof(asks));
	o.ask_count = 0;
	owner_settle(&o, &asks[0]);
	ck_assert(o.closed);
	owner_settle(&o, &asks[1]);
	smtp_server_resume(o.server);
	owner_fini(&o);
}
END_TEST

START_TEST(a_reply_is_one_line_of_512)
{
	struct owner o;
	char text[1000];
	size_t i;

	for (i = 0; i < sizeof(text) - 1; i++)
		text[i] = "ab\r\n\x01\xc3\xa4"[i % 7];
	text[sizeof(text) - 1] = '\0';
	begin(&o, &plain, ANSWER_FIFO);
	smtp_server_input(o.server, SLICE_LIT("MAIL FROM:<a@x>\r\n"));
	smtp_server_reply(o.server, o.asks[0].ticket, 550, "5.7.1", text);
	ck_assert_uint_eq(o.wire.n, 512);
	ck_assert_str_eq(tail(&o, 2), "\r\n");
	ck_assert_int_eq(strncmp(buf_cstr(&o.wire), "550 5.7.1 ab?????ab", 19),
			 0);
	ck_assert_ptr_eq(strchr(buf_cstr(&o.wire), '\r'), o.wire.p + 510);
	o.ask_count = 0;
	owner_fini(&o);
}
END_TEST

START_TEST(an_idle_engine_is_small)
{
	struct owner o;

	begin(&o, &plain, ANSWER_LIFO);
	give(&o, "MA");
	give(&o, "IL FROM:<a@x>\r\n");
	give(&o, "RCPT TO:<1@y>\r\nRCPT TO:<2@y>\r\n");
	give(&o, "DATA\r\nabc\r\n.\r\n");
	owner_settle_all(&o);
	ck_assert_uint_lt(sizeof(struct smtp_server), 512);
	ck_assert_ptr_null(o.server->t);
	ck_assert_ptr_null(o.server->line.p);
	ck_assert_ptr_null(o.server->tickets.ring);
	owner_fini(&o);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("smtp/server_limits");
	TCase *tc = tcase_create("limits");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, lines_have_caps, 0,
			    (int)(sizeof(line_rows) / sizeof(line_rows[0])));
	tcase_add_test(tc, a_megabyte_without_a_newline);
	tcase_add_test(tc, an_overlong_auth_answer_cancels);
	tcase_add_test(tc, errors_are_counted);
	tcase_add_test(tc, an_accepted_message_forgives);
	tcase_add_test(tc, commands_that_do_nothing_are_counted);
	tcase_add_test(tc, refused_recipients_are_counted_apart);
	tcase_add_loop_test(tc, a_stranger_has_little, 0,
			    sizeof(stranger_rows) / sizeof(stranger_rows[0]));
	tcase_add_test(tc, a_stranger_hears_the_reason);
	tcase_add_test(tc, a_hundred_thousand_recipients);
	tcase_add_test(tc, the_ring_is_bounded);
	tcase_add_test(tc, wake_comes_when_it_helps);
	tcase_add_test(tc, a_refused_chunk_is_answered_behind_it);
	tcase_add_test(tc, oversized_data_is_read_to_its_end);
	tcase_add_test(tc, a_message_of_exactly_the_maximum);
	tcase_add_test(tc, endless_data_is_cut_off);
	tcase_add_test(tc, long_lines_in_a_message);
	tcase_add_test(tc, shutdown_between_commands);
	tcase_add_test(tc, shutdown_waits_for_the_answer_to_the_dot);
	tcase_add_loop_test(tc, shutdown_inside_a_body, 0, 3);
	tcase_add_test(tc, late_answers_after_the_end_are_ignored);
	tcase_add_test(tc, a_reply_is_one_line_of_512);
	tcase_add_test(tc, an_idle_engine_is_small);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
