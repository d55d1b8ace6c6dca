#include "tests/smtp/dialogue.h"

/*
 * A client that is sent away: whatever it says next is answered with 550, then
 * 421, and the session is over. What it said before is answered in its turn.
 */

#define GONE "550 5.7.1 Blocked\r\n421 4.7.0 Bye now\r\n"
#define OPEN "MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n"

static const struct smtp_server_opts plain = {
    .hostname = "mx.example",
    .size_max = 1 << 20,
    .rcpt_max = 10,
    .mechanisms = "PLAIN LOGIN",
};

static const struct row {
	const char *label, *before, *after, *wire, *log;
} rows[] = {
    {"NOOP", "", "NOOP\r\n", GONE, "close blocked\n"},
    {"EHLO", "", "EHLO y\r\n", GONE, "close blocked\n"},
    {"RSET", OPEN, "RSET\r\n", GONE, "reset\nclose blocked\n"},
    {"QUIT", "", "QUIT\r\n", GONE, "close blocked\n"},
    {"an unknown verb", "", "FOO\r\n", GONE, "close blocked\n"},
    {"an empty line", "", "\r\n", GONE, "close blocked\n"},
    {"a bare LF", "", "NOOP\n", GONE, "close blocked\n"},
    {"another protocol", "", "GET / HTTP/1.1\r\n", GONE, "close blocked\n"},
    {"MAIL", "", "MAIL FROM:<a@x>\r\n", GONE, "close blocked\n"},
    {"RCPT", "MAIL FROM:<a@x>\r\n", "RCPT TO:<b@y>\r\n", GONE,
     "reset\nclose blocked\n"},
    {"DATA", OPEN, "DATA\r\nx\r\n.\r\n", GONE, "reset\nclose blocked\n"},
    {"AUTH", "", "AUTH PLAIN ok\r\n", GONE, "close blocked\n"},
    {"the answer to a challenge", "AUTH LOGIN\r\n", "ok\r\n", GONE,
     "close blocked\n"},
    {"a whole BDAT", OPEN, "BDAT 4 LAST\r\nab\r\n", GONE,
     "reset\nclose blocked\n"},
    {"a BDAT without octets", OPEN, "BDAT 0 LAST\r\n", GONE,
     "reset\nclose blocked\n"},
    {"the second BDAT", OPEN "BDAT 4\r\nab\r\n", "BDAT 8 LAST\r\nNOOP\r\n\r\n",
     GONE, "reset\nclose blocked\n"},
    {"BDAT that says no size", OPEN, "BDAT x\r\n", GONE,
     "reset\nclose blocked\n"},
    {"a BDAT too large to be read", OPEN, "BDAT 99999999999\r\n", GONE,
     "reset\nclose blocked\n"},
    {"BDAT without a transaction", "", "BDAT 3\r\nabc", GONE,
     "close blocked\n"},
    {"behind pipelined recipients", "MAIL FROM:<a@x>\r\n",
     "RCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\n", GONE, "reset\nclose blocked\n"},
    {"the rest of a chunk that has begun", OPEN "BDAT 6\r\nabc",
     "d\r\nNOOP\r\n", "250 2.0.0 6 octets received\r\n" GONE,
     "abcd\r\nreset\nclose blocked\n"},
    {"the dot is the owner's", OPEN "DATA\r\nabc\r\n", "def\r\n.\r\nNOOP\r\n",
     "250 2.0.0 Queued\r\n" GONE, "def\r\ndot\nclose blocked\n"},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static void
play(const struct row *row, int answer, size_t cut)
{
	struct owner o;

	owner_init(&o, &plain, answer, false);
	owner_play(&o, "EHLO x\r\n", 8, 0);
	owner_play(&o, row->before, strlen(row->before), 0);
	buf_clear(&o.wire);
	if (strncmp(row->label, "the rest", 8) != 0)
		buf_clear(&o.log);
	else
		buf_drop(&o.log, o.log.n - 3);
	o.blocked = true;
	owner_play(&o, row->after, strlen(row->after), cut);
	ck_assert_msg(strcmp(buf_cstr(&o.wire), row->wire) == 0,
		      "%s, cut at %zu: %s", row->label, cut, buf_cstr(&o.wire));
	ck_assert_msg(strcmp(buf_cstr(&o.log), row->log) == 0,
		      "%s, cut at %zu: %s", row->label, cut, buf_cstr(&o.log));
	ck_assert(o.closed);
	owner_fini(&o);
}

START_TEST(whatever_comes_next)
{
	const struct row *row = &rows[_i];
	size_t n = strlen(row->after), cut;

	for (cut = 0; cut <= n + 1; cut++) {
		play(row, ANSWER_NOW, cut);
		play(row, ANSWER_FIFO, cut);
	}
}
END_TEST

START_TEST(a_line_too_long)
{
	struct owner o;
	int i;

	owner_init(&o, &plain, ANSWER_NOW, false);
	owner_play(&o, "EHLO x\r\n", 8, 0);
	buf_clear(&o.wire);
	o.blocked = true;
	for (i = 0; i < 100; i++)
		owner_give(&o, "xxxxxxxxxx", 10);
	ck_assert_uint_eq(o.wire.n, 0);
	owner_give(&o, "\r\n", 2);
	ck_assert_str_eq(buf_cstr(&o.wire), GONE);
	owner_fini(&o);
}
END_TEST

/* Questions that are open are answered first, in order. */
START_TEST(what_was_asked_is_answered_first)
{
	static const char script[] = "RCPT TO:<b@y>\r\nRCPT TO:<no@y>\r\n";
	struct owner o;
	size_t used;

	owner_init(&o, &plain, ANSWER_LIFO, false);
	owner_play(&o, "EHLO x\r\nMAIL FROM:<a@x>\r\n", 25, 0);
	buf_clear(&o.wire);
	used =
	    smtp_server_input(o.server, slice_of(script, sizeof(script) - 1));
	ck_assert_uint_eq(used, sizeof(script) - 1);
	o.blocked = true;
	ck_assert_uint_eq(
	    smtp_server_input(o.server, SLICE_LIT("RCPT TO:<c@y>\r\n")), 0);
	owner_settle_all(&o);
	ck_assert(o.woken && !o.closed);
	owner_give(&o, "RCPT TO:<c@y>\r\n", 15);
	ck_assert_str_eq(buf_cstr(&o.wire),
			 "250 2.1.5 OK\r\n550 5.1.2 No such domain\r\n" GONE);
	ck_assert(o.closed);
	owner_fini(&o);
}
END_TEST

/* The reference goes with the reply, not with the answer. */
START_TEST(a_reference_comes_back_with_its_reply)
{
	static const char script[] =
	    "RCPT TO:<a@y>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\n";
	struct owner o;

	owner_init(&o, &plain, ANSWER_FIFO, false);
	owner_play(&o, "EHLO x\r\nMAIL FROM:<a@x>\r\n", 25, 0);
	ck_assert_uint_eq(o.ref, 0);
	(void)smtp_server_input(o.server, slice_of(script, sizeof(script) - 1));
	ck_assert_uint_eq(o.ask_count, 3);
	o.replied_count = 0;
	smtp_server_reply_ref(o.server, o.asks[1].ticket, 450, "4.7.1", "Later",
			      22);
	ck_assert_uint_eq(o.replied_count, 0);
	smtp_server_reply_ref(o.server, o.asks[0].ticket, 450, "4.7.1", "Later",
			      11);
	ck_assert_uint_eq(o.replied_count, 2);
	ck_assert_uint_eq(o.ref, 22);
	smtp_server_reply(o.server, o.asks[2].ticket, 250, NULL, NULL);
	ck_assert_uint_eq(o.ref, 0);
	o.blocked = true;
	owner_give(&o, "BDAT 3\r\nabc", 11);
	ck_assert(o.closed);
	o.ask_count = 0;
	owner_fini(&o);
}
END_TEST

/* A shutdown does not wait for the rest of a chunk. */
START_TEST(a_shutdown_in_the_middle_of_the_refused_chunk)
{
	struct owner o;

	owner_init(&o, &plain, ANSWER_NOW, false);
	owner_play(&o, "EHLO x\r\n" OPEN, strlen("EHLO x\r\n" OPEN), 0);
	buf_clear(&o.wire);
	o.blocked = true;
	owner_give(&o, "BDAT 10\r\nabc", 12);
	ck_assert_str_eq(buf_cstr(&o.wire), "");
	smtp_server_shutdown(o.server, 421, "4.3.2", "Shutting down", "stop");
	ck_assert_str_eq(buf_cstr(&o.wire), "421 4.3.2 Shutting down\r\n");
	ck_assert(o.closed);
	owner_fini(&o);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("smtp/server_dismiss");
	TCase *tc = tcase_create("dismiss");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tc, whatever_comes_next, 0, ROWS);
	tcase_add_test(tc, a_line_too_long);
	tcase_add_test(tc, what_was_asked_is_answered_first);
	tcase_add_test(tc, a_reference_comes_back_with_its_reply);
	tcase_add_test(tc, a_shutdown_in_the_middle_of_the_refused_chunk);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
