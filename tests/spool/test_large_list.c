#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "tests/spool/fixture.h"

/*
 * A message to 50,000 recipients, the most that is taken. It is one
 * transaction, so it is the longest that anybody waits for the store thread:
 * 15 ms on a machine of two cores. Its jobs of 100 load what is theirs alone.
 */
#define RCPTS 50000
#define A_JOB 100
#define PATIENCE_MS 30000 /* with sanitizers on a busy machine; 15 without */

START_TEST(test_large_list)
{
	struct fixture_removal *removal;
	uint32_t indexes[A_JOB];
	struct fixture f;
	struct fixture_answer a;
	struct spool_ledger ledger;
	struct spool_msg *msg;
	int64_t began_ms, took_ms;

	fixture_init(&f);
	f.opts.map_bytes = UINT64_C(1) << 30;
	fixture_open(&f);
	began_ms = clock_mono_ms();
	a = fixture_submit(f.spool, 3000, 1, RCPTS, 0);
	took_ms = clock_mono_ms() - began_ms;
	printf("accepted in %lld ms\n", (long long)took_ms);
	ck_assert_int_eq(a.answer, SPOOL_ACCEPTED);
	ck_assert_int_le(took_ms, PATIENCE_MS);

	began_ms = clock_mono_ms();
	for (uint32_t at = 0; at < RCPTS; at += A_JOB) {
		for (uint32_t i = 0; i < A_JOB; i++)
			indexes[i] = at + i;
		ck_assert_int_eq(
		    spool_load_some(f.spool, a.id, indexes, A_JOB, &msg), 0);
		ck_assert_uint_eq(msg->rcpt_count, A_JOB);
		spool_msg_destroy(&msg);
	}
	took_ms = clock_mono_ms() - began_ms;
	printf("loaded for 500 jobs in %lld ms\n", (long long)took_ms);
	ck_assert_int_le(took_ms, PATIENCE_MS);

	began_ms = clock_mono_ms();
	removal = fixture_remove_start(f.spool, a.id, RCPTS, RCPT_DELIVERED);
	ck_assert_int_eq(fixture_remove_end(&removal), 0);
	took_ms = clock_mono_ms() - began_ms;
	printf("marked in %lld ms\n", (long long)took_ms);
	ck_assert_int_le(took_ms, PATIENCE_MS);
	ck_assert_int_eq(spool_load(f.spool, a.id, &msg), GW_ENOENT);
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	ck_assert_int_eq(ledger.by_state[RCPT_DELIVERED], RCPTS);
	fixture_fini(&f);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("spool/large_list");
	TCase *tc = tcase_create("large_list");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, test_large_list);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
