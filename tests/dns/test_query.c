/* A question's bytes, and what passes for its answer. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "dns/query.h"
#include "gateway/base/buf.h"
#include "gateway/base/encode.h"

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

static const uint8_t none[DNS_QUERY_RANDOM] = {0x12, 0x34};

static const struct {
	const char *label, *name;
	enum dns_type type;
	const char *hex;
} builds[] = {
    {"RD and AD are set", "a.test", DNS_A,
     "123401200001000000000000"
     "016104746573740000010001"},
    {"MX", "x-1.test", DNS_MX,
     "123401200001000000000000"
     "03782d310474657374"
     "00000f0001"},
    {"TLSA, labels with an underscore", "_25._tcp.mx.test", DNS_TLSA,
     "123401200001000000000000"
     "035f3235045f746370026d780474657374000034"
     "0001"},
};

START_TEST(test_build)
{
	struct buf want = {.cap = 1000};
	struct dns_query query;

	ck_assert_int_eq(hex_decode(&want, slice_str(builds[_i].hex)), 0);
	dns_query_build(&query, builds[_i].name, builds[_i].type, false, none);
	ck_assert_msg(query.n == want.n &&
			  memcmp(query.bytes, want.p, want.n) == 0,
		      "%s", builds[_i].label);
	buf_fini(&want);
}
END_TEST

/* The longest name, every letter turned over: it still fits and parses. */
START_TEST(test_longest)
{
	uint8_t random[DNS_QUERY_RANDOM];
	struct dns_query query;
	char name[DNS_NAME_SIZE];

	memset(name, 'a', 253);
	name[63] = name[127] = name[191] = '.';
	name[253] = '\0';
	memset(random, 0xff, sizeof(random));
	dns_query_build(&query, name, DNS_MX, true, random);
	ck_assert_uint_eq(query.n, DNS_QUERY_SIZE);
	for (int i = 0; i < 255; i++)
		ck_assert_msg(query.bytes[12 + i] != 'a', "letter %d", i);
}
END_TEST

START_TEST(test_mixed)
{
	uint8_t random[DNS_QUERY_RANDOM] = {0, 0, 0x05};
	struct dns_query query;

	/* a bit a letter: digits and hyphens use none */
	dns_query_build(&query, "a1-bc.d", DNS_A, true, random);
	ck_assert_int_eq(memcmp(query.bytes + 12, "\5A1-bC\1d", 9), 0);
}
END_TEST

static const struct {
	const char *label;
	int at; /* of the answer's bytes: changed by xor; -1: none */
	uint8_t by;
	size_t n; /* of the packet; 0: all */
	enum query_match match;
} matches[] = {
    {"as it was", -1, 0, 0, QUERY_SAME},
    {"with something behind", -1, 0, 40, QUERY_SAME},
    {"no answer but a question", 2, 0x80, 0, QUERY_OTHER},
    {"an answer to something else than a query", 2, 0x20, 0, QUERY_OTHER},
    {"another id, first byte", 0, 0x01, 0, QUERY_OTHER},
    {"another id, second byte", 1, 0x80, 0, QUERY_OTHER},
    {"no question", 5, 0x01, 0, QUERY_OTHER},
    {"two questions", 5, 0x03, 0, QUERY_OTHER},
    {"257 questions", 4, 0x01, 0, QUERY_OTHER},
    {"a letter's case", 13, 0x20, 0, QUERY_FOLDED},
    {"another letter", 13, 0x01, 0, QUERY_OTHER},
    {"a digit's bit 5", 14, 0x20, 0, QUERY_OTHER},
    {"a label's length", 12, 0x20, 0, QUERY_OTHER},
    {"another label's length", 15, 0x01, 0, QUERY_OTHER},
    {"another type", 22, 0x02, 0, QUERY_OTHER},
    {"another class", 24, 0x02, 0, QUERY_OTHER},
    {"cut in the class", -1, 0, 24, QUERY_OTHER},
    {"the header alone", -1, 0, 12, QUERY_OTHER},
    {"half a header", -1, 0, 3, QUERY_OTHER},
    {"nothing", -1, 0, 1, QUERY_OTHER},
};

START_TEST(test_match)
{
	struct dns_query query;
	uint8_t reply[64] = {0};
	size_t n;

	/* 12: 2 'a' '1' 4 't' 'e' 's' 't' 0, type at 21, class at 23 */
	dns_query_build(&query, "a1.test", DNS_A, false, none);
	ck_assert_uint_eq(query.n, 25);
	memcpy(reply, query.bytes, query.n);
	reply[2] |= 0x80;
	if (matches[_i].at >= 0)
		reply[matches[_i].at] ^= matches[_i].by;
	n = matches[_i].n > 0 ? matches[_i].n : query.n;
	ck_assert_msg(dns_query_match(&query, slice_of(reply, n)) ==
			  matches[_i].match,
		      "%s", matches[_i].label);
}
END_TEST

START_TEST(test_truncated)
{
	static const char yes[] = "\0\0\x83\x80", no[] = "\0\0\x81\x80";

	ck_assert(dns_query_truncated(slice_of(yes, 4)));
	ck_assert(!dns_query_truncated(slice_of(no, 4)));
	ck_assert(!dns_query_truncated(slice_of(yes, 2)));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("dns/query");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, test_build, 0, COUNT(builds));
	tcase_add_test(tc, test_longest);
	tcase_add_test(tc, test_mixed);
	tcase_add_loop_test(tc, test_match, 0, COUNT(matches));
	tcase_add_test(tc, test_truncated);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
