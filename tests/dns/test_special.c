/* Special-use names, literals, and the addresses we deliver to. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "dns/literal.h"
#include "dns/reach.h"
#include "dns/special.h"
#include "dns/verdict.h"

static const struct {
	const char *domain;
	bool special, localhost;
} names[] = {
    {"test", true, false},
    {"a.test", true, false},
    {"a.b.c.test", true, false},
    {"atest", false, false},
    {"test.com", false, false},
    {"test.example", true, false},
    {"example", true, false},
    {"example.com", false, false}, /* has a null MX of its own */
    {"example.net", false, false},
    {"example.org", false, false},
    {"www.example.com", false, false},
    {"invalid", true, false},
    {"x.invalid", true, false},
    {"localhost", true, true},
    {"mail.localhost", true, true},
    {"localhost.com", false, false},
    {"notlocalhost", false, false},
    {"local", true, false},
    {"printer.local", true, false},
    {"localdomain", false, false},
    {"abc.onion", true, false},
    {"x.alt", true, false},
    {"salt", false, false},
    {"x.internal", true, false},
    {"home.arpa", true, false},
    {"nas.home.arpa", true, false},
    {"1.0.0.127.in-addr.arpa", true, false},
    {"8.b.d.0.1.0.0.2.ip6.arpa", true, false},
    {"arpa", false, false},
    {"e164.arpa", false, false},
    {"home.arpa.com", false, false},
    {"xhome.arpa", false, false},
    {"com", false, false},
    {"de", false, false},
    {"mail.de", false, false},
    {"", false, false},
    {".", false, false},
    {".test", true, false},
};

START_TEST(test_names)
{
	struct slice domain = slice_str(names[_i].domain);

	ck_assert_msg(special_use(domain) == names[_i].special, "%s",
		      names[_i].domain);
	ck_assert_msg(special_localhost(domain) == names[_i].localhost, "%s",
		      names[_i].domain);
}
END_TEST

static const struct {
	const char *ip;
	enum reach reach;
} ips[] = {
    {"192.0.2.1", REACH_PUBLIC},
    {"8.8.8.8", REACH_PUBLIC},
    {"223.255.255.255", REACH_PUBLIC},
    {"2001:db8::1", REACH_PUBLIC},
    {"2a00::1", REACH_PUBLIC},
    {"0.0.0.0", REACH_NEVER},
    {"0.1.2.3", REACH_NEVER},
    {"224.0.0.1", REACH_NEVER},
    {"239.255.255.255", REACH_NEVER},
    {"240.0.0.1", REACH_NEVER},
    {"255.255.255.255", REACH_NEVER},
    {"127.0.0.1", REACH_LOOPBACK},
    {"127.255.255.254", REACH_LOOPBACK},
    {"126.255.255.255", REACH_PUBLIC},
    {"128.0.0.1", REACH_PUBLIC},
    {"10.0.0.1", REACH_PRIVATE},
    {"11.0.0.1", REACH_PUBLIC},
    {"172.15.255.255", REACH_PUBLIC},
    {"172.16.0.1", REACH_PRIVATE},
    {"172.31.255.255", REACH_PRIVATE},
    {"172.32.0.1", REACH_PUBLIC},
    {"192.168.1.1", REACH_PRIVATE},
    {"192.169.1.1", REACH_PUBLIC},
    {"169.254.169.254", REACH_PRIVATE},
    {"100.63.255.255", REACH_PUBLIC},
    {"100.64.0.1", REACH_PRIVATE},
    {"100.127.255.255", REACH_PRIVATE},
    {"100.128.0.1", REACH_PUBLIC},
    {"::", REACH_NEVER},
    {"::1", REACH_LOOPBACK},
    {"::2", REACH_NEVER},
    {"::7f00:1", REACH_NEVER},		  /* 127.0.0.1 inside ::/96 */
    {"::ffff:127.0.0.1", REACH_LOOPBACK}, /* the form we keep IPv4 in */
    {"::1:0:0:1", REACH_PUBLIC},
    {"ff02::1", REACH_NEVER},
    {"ff0e::1", REACH_NEVER},
    {"fc00::1", REACH_PRIVATE},
    {"fdff::1", REACH_PRIVATE},
    {"fe00::1", REACH_PUBLIC},
    {"fe80::1", REACH_PRIVATE},
    {"fec0::1", REACH_PRIVATE},
    {"64:ff9b::7f00:1", REACH_LOOPBACK},
    {"64:ff9b::a00:1", REACH_PRIVATE},
    {"64:ff9b::808:808", REACH_PUBLIC},
    {"64:ff9b::", REACH_NEVER},
};

START_TEST(test_reach)
{
	struct reach_policy none = {0}, all = {true, true};
	struct ip_addr ip;
	enum reach reach;

	ck_assert_int_eq(ip_parse(slice_str(ips[_i].ip), &ip), 0);
	reach = reach_of(&ip);
	ck_assert_msg(reach == ips[_i].reach, "%s: %d", ips[_i].ip, reach);
	ck_assert_int_eq(reach_permits(&none, reach), reach == REACH_PUBLIC);
	ck_assert_int_eq(reach_permits(&all, reach), reach != REACH_NEVER);
}
END_TEST

START_TEST(test_permits_one)
{
	struct reach_policy loopback = {.loopback = true};
	struct reach_policy private = {.private = true};

	ck_assert(reach_permits(&loopback, REACH_LOOPBACK));
	ck_assert(!reach_permits(&loopback, REACH_PRIVATE));
	ck_assert(reach_permits(&private, REACH_PRIVATE));
	ck_assert(!reach_permits(&private, REACH_LOOPBACK));
}
END_TEST

static const struct {
	const char *text, *ip; /* NULL: none */
	enum reach reach;
} literals[] = {
    {"[192.0.2.1]", "192.0.2.1", REACH_PUBLIC},
    {"[127.0.0.1]", "127.0.0.1", REACH_LOOPBACK},
    {"[0.0.0.0]", "0.0.0.0", REACH_NEVER},
    {"[IPv6:2001:db8::7]", "2001:db8::7", REACH_PUBLIC},
    {"[ipv6:2001:db8::7]", "2001:db8::7", REACH_PUBLIC},
    {"[2001:db8::7]", "2001:db8::7", REACH_PUBLIC},
    {"[IPv6:::1]", "::1", REACH_LOOPBACK},
    {"[IPv6:::ffff:192.0.2.1]", "192.0.2.1", REACH_NEVER},
    {"[::ffff:127.0.0.1]", "127.0.0.1", REACH_NEVER},
    {"[IPv6:192.0.2.1]", NULL, 0},
    {"[300.1.1.1]", NULL, 0},
    {"[1.2.3]", NULL, 0},
    {"[]", NULL, 0},
    {"[", NULL, 0},
    {"]", NULL, 0},
    {"", NULL, 0},
    {"[192.0.2.1", NULL, 0},
    {"192.0.2.1]", NULL, 0},
    {"192.0.2.1", NULL, 0},
    {"[ 192.0.2.1]", NULL, 0},
    {"[fe80::1%eth0]", NULL, 0},
    {"[x-tag:stuff]", NULL, 0},
};

START_TEST(test_literals)
{
	struct ip_addr ip, expected;
	enum reach reach = REACH_NEVER;
	bool is = literal_parse(slice_str(literals[_i].text), &ip, &reach);

	ck_assert_msg(is == (literals[_i].ip != NULL), "%s", literals[_i].text);
	if (!is)
		return;
	ck_assert_int_eq(ip_parse(slice_str(literals[_i].ip), &expected), 0);
	ck_assert_msg(ip_eq(&ip, &expected), "%s", literals[_i].text);
	ck_assert_msg(reach == literals[_i].reach, "%s: %d", literals[_i].text,
		      reach);
}
END_TEST

/* Words that an administrator reads: each there, none twice. */
START_TEST(test_words)
{
	for (int v = 0; v < DOMAIN_VERDICTS; v++) {
		for (int w = 0; w < v; w++)
			ck_assert_str_ne(
			    domain_verdict_name((enum domain_verdict)v),
			    domain_verdict_name((enum domain_verdict)w));
	}
	for (int r = 0; r < DOMAIN_REASONS; r++) {
		ck_assert_uint_gt(
		    strlen(domain_reason_text((enum domain_reason)r)), 0);
		for (int q = 0; q < r; q++)
			ck_assert_str_ne(
			    domain_reason_text((enum domain_reason)r),
			    domain_reason_text((enum domain_reason)q));
	}
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

int
main(void)
{
	Suite *s = suite_create("dns/special");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, test_names, 0, COUNT(names));
	tcase_add_loop_test(tc, test_reach, 0, COUNT(ips));
	tcase_add_test(tc, test_permits_one);
	tcase_add_loop_test(tc, test_literals, 0, COUNT(literals));
	tcase_add_test(tc, test_words);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
