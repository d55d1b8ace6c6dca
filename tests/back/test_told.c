#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/back/told.h"

static unsigned
tell(struct told *told, const char *owner, int64_t now_ms, unsigned times)
{
	unsigned n = 0;

	while (times-- > 0)
		n += told_may(told, owner, now_ms);
	return n;
}

START_TEST(test_owners)
{
	struct told *told = told_create();

	ck_assert_uint_eq(tell(told, "ann", 5, 100), TOLD_MAX);
	ck_assert_uint_eq(tell(told, "bob", 6, 3), 3);
	ck_assert_uint_eq(tell(told, "ann", 5 + TOLD_MS - 1, 9), 0);
	ck_assert_uint_eq(tell(told, "ann", 5 + TOLD_MS, 9), 9);
	told_destroy(&told);
	ck_assert_ptr_null(told);
	told_destroy(&told);
}
END_TEST

/* Owners without end take no memory without end. */
START_TEST(test_many)
{
	struct told *told = told_create();
	char name[32];

	for (int i = 0; i < 3 * TOLD_OWNERS_MAX; i++) {
		snprintf(name, sizeof(name), "o%d", i);
		ck_assert_uint_eq(tell(told, name, 5, 1), 1);
	}
	told_destroy(&told);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("told");
	TCase *tc = tcase_create("told");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_owners);
	tcase_add_test(tc, test_many);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
