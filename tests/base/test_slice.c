#include <check.h>
#include <stdlib.h>

#include "gateway/base/slice.h"

START_TEST(compares)
{
	static const struct {
		const char *label, *a, *b;
		bool eq, ieq, starts, istarts, iends;
	} rows[] = {
	    {"same", "abc", "abc", true, true, true, true, true},
	    {"case", "AbC", "aBc", false, true, false, true, true},
	    {"prefix", "abc", "AB", false, false, false, true, false},
	    {"suffix", "abc", "BC", false, false, false, false, true},
	    {"longer", "ab", "abc", false, false, false, false, false},
	    {"empty", "abc", "", false, false, true, true, true},
	    {"both empty", "", "", true, true, true, true, true},
	    {"none", NULL, "", true, true, true, true, true},
	    {"@ is no `", "@", "`", false, false, false, false, false},
	    {"[ is no {", "[", "{", false, false, false, false, false},
	    {"Latin-1 is not folded", "\xc4", "\xe4", false, false, false,
	     false, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice a = slice_str(rows[i].a), b = slice_str(rows[i].b);
		const char *label = rows[i].label;

		ck_assert_msg(slice_eq(a, b) == rows[i].eq, "%s", label);
		ck_assert_msg(slice_ieq(a, b) == rows[i].ieq, "%s", label);
		ck_assert_msg(slice_starts(a, b) == rows[i].starts, "%s",
			      label);
		ck_assert_msg(slice_istarts(a, b) == rows[i].istarts, "%s",
			      label);
		ck_assert_msg(slice_iends(a, b) == rows[i].iends, "%s", label);
		ck_assert_msg((slice_cmp(a, b) == 0) == rows[i].eq, "%s",
			      label);
	}
}
END_TEST

START_TEST(orders_as_bytes)
{
	static const char *const order[] = {"",	 "A",	 "a",	 "ab",
					    "b", "\x7f", "\x80", "\xff"};
	size_t count = sizeof(order) / sizeof(order[0]);

	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < count; j++) {
			int got =
			    slice_cmp(slice_str(order[i]), slice_str(order[j]));

			ck_assert_int_eq((got > 0) - (got < 0),
					 (i > j) - (i < j));
		}
	}
}
END_TEST

START_TEST(cuts)
{
	struct slice s = SLICE_LIT("hello"), none = SLICE_NONE;

	ck_assert(slice_eq(slice_from(s, 2), SLICE_LIT("llo")));
	ck_assert(slice_eq(slice_from(s, 99), SLICE_LIT("")));
	ck_assert(slice_eq(slice_head(s, 2), SLICE_LIT("he")));
	ck_assert(slice_eq(slice_head(s, 99), s));
	ck_assert(slice_from(none, 5).p == NULL);
	ck_assert_uint_eq(slice_find(s, 'l'), 2);
	ck_assert_uint_eq(slice_find(s, 'x'), 5);
	ck_assert_uint_eq(slice_find(none, 'x'), 0);
	ck_assert(
	    slice_eq(slice_trim(SLICE_LIT(" \t a b\t ")), SLICE_LIT("a b")));
	ck_assert_uint_eq(slice_trim(SLICE_LIT(" \t ")).n, 0);
	ck_assert(slice_eq(slice_trim(SLICE_LIT("\na\r")), SLICE_LIT("\na\r")));
}
END_TEST

START_TEST(copies)
{
	char out[4] = "xyz";

	ck_assert(slice_copy(SLICE_NONE, out, 1));
	ck_assert_str_eq(out, "");
	ck_assert(slice_copy(slice_str("abc"), out, sizeof(out)));
	ck_assert_str_eq(out, "abc");
	ck_assert(!slice_copy(slice_str("abcd"), out, sizeof(out)));
	ck_assert(!slice_copy(slice_of("a\0b", 3), out, sizeof(out)));
	ck_assert_str_eq(out, "abc");
}
END_TEST

START_TEST(splits)
{
	static const struct {
		const char *label, *text, *tokens; /* joined with | */
	} rows[] = {
	    {"nothing", "", ""},	  {"one", "a", "a|"},
	    {"two", "a,b", "a|b|"},	  {"empty between", "a,,b", "a||b|"},
	    {"empty first", ",a", "|a|"}, {"sep last", "a,", "a|"},
	    {"only sep", ",", "|"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice rest = slice_str(rows[i].text), token;
		char got[32] = "";
		size_t n = 0;

		while (slice_split(&rest, ',', &token)) {
			for (size_t k = 0; k < token.n; k++)
				got[n++] = token.p[k];
			got[n++] = '|';
		}
		got[n] = '\0';
		ck_assert_msg(
		    slice_eq(slice_str(got), slice_str(rows[i].tokens)),
		    "%s: %s", rows[i].label, got);
		ck_assert(!slice_split(&rest, ',', &token));
	}
}
END_TEST

START_TEST(reads_numbers)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t value;
	} rows[] = {
	    {"0", true, 0},
	    {"42", true, 42},
	    {"007", true, 7},
	    {"18446744073709551615", true, UINT64_MAX},
	    {"18446744073709551616", false, 0},
	    {"99999999999999999999", false, 0},
	    {"", false, 0},
	    {"-1", false, 0},
	    {"+1", false, 0},
	    {" 1", false, 0},
	    {"1 ", false, 0},
	    {"1x", false, 0},
	    {"\xb2", false, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t v = 1234;

		ck_assert_msg(slice_u64(slice_str(rows[i].text), &v) ==
				  rows[i].ok,
			      "'%s'", rows[i].text);
		ck_assert_uint_eq(v, rows[i].ok ? rows[i].value : 1234);
	}
}
END_TEST

START_TEST(duplicates)
{
	char *p = slice_dup(slice_of("a\0b", 3));

	ck_assert(slice_eq(slice_of(p, 4), slice_of("a\0b\0", 4)));
	free(p);
	p = slice_dup(SLICE_NONE);
	ck_assert_str_eq(p, "");
	free(p);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("slice");
	TCase *tc = tcase_create("slice");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, compares);
	tcase_add_test(tc, orders_as_bytes);
	tcase_add_test(tc, cuts);
	tcase_add_test(tc, copies);
	tcase_add_test(tc, splits);
	tcase_add_test(tc, reads_numbers);
	tcase_add_test(tc, duplicates);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
