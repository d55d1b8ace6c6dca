#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

START_TEST(nothing_is_something)
{
	void *p = mem_alloc(0), *q = mem_array(0, 8), *r;

	ck_assert_ptr_nonnull(p);
	ck_assert_ptr_nonnull(q);
	r = mem_resize(p, 0);
	ck_assert_ptr_nonnull(r);
	free(q);
	free(r);
}
END_TEST

START_TEST(zeroes)
{
	unsigned char *p = mem_zalloc(1000), *q = mem_array(10, 100);

	for (size_t i = 0; i < 1000; i++)
		ck_assert(p[i] == 0 && q[i] == 0);
	free(p);
	free(q);
}
END_TEST

START_TEST(copies_strings)
{
	static const struct {
		const char *label, *s;
		size_t n;
		const char *want;
	} rows[] = {
	    {"shorter", "abc", 2, "ab"},  {"whole", "abc", 3, "abc"},
	    {"longer", "abc", 99, "abc"}, {"nothing", "abc", 0, ""},
	    {"NULL", NULL, 5, ""},
	};
	char *p;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		p = mem_strndup(rows[i].s, rows[i].n);
		ck_assert_msg(strcmp(p, rows[i].want) == 0, "%s",
			      rows[i].label);
		free(p);
	}
	p = mem_strdup("xyz");
	ck_assert_str_eq(p, "xyz");
	free(p);
	ck_assert_ptr_null(mem_strdup(NULL));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("mem");
	TCase *tc = tcase_create("mem");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, nothing_is_something);
	tcase_add_test(tc, zeroes);
	tcase_add_test(tc, copies_strings);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
