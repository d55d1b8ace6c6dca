/*
 * Logins through a real Dovecot, by gateway/auth/auth.h; tests/auth/
 * dovecot_real starts it and gives the socket.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "gateway/auth/auth.h"
#include "gateway/base/clock.h"
#include "tests/auth/auth_help.h"

#define WAIT_MS 240000

static const char *socket_path;
static struct loop *loop;
static struct auth_pool *pool;
static struct auth *auth;

struct outcome {
	struct auth_op *op;
	bool done;
	enum auth_verdict verdict;
	bool cached;
	char challenge[300], cred[64], owner[64], tried[64];
};

static void
copy(char *into, size_t size, struct slice s)
{
	snprintf(into, size, "%.*s", (int)s.n, s.n == 0 ? "" : s.p);
}

static void
on_done(void *arg, const struct auth_result *result)
{
	struct outcome *outcome = arg;

	if (result->verdict != AUTH_CHALLENGE)
		outcome->op = NULL;
	ck_assert_ptr_null(result->class);
	outcome->done = true;
	outcome->verdict = result->verdict;
	outcome->cached = result->cached;
	copy(outcome->challenge, sizeof(outcome->challenge), result->challenge);
	copy(outcome->cred, sizeof(outcome->cred), slice_str(result->cred));
	copy(outcome->owner, sizeof(outcome->owner), slice_str(result->owner));
	copy(outcome->tried, sizeof(outcome->tried), result->tried);
}

static void
setup(void)
{
	struct auth_opts opts = {
	    .backend = AUTH_DOVECOT,
	    .dovecot_socket = socket_path,
	    .domain = "example.com",
	    .fail_max = 5,
	    .fail_delay_ms = -1,
	};
	int64_t until_ms = clock_mono_ms() + WAIT_MS;
	char error[256];

	ck_assert_int_eq(auth_pool_create(&pool, &opts, error, sizeof(error)),
			 0);
	loop = loop_create();
	auth = auth_create(loop, pool);
	while (auth_mechanisms(auth) == NULL) {
		ck_assert(clock_mono_ms() < until_ms);
		loop_turn(loop);
	}
}

static void
teardown(void)
{
	auth_destroy(&auth);
	auth_pool_destroy(&pool);
	loop_destroy(&loop);
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
begin(struct outcome *outcome, const char *mechanism, const char *initial,
      const char *client)
{
	struct auth_req req = {
	    .mechanism = slice_str(mechanism),
	    .initial = slice_str(initial),
	    .tls = true,
	    .session = "s1",
	};

	ck_assert_int_eq(ip_parse(slice_str(client), &req.client), 0);
	ck_assert_int_eq(ip_parse(SLICE_LIT("127.0.0.1"), &req.local), 0);
	memset(outcome, 0, sizeof(*outcome));
	outcome->op = auth_start(auth, &req, on_done, outcome);
}

static void
respond(struct outcome *outcome, struct slice raw)
{
	char *text = base64_of(raw);

	ck_assert_int_eq(outcome->verdict, AUTH_CHALLENGE);
	outcome->done = false;
	auth_respond(outcome->op, slice_str(text));
	free(text);
	wait_for(outcome);
}

START_TEST(offers)
{
	const char *list = auth_mechanisms(auth);

	ck_assert_ptr_nonnull(strstr(list, "PLAIN"));
	ck_assert_ptr_nonnull(strstr(list, "LOGIN"));
	ck_assert_ptr_nonnull(strstr(list, "CRAM-MD5"));
	ck_assert_ptr_nonnull(strstr(list, "SCRAM-SHA-256"));
	ck_assert_ptr_null(strstr(list, "ANONYMOUS"));
}
END_TEST

START_TEST(plain)
{
	static const struct {
		const char *label, *initial;
		enum auth_verdict verdict;
		const char *cred, *owner, *tried;
	} rows[] = {
	    {"right", "AGJvYgBzZWNyZXQ=", AUTH_OK, "bob", "bob@example.com",
	     ""},
	    {"again: no cache of ours", "AGJvYgBzZWNyZXQ=", AUTH_OK, "bob",
	     "bob@example.com", ""},
	    {"Dovecot says who BOB is", "AEJPQgBzZWNyZXQ=", AUTH_OK, "bob",
	     "bob@example.com", ""},
	    {"wrong", "AGJvYgB3cm9uZw==", AUTH_DENIED, "", "", "bob"},
	    {"unknown", "AGV2ZQBzZWNyZXQ=", AUTH_DENIED, "", "", "eve"},
	    {"not base64", "AGJ", AUTH_MALFORMED, "", "", ""},
	};
	struct outcome outcome;

	for (size_t i = 0; i < COUNT(rows); i++) {
		begin(&outcome, "PLAIN", rows[i].initial, "192.0.2.1");
		wait_for(&outcome);
		ck_assert_msg(outcome.verdict == rows[i].verdict, "%s: %d",
			      rows[i].label, (int)outcome.verdict);
		ck_assert_msg(!outcome.cached, "%s", rows[i].label);
		ck_assert_msg(strcmp(outcome.cred, rows[i].cred) == 0, "%s: %s",
			      rows[i].label, outcome.cred);
		ck_assert_msg(strcmp(outcome.owner, rows[i].owner) == 0,
			      "%s: %s", rows[i].label, outcome.owner);
		ck_assert_msg(strcmp(outcome.tried, rows[i].tried) == 0,
			      "%s: %s", rows[i].label, outcome.tried);
	}
	begin(&outcome, "PLAIN", NULL, "192.0.2.1");
	wait_for(&outcome);
	respond(&outcome, RAW("\0bob\0secret"));
	ck_assert_int_eq(outcome.verdict, AUTH_OK);
}
END_TEST

START_TEST(login)
{
	struct outcome outcome;

	begin(&outcome, "LOGIN", NULL, "192.0.2.1");
	wait_for(&outcome);
	ck_assert_str_eq(outcome.challenge, "VXNlcm5hbWU6");
	respond(&outcome, SLICE_LIT("Carol"));
	ck_assert_str_eq(outcome.challenge, "UGFzc3dvcmQ6");
	respond(&outcome, SLICE_LIT("pass word"));
	ck_assert_int_eq(outcome.verdict, AUTH_OK);
	ck_assert_str_eq(outcome.cred, "carol");
}
END_TEST

static void
cram(struct outcome *outcome, const char *name, const char *password)
{
	struct buf challenge, response;
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned mac_n = 0;

	begin(outcome, "CRAM-MD5", NULL, "192.0.2.1");
	wait_for(outcome);
	ck_assert_int_eq(outcome->verdict, AUTH_CHALLENGE);
	buf_init(&challenge, 512);
	buf_init(&response, 512);
	ck_assert_int_eq(
	    base64_decode(&challenge, slice_str(outcome->challenge)), 0);
	HMAC(EVP_md5(), password, (int)strlen(password),
	     (const unsigned char *)challenge.p, challenge.n, mac, &mac_n);
	buf_printf(&response, "%s ", name);
	hex_encode(&response, slice_of(mac, mac_n));
	respond(outcome, buf_slice(&response));
	buf_fini(&challenge);
	buf_fini(&response);
}

START_TEST(cram_md5)
{
	struct outcome outcome;

	cram(&outcome, "BOB", "secret");
	ck_assert_int_eq(outcome.verdict, AUTH_OK);
	ck_assert_str_eq(outcome.cred, "bob");
	cram(&outcome, "bob", "wrong");
	ck_assert_int_eq(outcome.verdict, AUTH_DENIED);
}
END_TEST

START_TEST(many_at_once)
{
	struct outcome outcomes[50];
	int64_t failed_ms = 0;

	for (size_t i = 0; i < COUNT(outcomes); i++)
		begin(&outcomes[i], "PLAIN",
		      i == 0 ? "AGJvYgB3cm9uZw==" : "AGJvYgBzZWNyZXQ=",
		      "192.0.2.1");
	/* Its failures are late; ours are judged by their ids, not by order,
	 * and no right password waits for a wrong one. */
	for (size_t i = 1; i < COUNT(outcomes); i++) {
		wait_for(&outcomes[i]);
		ck_assert_int_eq(outcomes[i].verdict, AUTH_OK);
	}
	failed_ms = clock_mono_ms();
	wait_for(&outcomes[0]);
	ck_assert_int_eq(outcomes[0].verdict, AUTH_DENIED);
	printf("the failure came %lld ms after the rest\n",
	       (long long)(clock_mono_ms() - failed_ms));
}
END_TEST

/* What would make Dovecot hang up must not reach it: the next login finds the
 * connection whole. */
START_TEST(keeps_its_connection)
{
	static const struct {
		const char *label, *mechanism;
		size_t response_n;
		enum auth_verdict verdict;
	} rows[] = {
	    {"unknown mechanism", "GSSAPI", 4, AUTH_NO_MECHANISM},
	    {"anonymous", "ANONYMOUS", 4, AUTH_NO_MECHANISM},
	    {"a long response", "PLAIN", 8000, AUTH_DENIED},
	    {"the longest it takes", "PLAIN", 8072, AUTH_DENIED},
	    {"a longer one", "PLAIN", 8192, AUTH_MALFORMED},
	    {"the longest of SMTP", "PLAIN", 12288, AUTH_MALFORMED},
	};
	struct outcome outcome;
	char *text = malloc(12289);

	for (size_t i = 0; i < COUNT(rows); i++) {
		memset(text, 'Q', 12288);
		text[rows[i].response_n] = '\0';
		begin(&outcome, rows[i].mechanism, text, "192.0.2.3");
		wait_for(&outcome);
		ck_assert_msg(outcome.verdict == rows[i].verdict, "%s: %d",
			      rows[i].label, (int)outcome.verdict);
		begin(&outcome, "PLAIN", "AGJvYgBzZWNyZXQ=", "192.0.2.4");
		wait_for(&outcome);
		ck_assert_msg(outcome.verdict == AUTH_OK, "after %s: %d",
			      rows[i].label, (int)outcome.verdict);
	}
	free(text);
}
END_TEST

/* Two loops of one process: Dovecot takes no second connection of one CPID. */
START_TEST(two_doors)
{
	struct auth *second = auth_create(loop, pool);
	int64_t until_ms = clock_mono_ms() + WAIT_MS;

	while (auth_mechanisms(second) == NULL) {
		ck_assert(clock_mono_ms() < until_ms);
		loop_turn(loop);
	}
	ck_assert_ptr_nonnull(auth_mechanisms(auth));
	auth_destroy(&second);
}
END_TEST

START_TEST(closes_an_address)
{
	struct outcome outcome;
	char raw[16], *text;
	int n;

	for (int i = 0; i < 5; i++) {
		n = snprintf(raw, sizeof(raw), "%cbob%cguess%d", 0, 0, i);
		text = base64_of(slice_of(raw, (size_t)n));
		begin(&outcome, "PLAIN", text, "192.0.2.5");
		wait_for(&outcome);
		ck_assert_int_eq(outcome.verdict, AUTH_DENIED);
		free(text);
	}
	begin(&outcome, "PLAIN", "AGJvYgBzZWNyZXQ=", "192.0.2.5");
	wait_for(&outcome);
	ck_assert_int_eq(outcome.verdict, AUTH_DENIED);
	begin(&outcome, "PLAIN", "AGJvYgBzZWNyZXQ=", "192.0.2.6");
	wait_for(&outcome);
	ck_assert_int_eq(outcome.verdict, AUTH_OK);
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *suite = suite_create("real_dovecot");
	TCase *tcase = tcase_create("real_dovecot");

	if (argc != 2)
		return EXIT_FAILURE;
	socket_path = argv[1];
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, offers);
	tcase_add_test(tcase, plain);
	tcase_add_test(tcase, login);
	tcase_add_test(tcase, cram_md5);
	tcase_add_test(tcase, many_at_once);
	tcase_add_test(tcase, keeps_its_connection);
	tcase_add_test(tcase, two_doors);
	tcase_add_test(tcase, closes_an_address);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
