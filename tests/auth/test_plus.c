#include "gateway/auth/plus.h"
#include "gateway/base/encode.h"
#include "tests/auth/auth_help.h"

struct row {
	const char *label, *mechanism, *suffix;
	struct slice in, want;
	bool found;
};

static const struct row rows[] = {
    {"a plain name", "PLAIN", "bulk", RAW("\0ann\0pw"), RAW("\0ann\0pw"),
     false},
    {"a suffix", "PLAIN", "bulk", RAW("\0ann+bulk\0pw"), RAW("\0ann\0pw"),
     true},
    {"in any case", "plain", "bulk", RAW("\0ann+BULK\0pw"), RAW("\0ann\0pw"),
     true},
    {"before a domain", "PLAIN", "bulk", RAW("\0ann+bulk@a.lab\0pw"),
     RAW("\0ann@a.lab\0pw"), true},
    {"in both names", "PLAIN", "bulk", RAW("ann+bulk\0ann+bulk\0pw"),
     RAW("ann\0ann\0pw"), true},
    {"the password is let be", "PLAIN", "bulk", RAW("\0ann\0pw+bulk"),
     RAW("\0ann\0pw+bulk"), false},
    {"another suffix", "PLAIN", "bulk", RAW("\0ann+news\0pw"),
     RAW("\0ann+news\0pw"), false},
    {"the end of another", "PLAIN", "bulk", RAW("\0ann+xbulk\0pw"),
     RAW("\0ann+xbulk\0pw"), false},
    {"a name that is the suffix", "PLAIN", "bulk", RAW("\0bulk\0pw"),
     RAW("\0bulk\0pw"), false},
    {"nobody's", "PLAIN", "bulk", RAW("\0+bulk\0pw"), RAW("\0+bulk\0pw"),
     false},
    {"in the domain", "PLAIN", "bulk", RAW("\0ann@a+bulk\0pw"),
     RAW("\0ann@a+bulk\0pw"), false},
    {"none configured", "PLAIN", NULL, RAW("\0ann+bulk\0pw"),
     RAW("\0ann+bulk\0pw"), false},
    {"no grammar", "PLAIN", "bulk", RAW("ann+bulk"), RAW("ann+bulk"), false},
    {"LOGIN", "LOGIN", "bulk", RAW("ann+bulk"), RAW("ann"), true},
    {"a mechanism of Dovecot's", "XOAUTH2", "bulk", RAW("ann+bulk"),
     RAW("ann+bulk"), false},
};

START_TEST(a_suffix_is_taken_out)
{
	const struct row *row = &rows[_i];
	struct auth_plus plus;
	struct buf in, out;

	buf_init(&in, 200);
	buf_init(&out, 200);
	base64_encode(&in, row->in);
	auth_plus_init(&plus, slice_str(row->mechanism), row->suffix);
	ck_assert_ptr_null(auth_plus_take(&plus, SLICE_NONE).p);
	ck_assert_int_eq(
	    base64_decode(&out, auth_plus_take(&plus, buf_slice(&in))), 0);
	ck_assert_msg(slice_eq(buf_slice(&out), row->want) &&
			  plus.found == row->found,
		      "%s", row->label);
	auth_plus_fini(&plus);
	buf_fini(&in);
	buf_fini(&out);
}
END_TEST

/* LOGIN: the second answer is the password. */
START_TEST(only_the_name_is_looked_at)
{
	struct auth_plus plus;
	struct slice got;

	auth_plus_init(&plus, SLICE_LIT("LOGIN"), "bulk");
	(void)auth_plus_take(&plus, SLICE_LIT("YW5u"));
	got = auth_plus_take(&plus, SLICE_LIT("YW5uK2J1bGs=")); /* ann+bulk */
	ck_assert(slice_eq(got, SLICE_LIT("YW5uK2J1bGs=")));
	ck_assert(!plus.found);
	auth_plus_fini(&plus);
}
END_TEST

START_TEST(what_is_no_base64_passes)
{
	struct auth_plus plus;

	auth_plus_init(&plus, SLICE_LIT("PLAIN"), "bulk");
	ck_assert(slice_eq(auth_plus_take(&plus, SLICE_LIT("***")),
			   SLICE_LIT("***")));
	auth_plus_fini(&plus);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("plus");
	TCase *table = tcase_create("table");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(table, a_suffix_is_taken_out, 0,
			    sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(table, only_the_name_is_looked_at);
	tcase_add_test(table, what_is_no_base64_passes);
	suite_add_tcase(suite, table);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
