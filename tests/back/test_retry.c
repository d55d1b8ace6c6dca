#include <check.h>
#include <stdlib.h>

#include "gateway/back/retry.h"

static const int64_t waits[] = {300, 900, 1800, 3600};

static const struct back_conf conf = {
    .retry_s = waits, .retry_count = 4, .expire_s = 345600};

static const struct {
	const char *label;
	uint32_t attempts;
	int64_t now_s, least, most; /* accepted at 1,000,000 */
} dues[] = {
    {"first failure", 1, 1000000, 1000300, 1000337},
    {"second", 2, 1000400, 1001300, 1001412},
    {"fourth", 4, 1010000, 1013600, 1014050},
    {"the last repeats", 400, 1010000, 1013600, 1014050},
    {"none counted yet is as the first", 0, 1000000, 1000300, 1000337},
    {"one last attempt when it expires", 9, 1345000, 1345600, 1345600},
    {"after that, as ever", 9, 1345600, 1349200, 1349650},
};

START_TEST(test_due)
{
	for (size_t i = 0; i < sizeof(dues) / sizeof(dues[0]); i++) {
		for (uint32_t chance = 0; chance < 1000; chance++) {
			int64_t due =
			    retry_due_wall_s(&conf, dues[i].attempts, 1000000,
					     dues[i].now_s, chance);

			ck_assert_msg(
			    due >= dues[i].least && due <= dues[i].most,
			    "%s: %lld", dues[i].label, (long long)due);
		}
	}
}
END_TEST

START_TEST(test_spreads)
{
	int64_t a = retry_due_wall_s(&conf, 1, 0, 0, 1);
	int64_t b = retry_due_wall_s(&conf, 1, 0, 0, 30);

	ck_assert_int_ne(a, b);
}
END_TEST

START_TEST(test_expires)
{
	ck_assert(!retry_expired(&conf, 1000, 1000));
	ck_assert(!retry_expired(&conf, 1000, 346599));
	ck_assert(retry_expired(&conf, 1000, 346600));
}
END_TEST

START_TEST(test_aside_doubles)
{
	static const int64_t steps[] = {30000,	60000,	120000, 240000,
					480000, 600000, 600000};
	int64_t ms = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		ms = retry_aside_ms(ms);
		ck_assert_int_eq(ms, steps[i]);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/retry");
	TCase *tc = tcase_create("retry");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_due);
	tcase_add_test(tc, test_spreads);
	tcase_add_test(tc, test_expires);
	tcase_add_test(tc, test_aside_doubles);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
