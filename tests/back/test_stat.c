#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/stat.h"
#include "gateway/base/mem.h"

START_TEST(test_quantiles)
{
	struct stats *stats = mem_zalloc(sizeof(*stats));
	struct back_status status;

	stat_get(stats, &status);
	ck_assert(status.delay_p99_s == 0);
	for (int i = 1; i <= 1000; i++)
		stat_delay(stats, i);
	stat_get(stats, &status);
	ck_assert(status.delay_p50_s > 0.45 && status.delay_p50_s < 0.55);
	ck_assert(status.delay_p99_s > 0.90 && status.delay_p99_s < 1.08);
	stat_rotate(stats, 30000); /* still shown */
	stat_get(stats, &status);
	ck_assert(status.delay_p50_s > 0.45);
	stat_delay(stats, 5);
	stat_rotate(stats, 59999);
	stat_rotate(stats, 60000); /* now only the 5 ms are */
	stat_get(stats, &status);
	ck_assert(status.delay_p99_s > 0.0049 && status.delay_p99_s < 0.0051);
	stat_delay(stats, -5);
	stat_delay(stats, INT64_MAX);
	free(stats);
}
END_TEST

/* An empty queue was shown with the age of the message that had just left. */
START_TEST(test_oldest_of_none)
{
	struct stats *stats = mem_zalloc(sizeof(*stats));
	struct back_status status;

	atomic_store(&stats->oldest_wall_s, 1800000000);
	stat_get(stats, &status);
	ck_assert_int_eq(status.oldest_wall_s, 0);
	atomic_store(&stats->queued, 1);
	stat_get(stats, &status);
	ck_assert_int_eq(status.oldest_wall_s, 1800000000);
	free(stats);
}
END_TEST

START_TEST(test_age)
{
	struct age *age = mem_zalloc(sizeof(*age));
	const int64_t t = 1700000040; /* on a minute */

	ck_assert_int_eq(age_oldest_wall_s(age), 0);
	age_add(age, t, 2);
	age_add(age, t + 3600, 1);
	ck_assert_int_eq(age_oldest_wall_s(age), t);
	age_add(age, t - 7200, 1); /* an old one, read back at start */
	ck_assert_int_eq(age_oldest_wall_s(age), t - 7200);
	age_remove(age, t - 7200, 1);
	age_remove(age, t, 2);
	ck_assert_int_eq(age_oldest_wall_s(age), t + 3600);
	/* A month later, with nothing in between. */
	age_add(age, t + 30 * 86400, 1);
	ck_assert_int_gt(age_oldest_wall_s(age), t + 3600);
	age_remove(age, t + 3600, 1);
	ck_assert_int_eq(age_oldest_wall_s(age), t + 30 * 86400);
	age_remove(age, t + 30 * 86400, 1);
	ck_assert_int_eq(age_oldest_wall_s(age), 0);
	age_remove(age, t, 5); /* never below nothing */
	age_add(age, t + 30 * 86400, 1);
	ck_assert_int_eq(age_oldest_wall_s(age), t + 30 * 86400);
	/* Step by step off the end of the ring. */
	for (int64_t s = 0; s < 10 * 86400; s += 45)
		age_add(age, t + 30 * 86400 + s, 1);
	ck_assert_int_ne(age_oldest_wall_s(age), 0);
	free(age);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/stat");
	TCase *tc = tcase_create("stat");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_quantiles);
	tcase_add_test(tc, test_oldest_of_none);
	tcase_add_test(tc, test_age);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
