#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/smtp/path.h"

#define L32 "aaaaaaaabbbbbbbbccccccccdddddddd"
#define L63 L32 "aaaaaaaabbbbbbbbccccccccddddddd"
#define U11 "\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xc3\xbc"
#define U66 U11 U11 U11 U11 U11 U11
#define D190 "@" L63 "." L63 "." L32 "aaaaaaaabbbbbbbbccccccccddddd"

static const struct {
	const char *label, *in;
	enum path_verdict verdict;
	const char *address, *local, *domain, *rest;
} rows[] = {
    {"plain", "<a@example.com>", PATH_FINE, "a@example.com", "a", "example.com",
     ""},
    {"parameters behind it", "<a@b> SIZE=1", PATH_FINE, "a@b", "a", "b",
     " SIZE=1"},
    {"null", "<>", PATH_FINE, "", "", "", ""},
    {"null with parameters", "<> X", PATH_FINE, "", "", "", " X"},
    {"postmaster", "<PostMaster>", PATH_FINE, "PostMaster", "PostMaster", "",
     ""},
    {"no brackets", "a@b SIZE=1", PATH_FINE, "a@b", "a", "b", " SIZE=1"},
    {"dots in local", "<a.b.c@d>", PATH_FINE, "a.b.c@d", "a.b.c", "d", ""},
    {"all of atext", "<!#$%&'*+-/=?^_`{|}~@d>", PATH_FINE,
     "!#$%&'*+-/=?^_`{|}~@d", "!#$%&'*+-/=?^_`{|}~", "d", ""},
    {"quoted", "<\"a b\"@d>", PATH_FINE, "\"a b\"@d", "\"a b\"", "d", ""},
    {"quoted specials", "<\"<>@,:\"@d>", PATH_FINE, "\"<>@,:\"@d", "\"<>@,:\"",
     "d", ""},
    {"quoted pair", "<\"a\\\"b\\\\\"@d>", PATH_FINE, "\"a\\\"b\\\\\"@d",
     "\"a\\\"b\\\\\"", "d", ""},
    {"empty quoted", "<\"\"@d>", PATH_FINE, "\"\"@d", "\"\"", "d", ""},
    {"v4 literal", "<a@[192.0.2.1]>", PATH_FINE, "a@[192.0.2.1]", "a",
     "[192.0.2.1]", ""},
    {"v6 literal", "<a@[IPv6:2001:db8::1]>", PATH_FINE, "a@[IPv6:2001:db8::1]",
     "a", "[IPv6:2001:db8::1]", ""},
    {"route dropped", "<@x,@y.z:a@b>", PATH_FINE, "a@b", "a", "b", ""},
    {"route with a literal", "<@[192.0.2.1]:a@b>", PATH_FINE, "a@b", "a", "b",
     ""},
    {"utf-8", "<\xc3\xa4@b\xc3\xbc.de>", PATH_FINE, "\xc3\xa4@b\xc3\xbc.de",
     "\xc3\xa4", "b\xc3\xbc.de", ""},
    {"underscore in a name", "<a@b_c.d>", PATH_FINE, "a@b_c.d", "a", "b_c.d",
     ""},
    {"64 of local", "<" L32 L32 "@d>", PATH_FINE, L32 L32 "@d", L32 L32, "d",
     ""},
    {"65 of local", "<" L32 L32 "a@d>", PATH_LONG, 0, 0, 0, 0},
    {"254 in all", "<" L63 "a" D190 ">", PATH_FINE, L63 "a" D190, L63 "a",
     &(D190)[1], ""},
    {"255 in all", "<" L63 "a" D190 "a>", PATH_LONG, 0, 0, 0, 0},
    {"63 of a label", "<a@" L63 ".x>", PATH_FINE, "a@" L63 ".x", "a", L63 ".x",
     ""},
    {"66 of a label, UTF-8", "<a@" U66 ".x>", PATH_FINE, "a@" U66 ".x", "a",
     U66 ".x", ""},
    {"64 of a label, behind one of UTF-8", "<a@b\xc3\xbc." L63 "x.x>",
     PATH_SYNTAX, 0, 0, 0, 0},
    {"64 of a label", "<a@" L63 "x.x>", PATH_SYNTAX, 0, 0, 0, 0},
    {"nothing", "", PATH_SYNTAX, 0, 0, 0, 0},
    {"open bracket", "<", PATH_SYNTAX, 0, 0, 0, 0},
    {"bracket not closed", "<a@b", PATH_SYNTAX, 0, 0, 0, 0},
    {"bracket not opened", "a@b>", PATH_FINE, "a@b", "a", "b", ">"},
    {"no domain", "<a>", PATH_SYNTAX, 0, 0, 0, 0},
    {"no local", "<@b>", PATH_SYNTAX, 0, 0, 0, 0},
    {"empty domain", "<a@>", PATH_SYNTAX, 0, 0, 0, 0},
    {"two at signs", "<a@b@c>", PATH_SYNTAX, 0, 0, 0, 0},
    {"dot first", "<.a@b>", PATH_SYNTAX, 0, 0, 0, 0},
    {"dot last", "<a.@b>", PATH_SYNTAX, 0, 0, 0, 0},
    {"two dots", "<a..b@c>", PATH_SYNTAX, 0, 0, 0, 0},
    {"domain: dot first", "<a@.b>", PATH_SYNTAX, 0, 0, 0, 0},
    {"domain: dot last", "<a@b.>", PATH_SYNTAX, 0, 0, 0, 0},
    {"domain: two dots", "<a@b..c>", PATH_SYNTAX, 0, 0, 0, 0},
    {"domain: hyphen first", "<a@-b>", PATH_SYNTAX, 0, 0, 0, 0},
    {"domain: hyphen last", "<a@b->", PATH_SYNTAX, 0, 0, 0, 0},
    {"space in local", "<a b@c>", PATH_SYNTAX, 0, 0, 0, 0},
    {"space in domain", "<a@b c>", PATH_SYNTAX, 0, 0, 0, 0},
    {"bracket in local", "<a<b@c>", PATH_SYNTAX, 0, 0, 0, 0},
    {"quote not closed", "<\"a@b>", PATH_SYNTAX, 0, 0, 0, 0},
    {"quote, then text", "<\"a\"b@c>", PATH_SYNTAX, 0, 0, 0, 0},
    {"backslash last", "<\"a\\", PATH_SYNTAX, 0, 0, 0, 0},
    {"control in quotes", "<\"a\tb\"@c>", PATH_SYNTAX, 0, 0, 0, 0},
    {"CR in quotes", "<\"a\r\"@c>", PATH_SYNTAX, 0, 0, 0, 0},
    {"literal not closed", "<a@[192.0.2.1>", PATH_SYNTAX, 0, 0, 0, 0},
    {"literal: no address", "<a@[x]>", PATH_SYNTAX, 0, 0, 0, 0},
    {"literal: empty", "<a@[]>", PATH_SYNTAX, 0, 0, 0, 0},
    {"literal: v6 without its tag", "<a@[::1]>", PATH_SYNTAX, 0, 0, 0, 0},
    {"literal: v4 with the tag of v6", "<a@[IPv6:192.0.2.1]>", PATH_SYNTAX, 0,
     0, 0, 0},
    {"literal: general", "<a@[x-y:z]>", PATH_SYNTAX, 0, 0, 0, 0},
    {"route without colon", "<@a,@b>", PATH_SYNTAX, 0, 0, 0, 0},
    {"route without address", "<@a:>", PATH_SYNTAX, 0, 0, 0, 0},
    {"route without at sign", "<@a,b:c@d>", PATH_SYNTAX, 0, 0, 0, 0},
    {"utf-8 cut off", "<\xc3@b>", PATH_SYNTAX, 0, 0, 0, 0},
    {"utf-8 overlong", "<\xc0\xaf@b>", PATH_SYNTAX, 0, 0, 0, 0},
    {"utf-8 surrogate", "<\xed\xa0\x80@b>", PATH_SYNTAX, 0, 0, 0, 0},
    {"utf-8 C1 control", "<\xc2\x85@b>", PATH_SYNTAX, 0, 0, 0, 0},
    {"utf-8 right-to-left override", "<a\xe2\x80\xae@b>", PATH_SYNTAX, 0, 0, 0,
     0},
};

static void
same(struct slice got, const char *want, const char *label)
{
	ck_assert_msg(slice_eq(got, slice_str(want)) ||
			  got.n + strlen(want) == 0,
		      "%s: \"%.*s\"", label, (int)got.n, got.p);
}

/* A copy of exactly n octets, so that a read behind them is seen. */
static char *
exact(const char *p, size_t n)
{
	char *copy = malloc(n > 0 ? n : 1);

	memcpy(copy, p, n);
	return copy;
}

START_TEST(parses)
{
	size_t n = strlen(rows[_i].in);
	char *copy = exact(rows[_i].in, n);
	struct slice rest = slice_of(copy, n);
	struct path path;
	enum path_verdict verdict;

	verdict = path_parse(&rest, &path);
	ck_assert_msg(verdict == rows[_i].verdict, "%s: %d", rows[_i].label,
		      verdict);
	if (verdict == PATH_FINE) {
		same(path.address, rows[_i].address, rows[_i].label);
		same(path.local, rows[_i].local, rows[_i].label);
		same(path.domain, rows[_i].domain, rows[_i].label);
		same(rest, rows[_i].rest, rows[_i].label);
	}
	free(copy);
}
END_TEST

/* No cut of any row may read past its end or be taken for more than it is. */
START_TEST(cut_anywhere)
{
	size_t n = strlen(rows[_i].in), cut;

	for (cut = 0; cut < n; cut++) {
		char *copy = exact(rows[_i].in, cut);
		struct slice rest = slice_of(copy, cut);
		struct path path;

		if (path_parse(&rest, &path) == PATH_FINE)
			ck_assert_uint_le(path.address.n + rest.n, cut);
		free(copy);
	}
}
END_TEST

START_TEST(a_route_has_a_cap)
{
	char in[4096] = "<";
	struct slice rest;
	struct path path;
	size_t i;

	for (i = 0; i < 300; i++)
		strcat(in, i == 0 ? "@abc" : ",@abc");
	strcat(in, ":a@b>");
	rest = slice_str(in);
	ck_assert_int_eq(path_parse(&rest, &path), PATH_LONG);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("smtp/path");
	TCase *tc = tcase_create("path");
	SRunner *runner;
	int failed, count = (int)(sizeof(rows) / sizeof(rows[0]));

	tcase_add_loop_test(tc, parses, 0, count);
	tcase_add_loop_test(tc, cut_anywhere, 0, count);
	tcase_add_test(tc, a_route_has_a_cap);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
