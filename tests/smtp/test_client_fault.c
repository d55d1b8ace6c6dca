/*
 * Next hops that die, lie, drip and stay silent, at each step of a
 * transaction. Deadlines are real ones of 150 ms: what is tested is that they
 * end the step, not how long they are.
 */
#include "tests/smtp/client_help.h"

#define HELLO "S220 mx.test\nCEHLO relay.test\nS250-mx.test|250 PIPELINING\n"
#define BARE "S220 mx.test\nCEHLO relay.test\nS250 mx.test\n"
#define ENVELOPE "CMAIL\nCRCPT\nCDATA\n"
#define GO ENVELOPE "S250 ok|250 ok|354 go\n"
#define BODY "Subject: x\r\n\r\nhi\r\n"

static const struct smtp_client_timeouts short_ones = {
    .connect_ms = 150,
    .greeting_ms = 150,
    .command_ms = 150,
    .data_block_ms = 150,
    .dot_ms = 150,
};

/* ---- Before there is a client ---- */

static const struct {
	const char *label, *script;
	int err;
	const char *text;
} connects[] = {
    {"drops at once", "X\n", GW_ECLOSED, "greeting: "},
    {"closes at once", "F\n", GW_ECLOSED, "greeting: "},
    {"never greets", "H\n", GW_ETIMEDOUT, "greeting: timed out"},
    {"drips its greeting", "P2\n", GW_ETIMEDOUT, "greeting: timed out"},
    {"greets with garbage", "SSSH-2.0-OpenSSH_9.2\n", GW_EPROTO,
     "greeting: not an SMTP reply"},
    {"greets with HTTP", "SHTTP/1.1 400 Bad Request\n", GW_EPROTO,
     "greeting: not an SMTP reply"},
    {"half a greeting, then EOF", "R220 he\nF\n", GW_ECLOSED, "greeting: "},
    {"a code of 1xx", "S120 wait\n", GW_EPROTO, "greeting: "},
    {"two greetings at once", "S220 a|220 b\n", GW_EPROTO,
     "greeting: bytes that nobody asked for"},
    {"drops at EHLO", "S220 x\nCEHLO\nX\n", GW_ECLOSED, "EHLO: "},
    {"never answers EHLO", "S220 x\nCEHLO\nH\n", GW_ETIMEDOUT,
     "EHLO: timed out"},
    {"drips lines of EHLO for ever", "S220 x\nCEHLO\nP250-x|\n", GW_ETIMEDOUT,
     "EHLO: timed out"},
    {"codes that differ", "S220 x\nCEHLO\nS250-a|220 b\n", GW_EPROTO,
     "EHLO: not an SMTP reply"},
    {"never answers HELO", "S220 x\nCEHLO\nS500 what\nCHELO\nH\n", GW_ETIMEDOUT,
     "HELO: timed out"},
};

START_TEST(test_connect)
{
	struct bench b;
	struct smtp_client_req req;

	bench_init(&b, connects[_i].label, &connects[_i].script, 1);
	req = bench_req(&b);
	req.timeouts = short_ones;
	bench_connect(&b, &req);
	ck_assert_ptr_null(b.client);
	if (b.connect.code == 0)
		ck_assert_msg(b.connect.err == connects[_i].err, "%s: %d %s",
			      b.label, b.connect.err, b.connect.text);
	ck_assert_msg(strncmp(b.connect.text, connects[_i].text,
			      strlen(connects[_i].text)) == 0,
		      "%s: %s", b.label, b.connect.text);
	bench_fini(&b);
}
END_TEST

START_TEST(test_nobody_listens)
{
	struct bench b;
	struct smtp_client_req req;

	bench_init(&b, "a closed port", NULL, 0);
	req = bench_req(&b);
	req.to.port = 1;
	bench_connect(&b, &req);
	ck_assert_int_eq(b.connect.err, GW_EREFUSED);
	ck_assert_str_eq(b.connect.text, "connect: connection refused");
	bench_fini(&b);
}
END_TEST

/* Cut off after n turns of the loop, wherever that is. */
START_TEST(test_connect_cancel)
{
	static const char *const scripts[] = {HELLO};
	struct smtp_connect_op *op;
	struct smtp_client_req req;
	struct bench b;

	bench_init(&b, "cancelled", scripts, 1);
	req = bench_req(&b);
	op = smtp_connect_start(b.loop, &req, on_connected, &b);
	for (int i = 0; i < _i && !b.connected; i++)
		loop_turn(b.loop);
	if (b.connected)
		op = NULL;
	smtp_connect_cancel(&op);
	ck_assert_ptr_null(op);
	smtp_client_close(&b.client);
	b.connected = false;
	turn_some(b.loop);
	ck_assert(!b.connected);
	bench_fini(&b);
}
END_TEST

/* ---- With a message ---- */

static const struct {
	const char *label, *script;
	int err, code;
	const char *text;
	bool unknown;
} sends[] = {
    {"drops at MAIL", HELLO ENVELOPE "X\n", GW_ECLOSED, 0, "MAIL: ", false},
    {"never answers MAIL", HELLO "H\n", GW_ETIMEDOUT, 0, "MAIL: timed out",
     false},
    {"drips the answer to MAIL", HELLO "CMAIL\nP250 o\n", GW_ETIMEDOUT, 0,
     "MAIL: timed out", false},
    {"garbage for MAIL", HELLO "CMAIL\nSok\n", GW_EPROTO, 0,
     "MAIL: not an SMTP reply", false},
    {"334 for MAIL", HELLO "CMAIL\nS334 go\n", GW_EPROTO, 0, "MAIL: ", false},
    {"421 for MAIL", HELLO ENVELOPE "S421 4.4.2 idle\nF\n", 0, 421, "idle",
     false},
    {"drops at RCPT", HELLO ENVELOPE "S250 ok\nF\n", GW_ECLOSED, 0,
     "RCPT: ", false},
    {"never answers RCPT", HELLO ENVELOPE "S250 ok\nH\n", GW_ETIMEDOUT, 0,
     "RCPT: timed out", false},
    {"354 for RCPT", HELLO ENVELOPE "S250 ok|354 go|354 go\n", GW_EPROTO, 0,
     "RCPT: ", false},
    {"drops at DATA", HELLO ENVELOPE "S250 ok|250 ok\nF\n", GW_ECLOSED, 0,
     "DATA: ", false},
    {"never answers DATA", HELLO ENVELOPE "S250 ok|250 ok\nH\n", GW_ETIMEDOUT,
     0, "DATA: timed out", false},
    {"250 for DATA", HELLO ENVELOPE "S250 ok|250 ok|250 ok\n", GW_EPROTO, 0,
     "DATA: ", false},
    {"step by step: one answer too many", BARE "CMAIL\nS250 ok|250 ok\nH\n",
     GW_EPROTO, 0, "RCPT: ", false},
    {"never answers the dot", HELLO GO "D\nH\n", GW_ETIMEDOUT, 0,
     "end of data: timed out", true},
    {"drips the answer to the dot", HELLO GO "D\nP250-ok \n", GW_ETIMEDOUT, 0,
     "end of data: timed out", true},
    {"drops after the dot", HELLO GO "D\nX\n", GW_ECLOSED, 0,
     "end of data: ", true},
    {"closes after the dot", HELLO GO "D\nF\n", GW_ECLOSED, 0,
     "end of data: ", true},
    {"half an answer to the dot", HELLO GO "D\nR250 o\nF\n", GW_ECLOSED, 0,
     "end of data: ", true},
    {"garbage after the dot", HELLO GO "D\nSthanks\n", GW_EPROTO, 0,
     "end of data: not an SMTP reply", true},
    {"354 after the dot", HELLO GO "D\nS354 more\n", GW_EPROTO, 0,
     "end of data: ", true},
    {"421 after the dot is an answer", HELLO GO "D\nS421 4.3.2 down\nF\n", 0,
     421, "down", false},
    {"no recipient, and the lone dot is never answered",
     HELLO ENVELOPE "S250 ok|550 no|354 go\nD\nH\n", 0, 550, "no", false},
};

static void
send_one(struct bench *b)
{
	struct smtp_send_rcpt rcpt = {.address = "b@b.test"};
	struct smtp_send_req req = {
	    .mail_from = "a@a.test", .rcpts = &rcpt, .rcpt_count = 1};

	bench_send(b, &req);
}

START_TEST(test_send)
{
	struct smtp_client_req to;
	struct bench b;

	bench_init(&b, sends[_i].label, &sends[_i].script, 1);
	to = bench_req(&b);
	to.timeouts = short_ones;
	bench_connect(&b, &to);
	ck_assert_ptr_nonnull(b.client);
	bench_body(&b, BODY, strlen(BODY));
	send_one(&b);
	ck_assert_msg(b.rcpts[0].err == sends[_i].err &&
			  b.rcpts[0].code == sends[_i].code,
		      "%s: err %d code %d %s", b.label, b.rcpts[0].err,
		      b.rcpts[0].code, b.rcpts[0].text);
	ck_assert_msg(strncmp(b.rcpts[0].text, sends[_i].text,
			      strlen(sends[_i].text)) == 0,
		      "%s: %s", b.label, b.rcpts[0].text);
	ck_assert_msg(b.unknown == sends[_i].unknown, "%s", b.label);
	ck_assert_msg(!smtp_client_usable(b.client), "%s", b.label);
	/* and the next message is told so */
	send_one(&b);
	ck_assert_int_eq(b.rcpts[0].err, GW_ECLOSED);
	ck_assert(!b.unknown);
	bench_fini(&b);
}
END_TEST

/* ---- The body: no dot unless all is well ---- */

static const struct {
	const char *label, *body;
	int read_err;
	int err;
} bodies[] = {
    {"the spool cannot be read", BODY, GW_EIO, GW_EIO},
    {"the spool was altered", BODY, GW_ECORRUPT, GW_ECORRUPT},
    {"nothing could be read", "", GW_EIO, GW_EIO},
    {"bare LF", "a\r\nb\nc\r\n", 0, GW_ECORRUPT},
    {"bare CR", "a\r\nb\rc\r\n", 0, GW_ECORRUPT},
    {"a dot between bare line ends", "a\r\n\n.\n\r\n", 0, GW_ECORRUPT},
    {"CR at the end", "a\r\nb\r", 0, GW_ECORRUPT},
};

START_TEST(test_body)
{
	static const char *const scripts[] = {HELLO GO "D\nS250 oh no\n"};
	struct smtp_client_req to;
	struct bench b;

	bench_init(&b, bodies[_i].label, scripts, 1);
	to = bench_req(&b);
	bench_connect(&b, &to);
	bench_body(&b, bodies[_i].body, strlen(bodies[_i].body));
	b.read_err = bodies[_i].read_err;
	send_one(&b);
	ck_assert_msg(b.rcpts[0].err == bodies[_i].err, "%s: %d %s", b.label,
		      b.rcpts[0].err, b.rcpts[0].text);
	ck_assert(!b.unknown);
	ck_assert(!smtp_client_usable(b.client));
	TURN_UNTIL(b.loop, script_peer_gone(b.server), b.label);
	bench_fini(&b);
}
END_TEST

/* A last line without its end gets one; an empty message is only a dot. */
static const struct {
	const char *body, *sent;
} ends[] = {{"a", "a\r\n"}, {"", ""}, {".", "..\r\n"}, {"\r\n", "\r\n"}};

START_TEST(test_body_end)
{
	static const char *const scripts[] = {HELLO GO "D\nS250 ok\n"};
	struct smtp_client_req to;
	struct bench b;

	bench_init(&b, ends[_i].body, scripts, 1);
	to = bench_req(&b);
	bench_connect(&b, &to);
	bench_body(&b, ends[_i].body, strlen(ends[_i].body));
	send_one(&b);
	ck_assert_int_eq(b.rcpts[0].code, 250);
	ck_assert(slice_eq(script_body(b.server), slice_str(ends[_i].sent)));
	bench_fini(&b);
}
END_TEST

#define BIG ((size_t)32 << 20)

static char *
big_body(void)
{
	char *body = mem_alloc(BIG);

	memset(body, 'x', BIG);
	for (size_t i = 62; i + 1 < BIG; i += 64)
		memcpy(body + i, "\r\n", 2);
	return body;
}

static const struct {
	const char *label, *script;
	int err, code;
} big[] = {
    {"552 in the middle of the body", HELLO GO "N100000\nS552 big\nH\n", 0,
     552},
    {"421 in the middle of the body", HELLO GO "N100000\nS421 down\nF\n", 0,
     421},
    {"250 in the middle of the body", HELLO GO "N100000\nS250 ok\nH\n",
     GW_EPROTO, 0},
    {"drops in the middle of the body", HELLO GO "N100000\nX\n", GW_ECLOSED, 0},
    {"stops reading in the middle of the body", HELLO GO "N100000\nW\n",
     GW_ETIMEDOUT, 0},
};

START_TEST(test_big)
{
	struct smtp_client_req to;
	struct bench b;
	char *body = big_body();

	bench_init(&b, big[_i].label, &big[_i].script, 1);
	to = bench_req(&b);
	to.timeouts = short_ones;
	bench_connect(&b, &to);
	bench_body(&b, body, BIG);
	send_one(&b);
	ck_assert_msg(b.rcpts[0].err == big[_i].err &&
			  b.rcpts[0].code == big[_i].code,
		      "%s: err %d code %d %s", b.label, b.rcpts[0].err,
		      b.rcpts[0].code, b.rcpts[0].text);
	ck_assert(!b.unknown);
	ck_assert(!smtp_client_usable(b.client));
	bench_fini(&b);
	free(body);
}
END_TEST

/* ---- Idle ---- */

static const char *const idle[] = {
    HELLO "Z\nS421 4.4.2 idle\nF\n",
    HELLO "Z\nF\n",
    HELLO "Z\nX\n",
    HELLO "Z\nSwhat are you waiting for\n",
};

START_TEST(test_idle)
{
	struct smtp_client_req to;
	struct bench b;

	bench_init(&b, idle[_i], &idle[_i], 1);
	to = bench_req(&b);
	bench_connect(&b, &to);
	ck_assert_ptr_nonnull(b.client);
	TURN_UNTIL(b.loop, !smtp_client_usable(b.client), b.label);
	send_one(&b);
	ck_assert_int_eq(b.rcpts[0].err, GW_ECLOSED);
	bench_fini(&b);
}
END_TEST

/* Cancelled after n turns: silent, and the connection is gone. */
START_TEST(test_send_cancel)
{
	static const char *const scripts[] = {HELLO GO "D\nS250 ok\n"};
	struct smtp_send_rcpt rcpt = {.address = "b@b.test"};
	struct smtp_send_req req = {
	    .mail_from = "a@a.test", .rcpts = &rcpt, .rcpt_count = 1};
	struct smtp_client_req to;
	struct smtp_send_op *op;
	struct bench b;

	bench_init(&b, "cancelled", scripts, 1);
	to = bench_req(&b);
	bench_connect(&b, &to);
	bench_body(&b, BODY, strlen(BODY));
	op = bench_send_start(&b, &req);
	for (int i = 0; i < _i && b.sent == 0; i++)
		loop_turn(b.loop);
	if (b.sent == 0) {
		smtp_send_cancel(&op);
		ck_assert(!smtp_client_usable(b.client));
		turn_some(b.loop);
		ck_assert_uint_eq(b.sent, 0);
	}
	bench_fini(&b);
}
END_TEST

/* The client may go inside done, and with it all it stands on. */
static void
on_sent_close(void *arg, const struct smtp_reply *rcpts, uint32_t count,
	      bool unknown)
{
	struct bench *b = arg;

	smtp_client_close(&b->client);
	on_sent(arg, rcpts, count, unknown);
}

static const char *const closers[] = {
    HELLO GO "D\nS250 ok\nCQUIT\n",
    HELLO GO "D\nX\n",
    HELLO "Z\nSgarbage\n",
    HELLO GO "D\nH\n",
};

START_TEST(test_close_inside_done)
{
	struct smtp_send_rcpt rcpt = {.address = "b@b.test"};
	struct smtp_send_req req = {.mail_from = "a@a.test",
				    .rcpts = &rcpt,
				    .rcpt_count = 1,
				    .read = read_body};
	struct smtp_client_req to;
	struct bench b;

	bench_init(&b, closers[_i], &closers[_i], 1);
	to = bench_req(&b);
	to.timeouts = short_ones;
	bench_connect(&b, &to);
	bench_body(&b, BODY, strlen(BODY));
	smtp_send_start(b.client, &req, on_sent_close, &b);
	TURN_UNTIL(b.loop, b.sent > 0, b.label);
	ck_assert_ptr_null(b.client);
	turn_some(b.loop);
	ck_assert_str_eq(script_trouble(b.server), "");
	bench_fini(&b);
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

static Suite *
suite(void)
{
	Suite *s = suite_create("smtp/client_fault");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_connect, 0, COUNT(connects));
	tcase_add_test(tc, test_nobody_listens);
	tcase_add_loop_test(tc, test_connect_cancel, 0, 12);
	tcase_add_loop_test(tc, test_send, 0, COUNT(sends));
	tcase_add_loop_test(tc, test_body, 0, COUNT(bodies));
	tcase_add_loop_test(tc, test_body_end, 0, COUNT(ends));
	tcase_add_loop_test(tc, test_big, 0, COUNT(big));
	tcase_add_loop_test(tc, test_idle, 0, COUNT(idle));
	tcase_add_loop_test(tc, test_send_cancel, 0, 12);
	tcase_add_loop_test(tc, test_close_inside_done, 0, COUNT(closers));
	suite_add_tcase(s, tc);
	return s;
}

int
main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
