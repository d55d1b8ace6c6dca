/*
 * The whole of the local backend through gateway/auth/auth.h: real workers, a
 * real store, a loop driven by hand.
 */
#include <stdio.h>
#include <time.h>

#include "gateway/auth/auth.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "tests/auth/store_help.h"

#define WAIT_MS 240000

static struct loop *loop;
static struct auth_pool *pool;
static struct auth *auth;

struct outcome {
	struct auth_op *op;
	bool done;
	enum auth_verdict verdict;
	bool cached;
	char challenge[128], cred[300], owner[300], class[100], tried[300];
	int64_t at_ms;
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
	ck_assert(!outcome->done);
	outcome->done = true;
	outcome->verdict = result->verdict;
	outcome->cached = result->cached;
	outcome->at_ms = clock_mono_ms();
	copy(outcome->challenge, sizeof(outcome->challenge), result->challenge);
	copy(outcome->cred, sizeof(outcome->cred), slice_str(result->cred));
	copy(outcome->owner, sizeof(outcome->owner), slice_str(result->owner));
	copy(outcome->class, sizeof(outcome->class), slice_str(result->class));
	copy(outcome->tried, sizeof(outcome->tried), result->tried);
}

static void
open_auth(struct auth_opts opts)
{
	char error[256];

	opts.store = store;
	if (opts.fail_delay_ms == 0)
		opts.fail_delay_ms = -1;
	ck_assert_msg(auth_pool_create(&pool, &opts, error, sizeof(error)) == 0,
		      "%s", error);
	loop = loop_create();
	auth = auth_create(loop, pool);
	ck_assert_ptr_nonnull(auth);
}

static void
close_auth(void)
{
	auth_destroy(&auth);
	auth_pool_destroy(&pool);
	loop_destroy(&loop);
}

static void
setup(void)
{
	store_setup();
	store_user("bob", "secret", "bob@example.com", "staff");
	store_user("ann", "pass word", NULL, NULL);
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

static struct ip_addr
ip(const char *text)
{
	struct ip_addr addr;

	ck_assert_int_eq(ip_parse(slice_str(text), &addr), 0);
	return addr;
}

static void
begin(struct outcome *outcome, const char *mechanism, const char *initial,
      const char *client)
{
	struct auth_req req = {
	    .mechanism = slice_str(mechanism),
	    .initial = slice_str(initial),
	    .client = ip(client),
	    .local = ip("127.0.0.1"),
	    .tls = true,
	    .session = "s1",
	};

	memset(outcome, 0, sizeof(*outcome));
	outcome->op = auth_start(auth, &req, on_done, outcome);
	ck_assert(!outcome->done);
}

static void
begin_plain(struct outcome *outcome, const char *name, const char *password,
	    const char *client)
{
	struct buf raw;
	char *text;

	buf_init(&raw, 65536);
	buf_add_byte(&raw, '\0');
	buf_add_str(&raw, name);
	buf_add_byte(&raw, '\0');
	buf_add_str(&raw, password);
	text = base64_of(buf_slice(&raw));
	begin(outcome, "PLAIN", text, client);
	free(text);
	buf_fini(&raw);
}

static enum auth_verdict
plain_from(const char *name, const char *password, const char *client)
{
	struct outcome outcome;

	begin_plain(&outcome, name, password, client);
	wait_for(&outcome);
	return outcome.verdict;
}

static void
respond(struct outcome *outcome, const char *response)
{
	outcome->done = false;
	auth_respond(outcome->op, slice_str(response));
	ck_assert(!outcome->done);
	wait_for(outcome);
}

START_TEST(verdicts)
{
	static const struct {
		const char *label, *mechanism, *initial;
		enum auth_verdict verdict;
		const char *cred, *owner, *class, *tried;
	} rows[] = {
	    {"right", "PLAIN", "AGJvYgBzZWNyZXQ=", AUTH_OK, "bob",
	     "bob@example.com", "staff", ""},
	    {"mechanism in lower case", "plain", "AGJvYgBzZWNyZXQ=", AUTH_OK,
	     "bob", "bob@example.com", "staff", ""},
	    /* \0 BOB@example.com \0 secret */
	    {"other spelling, same key", "PLAIN",
	     "AEJPQkBleGFtcGxlLmNvbQBzZWNyZXQ=", AUTH_OK, "bob",
	     "bob@example.com", "staff", ""},
	    {"a password with a space", "PLAIN",
	     "AGFubgBwYXNzIHdvcmQ=", AUTH_OK, "ann", "", "", ""},
	    {"wrong", "PLAIN", "AGJvYgB3cm9uZw==", AUTH_DENIED, "", "", "",
	     "bob"},
	    {"unknown user", "PLAIN", "AGV2ZQBzZWNyZXQ=", AUTH_DENIED, "", "",
	     "", "eve"},
	    {"authzid is the same login", "PLAIN", "Qk9CAGJvYgBzZWNyZXQ=",
	     AUTH_OK, "bob", "bob@example.com", "staff", ""},
	    {"authzid is somebody else", "PLAIN",
	     "YW5uAGJvYgBzZWNyZXQ=", AUTH_DENIED, "", "", "", "bob"},
	    {"empty password", "PLAIN", "AGJvYgA=", AUTH_DENIED, "", "", "",
	     "bob"},
	    {"empty name", "PLAIN", "AABzZWNyZXQ=", AUTH_DENIED, "", "", "",
	     ""},
	    {"name is not UTF-8", "PLAIN", "AP8Ac2VjcmV0", AUTH_DENIED, "", "",
	     "", "\xff"},
	    {"not base64", "PLAIN", "!!!!", AUTH_MALFORMED, "", "", "", ""},
	    {"no such mechanism", "CRAM-MD5",
	     "AGJvYgBzZWNyZXQ=", AUTH_NO_MECHANISM, "", "", "", ""},
	};
	struct outcome outcome;

	open_auth((struct auth_opts){.domain = "example.com", .fail_max = 99});
	for (size_t i = 0; i < COUNT(rows); i++) {
		begin(&outcome, rows[i].mechanism, rows[i].initial,
		      "192.0.2.1");
		wait_for(&outcome);
		ck_assert_msg(outcome.verdict == rows[i].verdict, "%s: %d",
			      rows[i].label, (int)outcome.verdict);
		ck_assert_msg(strcmp(outcome.cred, rows[i].cred) == 0, "%s: %s",
			      rows[i].label, outcome.cred);
		ck_assert_msg(strcmp(outcome.owner, rows[i].owner) == 0,
			      "%s: %s", rows[i].label, outcome.owner);
		ck_assert_msg(strcmp(outcome.class, rows[i].class) == 0,
			      "%s: %s", rows[i].label, outcome.class);
		ck_assert_msg(strcmp(outcome.tried, rows[i].tried) == 0,
			      "%s: %s", rows[i].label, outcome.tried);
	}
	ck_assert_str_eq(auth_mechanisms(auth), "PLAIN LOGIN");
	close_auth();
}
END_TEST

static bool
is_bob(void *arg, const char *cred)
{
	(void)arg;
	return strcmp(cred, "bob") == 0;
}

/* A login that somebody took: the right password looks wrong in everything,
 * from the cache too, and does not make its address known. */
START_TEST(a_right_password_can_look_wrong)
{
	struct auth_req req = {
	    .mechanism = SLICE_LIT("PLAIN"),
	    .initial = SLICE_LIT("AGJvYgBzZWNyZXQ="),
	    .client = ip("192.0.2.1"),
	    .local = ip("127.0.0.1"),
	    .deny = is_bob,
	};
	struct outcome outcome;
	int64_t began_ms;

	open_auth((struct auth_opts){.fail_delay_ms = 60, .fail_max = 1});
	ck_assert_int_eq(plain_from("bob", "secret", "192.0.2.2"), AUTH_OK);
	memset(&outcome, 0, sizeof(outcome));
	began_ms = clock_mono_ms();
	outcome.op = auth_start(auth, &req, on_done, &outcome);
	wait_for(&outcome);
	ck_assert_int_eq(outcome.verdict, AUTH_DENIED);
	ck_assert_str_eq(outcome.tried, "bob");
	ck_assert_str_eq(outcome.cred, "");
	ck_assert_int_ge(outcome.at_ms - began_ms, 50);
	/* counted: one is all that this address had */
	ck_assert_int_ne(auth_address_closed(auth, &req.client, clock_mono_ms(),
					     clock_wall_s()),
			 0);
	req.client = ip("192.0.2.3");
	req.initial = SLICE_LIT("AGFubgBwYXNzIHdvcmQ=");
	memset(&outcome, 0, sizeof(outcome));
	outcome.op = auth_start(auth, &req, on_done, &outcome);
	wait_for(&outcome);
	ck_assert_int_eq(outcome.verdict, AUTH_OK);
	close_auth();
}
END_TEST

START_TEST(login_asks_twice)
{
	struct outcome outcome;

	open_auth((struct auth_opts){0});
	begin(&outcome, "LOGIN", NULL, "192.0.2.1");
	wait_for(&outcome);
	ck_assert_int_eq(outcome.verdict, AUTH_CHALLENGE);
	ck_assert_str_eq(outcome.challenge, "VXNlcm5hbWU6");
	respond(&outcome, "Ym9i");
	ck_assert_int_eq(outcome.verdict, AUTH_CHALLENGE);
	ck_assert_str_eq(outcome.challenge, "UGFzc3dvcmQ6");
	respond(&outcome, "c2VjcmV0");
	ck_assert_int_eq(outcome.verdict, AUTH_OK);
	ck_assert_str_eq(outcome.cred, "bob");
	begin(&outcome, "PLAIN", NULL, "192.0.2.1");
	wait_for(&outcome);
	ck_assert_int_eq(outcome.verdict, AUTH_CHALLENGE);
	ck_assert_str_eq(outcome.challenge, "");
	respond(&outcome, "");
	ck_assert_int_eq(outcome.verdict, AUTH_MALFORMED);
	close_auth();
}
END_TEST

START_TEST(cap_on_a_response)
{
	char *text = malloc(12293);
	struct outcome outcome;

	memset(text, 'Q', 12292);
	text[12292] = '\0';
	open_auth((struct auth_opts){0});
	begin(&outcome, "LOGIN", text, "192.0.2.1");
	wait_for(&outcome);
	ck_assert_int_eq(outcome.verdict, AUTH_MALFORMED);
	begin(&outcome, "LOGIN", "Ym9i", "192.0.2.1");
	wait_for(&outcome);
	respond(&outcome, text);
	ck_assert_int_eq(outcome.verdict, AUTH_MALFORMED);
	text[12288] = '\0';
	begin(&outcome, "LOGIN", "Ym9i", "192.0.2.1");
	wait_for(&outcome);
	respond(&outcome, text);
	ck_assert_int_eq(outcome.verdict, AUTH_DENIED);
	close_auth();
	free(text);
}
END_TEST

START_TEST(remembers_a_right_password_until_told)
{
	struct outcome outcome;

	open_auth((struct auth_opts){0});
	begin_plain(&outcome, "bob", "secret", "192.0.2.1");
	wait_for(&outcome);
	ck_assert(outcome.verdict == AUTH_OK && !outcome.cached);
	begin_plain(&outcome, "BOB", "secret", "192.0.2.2");
	wait_for(&outcome);
	ck_assert(outcome.verdict == AUTH_OK && outcome.cached);
	ck_assert_str_eq(outcome.owner, "bob@example.com");
	ck_assert_str_eq(outcome.class, "staff");
	begin_plain(&outcome, "bob", "Secret", "192.0.2.1");
	wait_for(&outcome);
	ck_assert(outcome.verdict == AUTH_DENIED && !outcome.cached);
	store_user("bob", "changed", NULL, NULL);
	auth_pool_forget(pool, SLICE_LIT("bob"));
	ck_assert_int_eq(plain_from("bob", "secret", "192.0.2.1"), AUTH_DENIED);
	ck_assert_int_eq(plain_from("bob", "changed", "192.0.2.1"), AUTH_OK);
	close_auth();
}
END_TEST

START_TEST(a_change_during_the_hash_is_not_forgotten)
{
	struct outcome outcome;

	open_auth((struct auth_opts){0});
	begin_plain(&outcome, "bob", "secret", "192.0.2.1");
	store_user("bob", "changed", NULL, NULL);
	auth_pool_forget(pool, SLICE_LIT("bob"));
	wait_for(&outcome); /* the old password was right when it was asked */
	ck_assert_int_eq(plain_from("bob", "secret", "192.0.2.1"), AUTH_DENIED);
	close_auth();
}
END_TEST

START_TEST(the_cache_can_be_off)
{
	struct outcome outcome;

	open_auth((struct auth_opts){.cache_ms = -1});
	for (int i = 0; i < 2; i++) {
		begin_plain(&outcome, "bob", "secret", "192.0.2.1");
		wait_for(&outcome);
		ck_assert(outcome.verdict == AUTH_OK && !outcome.cached);
	}
	close_auth();
}
END_TEST

static int64_t
closed(const char *client)
{
	struct ip_addr addr = ip(client);

	return auth_address_closed(auth, &addr, loop_now_ms(loop), 1000000);
}

START_TEST(closes_an_address_not_a_login)
{
	char wrong[16];

	open_auth((struct auth_opts){.fail_max = 3, .cache_ms = -1});
	ck_assert_int_eq(plain_from("ann", "pass word", "192.0.2.9"), AUTH_OK);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(closed("192.0.2.1"), 0);
		snprintf(wrong, sizeof(wrong), "wrong%d", i);
		plain_from("bob", wrong, "192.0.2.1");
		plain_from("bob", wrong, "192.0.2.9");
	}
	ck_assert_int_eq(closed("192.0.2.1"), 1000000 + 900);
	ck_assert_int_eq(plain_from("bob", "secret", "192.0.2.1"), AUTH_DENIED);
	/* Nobody is locked out elsewhere. */
	ck_assert_int_eq(plain_from("bob", "secret", "192.0.2.2"), AUTH_OK);
	/* Where ann was known, she still is; bob is not. */
	ck_assert_int_eq(closed("192.0.2.9"), 0);
	ck_assert_int_eq(plain_from("ann", "pass word", "192.0.2.9"), AUTH_OK);
	ck_assert_int_eq(plain_from("bob", "secret", "192.0.2.9"), AUTH_DENIED);
	close_auth();
}
END_TEST

START_TEST(an_old_password_repeated_counts_once)
{
	open_auth((struct auth_opts){.fail_max = 3});
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(plain_from("bob", "old", "192.0.2.1"),
				 AUTH_DENIED);
	ck_assert_int_eq(closed("192.0.2.1"), 0);
	ck_assert_int_eq(plain_from("bob", "secret", "192.0.2.1"), AUTH_OK);
	close_auth();
}
END_TEST

/* A hundred connections at once must not have a hundred guesses. */
START_TEST(parallel_guesses_are_counted_too)
{
	struct outcome outcomes[12];
	char guess[16];
	int right = 0;

	open_auth((struct auth_opts){.fail_max = 3, .worker_count = 1});
	for (size_t i = 0; i < COUNT(outcomes); i++) {
		snprintf(guess, sizeof(guess), "guess%zu", i);
		begin_plain(&outcomes[i], "bob", i == 11 ? "secret" : guess,
			    "192.0.2.1");
	}
	for (size_t i = 0; i < COUNT(outcomes); i++) {
		wait_for(&outcomes[i]);
		right += outcomes[i].verdict == AUTH_OK;
	}
	ck_assert_int_eq(right, 0);
	close_auth();
}
END_TEST

START_TEST(hanging_up_is_not_free)
{
	struct outcome outcome;
	char guess[16];

	open_auth((struct auth_opts){.fail_max = 3});
	for (int i = 0; i < 3; i++) {
		snprintf(guess, sizeof(guess), "guess%d", i);
		begin_plain(&outcome, "bob", guess, "192.0.2.1");
		auth_cancel(&outcome.op);
		ck_assert_ptr_null(outcome.op);
	}
	ck_assert(closed("192.0.2.1") != 0);
	close_auth();
	ck_assert(!outcome.done);
}
END_TEST

START_TEST(cancels_at_each_step)
{
	struct outcome outcomes[8];

	open_auth((struct auth_opts){.worker_count = 1, .queue_max = 2});
	for (size_t i = 0; i < COUNT(outcomes); i++)
		begin_plain(&outcomes[i], "bob", "secret", "192.0.2.1");
	loop_turn(loop);
	for (size_t i = 0; i < COUNT(outcomes); i++)
		auth_cancel(&outcomes[i].op);
	begin(&outcomes[0], "LOGIN", NULL, "192.0.2.1");
	auth_cancel(&outcomes[0].op); /* before the challenge */
	begin(&outcomes[0], "LOGIN", NULL, "192.0.2.1");
	wait_for(&outcomes[0]);
	auth_cancel(&outcomes[0].op); /* the client has the word */
	auth_cancel(&outcomes[0].op); /* NULL is fine */
	close_auth();
}
END_TEST

START_TEST(a_full_queue_waits_then_is_busy)
{
	struct outcome outcomes[10];
	int ok = 0, busy = 0;

	open_auth((struct auth_opts){
	    .worker_count = 1, .queue_max = 2, .cache_ms = -1});
	for (size_t i = 0; i < COUNT(outcomes); i++)
		begin_plain(&outcomes[i], "bob", "secret", "192.0.2.1");
	for (size_t i = 0; i < COUNT(outcomes); i++) {
		wait_for(&outcomes[i]);
		ck_assert_int_eq(outcomes[i].verdict, AUTH_OK);
	}
	close_auth();
	open_auth((struct auth_opts){.worker_count = 1,
				     .queue_max = 2,
				     .cache_ms = -1,
				     .queue_wait_ms = 1});
	for (size_t i = 0; i < COUNT(outcomes); i++)
		begin_plain(&outcomes[i], "bob", "secret", "192.0.2.1");
	for (size_t i = 0; i < COUNT(outcomes); i++) {
		wait_for(&outcomes[i]);
		ok += outcomes[i].verdict == AUTH_OK;
		busy += outcomes[i].verdict == AUTH_BUSY;
	}
	ck_assert_int_eq(ok + busy, 10);
	ck_assert_int_ge(busy, 6);
	close_auth();
}
END_TEST

START_TEST(a_bad_record_is_not_a_wrong_password)
{
	struct user user = {.hash = (char *)(uintptr_t) "!locked"};
	struct buf value;

	buf_init(&value, 4096);
	user_encode(&user, &value);
	store_raw(SLICE_LIT("odd"), buf_slice(&value));
	store_raw(SLICE_LIT("bad"), SLICE_LIT("rubbish"));
	open_auth((struct auth_opts){0});
	ck_assert_int_eq(plain_from("bad", "secret", "192.0.2.1"),
			 AUTH_UNAVAILABLE);
	ck_assert_int_eq(plain_from("odd", "secret", "192.0.2.1"),
			 AUTH_UNAVAILABLE);
	close_auth();
	buf_fini(&value);
}
END_TEST

START_TEST(a_denial_waits)
{
	int64_t began_ms;
	struct outcome outcome;

	open_auth((struct auth_opts){.fail_delay_ms = 120, .cache_ms = -1});
	loop_turn(loop);
	began_ms = loop_now_ms(loop);
	begin_plain(&outcome, "bob", "wrong", "192.0.2.1");
	wait_for(&outcome);
	ck_assert_int_eq(outcome.verdict, AUTH_DENIED);
	ck_assert_int_ge(outcome.at_ms - began_ms, 110);
	close_auth();
}
END_TEST

/* Printed, never asserted: a shared machine is no stop-watch. */
START_TEST(time_of_a_denial)
{
	static const char *const names[] = {"bob", "nobody"};
	char guess[32];

	open_auth((struct auth_opts){.fail_max = 1000});
	for (size_t i = 0; i < COUNT(names); i++) {
		int64_t began_us = clock_mono_us();

		for (int j = 0; j < 20; j++) {
			snprintf(guess, sizeof(guess), "guess%d", j);
			plain_from(names[i], guess, "192.0.2.1");
		}
		printf("denial of %s: %lld us\n", names[i],
		       (long long)((clock_mono_us() - began_us) / 20));
	}
	close_auth();
}
END_TEST

START_TEST(says_what_is_missing)
{
	static const struct {
		const char *label;
		struct auth_opts opts;
	} rows[] = {
	    {"no store", {.backend = AUTH_LOCAL}},
	    {"no socket", {.backend = AUTH_DOVECOT}},
	};
	char error[256];

	for (size_t i = 0; i < COUNT(rows); i++) {
		error[0] = '\0';
		ck_assert_msg(auth_pool_create(&pool, &rows[i].opts, error,
					       sizeof(error)) == GW_EINVAL,
			      "%s", rows[i].label);
		ck_assert(error[0] != '\0' && pool == NULL);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("local");
	TCase *tcase = tcase_create("local");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, store_teardown);
	tcase_add_test(tcase, verdicts);
	tcase_add_test(tcase, a_right_password_can_look_wrong);
	tcase_add_test(tcase, login_asks_twice);
	tcase_add_test(tcase, cap_on_a_response);
	tcase_add_test(tcase, remembers_a_right_password_until_told);
	tcase_add_test(tcase, a_change_during_the_hash_is_not_forgotten);
	tcase_add_test(tcase, the_cache_can_be_off);
	tcase_add_test(tcase, closes_an_address_not_a_login);
	tcase_add_test(tcase, an_old_password_repeated_counts_once);
	tcase_add_test(tcase, parallel_guesses_are_counted_too);
	tcase_add_test(tcase, hanging_up_is_not_free);
	tcase_add_test(tcase, cancels_at_each_step);
	tcase_add_test(tcase, a_full_queue_waits_then_is_busy);
	tcase_add_test(tcase, a_bad_record_is_not_a_wrong_password);
	tcase_add_test(tcase, a_denial_waits);
	tcase_add_test(tcase, time_of_a_denial);
	tcase_add_test(tcase, says_what_is_missing);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
