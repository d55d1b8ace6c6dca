/*
 * The wrong password that is tried again, through gateway/auth/auth.h: it must
 * not be hashed again, and nobody must see that it was not.
 *
 * Whether something was hashed shows without a stop-watch: there is one worker,
 * and what goes to it is behind the hashes queued before.
 */
#include <stdio.h>

#include "gateway/auth/auth.h"
#include "gateway/base/clock.h"
#include "tests/auth/store_help.h"

#define WAIT_MS 240000
#define AHEAD_COUNT 8
#define DELAY_MS 600
#define GAP_MS 20
#define CLIENT "192.0.2.1"

static struct loop *loop;
static struct auth_pool *pool;
static struct auth *auth;

/* Different logins, since the same question is one hash. */
static const char *const ahead_names[AHEAD_COUNT] = {
    "ann0", "ann1", "ann2", "ann3", "ann4", "ann5", "ann6", "ann7"};

struct outcome {
	struct auth_op *op;
	bool done;
	enum auth_verdict verdict;
	bool cached;
	char tried[32];
	int64_t at_ms;
};

static void
on_done(void *arg, const struct auth_result *result)
{
	struct outcome *outcome = arg;

	outcome->op = NULL;
	outcome->done = true;
	outcome->verdict = result->verdict;
	outcome->cached = result->cached;
	outcome->at_ms = clock_mono_ms();
	snprintf(outcome->tried, sizeof(outcome->tried), "%.*s",
		 (int)result->tried.n, result->tried.n ? result->tried.p : "");
}

static void
open_auth(struct auth_opts opts)
{
	char error[256];

	opts.store = store;
	opts.worker_count = 1;
	opts.cache_ms = -1; /* nobody's hash is spared but for being wrong */
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
	for (size_t i = 0; i < AHEAD_COUNT; i++)
		store_user(ahead_names[i], "pass word", NULL, NULL);
}

static void
begin(struct outcome *outcome, const char *name, const char *password,
      const char *client)
{
	struct auth_req req = {.mechanism = SLICE_LIT("PLAIN"), .tls = true};
	struct buf raw;
	char *text;

	ck_assert_int_eq(ip_parse(slice_str(client), &req.client), 0);
	buf_init(&raw, 1024);
	buf_add_byte(&raw, '\0');
	buf_add_str(&raw, name);
	buf_add_byte(&raw, '\0');
	buf_add_str(&raw, password);
	text = base64_of(buf_slice(&raw));
	req.initial = slice_str(text);
	memset(outcome, 0, sizeof(*outcome));
	outcome->op = auth_start(auth, &req, on_done, outcome);
	free(text);
	buf_fini(&raw);
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

static enum auth_verdict
login(const char *name, const char *password, const char *client)
{
	struct outcome outcome;

	begin(&outcome, name, password, client);
	wait_for(&outcome);
	return outcome.verdict;
}

/* True: its answer did not wait for the worker. */
static bool
spared(struct outcome *outcome, const char *name, const char *password,
       const char *client)
{
	struct outcome ahead[AHEAD_COUNT];
	bool first;

	for (size_t i = 0; i < COUNT(ahead); i++)
		begin(&ahead[i], ahead_names[i], "pass word", "192.0.2.99");
	begin(outcome, name, password, client);
	wait_for(outcome);
	first = !ahead[AHEAD_COUNT - 1].done;
	for (size_t i = 0; i < COUNT(ahead); i++) {
		wait_for(&ahead[i]);
		ck_assert_int_eq(ahead[i].verdict, AUTH_OK);
	}
	return first;
}

/* bob's "wrong" and nobody's "wrong" were just denied. */
START_TEST(what_is_spared)
{
	static const struct {
		const char *label, *name, *password, *client;
		enum auth_verdict verdict;
		bool spared;
	} rows[] = {
	    {"the same again", "bob", "wrong", CLIENT, AUTH_DENIED, true},
	    {"in other letters", "BOB", "wrong", CLIENT, AUTH_DENIED, true},
	    {"elsewhere", "bob", "wrong", "192.0.2.2", AUTH_DENIED, true},
	    {"who does not exist", "nobody", "wrong", CLIENT, AUTH_DENIED,
	     true},
	    {"another password", "bob", "wrong1", CLIENT, AUTH_DENIED, false},
	    {"another login", "ann", "wrong", CLIENT, AUTH_DENIED, false},
	    {"another who does not exist", "noone", "wrong", CLIENT,
	     AUTH_DENIED, false},
	    {"the right one", "bob", "secret", CLIENT, AUTH_OK, false},
	};
	struct outcome outcome;

	open_auth((struct auth_opts){.fail_max = 99});
	ck_assert_int_eq(login("bob", "wrong", CLIENT), AUTH_DENIED);
	ck_assert_int_eq(login("nobody", "wrong", CLIENT), AUTH_DENIED);
	for (size_t i = 0; i < COUNT(rows); i++) {
		bool was = spared(&outcome, rows[i].name, rows[i].password,
				  rows[i].client);

		ck_assert_msg(was == rows[i].spared, "%s", rows[i].label);
		ck_assert_msg(outcome.verdict == rows[i].verdict, "%s: %d",
			      rows[i].label, (int)outcome.verdict);
		ck_assert_msg(!outcome.cached, "%s", rows[i].label);
		ck_assert_msg(strcmp(outcome.tried, rows[i].verdict == AUTH_OK
							? ""
							: rows[i].name) == 0,
			      "%s: %s", rows[i].label, outcome.tried);
	}
	close_auth();
}
END_TEST

/* Where it was not tried before it is a failure like any other. */
START_TEST(a_spared_hash_is_a_failure)
{
	static const char *const passwords[] = {"old", "older", "oldest"};
	struct outcome outcome;

	open_auth((struct auth_opts){.fail_max = 3});
	for (size_t i = 0; i < COUNT(passwords); i++)
		login("bob", passwords[i], "192.0.2.2");
	for (size_t i = 0; i < COUNT(passwords); i++) {
		ck_assert(spared(&outcome, "bob", passwords[i], CLIENT));
		ck_assert_int_eq(outcome.verdict, AUTH_DENIED);
	}
	ck_assert_int_eq(login("bob", "secret", CLIENT), AUTH_DENIED);
	close_auth();
}
END_TEST

START_TEST(a_change_is_seen)
{
	static const struct {
		const char *label, *unknown;
		bool told;
	} rows[] = {
	    {"told", "eve", true},
	    {"a change that nobody told", "eva", false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		open_auth((struct auth_opts){.fail_max = 99});
		store_user("bob", "secret", NULL, NULL);
		ck_assert_int_eq(login("bob", "new", CLIENT), AUTH_DENIED);
		ck_assert_int_eq(login(rows[i].unknown, "new", CLIENT),
				 AUTH_DENIED);
		store_user("bob", "new", NULL, NULL);
		store_user(rows[i].unknown, "new", NULL, NULL);
		if (rows[i].told) {
			auth_pool_forget(pool, SLICE_LIT("bob"));
			auth_pool_forget(pool, slice_str(rows[i].unknown));
		}
		ck_assert_msg(login("bob", "new", CLIENT) == AUTH_OK, "%s",
			      rows[i].label);
		ck_assert_msg(login(rows[i].unknown, "new", CLIENT) == AUTH_OK,
			      "%s", rows[i].label);
		close_auth();
	}
}
END_TEST

START_TEST(forgetting_is_of_one_login)
{
	struct outcome outcome;

	open_auth((struct auth_opts){.fail_max = 99});
	login("bob", "wrong", CLIENT);
	login("ann", "wrong", CLIENT);
	auth_pool_forget(pool, SLICE_LIT("bob"));
	ck_assert(!spared(&outcome, "bob", "wrong", CLIENT));
	ck_assert(spared(&outcome, "ann", "wrong", CLIENT));
	close_auth();
}
END_TEST

/* What was not finished proved nothing. */
START_TEST(cancelled_and_expired_are_not_remembered)
{
	struct outcome outcome, ahead[AHEAD_COUNT];

	open_auth((struct auth_opts){.fail_max = 99});
	begin(&outcome, "bob", "wrong", CLIENT);
	auth_cancel(&outcome.op);
	/* behind the hash that nobody waits for any more */
	ck_assert_int_eq(login("ann", "pass word", CLIENT), AUTH_OK);
	ck_assert(!spared(&outcome, "bob", "wrong", CLIENT));
	close_auth();

	open_auth((struct auth_opts){.fail_max = 99, .queue_wait_ms = 1});
	for (int twice = 0; twice < 2; twice++) {
		for (size_t i = 0; i < COUNT(ahead); i++)
			begin(&ahead[i], ahead_names[i], "pass word",
			      "192.0.2.99");
		begin(&outcome, "bob", "wrong", CLIENT);
		wait_for(&outcome);
		ck_assert_int_eq(outcome.verdict, AUTH_BUSY);
		for (size_t i = 0; i < COUNT(ahead); i++)
			wait_for(&ahead[i]);
	}
	close_auth();
}
END_TEST

/* Its hash is paid each time, and nothing of it is remembered. */
START_TEST(hanging_up_with_the_same_is_not_free)
{
	struct outcome outcome;

	open_auth((struct auth_opts){.fail_max = 3});
	for (int i = 0; i < 3; i++) {
		begin(&outcome, "bob", "wrong", CLIENT);
		auth_cancel(&outcome.op);
	}
	ck_assert_int_eq(login("bob", "secret", CLIENT), AUTH_DENIED);
	close_auth();
}
END_TEST

/* The one that is remembered is begun last, at least GAP_MS after those that
 * have eight hashes before them, 200 ms. If each answer comes a delay after its
 * beginning, all of those are answered before it; did the delay begin with the
 * hash's end, they would not. False: they were not. */
static bool
one_delay_for_all(int64_t delay_ms)
{
	struct outcome hashed[AHEAD_COUNT], remembered;
	int64_t began_ms;
	char client[16];
	bool all = true;

	open_auth((struct auth_opts){.fail_delay_ms = delay_ms});
	ck_assert_int_eq(login("bob", "wrong", "192.0.2.200"), AUTH_DENIED);
	for (size_t i = 0; i < COUNT(hashed); i++) {
		snprintf(client, sizeof(client), "192.0.2.%zu", 10 + i);
		begin(&hashed[i], i % 2 == 0 ? "bob" : "nobody", client,
		      client);
	}
	began_ms = clock_mono_ms();
	while (clock_mono_ms() < began_ms + GAP_MS)
		loop_turn(loop);
	began_ms = loop_now_ms(loop);
	begin(&remembered, "bob", "wrong", "192.0.2.9");
	wait_for(&remembered);
	ck_assert_int_eq(remembered.verdict, AUTH_DENIED);
	ck_assert_int_ge(remembered.at_ms - began_ms, delay_ms - 20);
	for (size_t i = 0; i < COUNT(hashed); i++)
		all = all && hashed[i].done;
	for (size_t i = 0; i < COUNT(hashed); i++) {
		wait_for(&hashed[i]);
		ck_assert_int_eq(hashed[i].verdict, AUTH_DENIED);
	}
	close_auth();
	return all;
}

/* With a longer delay where eight hashes take longer; a delay that begins late
 * is late with any. */
START_TEST(all_denials_take_as_long)
{
	int64_t delay_ms = DELAY_MS;

	while (!one_delay_for_all(delay_ms)) {
		delay_ms *= 3;
		ck_assert_int_lt(delay_ms, 20000);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("repeat");
	TCase *tcase = tcase_create("repeat");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, store_teardown);
	tcase_add_test(tcase, what_is_spared);
	tcase_add_test(tcase, a_spared_hash_is_a_failure);
	tcase_add_test(tcase, a_change_is_seen);
	tcase_add_test(tcase, forgetting_is_of_one_login);
	tcase_add_test(tcase, cancelled_and_expired_are_not_remembered);
	tcase_add_test(tcase, hanging_up_with_the_same_is_not_free);
	tcase_add_test(tcase, all_denials_take_as_long);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
