/*
 * The client of Dovecot's auth socket against a server that says what the test
 * wants, when it wants: both ends in one process, driven by hand.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/auth/dovecot.h"
#include "gateway/base/clock.h"
#include "tests/auth/auth_help.h"

#define WAIT_MS 240000
#define HELLO                                                                 \
	"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tCRAM-MD5\tdictionary\n" \
	"MECH\tANONYMOUS\tanonymous\nMECH\tEXTERNAL\nMECH\tOTP\tprivate\n"    \
	"MECH\tBAD NAME\nMECH\tbad\nSPID\t7\nCUID\t1\nCOOKIE\tabc\nDONE\n"

static struct loop *loop;
static struct dovecot *dovecot;
static char dir[64], path[100];
static int listener = -1, peer = -1;
static char heard[65536];
static size_t heard_n;

struct outcome {
	struct dovecot_op *op;
	bool done;
	enum dovecot_verdict verdict;
	char challenge[64], user[64];
};

static void
on_done(void *arg, const struct dovecot_result *result)
{
	struct outcome *outcome = arg;

	if (result->verdict != DOVECOT_CHALLENGE)
		outcome->op = NULL;
	ck_assert(!outcome->done);
	outcome->done = true;
	outcome->verdict = result->verdict;
	snprintf(outcome->challenge, sizeof(outcome->challenge), "%.*s",
		 (int)result->challenge.n,
		 result->challenge.n != 0 ? result->challenge.p : "");
	snprintf(outcome->user, sizeof(outcome->user), "%.*s",
		 (int)result->user.n,
		 result->user.n != 0 ? result->user.p : "");
}

static void
server_listen(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	strcpy(sa.sun_path, path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(listener, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
}

static void
setup(void)
{
	strcpy(dir, "/tmp/sluice-auth-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/auth", dir);
	loop = loop_create();
	server_listen();
	dovecot = dovecot_create(loop, path);
}

static void
server_cut(void)
{
	close(peer);
	peer = -1;
}

static void
teardown(void)
{
	dovecot_destroy(&dovecot);
	loop_destroy(&loop);
	if (peer >= 0)
		close(peer);
	if (listener >= 0)
		close(listener);
	unlink(path);
	rmdir(dir);
}

static void
server_accept(void)
{
	int64_t until_ms = clock_mono_ms() + WAIT_MS;

	while ((peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) < 0) {
		ck_assert_msg(clock_mono_ms() < until_ms, "no connection");
		loop_turn(loop);
	}
	heard_n = 0;
}

static void
server_say(const char *text)
{
	size_t n = strlen(text);

	while (n > 0) {
		ssize_t sent = send(peer, text, n, MSG_NOSIGNAL);

		if (sent > 0) {
			text += sent;
			n -= (size_t)sent;
		} else if (errno != EAGAIN) {
			return; /* the client has hung up */
		}
		loop_turn(loop);
	}
}

/* Until the client has said this. */
static void
server_hear(const char *text)
{
	int64_t until_ms = clock_mono_ms() + WAIT_MS;
	ssize_t n;

	while (heard[heard_n] = '\0', strstr(heard, text) == NULL) {
		ck_assert_msg(clock_mono_ms() < until_ms, "never heard %s: %s",
			      text, heard);
		loop_turn(loop);
		n = recv(peer, heard + heard_n, sizeof(heard) - 1 - heard_n, 0);
		if (n > 0)
			heard_n += (size_t)n;
	}
}

static void
client_ready(void)
{
	int64_t until_ms = clock_mono_ms() + WAIT_MS;

	while (dovecot_mechanisms(dovecot) == NULL) {
		ck_assert_msg(clock_mono_ms() < until_ms, "not ready");
		loop_turn(loop);
	}
}

static void
client_away(void)
{
	int64_t until_ms = clock_mono_ms() + WAIT_MS;

	while (dovecot_mechanisms(dovecot) != NULL) {
		ck_assert_msg(clock_mono_ms() < until_ms, "still there");
		loop_turn(loop);
	}
}

static void
connected(void)
{
	server_accept();
	server_say(HELLO);
	client_ready();
}

static void
wait_for(struct outcome *outcome)
{
	int64_t until_ms = clock_mono_ms() + WAIT_MS;

	while (!outcome->done) {
		ck_assert_msg(clock_mono_ms() < until_ms, "no answer");
		loop_turn(loop);
	}
}

static void
begin_as(struct outcome *outcome, const char *mechanism, const char *initial,
	 const char *session)
{
	struct dovecot_req req = {
	    .mechanism = slice_str(mechanism),
	    .initial = slice_str(initial),
	    .secured = true,
	    .session = session,
	};

	ck_assert_int_eq(ip_parse(SLICE_LIT("192.0.2.1"), &req.client), 0);
	ck_assert_int_eq(ip_parse(SLICE_LIT("2001:db8::1"), &req.local), 0);
	memset(outcome, 0, sizeof(*outcome));
	outcome->op = dovecot_start(dovecot, &req, on_done, outcome);
	ck_assert(!outcome->done);
}

static void
begin(struct outcome *outcome)
{
	begin_as(outcome, "PLAIN", "AGIAcw==", "s1");
}

START_TEST(greets_and_lists)
{
	unsigned first, second;

	ck_assert_ptr_null(dovecot_mechanisms(dovecot));
	server_accept();
	server_hear("CPID\t");
	server_hear("\nCPID");
	ck_assert(strncmp(heard, "VERSION\t1\t", 10) == 0);
	ck_assert_int_eq(sscanf(strstr(heard, "CPID"), "CPID\t%u", &first), 1);
	ck_assert_uint_gt(first, 4194304); /* no process has it */
	server_say(HELLO);
	client_ready();
	ck_assert_str_eq(dovecot_mechanisms(dovecot), "PLAIN CRAM-MD5");
	server_cut();
	client_away();
	server_accept();
	server_hear("CPID\t");
	ck_assert_int_eq(sscanf(strstr(heard, "CPID"), "CPID\t%u", &second), 1);
	ck_assert_uint_ne(first, second);
}
END_TEST

START_TEST(byte_by_byte)
{
	struct outcome outcome;
	char one[2] = "";

	server_accept();
	for (const char *p = HELLO; *p != '\0'; p++) {
		one[0] = *p;
		server_say(one);
	}
	client_ready();
	begin(&outcome);
	server_hear("resp=AGIAcw==\n");
	for (const char *p = "OK\t1\tuser=bob\n"; *p != '\0'; p++) {
		one[0] = *p;
		server_say(one);
	}
	wait_for(&outcome);
	ck_assert_int_eq(outcome.verdict, DOVECOT_OK);
	ck_assert_str_eq(outcome.user, "bob");
}
END_TEST

START_TEST(asks_for_what_it_must)
{
	struct outcome outcome;

	connected();
	begin_as(&outcome, "plain", "AGIAcw==", "a\tresp=x\ny");
	server_hear("\tresp=AGIAcw==\n");
	ck_assert_ptr_nonnull(
	    strstr(heard, "AUTH\t1\tPLAIN\tservice=smtp\tnologin\tno-penalty\t"
			  "secured\tlip=2001:db8::1\trip=192.0.2.1\t"
			  "session=a\001tresp=x\001ny\tresp=AGIAcw==\n"));
	dovecot_cancel(&outcome.op);
	server_hear("CANCEL\t1\n");
	server_say("OK\t1\tuser=bob\n"); /* too late, and no harm */
	begin_as(&outcome, "CRAM-MD5", NULL, NULL);
	server_hear("AUTH\t2\tCRAM-MD5\tservice=smtp\tnologin\tno-penalty\t"
		    "secured\tlip=2001:db8::1\trip=192.0.2.1\n");
	dovecot_cancel(&outcome.op);
	begin_as(&outcome, "PLAIN", "", NULL);
	server_hear("\tresp=\n");
	dovecot_cancel(&outcome.op);
}
END_TEST

START_TEST(answers)
{
	static const struct {
		const char *label, *answer;
		enum dovecot_verdict verdict;
		const char *user;
	} rows[] = {
	    {"the name it returns", "user=bob\toriginal_user=BOB", DOVECOT_OK,
	     "bob"},
	    {"a name with a tab", "user=b\001tob", DOVECOT_OK, "b\tob"},
	    {"no name", "", DOVECOT_OK, ""},
	    {"an escape that is none", "user=b\001xob", DOVECOT_OK, ""},
	    {"wrong", "!user=bob", DOVECOT_DENIED, "bob"},
	    {"wrong, no name", "!", DOVECOT_DENIED, ""},
	    {"its database is away", "!user=bob\ttemp", DOVECOT_TEMPORARY,
	     "bob"},
	    {"the same in later versions", "!user=bob\tcode=temp_fail",
	     DOVECOT_TEMPORARY, "bob"},
	    {"disabled", "!user=bob\tuser_disabled\tcode=user_disabled",
	     DOVECOT_DENIED, "bob"},
	};
	struct outcome outcome;
	char line[128];

	connected();
	for (size_t i = 0; i < COUNT(rows); i++) {
		bool fail = rows[i].answer[0] == '!';

		begin(&outcome);
		snprintf(line, sizeof(line), "%s\t%zu\t%s\n",
			 fail ? "FAIL" : "OK", i + 1, rows[i].answer + fail);
		server_say(line);
		wait_for(&outcome);
		ck_assert_msg(outcome.verdict == rows[i].verdict, "%s: %d",
			      rows[i].label, (int)outcome.verdict);
		ck_assert_msg(strcmp(outcome.user, rows[i].user) == 0, "%s: %s",
			      rows[i].label, outcome.user);
	}
}
END_TEST

START_TEST(out_of_order)
{
	struct outcome a, b, c;

	connected();
	begin(&a);
	begin(&b);
	begin(&c);
	server_say("OK\t3\tuser=c\nOK\t99\tuser=x\nFAIL\t1\tuser=a\n");
	wait_for(&c);
	wait_for(&a);
	ck_assert(!b.done);
	server_say("OK\t2\tuser=b\n");
	wait_for(&b);
	ck_assert_str_eq(a.user, "a");
	ck_assert_str_eq(b.user, "b");
	ck_assert_str_eq(c.user, "c");
	ck_assert_int_eq(a.verdict, DOVECOT_DENIED);
}
END_TEST

static void
respond(struct outcome *outcome, const char *response)
{
	outcome->done = false;
	dovecot_respond(outcome->op, slice_str(response));
	ck_assert(!outcome->done);
}

START_TEST(challenges)
{
	struct outcome outcome;

	connected();
	begin_as(&outcome, "CRAM-MD5", NULL, NULL);
	server_say("CONT\t1\tPDEyMz4=\n");
	wait_for(&outcome);
	ck_assert_int_eq(outcome.verdict, DOVECOT_CHALLENGE);
	ck_assert_str_eq(outcome.challenge, "PDEyMz4=");
	respond(&outcome, "Ym9iIGFi");
	server_hear("CONT\t1\tYm9iIGFi\n");
	server_say("CONT\t1\t\n");
	wait_for(&outcome);
	ck_assert_str_eq(outcome.challenge, "");
	respond(&outcome, "");
	server_hear("CONT\t1\t\n");
	server_say("OK\t1\tuser=bob\n");
	wait_for(&outcome);
	ck_assert_int_eq(outcome.verdict, DOVECOT_OK);
}
END_TEST

/* Dovecot would close the connection, and with it end all other logins. */
START_TEST(refuses_before_sending)
{
	static const struct {
		const char *label, *mechanism, *initial;
		enum dovecot_verdict verdict;
	} rows[] = {
	    {"unknown", "GSSAPI", "YQ==", DOVECOT_NO_MECHANISM},
	    {"private", "OTP", "YQ==", DOVECOT_NO_MECHANISM},
	    {"anonymous", "ANONYMOUS", "YQ==", DOVECOT_NO_MECHANISM},
	    {"empty", "", "YQ==", DOVECOT_NO_MECHANISM},
	    {"a tab in the name", "PLAIN\tx", "YQ==", DOVECOT_NO_MECHANISM},
	    {"a line feed in base64", "PLAIN", "YQ==\nAUTH", DOVECOT_MALFORMED},
	    {"a tab in base64", "PLAIN", "YQ==\tnologin", DOVECOT_MALFORMED},
	    {"no padding", "PLAIN", "YQ", DOVECOT_MALFORMED},
	};
	struct outcome outcome;
	char *text = malloc(8193);

	connected();
	for (size_t i = 0; i < COUNT(rows); i++) {
		begin_as(&outcome, rows[i].mechanism, rows[i].initial, NULL);
		wait_for(&outcome);
		ck_assert_msg(outcome.verdict == rows[i].verdict, "%s: %d",
			      rows[i].label, (int)outcome.verdict);
	}
	memset(text, 'Q', 8192);
	text[8192] = '\0';
	begin_as(&outcome, "PLAIN", text, NULL);
	wait_for(&outcome);
	ck_assert_int_eq(outcome.verdict, DOVECOT_MALFORMED);
	begin_as(&outcome, "PLAIN", NULL, NULL);
	server_say("CONT\t2\t\n");
	wait_for(&outcome);
	respond(&outcome, text);
	server_hear("CANCEL\t2\n");
	wait_for(&outcome);
	ck_assert_int_eq(outcome.verdict, DOVECOT_MALFORMED);
	ck_assert_ptr_null(strstr(heard, "QQQQ"));
	free(text);
}
END_TEST

START_TEST(away_from_the_start)
{
	struct outcome outcome;

	begin(&outcome);
	wait_for(&outcome);
	ck_assert_int_eq(outcome.verdict, DOVECOT_AWAY);
	server_accept();
	begin(&outcome);
	wait_for(&outcome);
	ck_assert_int_eq(outcome.verdict, DOVECOT_AWAY);
	server_say(HELLO);
	client_ready();
}
END_TEST

START_TEST(a_cut_ends_all_and_mends)
{
	struct outcome asked, quiet, cancelled;

	connected();
	begin(&asked);
	begin(&quiet);
	begin(&cancelled);
	server_say("CONT\t2\t\n");
	wait_for(&quiet);
	dovecot_cancel(&cancelled.op);
	server_cut();
	wait_for(&asked);
	ck_assert_int_eq(asked.verdict, DOVECOT_AWAY);
	client_away();
	/* Its client has the word: it hears when it has spoken. */
	respond(&quiet, "YQ==");
	wait_for(&quiet);
	ck_assert_int_eq(quiet.verdict, DOVECOT_AWAY);
	connected();
	begin(&asked);
	/* No id is given twice, also not on another connection. */
	server_say("OK\t4\tuser=bob\n");
	wait_for(&asked);
	ck_assert_int_eq(asked.verdict, DOVECOT_OK);
}
END_TEST

/* Dovecot ends a request whose client thinks for too long. */
START_TEST(an_end_while_the_client_thinks)
{
	struct outcome outcome;

	connected();
	begin(&outcome);
	server_say("CONT\t1\t\n");
	wait_for(&outcome);
	server_say("FAIL\t1\tuser=bob\n");
	for (int i = 0; i < 100; i++)
		loop_turn(loop);
	respond(&outcome, "YQ==");
	wait_for(&outcome);
	ck_assert_int_eq(outcome.verdict, DOVECOT_DENIED);
	ck_assert_ptr_null(strstr(heard, "CONT"));
	/* The same, and the client hangs up. */
	begin(&outcome);
	server_say("CONT\t2\t\n");
	wait_for(&outcome);
	server_say("FAIL\t2\n");
	dovecot_cancel(&outcome.op);
}
END_TEST

static const struct {
	const char *label;
	bool greeted;
	const char *text;
} nonsense[] = {
    {"another major version", false, "VERSION\t2\t0\nDONE\n"},
    {"no version", false, "MECH\tPLAIN\nDONE\n"},
    {"HTTP", false, "HTTP/1.1 400 Bad Request\r\n\r\nVERSION\t9\n"},
    {"an answer before the greeting's end", false,
     "VERSION\t1\t1\nOK\t1\tuser=root\n"},
    {"an answer without id", true, "OK\n"},
    {"mechanisms after the greeting", true, "MECH\tFOO\n"},
    {"a second greeting", true, "DONE\n"},
    {"OK to what the client has not said", true,
     "CONT\t1\t\nOK\t1\tuser=root\n"},
    {"two challenges", true, "CONT\t1\t\nCONT\t1\t\n"},
    {"a challenge that breaks the line", true, "CONT\t1\tYQ==\r\n"},
};

START_TEST(nonsense_ends_the_connection)
{
	struct outcome outcome = {0};
	char end;

	server_accept();
	if (nonsense[_i].greeted) {
		server_say(HELLO);
		client_ready();
		begin(&outcome);
	}
	server_say(nonsense[_i].text);
	client_away();
	for (int n = -1; n != 0;) { /* it hangs up on us */
		loop_turn(loop);
		n = (int)recv(peer, &end, 1, 0);
	}
	if (!nonsense[_i].greeted)
		return;
	wait_for(&outcome);
	if (outcome.verdict == DOVECOT_CHALLENGE) {
		respond(&outcome, "YQ==");
		wait_for(&outcome);
	}
	ck_assert_msg(outcome.verdict == DOVECOT_AWAY, "%s: %d",
		      nonsense[_i].label, (int)outcome.verdict);
}
END_TEST

START_TEST(a_line_without_end)
{
	static char text[65536];
	struct outcome outcome;

	connected();
	begin(&outcome);
	memset(text, 'x', sizeof(text) - 1);
	server_say(text);
	wait_for(&outcome);
	ck_assert_int_eq(outcome.verdict, DOVECOT_AWAY);
	client_away();
}
END_TEST

START_TEST(a_line_that_just_fits)
{
	static char text[32768];
	struct outcome outcome;

	connected();
	begin(&outcome);
	memset(text, 'x', sizeof(text) - 2);
	text[sizeof(text) - 2] = '\n';
	memcpy(text, "OK\t1\tuser=bob\t", 14);
	server_say(text);
	wait_for(&outcome);
	ck_assert_int_eq(outcome.verdict, DOVECOT_OK);
}
END_TEST

START_TEST(survives_garbage)
{
	unsigned seed = (unsigned)_i + 1;
	char text[257];

	server_accept();
	for (size_t i = 0; i < 256; i++) {
		seed = seed * 1103515245U + 12345U;
		text[i] = "\t\n\001OKCONTFAIL1="[seed >> 16 & 15];
	}
	text[256] = '\0';
	if (_i % 2 == 0)
		server_say(HELLO);
	server_say(text);
	server_cut();
	server_accept();
}
END_TEST

START_TEST(caps_what_is_under_way)
{
	static struct outcome outcomes[1025];

	connected();
	for (size_t i = 0; i < COUNT(outcomes); i++)
		begin(&outcomes[i]);
	wait_for(&outcomes[1024]);
	ck_assert_int_eq(outcomes[1024].verdict, DOVECOT_FULL);
	ck_assert(!outcomes[1023].done);
	for (size_t i = 0; i < COUNT(outcomes); i++)
		dovecot_cancel(&outcomes[i].op);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("dovecot");
	TCase *tcase = tcase_create("dovecot");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, greets_and_lists);
	tcase_add_test(tcase, byte_by_byte);
	tcase_add_test(tcase, asks_for_what_it_must);
	tcase_add_test(tcase, answers);
	tcase_add_test(tcase, out_of_order);
	tcase_add_test(tcase, challenges);
	tcase_add_test(tcase, refuses_before_sending);
	tcase_add_test(tcase, away_from_the_start);
	tcase_add_test(tcase, a_cut_ends_all_and_mends);
	tcase_add_test(tcase, an_end_while_the_client_thinks);
	tcase_add_loop_test(tcase, nonsense_ends_the_connection, 0,
			    (int)COUNT(nonsense));
	tcase_add_test(tcase, a_line_without_end);
	tcase_add_test(tcase, a_line_that_just_fits);
	tcase_add_loop_test(tcase, survives_garbage, 0, 20);
	tcase_add_test(tcase, caps_what_is_under_way);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
