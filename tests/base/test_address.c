#include <check.h>

#include "gateway/base/address.h"

START_TEST(splits_at_the_last_at)
{
	static const struct {
		const char *label, *address, *local, *domain;
	} rows[] = {
	    {"plain", "a@b.c", "a", "b.c"},
	    {"quoted at", "\"a@b\"@c.d", "\"a@b\"", "c.d"},
	    {"no at", "postmaster", "postmaster", ""},
	    {"empty", "", "", ""},
	    {"no local", "@b", "", "b"},
	    {"no domain", "a@", "a", ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice s = slice_str(rows[i].address);

		ck_assert_msg(
		    slice_eq(address_local(s), slice_str(rows[i].local)), "%s",
		    rows[i].label);
		ck_assert_msg(
		    slice_eq(address_domain(s), slice_str(rows[i].domain)),
		    "%s", rows[i].label);
	}
	ck_assert_ptr_null(address_domain(SLICE_NONE).p);
	ck_assert_ptr_null(address_domain(SLICE_LIT("x")).p);
}
END_TEST

START_TEST(one_key_a_domain)
{
	static const char *const rows[][2] = {
	    {"example.com", "example.com"},
	    {"EXAMPLE.Com", "example.com"},
	    {"example.com.", "example.com"},
	    {"a..", "a."},
	    {".", ""},
	    {"", ""},
	    {"M\xc3\x84.de", "xn--m-0fa.de"},
	    {"m\xc3\xa4.de.", "xn--m-0fa.de"},
	    {"ma\xcc\x88.de", "xn--m-0fa.de"}, /* not composed */
	    {"XN--M-0FA.de", "xn--m-0fa.de"},
	    {".m\xc3\xa4.de", ".xn--m-0fa.de"},
	    {"\xff\xfe.De", "\xff\xfe.de"}, /* no UTF-8 */
	    {"m\xc3\xa4\xe3\x80\x82"
	     "de\xe3\x80\x82",
	     "xn--m-0fa.de"},
	    /* all of it invisible: a key of nothing would be no domain */
	    {"\xc2\xad", "\xc2\xad"},
	    {"\xe2\x80\x8b.\xc2\xad", "\xe2\x80\x8b.\xc2\xad"},
	    {"\xe3\x80\x82", "\xe3\x80\x82"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out = {.cap = 50};

		address_domain_key(&out, slice_str(rows[i][0]));
		ck_assert_str_eq(buf_cstr(&out), rows[i][1]);
		buf_fini(&out);
	}
}
END_TEST

START_TEST(what_a_rule_covers)
{
	static const struct {
		const char *rule, *domain;
		bool covers;
	} rows[] = {
	    {"a.b", "a.b", true},    {"a.b", "x.a.b", false},
	    {".a.b", "a.b", false},  {".a.b", "x.a.b", true},
	    {".a.b", "xa.b", false}, {".a.b", ".a.b", false},
	    {"", "a.b", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(address_domain_covers(
				  slice_str(rows[i].rule),
				  slice_str(rows[i].domain)) == rows[i].covers,
			      "%s %s", rows[i].rule, rows[i].domain);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("address");
	TCase *tc = tcase_create("address");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, splits_at_the_last_at);
	tcase_add_test(tc, one_key_a_domain);
	tcase_add_test(tc, what_a_rule_covers);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
