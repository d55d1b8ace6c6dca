#include <check.h>
#include <stdlib.h>

#include "gateway/base/histogram.h"

static struct histogram one, two;
static struct histogram *const both[] = {&one, &two};

START_TEST(quantiles_are_near_and_never_below)
{
	uint64_t q;

	for (uint64_t v = 1; v <= 1000; v++)
		histogram_add(v % 2 ? &one : &two, v * 100, 1000);
	q = histogram_quantile_us(both, 2, 0.5, 1000);
	ck_assert_uint_ge(q, 50000);
	ck_assert_uint_le(q, 57000);
	q = histogram_quantile_us(both, 2, 0.99, 1000);
	ck_assert_uint_ge(q, 99000);
	ck_assert_uint_le(q, 112000);
}
END_TEST

START_TEST(the_smallest_and_the_largest_have_a_place)
{
	histogram_add(&one, 0, 1000);
	ck_assert_uint_eq(histogram_quantile_us(both, 1, 1, 1000), 0);
	histogram_add(&one, UINT64_MAX, 1000);
	ck_assert_uint_gt(histogram_quantile_us(both, 1, 1, 1000), 1u << 30);
}
END_TEST

START_TEST(old_values_are_forgotten)
{
	int64_t t = 1000000;

	histogram_add(&one, 500, t);
	ck_assert_uint_ge(histogram_quantile_us(both, 1, 1, t), 500);
	/* the next half begins: still there */
	histogram_add(&one, 5, t + HISTOGRAM_HALF_MS);
	ck_assert_uint_ge(
	    histogram_quantile_us(both, 1, 1, t + HISTOGRAM_HALF_MS), 500);
	/* and the one after it: gone */
	histogram_add(&one, 5, t + 2 * HISTOGRAM_HALF_MS);
	ck_assert_uint_eq(
	    histogram_quantile_us(both, 1, 1, t + 2 * HISTOGRAM_HALF_MS), 5);
	/* nobody came since: nothing to tell */
	ck_assert_uint_eq(
	    histogram_quantile_us(both, 1, 1, t + 9 * HISTOGRAM_HALF_MS), 0);
}
END_TEST

START_TEST(empty_is_zero)
{
	ck_assert_uint_eq(histogram_quantile_us(both, 2, 0.99, 5), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("histogram");
	TCase *tc = tcase_create("histogram");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, quantiles_are_near_and_never_below);
	tcase_add_test(tc, the_smallest_and_the_largest_have_a_place);
	tcase_add_test(tc, old_values_are_forgotten);
	tcase_add_test(tc, empty_is_zero);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
