#include <arpa/inet.h>
#include <check.h>
#include <string.h>
#include <sys/un.h>

#include "gateway/base/addr.h"
#include "gateway/base/error.h"

START_TEST(reads_addresses)
{
	static const struct {
		const char *text, *canon; /* NULL: refused */
		bool v4, loopback, private;
	} rows[] = {
	    {"127.0.0.1", "127.0.0.1", true, true, false},
	    {"127.255.0.9", "127.255.0.9", true, true, false},
	    {"128.0.0.1", "128.0.0.1", true, false, false},
	    {"10.1.2.3", "10.1.2.3", true, false, true},
	    {"11.0.0.0", "11.0.0.0", true, false, false},
	    {"172.15.0.1", "172.15.0.1", true, false, false},
	    {"172.16.0.1", "172.16.0.1", true, false, true},
	    {"172.31.255.255", "172.31.255.255", true, false, true},
	    {"172.32.0.1", "172.32.0.1", true, false, false},
	    {"192.168.9.9", "192.168.9.9", true, false, true},
	    {"192.169.0.1", "192.169.0.1", true, false, false},
	    {"169.254.1.1", "169.254.1.1", true, false, true},
	    {"::1", "::1", false, true, false},
	    {"::", "::", false, false, false},
	    {"2001:DB8:0::1", "2001:db8::1", false, false, false},
	    {"fc00::1", "fc00::1", false, false, true},
	    {"fdff::1", "fdff::1", false, false, true},
	    {"fe80::1", "fe80::1", false, false, true},
	    {"fec0::1", "fec0::1", false, false, false},
	    {"::ffff:10.0.0.1", "10.0.0.1", true, false, true},
	    {"::ffff:7f00:1", "127.0.0.1", true, true, false},
	    {"::10.0.0.1", "::10.0.0.1", false, false, false},
	    {"1.2.3", NULL, false, false, false},
	    {"1.2.3.4.5", NULL, false, false, false},
	    {"1.2.3.256", NULL, false, false, false},
	    {"1.2.3.04", NULL, false, false, false},
	    {"0x7f.1", NULL, false, false, false},
	    {"2130706433", NULL, false, false, false},
	    {" 1.2.3.4", NULL, false, false, false},
	    {"fe80::1%lo", NULL, false, false, false},
	    {"[::1]", NULL, false, false, false},
	    {"1::2::3", NULL, false, false, false},
	    {"", NULL, false, false, false},
	    {"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", NULL, false,
	     false, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ip_addr ip;
		char text[IP_TEXT_SIZE];
		int err = ip_parse(slice_str(rows[i].text), &ip);

		ck_assert_msg(err == (rows[i].canon != NULL ? 0 : GW_EINVAL),
			      "%s", rows[i].text);
		if (err != 0)
			continue;
		ip_format(&ip, text);
		ck_assert_str_eq(text, rows[i].canon);
		ck_assert_msg(ip_is_v4(&ip) == rows[i].v4, "%s", text);
		ck_assert_msg(ip_is_loopback(&ip) == rows[i].loopback, "%s",
			      text);
		ck_assert_msg(ip_is_private(&ip) == rows[i].private, "%s",
			      text);
	}
}
END_TEST

START_TEST(a_nul_inside_is_no_end)
{
	struct ip_addr ip;

	ck_assert_int_eq(ip_parse(slice_of("1.2.3.4\0x", 9), &ip), GW_EINVAL);
	ck_assert_int_eq(ip_parse(slice_of("1.2.3.4\0", 8), &ip), GW_EINVAL);
}
END_TEST

START_TEST(reads_prefixes)
{
	static const struct {
		const char *text, *canon; /* NULL: refused */
		const char *in, *out;	  /* NULL: nothing is outside */
	} rows[] = {
	    {"10.0.0.0/8", "10.0.0.0/8", "10.255.0.1", "11.0.0.0"},
	    {"10.0.0.0/8", "10.0.0.0/8", "10.0.0.0", "a00::"},
	    {"192.0.2.128/25", "192.0.2.128/25", "192.0.2.255", "192.0.2.127"},
	    {"192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"},
	    {"192.0.2.1/32", "192.0.2.1", "192.0.2.1", "192.0.2.0"},
	    {"0.0.0.0/0", "0.0.0.0/0", "255.1.1.1", "::1"},
	    {"::ffff:10.0.0.0/104", "10.0.0.0/8", "10.1.1.1", "11.0.0.0"},
	    {"2001:db8::/32", "2001:db8::/32", "2001:db8:ffff::1",
	     "2001:db9::"},
	    {"2001:db8::/33", "2001:db8::/33",
	     "2001:db8:7fff::", "2001:db8:8000::"},
	    {"::1", "::1", "::1", "::2"},
	    {"::/0", "::/0", "1.2.3.4", NULL},
	    {"10.0.0.1/8", NULL, NULL, NULL},
	    {"10.0.0.0/33", NULL, NULL, NULL},
	    {"10.0.0.0/", NULL, NULL, NULL},
	    {"10.0.0.0/-1", NULL, NULL, NULL},
	    {"10.0.0.0/8/8", NULL, NULL, NULL},
	    {"10.0.0.0/99999999999999999999", NULL, NULL, NULL},
	    {"2001:db8::1/64", NULL, NULL, NULL},
	    {"::/129", NULL, NULL, NULL},
	    {"/8", NULL, NULL, NULL},
	    {"10/8", NULL, NULL, NULL},
	    {"", NULL, NULL, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ip_prefix prefix;
		struct ip_addr ip;
		char text[IP_TEXT_SIZE + 4];
		int err = ip_prefix_parse(slice_str(rows[i].text), &prefix);

		ck_assert_msg(err == (rows[i].canon != NULL ? 0 : GW_EINVAL),
			      "%s", rows[i].text);
		if (err != 0)
			continue;
		ip_prefix_format(&prefix, text);
		ck_assert_str_eq(text, rows[i].canon);
		ck_assert_int_eq(ip_parse(slice_str(rows[i].in), &ip), 0);
		ck_assert_msg(ip_prefix_has(&prefix, &ip), "%s", rows[i].text);
		if (rows[i].out == NULL)
			continue;
		ck_assert_int_eq(ip_parse(slice_str(rows[i].out), &ip), 0);
		ck_assert_msg(!ip_prefix_has(&prefix, &ip), "%s", rows[i].text);
	}
}
END_TEST

START_TEST(masks_at_every_length)
{
	struct ip_addr ones, flipped;
	struct ip_prefix prefix;

	memset(&ones, 0xff, sizeof(ones));
	for (unsigned bits = 0; bits <= 128; bits++) {
		ip_prefix_of(&ones, (uint8_t)bits, &prefix);
		ck_assert_uint_eq(prefix.bits, bits);
		ck_assert(ip_prefix_has(&prefix, &ones));
		ck_assert(ip_prefix_has(&prefix, &prefix.addr));
		for (unsigned bit = 0; bit < 128; bit++) {
			flipped = ones;
			flipped.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			ck_assert_msg(ip_prefix_has(&prefix, &flipped) ==
					  (bit >= bits),
				      "/%u, bit %u", bits, bit);
		}
	}
}
END_TEST

START_TEST(reads_sock_addrs)
{
	static const struct {
		const char *text, *canon; /* NULL: refused */
		int family;
	} rows[] = {
	    {"127.0.0.1:25", "127.0.0.1:25", AF_INET},
	    {"[::1]:25", "[::1]:25", AF_INET6},
	    {"*:587", "[::]:587", AF_INET6},
	    {"1.2.3.4:0", "1.2.3.4:0", AF_INET},
	    {"[2001:db8::1]:65535", "[2001:db8::1]:65535", AF_INET6},
	    {"[::ffff:1.2.3.4]:25", "1.2.3.4:25", AF_INET},
	    {"::1:25", NULL, 0},
	    {"[::1]", NULL, 0},
	    {"[::1]25", NULL, 0},
	    {"[]:25", NULL, 0},
	    {"[1.2.3.4]:25", NULL, 0},
	    {"[*]:25", NULL, 0},
	    {"1.2.3.4", NULL, 0},
	    {"1.2.3.4:", NULL, 0},
	    {"1.2.3.4:65536", NULL, 0},
	    {"1.2.3.4:+5", NULL, 0},
	    {":25", NULL, 0},
	    {"localhost:25", NULL, 0},
	    {"", NULL, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sock_addr addr, back;
		struct sockaddr_storage ss;
		char text[SOCK_ADDR_TEXT_SIZE];
		socklen_t n;
		int err = sock_addr_parse(slice_str(rows[i].text), &addr);

		ck_assert_msg(err == (rows[i].canon != NULL ? 0 : GW_EINVAL),
			      "%s", rows[i].text);
		if (err != 0)
			continue;
		sock_addr_format(&addr, text);
		ck_assert_str_eq(text, rows[i].canon);
		n = sock_addr_to_native(&addr, &ss);
		ck_assert_int_eq(ss.ss_family, rows[i].family);
		ck_assert_int_eq(
		    sock_addr_from_native((struct sockaddr *)&ss, n, &back), 0);
		ck_assert(ip_eq(&addr.ip, &back.ip));
		ck_assert_uint_eq(addr.port, back.port);
		ck_assert_int_eq(
		    sock_addr_from_native((struct sockaddr *)&ss, n - 1, &back),
		    GW_EINVAL);
	}
}
END_TEST

START_TEST(other_families_are_refused)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct sock_addr addr;

	ck_assert_int_eq(
	    sock_addr_from_native((struct sockaddr *)&un, sizeof(un), &addr),
	    GW_EINVAL);
	ck_assert_int_eq(
	    sock_addr_from_native((struct sockaddr *)&un, 0, &addr), GW_EINVAL);
	ck_assert_int_eq(sock_addr_from_native(NULL, 0, &addr), GW_EINVAL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("addr");
	TCase *tc = tcase_create("addr");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, reads_addresses);
	tcase_add_test(tc, a_nul_inside_is_no_end);
	tcase_add_test(tc, reads_prefixes);
	tcase_add_test(tc, masks_at_every_length);
	tcase_add_test(tc, reads_sock_addrs);
	tcase_add_test(tc, other_families_are_refused);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
