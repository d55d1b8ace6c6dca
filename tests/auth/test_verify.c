#include <pthread.h>

#include "gateway/auth/user.h"
#include "gateway/auth/verify.h"
#include "gateway/base/clock.h"
#include "tests/auth/auth_help.h"

#define WAIT_MS 240000

static struct loop *loop;
static struct verify_pool *pool;
static struct verify *verify;
static char *hash;

struct outcome {
	struct verify_op *op;
	int count;
	enum verify_verdict verdict;
};

static void
on_done(void *arg, enum verify_verdict verdict)
{
	struct outcome *outcome = arg;

	outcome->op = NULL;
	outcome->count++;
	outcome->verdict = verdict;
}

static void
setup(void)
{
	ck_assert_int_eq(user_hash(SLICE_LIT("secret"), &hash), 0);
	loop = loop_create();
	pool = verify_pool_create(1, 2);
	ck_assert_ptr_nonnull(pool);
	verify = verify_create(loop, pool);
	ck_assert_ptr_nonnull(verify);
}

static void
teardown(void)
{
	verify_destroy(&verify);
	verify_pool_destroy(&pool);
	loop_destroy(&loop);
	free(hash);
}

static void
begin_at(struct verify *door, struct outcome *outcome, const char *password,
	 const char *against, int64_t wait_ms)
{
	struct verify_req req = {
	    .password = slice_str(password),
	    .hash = against,
	    .wait_ms = wait_ms,
	};

	memset(outcome, 0, sizeof(*outcome));
	outcome->op = verify_start(door, &req, on_done, outcome);
	ck_assert_int_eq(outcome->count, 0);
}

static void
begin(struct outcome *outcome, const char *password, const char *against)
{
	begin_at(verify, outcome, password, against, WAIT_MS);
}

static void
wait_on(struct loop *on, struct outcome *outcome)
{
	int64_t until_ms = clock_mono_ms() + WAIT_MS;

	while (outcome->count == 0) {
		ck_assert_msg(clock_mono_ms() < until_ms, "no answer");
		loop_turn(on);
	}
}

START_TEST(compares)
{
	const struct {
		const char *label, *password, *hash;
		enum verify_verdict verdict;
	} rows[] = {
	    {"right", "secret", hash, VERIFY_MATCH},
	    {"wrong", "Secret", hash, VERIFY_WRONG},
	    {"shorter", "secre", hash, VERIFY_WRONG},
	    {"SHA-512 of another system", "hashpw",
	     "$6$labsalt$PNbmN6ZbTqsLgFXuGFvpN8PFXuJ0qRnQ", VERIFY_WRONG},
	    {"a locked account", "secret", "!", VERIFY_BROKEN},
	    {"crypt's own failure is no password", "secret", "*0",
	     VERIFY_BROKEN},
	    {"argon2 is not in libcrypt", "secret", "$argon2id$v=19$m=65536",
	     VERIFY_BROKEN},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct outcome outcome;

		begin(&outcome, rows[i].password, rows[i].hash);
		wait_on(loop, &outcome);
		ck_assert_msg(outcome.verdict == rows[i].verdict, "%s: %d",
			      rows[i].label, (int)outcome.verdict);
	}
}
END_TEST

START_TEST(more_than_the_queue_holds)
{
	struct outcome outcomes[8];

	for (size_t i = 0; i < COUNT(outcomes); i++)
		begin(&outcomes[i], i % 2 == 0 ? "secret" : "wrong", hash);
	for (size_t i = 0; i < COUNT(outcomes); i++) {
		wait_on(loop, &outcomes[i]);
		ck_assert_int_eq(outcomes[i].verdict,
				 i % 2 == 0 ? VERIFY_MATCH : VERIFY_WRONG);
	}
}
END_TEST

static int finished;

static void
on_numbered(void *arg, enum verify_verdict verdict)
{
	struct outcome *outcome = arg;

	on_done(arg, verdict);
	outcome->count = ++finished;
}

/* Fifty connections of one login after a restart were fifty hashes. Who asks
 * the same is answered with the first, before another who came sooner. */
START_TEST(the_same_question_is_one_hash)
{
	const char *const asked[] = {"wrong", "secret", "wrong", "wrong"};
	struct verify_pool *wide = verify_pool_create(1, 8);
	struct verify *door = verify_create(loop, wide);
	struct outcome outcomes[COUNT(asked)];
	struct verify_req req = {.hash = hash, .wait_ms = WAIT_MS};

	memset(outcomes, 0, sizeof(outcomes));
	finished = 0;
	for (size_t i = 0; i < COUNT(asked); i++) {
		req.password = slice_str(asked[i]);
		outcomes[i].op =
		    verify_start(door, &req, on_numbered, &outcomes[i]);
	}
	for (size_t i = 0; i < COUNT(asked); i++)
		wait_on(loop, &outcomes[i]);
	ck_assert_int_eq(outcomes[1].count, 4);
	ck_assert_int_eq(outcomes[1].verdict, VERIFY_MATCH);
	for (size_t i = 0; i < COUNT(asked); i++)
		if (i != 1)
			ck_assert_int_eq(outcomes[i].verdict, VERIFY_WRONG);
	verify_destroy(&door);
	verify_pool_destroy(&wide);
}
END_TEST

START_TEST(who_waits_too_long_is_told)
{
	struct outcome outcomes[5];

	for (size_t i = 0; i < COUNT(outcomes); i++)
		begin_at(verify, &outcomes[i], "secret", hash,
			 i == 0 ? WAIT_MS : 1);
	for (size_t i = 0; i < COUNT(outcomes); i++)
		wait_on(loop, &outcomes[i]);
	ck_assert_int_eq(outcomes[0].verdict, VERIFY_MATCH);
	ck_assert_int_eq(outcomes[4].verdict, VERIFY_EXPIRED);
	for (size_t i = 0; i < COUNT(outcomes); i++)
		ck_assert_int_eq(outcomes[i].count, 1);
}
END_TEST

/* One under the worker, two queued, two at the door; then the door goes while
 * the worker is busy. */
START_TEST(cancels_wherever_it_is)
{
	struct outcome outcomes[5];

	for (size_t i = 0; i < COUNT(outcomes); i++)
		begin(&outcomes[i], "secret", hash);
	for (size_t i = 0; i < COUNT(outcomes); i++) {
		verify_cancel(&outcomes[i].op);
		ck_assert_ptr_null(outcomes[i].op);
		verify_cancel(&outcomes[i].op);
	}
	verify_destroy(&verify);
	for (size_t i = 0; i < COUNT(outcomes); i++)
		ck_assert_int_eq(outcomes[i].count, 0);
	verify = verify_create(loop, pool);
	begin(&outcomes[0], "secret", hash);
	wait_on(loop, &outcomes[0]);
	ck_assert_int_eq(outcomes[0].verdict, VERIFY_MATCH);
}
END_TEST

static void *
front_run(void *arg)
{
	struct loop *own = loop_create();
	struct verify *door = verify_create(own, pool);
	struct outcome outcomes[6];
	intptr_t good = 0;

	(void)arg;
	for (size_t i = 0; i < COUNT(outcomes); i++)
		begin_at(door, &outcomes[i], "secret", hash, WAIT_MS);
	verify_cancel(&outcomes[1].op);
	for (size_t i = 0; i < COUNT(outcomes); i++) {
		if (i == 1 || i == 5)
			continue;
		wait_on(own, &outcomes[i]);
		good += outcomes[i].verdict == VERIFY_MATCH;
	}
	verify_cancel(&outcomes[5].op);
	verify_destroy(&door);
	loop_destroy(&own);
	return (void *)good;
}

START_TEST(several_loops_share_the_workers)
{
	pthread_t threads[3];
	void *good;

	for (size_t i = 0; i < COUNT(threads); i++)
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, front_run, NULL), 0);
	for (size_t i = 0; i < COUNT(threads); i++) {
		pthread_join(threads[i], &good);
		ck_assert_int_eq((intptr_t)good, 4);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("verify");
	TCase *tcase = tcase_create("verify");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, compares);
	tcase_add_test(tcase, more_than_the_queue_holds);
	tcase_add_test(tcase, the_same_question_is_one_hash);
	tcase_add_test(tcase, who_waits_too_long_is_told);
	tcase_add_test(tcase, cancels_wherever_it_is);
	tcase_add_test(tcase, several_loops_share_the_workers);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
