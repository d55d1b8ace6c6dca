#include <check.h>
#include <string.h>

#include "gateway/base/secret.h"

START_TEST(compares)
{
	static const char text[] = "secret";
	static const struct {
		const char *a, *b;
		bool eq;
	} rows[] = {
	    {"", "", true},
	    {"a", "a", true},
	    {"a", "b", false},
	    {"a", "", false},
	    {"secret", "secreT", false},
	    {"secret", "secret1", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert(secret_eq(slice_str(rows[i].a),
				    slice_str(rows[i].b)) == rows[i].eq);
	ck_assert(secret_eq(SLICE_NONE, SLICE_LIT("")));
	/* what follows the shorter one in memory happens to be the same */
	ck_assert(!secret_eq(slice_of(text, 6), slice_of(text, 5)));
	ck_assert(!secret_eq(slice_of(text, 5), slice_of(text, 6)));
}
END_TEST

START_TEST(wipes)
{
	char text[8] = "secret!";
	static const char zero[8];

	secret_wipe(text, sizeof(text));
	ck_assert_int_eq(memcmp(text, zero, sizeof(zero)), 0);
	secret_wipe(NULL, 0);
}
END_TEST

/* Over 256 bytes a signal may cut getrandom short. */
START_TEST(random_fills_all)
{
	unsigned char a[1024] = {0}, b[1024] = {0};
	size_t zero_tail = 0;

	secret_random(a, sizeof(a));
	secret_random(b, sizeof(b));
	ck_assert_int_ne(memcmp(a, b, sizeof(a)), 0);
	for (size_t i = sizeof(a); i > 0 && a[i - 1] == 0; i--)
		zero_tail++;
	ck_assert_uint_lt(zero_tail, 8);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("secret");
	TCase *tc = tcase_create("secret");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, compares);
	tcase_add_test(tc, wipes);
	tcase_add_test(tc, random_fills_all);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
