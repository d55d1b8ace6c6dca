#include <stddef.h>

#include "policy/decisions.h"
#include "tests/front/world.h"

#include "tests/front/fake_scan.h"

/*
 * size: one behaviour in many rows.
 *
 * The scan step of the dot through a whole front; the scan thread is the
 * test's own (fake_scan.h).
 */

#define HEAD "MIME-Version: 1.0\r\n"
#define PLAIN HEAD "Subject: x\r\n\r\nhello\r\n"
#define MIXED HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
#define TEXT "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
#define ZIP                                                        \
	"--b\r\nContent-Type: application/zip; name=\"a.zip\"\r\n" \
	"Content-Disposition: attachment; filename=\"a.zip\"\r\n"  \
	"Content-Transfer-Encoding: base64\r\n\r\nUEsDBGhlbGxv\r\n"
#define NAMELESS                                   \
	"--b\r\nContent-Type: application/pdf\r\n" \
	"Content-Disposition: attachment\r\n\r\n%PDF\r\n"
#define END "--b--\r\n"
#define WITH_ZIP MIXED TEXT ZIP END
#define WITH_PDF MIXED TEXT NAMELESS END
#define PARTIAL                                                             \
	HEAD "Content-Type: message/partial; id=\"x@y\"; number=1; total=2" \
	     "\r\n\r\nhello\r\n"
/* two boundaries to choose from */
#define AMBIGUOUS                                            \
	HEAD "Content-Type: multipart/mixed; boundary=b\r\n" \
	     "Content-Type: multipart/mixed; boundary=c\r\n\r\n" TEXT ZIP END
#define SIGNED                                                               \
	HEAD "Content-Type: multipart/signed; boundary=s; micalg=sha-256;"   \
	     " protocol=\"application/pkcs7-signature\"\r\n\r\n"             \
	     "--s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" TEXT \
		 ZIP END "\r\n--s\r\n"                                       \
	     "Content-Type: application/pkcs7-signature; name=p7s\r\n"       \
	     "Content-Disposition: attachment; filename=p7s\r\n\r\nxx\r\n"   \
	     "--s--\r\n"

static struct scan *scan;
static struct client client;

static void
open_as(struct world_conf conf, const char *login)
{
	scan = fake_scan_create();
	conf.scan = scan;
	if (conf.scan_wait_ms == 0)
		conf.scan_wait_ms = 60000; /* whoever waits waits for us */
	world_open(&conf);
	client_login(&client, login);
}

static void
open_with(struct world_conf conf)
{
	open_as(conf, "alice");
}

static void
close_all(void)
{
	close(client.fd);
	world_close();
	ck_assert_uint_eq(scan->wrong, 0);
	ck_assert_uint_eq(scan->started, scan->ended);
	fake_scan_destroy(&scan);
}

static struct front_status
status(void)
{
	struct front_status s;

	front_status_get(world.front, &s);
	return s;
}

/* The same with the bytes as they came. */
static const char *
send_mail(struct client *c, const char *content, const char *want)
{
	return client_mail(c, "alice@example.com", content, want);
}

/* Up to the dot, and no answer is waited for. */
static void
begin_mail(struct client *c, const char *content)
{
	client_say(c, "MAIL FROM:<alice@example.com>", "250");
	client_say(c, "RCPT TO:<r@example.net>", "250");
	client_say(c, "DATA", "354");
	client_send(c, content);
	client_send(c, ".\r\n");
}

/* --- verdicts --------------------------------------------------------------
 */

#define OUT(field) offsetof(struct front_status, field)
#define ACCEPTED "250 2.0.0 Accepted as "
#define REFUSED_ZIP "550 5.7.0 Attachment a.zip contains Eicar; message not "

static const struct row {
	const char *label;
	enum scan_kind kind;
	enum scan_why why;
	const char *threat;
	const char *content;
	int infected, down, unscannable;
	const char *want, *also; /* start of the reply; what is in it too */
	int holds;		 /* -1: not accepted */
	int flags;
	size_t count;
} rows[] = {
    {"clean", SCAN_CLEAN, 0, "", WITH_ZIP, SCAN_INFECTED_REJECT, SCAN_DOWN_HOLD,
     SCAN_UNSCANNABLE_REJECT, ACCEPTED, "", 0, 0, OUT(scan_clean)},
    {"infected", SCAN_INFECTED, 0, "Eicar", WITH_ZIP, SCAN_INFECTED_REJECT,
     SCAN_DOWN_OPEN, SCAN_UNSCANNABLE_PASS, REFUSED_ZIP, "sent [", -1, 0,
     OUT(scan_infected)},
    {"infected, no name of a threat", SCAN_INFECTED, 0, "", WITH_ZIP,
     SCAN_INFECTED_REJECT, 0, 0, "550 5.7.0 Attachment a.zip contains a virus;",
     "", -1, 0, OUT(scan_infected)},
    {"infected, no name of a part", SCAN_INFECTED, 0, "Eicar", WITH_PDF,
     SCAN_INFECTED_REJECT, 0, 0,
     "550 5.7.0 A part of type application/pdf contains Eicar;", "", -1, 0,
     OUT(scan_infected)},
    {"infected, a name of many letters", SCAN_INFECTED, 0,
     "Win.Test.012345678901234567890123456789012345678901234567890123456789",
     MIXED "--b\r\nContent-Disposition: attachment; filename=\"q"
	   "0123456789012345678901234567890123456789012345678901234567.exe\""
	   "\r\n\r\nMZ\r\n" END,
     SCAN_INFECTED_REJECT, 0, 0,
     "550 5.7.0 Attachment q01234567890123456789012345678901234567890123456 "
     "contains Win.Test.012345678901234567890123456789012345678;",
     "sent [", -1, 0, OUT(scan_infected)},
    {"infected: quarantine", SCAN_INFECTED, 0, "Eicar", WITH_ZIP,
     SCAN_INFECTED_QUARANTINE, 0, 0, ACCEPTED, "", HOLD_SCAN, 0,
     OUT(scan_infected)},
    {"infected: clean", SCAN_INFECTED, 0, "Eicar", WITH_ZIP,
     SCAN_INFECTED_CLEAN, 0, 0, ACCEPTED, "", HOLD_SCAN, 0, OUT(scan_infected)},
    {"infected: clean, but signed", SCAN_INFECTED, 0, "Eicar", SIGNED,
     SCAN_INFECTED_CLEAN, 0, 0, REFUSED_ZIP, "", -1, 0, OUT(scan_infected)},
    {"infected: discard", SCAN_INFECTED, 0, "Eicar", WITH_ZIP,
     SCAN_INFECTED_DISCARD, 0, 0, ACCEPTED, "", HOLD_SCAN, 0,
     OUT(scan_infected)},
    {"infected: discard silently", SCAN_INFECTED, 0, "Eicar", WITH_ZIP,
     SCAN_INFECTED_DISCARD_SILENTLY, 0, 0, ACCEPTED, "", HOLD_SCAN, 0,
     OUT(scan_infected)},
    {"encrypted: reject", SCAN_UNSCANNABLE, SCAN_WHY_ENCRYPTED, "", WITH_ZIP, 0,
     0, SCAN_UNSCANNABLE_REJECT,
     "550 5.7.0 Attachment a.zip is encrypted and cannot be checked for "
     "viruses; ask the helpdesk how else to send it [",
     "", -1, 0, OUT(scan_unscannable)},
    {"too big: reject", SCAN_UNSCANNABLE, SCAN_WHY_TOO_BIG, "", WITH_ZIP, 0, 0,
     SCAN_UNSCANNABLE_REJECT, "550 5.7.0 Attachment a.zip is too big", "", -1,
     0, OUT(scan_unscannable)},
    {"unscannable for no reason", SCAN_UNSCANNABLE, SCAN_WHY_NONE, "", WITH_ZIP,
     0, 0, SCAN_UNSCANNABLE_REJECT,
     "550 5.7.0 Attachment a.zip cannot be checked", "", -1, 0,
     OUT(scan_unscannable)},
    {"encrypted: hold", SCAN_UNSCANNABLE, SCAN_WHY_ENCRYPTED, "", WITH_ZIP, 0,
     0, SCAN_UNSCANNABLE_HOLD, ACCEPTED, ", held for review [",
     HOLD_UNSCANNABLE, MSG_UNSCANNABLE_HOLD, OUT(scan_unscannable)},
    {"encrypted: pass", SCAN_UNSCANNABLE, SCAN_WHY_ENCRYPTED, "", WITH_ZIP, 0,
     0, SCAN_UNSCANNABLE_PASS, ACCEPTED, "", 0, 0, OUT(scan_unscannable)},
    {"down: hold", SCAN_ERROR, SCAN_WHY_DOWN, "", WITH_ZIP, 0, SCAN_DOWN_HOLD,
     SCAN_UNSCANNABLE_REJECT, ACCEPTED, ", waiting for virus check [",
     HOLD_SCAN, 0, OUT(scan_pending)},
    {"down: hold, of a class that holds", SCAN_ERROR, SCAN_WHY_DOWN, "",
     WITH_ZIP, 0, SCAN_DOWN_HOLD, SCAN_UNSCANNABLE_HOLD, ACCEPTED,
     ", waiting for virus check [", HOLD_SCAN, MSG_UNSCANNABLE_HOLD,
     OUT(scan_pending)},
    {"down: hold, of a class that passes", SCAN_ERROR, SCAN_WHY_SERVER, "",
     WITH_ZIP, 0, SCAN_DOWN_HOLD, SCAN_UNSCANNABLE_PASS, ACCEPTED,
     ", waiting for virus check [", HOLD_SCAN, MSG_UNSCANNABLE_PASS,
     OUT(scan_pending)},
    {"down: open", SCAN_ERROR, SCAN_WHY_DOWN, "", WITH_ZIP, 0, SCAN_DOWN_OPEN,
     0, ACCEPTED, "", 0, 0, OUT(scan_open)},
    {"down: reject", SCAN_ERROR, SCAN_WHY_PROTOCOL, "", WITH_ZIP, 0,
     SCAN_DOWN_REJECT, 0,
     "451 4.3.2 Virus checks are not possible now, try again later [", "", -1,
     0, OUT(messages_refused)},
    /* the walker's own verdicts */
    {"partial: reject", SCAN_CLEAN, 0, "", PARTIAL, 0, 0,
     SCAN_UNSCANNABLE_REJECT, "550 5.7.0 The message is a fragment of another",
     "", -1, 0, OUT(scan_unscannable)},
    {"partial: hold", SCAN_CLEAN, 0, "", PARTIAL, 0, 0, SCAN_UNSCANNABLE_HOLD,
     ACCEPTED, ", held for review [", HOLD_UNSCANNABLE, MSG_UNSCANNABLE_HOLD,
     OUT(scan_unscannable)},
    {"partial: pass", SCAN_CLEAN, 0, "", PARTIAL, 0, 0, SCAN_UNSCANNABLE_PASS,
     ACCEPTED, "", 0, 0, OUT(scan_unscannable)},
    {"partial: pass, but infected", SCAN_INFECTED, 0, "Eicar", PARTIAL, 0, 0,
     SCAN_UNSCANNABLE_PASS,
     "550 5.7.0 The message contains Eicar; message not sent [", "", -1, 0,
     OUT(scan_infected)},
    {"partial: pass, scanner down", SCAN_ERROR, SCAN_WHY_DOWN, "", PARTIAL, 0,
     SCAN_DOWN_HOLD, SCAN_UNSCANNABLE_PASS, ACCEPTED, ", waiting", HOLD_SCAN,
     MSG_UNSCANNABLE_PASS, OUT(scan_pending)},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* The reference of the reply, and what it stands for. */
static void
check_decision(const struct row *row, const char *reply)
{
	const char *ref = strrchr(reply, '[');
	struct decision d;
	uint64_t id;
	char text[ID_TEXT_SIZE];

	if (ref == NULL) {
		if (row->kind == SCAN_INFECTED)
			ck_assert_uint_eq(
			    decisions_of(world.decisions, "alice", NULL, &d, 1),
			    1);
		return;
	}
	snprintf(text, sizeof(text), "%.*s", ID_TEXT_SIZE - 1, ref + 1);
	ck_assert_int_eq(id_parse(slice_str(text), &id), 0);
	ck_assert(decisions_get(world.decisions, id, &d));
	ck_assert_int_eq(d.kind, DECISION_SCAN);
	ck_assert_str_eq(d.stage, "scan");
	ck_assert_int_eq(d.code, atoi(reply));
	ck_assert_str_eq(d.cred, "alice");
	ck_assert_uint_gt(strlen(d.detail), 10);
}

START_TEST(verdicts)
{
	const struct row *row = &rows[_i];
	struct front_status s;
	const char *reply;

	open_with((struct world_conf){
	    .infected = (enum scan_infected)row->infected,
	    .down = (enum scan_down)row->down,
	    .unscannable = (enum scan_unscannable)row->unscannable});
	fake_scan_says(scan, row->kind, row->why, row->threat);
	scan->part = 0;
	reply = send_mail(&client, row->content, row->want);
	ck_assert_msg(strstr(reply, row->also) != NULL, "%s: %s", row->label,
		      reply);
	check_decision(row, reply);
	/* the session goes on */
	client_say(&client, "NOOP", "250");
	s = status();
	if (row->holds >= 0) {
		world_accepts(&world, 1);
		ck_assert_msg(world.holds == row->holds, "%s: holds %d",
			      row->label, world.holds);
		ck_assert_int_eq(world.held, row->holds != 0);
		ck_assert_msg((world.flags &
			       (MSG_UNSCANNABLE_HOLD | MSG_UNSCANNABLE_PASS)) ==
				  row->flags,
			      "%s: flags %x", row->label, world.flags);
	} else {
		ck_assert_int_eq(world.accepted, 0);
		ck_assert_uint_eq(s.messages_refused, 1);
	}
	ck_assert_msg(*(uint64_t *)(void *)((char *)&s + row->count) == 1,
		      "%s: not counted", row->label);
	ck_assert_uint_eq(s.scan_clean + s.scan_infected + s.scan_unscannable +
			      s.scan_pending + s.scan_open,
			  row->count != OUT(messages_refused));
	close_all();
}
END_TEST

/* --- what is asked ---------------------------------------------------------
 */

static const struct {
	const char *label, *content, *parts, *last;
	bool texts;
} asked[] = {
    {"nothing attached", PLAIN, "", "", false},
    {"no header", "hello\r\n", " message/rfc822 7\n", "hello\r\n", false},
    {"a text alone in a multipart", MIXED TEXT END, "", "", false},
    {"a second text", MIXED TEXT TEXT END, " text/plain 5\n", "hello", false},
    {"an attachment", WITH_ZIP, "a.zip application/zip 9\n", "PK\003\004hello",
     false},
    {"two", MIXED TEXT ZIP NAMELESS END,
     "a.zip application/zip 9\n application/pdf 4\n", "%PDF", false},
    {"an empty one",
     MIXED "--b\r\nContent-Disposition: attachment\r\n\r\n\r\n" END, "", "",
     false},
    {"texts too", MIXED TEXT ZIP END,
     " text/plain 5\na.zip application/zip 9\n", "PK\003\004hello", true},
    {"a text alone", PLAIN, " text/plain 7\n", "hello\r\n", true},
};

enum { ASKED = sizeof(asked) / sizeof(asked[0]) };

START_TEST(what_is_asked)
{
	open_with((struct world_conf){.scan_text = asked[_i].texts});
	send_mail(&client, asked[_i].content, "250");
	world_accepts(&world, 1);
	fake_scan_await(scan, &scan->ended, asked[_i].parts[0] != '\0');
	ck_assert_uint_eq(fake_scan_count(scan, &scan->started),
			  asked[_i].parts[0] != '\0');
	ck_assert_msg(strcmp(scan->names, asked[_i].parts) == 0, "%s: %s",
		      asked[_i].label, scan->names);
	ck_assert_str_eq(scan->content, asked[_i].last);
	if (asked[_i].parts[0] != '\0')
		ck_assert_str_eq(scan->login, "alice");
	else /* not even whether it is known */
		ck_assert_uint_eq(scan->asked, 0);
	close_all();
}
END_TEST

START_TEST(known_ones_do_not_wait)
{
	open_with((struct world_conf){0});
	scan->known = true;
	fake_scan_pause(scan, true);
	for (int i = 0; i < 5; i++)
		send_mail(&client, WITH_ZIP, "250");
	world_accepts(&world, 5);
	ck_assert_uint_eq(fake_scan_count(scan, &scan->asked), 5);
	ck_assert_uint_eq(fake_scan_count(scan, &scan->started), 0);
	ck_assert_uint_eq(status().scan_clean, 5);
	ck_assert(status().scan_wait_p99_ms == 0);
	close_all();
}
END_TEST

START_TEST(ambiguous_ones_as_a_whole)
{
	char whole[64];

	open_with((struct world_conf){0});
	send_mail(&client, AMBIGUOUS, "250");
	fake_scan_await(scan, &scan->ended, 1);
	snprintf(whole, sizeof(whole), " message/rfc822 %u\n",
		 (unsigned)strlen(AMBIGUOUS));
	ck_assert_msg(strstr(scan->names, whole) != NULL, "%s", scan->names);
	ck_assert_str_eq(scan->content, AMBIGUOUS);
	close_all();
}
END_TEST

static char *
many(size_t count)
{
	struct buf out;
	char *text;

	buf_init(&out, 1 << 20);
	buf_add_str(&out, MIXED);
	for (size_t i = 0; i < count; i++)
		buf_printf(&out,
			   "--b\r\nContent-Disposition: attachment\r\n\r\n%u"
			   "\r\n",
			   (unsigned)i);
	buf_add_str(&out, END);
	text = mem_strdup(buf_cstr(&out));
	buf_fini(&out);
	return text;
}

START_TEST(as_many_as_are_looked_at)
{
	char *text = many(1000);

	open_with((struct world_conf){0});
	send_mail(&client, text, "250");
	fake_scan_await(scan, &scan->ended, 1);
	ck_assert_uint_eq(scan->part_count, 1000);
	free(text);
	close_all();
}
END_TEST

START_TEST(more_than_are_looked_at)
{
	char *text = many(1001);

	open_with((struct world_conf){.unscannable = SCAN_UNSCANNABLE_REJECT});
	send_mail(&client, text,
		  "550 5.7.0 The message has too many parts, or too deep "
		  "ones, to be checked for viruses; ask the helpdesk");
	ck_assert_uint_eq(fake_scan_count(scan, &scan->started), 0);
	close_all();
	/* and the rest of it is looked at where it may pass */
	open_with((struct world_conf){.unscannable = SCAN_UNSCANNABLE_PASS});
	send_mail(&client, text, "250");
	fake_scan_await(scan, &scan->ended, 1);
	ck_assert_uint_eq(scan->part_count, 1001);
	free(text);
	close_all();
}
END_TEST

/* Streamed to the disk while it arrives, and read from there. */
START_TEST(a_large_one)
{
	struct buf out;

	open_with((struct world_conf){0});
	buf_init(&out, 1 << 20);
	buf_add_str(&out, MIXED TEXT);
	buf_add_str(&out, "--b\r\nContent-Type: application/x; name=big\r\n"
			  "Content-Disposition: attachment\r\n\r\n");
	for (int i = 0; i < 10000; i++)
		buf_printf(&out, "%06d,%06d,%06d,%06d,%06d,%06d,%06d,%06d\r\n",
			   i, i, i, i, i, i, i, i);
	buf_add_str(&out, END);
	send_mail(&client, buf_cstr(&out), "250");
	fake_scan_await(scan, &scan->ended, 1);
	ck_assert_str_eq(scan->names, "big application/x 569998\n");
	buf_fini(&out);
	close_all();
}
END_TEST

/* --- the wait --------------------------------------------------------------
 */

START_TEST(others_do_not_wait)
{
	struct client other;

	open_with((struct world_conf){0});
	fake_scan_pause(scan, true);
	begin_mail(&client, WITH_ZIP);
	fake_scan_await(scan, &scan->started, 1);
	client_login(&other, "bob");
	for (int i = 0; i < 20; i++)
		client_mail(&other, "bob@example.com", PLAIN, "250");
	world_accepts(&world, 20);
	ck_assert_int_eq(poll(&(struct pollfd){client.fd, POLLIN, 0}, 1, 0), 0);
	fake_scan_pause(scan, false);
	client_next(&client, ACCEPTED, "the one that waited");
	world_accepts(&world, 21);
	ck_assert(status().scan_wait_p99_ms > 0);
	close(other.fd);
	close_all();
}
END_TEST

/* What came behind the dot is run behind its answer. */
START_TEST(commands_behind_it)
{
	open_with((struct world_conf){0});
	fake_scan_pause(scan, true);
	begin_mail(&client, WITH_ZIP);
	client_send(&client, "RSET\r\nMAIL FROM:<alice@example.com>\r\n");
	fake_scan_await(scan, &scan->started, 1);
	fake_scan_pause(scan, false);
	client_next(&client, ACCEPTED, "dot");
	client_next(&client, "250 2.0.0 OK", "RSET");
	client_next(&client, "250 2.1.0", "MAIL");
	world_accepts(&world, 1);
	close_all();
}
END_TEST

START_TEST(time_is_over)
{
	int64_t began_ms = clock_mono_ms();
	const char *reply;

	open_with((struct world_conf){.scan_wait_ms = 300, .idle_ms = 100});
	fake_scan_pause(scan, true);
	reply = send_mail(&client, WITH_ZIP, ACCEPTED);
	ck_assert_ptr_nonnull(strstr(reply, ", waiting for virus check ["));
	ck_assert_int_ge(clock_mono_ms() - began_ms, 290);
	world_accepts(&world, 1);
	ck_assert_int_eq(world.holds, HOLD_SCAN);
	ck_assert_uint_eq(fake_scan_count(scan, &scan->canceled), 1);
	ck_assert_uint_eq(status().scan_pending, 1);
	close_all();
}
END_TEST

/* The verdict was on its way when the time was over: it counts. */
START_TEST(in_the_last_moment)
{
	open_with((struct world_conf){.scan_wait_ms = 200});
	fake_scan_says(scan, SCAN_INFECTED, 0, "Eicar");
	fake_scan_pause(scan, true);
	scan->verdict_wins = true;
	send_mail(&client, WITH_ZIP, "550 5.7.0 Attachment a.zip contains");
	ck_assert_uint_eq(fake_scan_count(scan, &scan->canceled), 1);
	ck_assert_int_eq(world.accepted, 0);
	close_all();
}
END_TEST

static const struct limit_rate one = {LIMIT_MESSAGES, 1, 3600000, 0};
static const struct limit_conf person = {
    .name = "person",
    .per = LIMIT_CRED,
    .bits4 = 32,
    .bits6 = 64,
    .rates = &one,
    .rate_count = 1,
    .over = LIMIT_REJECT,
};
static const struct limits_conf limits = {.limits = &person, .limit_count = 1};

START_TEST(refused_is_not_charged)
{
	open_with((struct world_conf){.limits = &limits});
	fake_scan_says(scan, SCAN_INFECTED, 0, "Eicar");
	for (int i = 0; i < 3; i++)
		send_mail(&client, WITH_ZIP, "550 5.7.0");
	send_mail(&client, PLAIN, "250");
	client_say(&client, "MAIL FROM:<alice@example.com>", "250");
	client_say(&client, "RCPT TO:<r@example.net>", "550 5.7.1 Sending");
	world_accepts(&world, 1);
	close_all();
}
END_TEST

/* Nothing is kept of it, nothing charged; its bytes live until the scan thread
 * has done with them. */
START_TEST(the_client_goes)
{
	struct world_conf conf = {.limits = &limits};

	open_with(conf);
	fake_scan_pause(scan, true);
	begin_mail(&client, WITH_ZIP);
	fake_scan_await(scan, &scan->started, 1);
	close(client.fd);
	while (status().sessions > 0)
		usleep(1000);
	fake_scan_await(scan, &scan->ended, 1);
	ck_assert_str_eq(scan->content, "PK\003\004hello");
	client_login(&client, "alice");
	send_mail(&client, PLAIN, "250");
	world_accepts(&world, 1);
	close_all();
}
END_TEST

/* At every moment of a scan, large messages and small ones. */
START_TEST(clients_come_and_go)
{
	char *large = many(1000);
	unsigned started = 0;

	open_with((struct world_conf){.scan_wait_ms = 30});
	for (int i = 0; i < 40; i++) {
		struct client c;

		client_login(&c, "alice");
		begin_mail(&c, i % 2 == 0 ? large : WITH_ZIP);
		if (i % 4 < 2)
			fake_scan_await(scan, &scan->started, ++started);
		else
			started = fake_scan_count(scan, &scan->started);
		if (i % 5 == 0)
			client_next(&c, "250", "answered");
		close(c.fd);
		fake_scan_pause(scan, i % 3 == 0);
	}
	fake_scan_pause(scan, false);
	free(large);
	close_all();
}
END_TEST

START_TEST(the_front_stops)
{
	open_with((struct world_conf){.down = (enum scan_down)_i});
	fake_scan_pause(scan, true);
	begin_mail(&client, WITH_ZIP);
	fake_scan_await(scan, &scan->started, 1);
	front_stop(&world.front, 10000);
	ck_assert_ptr_nonnull(strstr(client_next(&client, ACCEPTED, "dot"),
				     ", waiting for virus"));
	client_next(&client, "421 4.3.2", "stop");
	world_accepts(&world, 1);
	ck_assert_int_eq(world.holds, HOLD_SCAN);
	close_all();
}
END_TEST

/* Whom nobody waits for any more, its scan does. */
START_TEST(the_front_stops_behind_a_client)
{
	open_with((struct world_conf){0});
	fake_scan_pause(scan, true);
	begin_mail(&client, WITH_ZIP);
	fake_scan_await(scan, &scan->started, 1);
	close(client.fd);
	front_stop(&world.front, 0);
	ck_assert_uint_eq(fake_scan_count(scan, &scan->ended), 1);
	client.fd = -1;
	close_all();
}
END_TEST

START_TEST(blocked_meanwhile)
{
	const struct block block = {
	    .id = id_next(),
	    .kind = BLOCK_CRED,
	    .value = "alice",
	    .author = "test",
	    .reason = "",
	    .made_wall_s = clock_wall_s(),
	};
	struct buf error;
	uint64_t id;

	buf_init(&error, 1000);
	open_with((struct world_conf){0});
	fake_scan_pause(scan, true);
	begin_mail(&client, WITH_ZIP);
	fake_scan_await(scan, &scan->started, 1);
	ck_assert_int_eq(blocklist_add(world.blocklist, &block, &id, &error),
			 0);
	fake_scan_pause(scan, false);
	client_next(&client, "550 5.7.1 Sending is disabled", "dot");
	client_next(&client, "421 4.7.0", "goodbye");
	client_closed(&client);
	ck_assert_int_eq(world.accepted, 0);
	client.fd = -1;
	buf_fini(&error);
	close_all();
}
END_TEST

/* --- settings --------------------------------------------------------------
 */

START_TEST(switched_on_and_off)
{
	open_with((struct world_conf){0});
	fake_scan_says(scan, SCAN_INFECTED, 0, "Eicar");
	scan->off = true;
	send_mail(&client, WITH_ZIP, "250");
	/* while one is on its way */
	client_say(&client, "MAIL FROM:<alice@example.com>", "250");
	client_say(&client, "RCPT TO:<r@example.net>", "250");
	client_say(&client, "DATA", "354");
	client_send(&client, MIXED TEXT);
	pthread_mutex_lock(&scan->lock);
	scan->off = false;
	pthread_mutex_unlock(&scan->lock);
	client_send(&client, ZIP END);
	client_say(&client, ".", "250");
	send_mail(&client, WITH_ZIP, "550");
	world_accepts(&world, 2);
	close_all();
}
END_TEST

START_TEST(bypassed)
{
	open_with((struct world_conf){.down = SCAN_DOWN_REJECT});
	fake_scan_says(scan, SCAN_INFECTED, 0, "Eicar");
	scan->bypass_until_wall_s = clock_wall_s() + 3600;
	send_mail(&client, WITH_ZIP, "250");
	send_mail(&client, PLAIN, "250");
	send_mail(&client, PARTIAL, "250");
	world_accepts(&world, 3);
	ck_assert_int_eq(world.holds, 0);
	ck_assert_uint_eq(fake_scan_count(scan, &scan->started), 0);
	ck_assert_uint_eq(status().scan_open, 2);
	/* What is known to be infected is refused even now. */
	pthread_mutex_lock(&scan->lock);
	scan->virus = true;
	pthread_mutex_unlock(&scan->lock);
	send_mail(&client, WITH_ZIP, "550");
	send_mail(&client, PLAIN, "250");
	world_accepts(&world, 4);
	ck_assert_uint_eq(status().scan_open, 2);
	ck_assert_uint_eq(status().scan_infected, 1);
	ck_assert_uint_eq(fake_scan_count(scan, &scan->started), 0);
	pthread_mutex_lock(&scan->lock);
	scan->virus = false;
	scan->bypass_until_wall_s = 0;
	pthread_mutex_unlock(&scan->lock);
	/* begun while one waits */
	fake_scan_says(scan, SCAN_ERROR, SCAN_WHY_DOWN, "");
	fake_scan_pause(scan, true);
	begin_mail(&client, WITH_ZIP);
	fake_scan_await(scan, &scan->started, 1);
	pthread_mutex_lock(&scan->lock);
	scan->bypass_until_wall_s = clock_wall_s() + 3600;
	pthread_mutex_unlock(&scan->lock);
	fake_scan_pause(scan, false);
	client_next(&client, "250", "dot");
	world_accepts(&world, 5);
	ck_assert_int_eq(world.holds, 0);
	close_all();
}
END_TEST

START_TEST(classes)
{
	struct world_conf conf = {
	    .down = SCAN_DOWN_HOLD,
	    .unscannable = SCAN_UNSCANNABLE_REJECT,
	    .bound_down = 1 + SCAN_DOWN_REJECT,
	    .bound_unscannable = 1 + SCAN_UNSCANNABLE_HOLD,
	};

	open_as(conf, "bob");
	fake_scan_says(scan, SCAN_ERROR, SCAN_WHY_DOWN, "");
	client_mail(&client, "bob@example.com", MIXED ZIP END, "451 4.3.2");
	fake_scan_says(scan, SCAN_UNSCANNABLE, SCAN_WHY_ENCRYPTED, "");
	ck_assert_ptr_nonnull(strstr(
	    client_mail(&client, "bob@example.com", MIXED ZIP END, ACCEPTED),
	    ", held for review ["));
	world_accepts(&world, 1);
	ck_assert_int_eq(world.holds, HOLD_UNSCANNABLE);
	close_all();
}
END_TEST

/* Both hold it; who has to let it go is what the client hears. */
START_TEST(over_a_limit_too)
{
	struct limit_conf holds = person;
	struct limits_conf conf = {.limits = &holds, .limit_count = 1};
	const char *reply;

	holds.over = LIMIT_HOLD;
	open_with((struct world_conf){.limits = &conf});
	fake_scan_says(scan, SCAN_ERROR, SCAN_WHY_DOWN, "");
	send_mail(&client, PLAIN, "250");
	reply = send_mail(&client, WITH_ZIP, ACCEPTED);
	ck_assert_ptr_nonnull(strstr(reply, ", held for review ["));
	world_accepts(&world, 2);
	ck_assert_int_eq(world.holds, HOLD_SCAN | HOLD_LIMIT);
	close_all();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scan");
	TCase *tc = tcase_create("dot");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, verdicts, 0, ROWS);
	tcase_add_loop_test(tc, what_is_asked, 0, ASKED);
	tcase_add_test(tc, known_ones_do_not_wait);
	tcase_add_test(tc, ambiguous_ones_as_a_whole);
	tcase_add_test(tc, as_many_as_are_looked_at);
	tcase_add_test(tc, more_than_are_looked_at);
	tcase_add_test(tc, a_large_one);
	tcase_add_test(tc, others_do_not_wait);
	tcase_add_test(tc, commands_behind_it);
	tcase_add_test(tc, time_is_over);
	tcase_add_test(tc, in_the_last_moment);
	tcase_add_test(tc, refused_is_not_charged);
	tcase_add_test(tc, the_client_goes);
	tcase_add_test(tc, clients_come_and_go);
	tcase_add_loop_test(tc, the_front_stops, 0, 3);
	tcase_add_test(tc, the_front_stops_behind_a_client);
	tcase_add_test(tc, blocked_meanwhile);
	tcase_add_test(tc, switched_on_and_off);
	tcase_add_test(tc, bypassed);
	tcase_add_test(tc, classes);
	tcase_add_test(tc, over_a_limit_too);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
