/* Replies as bytes: what is read from them, and that nothing else is. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "dns/packet.h"
#include "gateway/base/encode.h"
#include "gateway/base/mem.h"
#include "tests/support/dns_server.h"

static const struct {
	const char *label, *name, *type;
	unsigned rcode;
	const char *records;
	enum dns_status status;
	uint32_t ttl_s;
	const char *want; /* "10 mx1.test, 20 -" or addresses */
} rows[] = {
    {"one address", "a.test", "A", 0, "@ 300 A 192.0.2.1", DNS_OK, 300,
     "192.0.2.1"},
    {"AAAA", "a.test", "AAAA", 0, "@ 300 AAAA 2001:db8::1", DNS_OK, 300,
     "2001:db8::1"},
    {"MX, smallest TTL", "a.test", "MX", 0,
     "@ 300 MX 10 mx1.test\n@ 200 MX 20 MX2.Test", DNS_OK, 200,
     "10 mx1.test, 20 mx2.test"},
    {"null MX", "a.test", "MX", 0, "@ 300 MX 0 .", DNS_OK, 300, "0 "},
    {"a space in a host name", "a.test", "MX", 0,
     "@ 300 MX 5 a b.mx.test\n@ 300 MX 6 ok.test", DNS_OK, 300,
     "5 -, 6 ok.test"},
    {"owner in other case", "a.test", "A", 0, "A.TEST 300 A 192.0.2.1", DNS_OK,
     300, "192.0.2.1"},
    {"records of others alone are no answer", "a.test", "A", 0,
     "b.test 300 A 192.0.2.1\n!test 900 SOA 60", DNS_FAIL, 0, ""},
    {"nor is another type's", "a.test", "A", 0,
     "@ 300 AAAA 2001:db8::1\n!test 900 SOA 60", DNS_FAIL, 0, ""},
    {"records of others do not count", "a.test", "A", 0,
     "b.test 30 A 192.0.2.9\n@ 300 A 192.0.2.1", DNS_OK, 300, "192.0.2.1"},
    {"an alias", "a.test", "A", 0, "@ 50 CNAME b.test\nb.test 300 A 192.0.2.1",
     DNS_OK, 50, "192.0.2.1"},
    {"aliases in any order", "a.test", "A", 0,
     "c.test 300 A 192.0.2.1\nb.test 40 CNAME c.test\n@ 50 CNAME b.test",
     DNS_OK, 40, "192.0.2.1"},
    {"alias to nothing", "a.test", "A", 0,
     "@ 50 CNAME b.test\n!test 900 SOA 60", DNS_NODATA, 50, ""},
    {"an alias to itself", "a.test", "A", 0, "@ 50 CNAME a.test", DNS_FAIL, 0,
     ""},
    {"two aliases in a ring", "a.test", "A", 0,
     "@ 50 CNAME b.test\nb.test 50 CNAME a.test", DNS_FAIL, 0, ""},
    {"NXDOMAIN, SOA's minimum", "a.test", "A", 3, "!test 900 SOA 60",
     DNS_NXDOMAIN, 60, ""},
    {"NXDOMAIN, SOA's own TTL", "a.test", "A", 3, "!test 30 SOA 600",
     DNS_NXDOMAIN, 30, ""},
    {"NXDOMAIN without SOA", "a.test", "A", 3, NULL, DNS_NXDOMAIN, 0, ""},
    {"NODATA", "a.test", "MX", 0, "!test 900 SOA 60", DNS_NODATA, 60, ""},
    {"NODATA without SOA", "a.test", "MX", 0, NULL, DNS_NODATA, 0, ""},
    {"NODATA with SOA and NS", "a.test", "MX", 0,
     "!test 900 HEX 2 026e7300\n!test 900 SOA 60", DNS_NODATA, 60, ""},
    {"a referral (RFC 2308, 2.2) denies nothing", "a.test", "MX", 0,
     "!test 900 HEX 2 026e7300", DNS_FAIL, 0, ""},
    {"nor does one behind an alias", "a.test", "MX", 0,
     "@ 50 CNAME b.test\n!test 900 HEX 2 026e7300", DNS_FAIL, 0, ""},
    {"SERVFAIL", "a.test", "MX", 2, NULL, DNS_FAIL, 0, ""},
    {"REFUSED", "a.test", "MX", 5, NULL, DNS_FAIL, 0, ""},
    {"a rcode nobody knows", "a.test", "MX", 15, NULL, DNS_FAIL, 0, ""},
    {"an address of three bytes", "a.test", "A", 0, "@ 300 HEX 1 c00002",
     DNS_FAIL, 0, ""},
    {"an MX without a host", "a.test", "MX", 0, "@ 300 HEX 15 000a", DNS_FAIL,
     0, ""},
    {"an MX with bytes behind its host", "a.test", "MX", 0,
     "@ 300 HEX 15 000a0161000001", DNS_FAIL, 0, ""},
    {"an MX whose host points at itself", "a.test", "MX", 0,
     "@ 300 HEX 15 000ac02c", DNS_FAIL, 0, ""},
    {"an MX whose host points forward", "a.test", "MX", 0,
     "@ 300 HEX 15 000ac0ff", DNS_FAIL, 0, ""},
    {"an MX whose host is the question", "a.test", "MX", 0,
     "@ 300 HEX 15 000ac00c", DNS_OK, 300, "10 a.test"},
    {"an MX whose host ends in the question", "a.test", "MX", 0,
     "@ 300 HEX 15 000a026d78c00c", DNS_OK, 300, "10 mx.a.test"},
    {"a label type that is no more", "a.test", "MX", 0, "@ 300 HEX 15 000a4161",
     DNS_FAIL, 0, ""},
    {"a dot inside a label is no host", "a.test", "MX", 0,
     "@ 300 HEX 15 000a03612e6200", DNS_OK, 300, "10 -"},
    {"NUL inside a label is no host", "a.test", "MX", 0,
     "@ 300 HEX 15 000a0361006200", DNS_OK, 300, "10 -"},
    {"TLSA", "_25._tcp.mx.test", "TLSA", 0, "@ 300 TLSA 030101aabbcc", DNS_OK,
     300, "3 1 1 aabbcc"},
    {"TLSA, two of them", "_25._tcp.mx.test", "TLSA", 0,
     "@ 300 TLSA 030101aa\n@ 60 TLSA 02000200", DNS_OK, 60,
     "3 1 1 aa, 2 0 2 00"},
    {"TLSA behind an alias", "_25._tcp.mx.test", "TLSA", 0,
     "@ 300 CNAME _dane.test\n_dane.test 300 TLSA 0301ffaa", DNS_OK, 300,
     "3 1 255 aa"},
    {"TLSA without its data", "_25._tcp.mx.test", "TLSA", 0,
     "@ 300 TLSA 030101", DNS_FAIL, 0, ""},
    {"TLSA of two bytes", "_25._tcp.mx.test", "TLSA", 0, "@ 300 TLSA 0301",
     DNS_FAIL, 0, ""},
    {"TLSA, empty", "_25._tcp.mx.test", "TLSA", 0, "@ 300 HEX 52 ", DNS_FAIL, 0,
     ""},
    {"TXT", "a.test", "TXT", 0, "@ 300 TXT v=spf1 -all", DNS_OK, 300,
     "<v=spf1 -all>"},
    {"TXT, strings are joined without a blank", "a.test", "TXT", 0,
     "@ 300 TXT v=DKIM1; p=AB|CD|EF", DNS_OK, 300, "<v=DKIM1; p=ABCDEF>"},
    {"TXT, two of them", "a.test", "TXT", 0, "@ 300 TXT a|b\n@ 60 TXT c",
     DNS_OK, 60, "<ab>, <c>"},
    {"TXT behind an alias", "s1._domainkey.a.test", "TXT", 0,
     "@ 300 CNAME s1._domainkey.b.test\n"
     "s1._domainkey.b.test 60 TXT p=AA",
     DNS_OK, 60, "<p=AA>"},
    {"TXT, empty strings among others", "a.test", "TXT", 0,
     "@ 300 HEX 16 00016100016200", DNS_OK, 300, "<ab>"},
    {"TXT, one empty string", "a.test", "TXT", 0, "@ 300 HEX 16 00", DNS_OK,
     300, "<>"},
    {"TXT, any byte", "a.test", "TXT", 0, "@ 300 HEX 16 03ff0d0a", DNS_OK, 300,
     "<\xff\r\n>"},
    {"TXT without a string", "a.test", "TXT", 0, "@ 300 HEX 16 ", DNS_FAIL, 0,
     ""},
    {"TXT, a string longer than the data", "a.test", "TXT", 0,
     "@ 300 HEX 16 0361", DNS_FAIL, 0, ""},
    {"TXT, the second string longer", "a.test", "TXT", 0,
     "@ 300 HEX 16 0161ff61", DNS_FAIL, 0, ""},
    {"TXT, a length behind the last string", "a.test", "TXT", 0,
     "@ 300 HEX 16 016101", DNS_FAIL, 0, ""},
    {"no TXT, but another", "a.test", "TXT", 0, "!test 900 SOA 60", DNS_NODATA,
     60, ""},
    {"a TTL with its top bit is 0", "a.test", "A", 0,
     "@ 2147483648 A 192.0.2.1", DNS_OK, 0, "192.0.2.1"},
};

static enum dns_type
type_of(const char *text)
{
	if (strcmp(text, "MX") == 0)
		return DNS_MX;
	if (strcmp(text, "TLSA") == 0)
		return DNS_TLSA;
	if (strcmp(text, "TXT") == 0)
		return DNS_TXT;
	return strcmp(text, "A") == 0 ? DNS_A : DNS_AAAA;
}

static void
describe(struct buf *out, const struct dns_answer *answer, enum dns_type type)
{
	for (uint32_t i = 0; i < answer->count; i++) {
		const struct dns_record *r = &answer->records[i];
		char ip[IP_TEXT_SIZE];

		if (i > 0)
			buf_add_str(out, ", ");
		ip_format(&r->ip, ip);
		if (type == DNS_TLSA) {
			buf_printf(out, "%u %u %u ", r->usage, r->selector,
				   r->matching);
			hex_encode(out, r->data);
		} else if (type == DNS_TXT) {
			buf_printf(out, "<%.*s>", (int)r->data.n,
				   r->data.p != NULL ? r->data.p : "none");
		} else if (type == DNS_MX) {
			buf_printf(out, "%u %s", r->preference,
				   r->host != NULL ? r->host : "-");
		} else {
			buf_add_str(out, ip);
		}
	}
}

START_TEST(test_rows)
{
	struct buf packet = {.cap = 65535}, text = {.cap = 65535};
	struct arena *arena = arena_create(512);
	enum dns_type type = type_of(rows[_i].type);
	struct dns_answer answer;

	dns_reply_build(&packet, rows[_i].name, rows[_i].type, rows[_i].rcode,
			rows[_i].records);
	dns_packet_read(buf_slice(&packet), rows[_i].name, type, arena,
			&answer);
	describe(&text, &answer, type);
	ck_assert_msg(answer.status == rows[_i].status, "%s: %d %s",
		      rows[_i].label, answer.status, answer.text);
	ck_assert_msg(strcmp(buf_cstr(&text), rows[_i].want) == 0, "%s: %s",
		      rows[_i].label, buf_cstr(&text));
	ck_assert_msg(answer.ttl_s == rows[_i].ttl_s, "%s: ttl %u",
		      rows[_i].label, answer.ttl_s);
	buf_fini(&packet);
	buf_fini(&text);
	arena_destroy(&arena);
}
END_TEST

/* Cut at each offset, in memory of just that size: never an answer. */
START_TEST(test_cut)
{
	struct buf packet = {.cap = 65535};
	enum dns_type type = type_of(rows[_i].type);
	unsigned rcode = rows[_i].rcode;

	dns_reply_build(&packet, rows[_i].name, rows[_i].type, rcode,
			rows[_i].records);
	for (size_t n = 0; n < packet.n; n++) {
		struct arena *arena = arena_create(64);
		struct dns_answer answer;
		char *copy = malloc(n > 0 ? n : 1);

		memcpy(copy, packet.p, n);
		dns_packet_read(slice_of(copy, n), rows[_i].name, type, arena,
				&answer);
		ck_assert_msg(answer.status == DNS_FAIL, "%s cut at %zu: %d",
			      rows[_i].label, n, answer.status);
		free(copy);
		arena_destroy(&arena);
	}
	buf_fini(&packet);
}
END_TEST

static const struct {
	const char *label, *name;
	enum dns_type type;
	size_t at; /* byte to change */
	char to;
} others[] = {
    {"another name was asked", "b.test", DNS_A, 0, 0x12},
    {"another type was asked", "a.test", DNS_MX, 0, 0x12},
    {"it is a query", "a.test", DNS_A, 2, 0x01},
    {"no question in it", "a.test", DNS_A, 5, 0},
    {"two questions in it", "a.test", DNS_A, 5, 2},
    {"another class", "a.test", DNS_A, 23, 3},
    {"truncated after all", "a.test", DNS_A, 2, (char)0x83},
};

START_TEST(test_not_ours)
{
	struct buf packet = {.cap = 65535};
	struct arena *arena = arena_create(64);
	struct dns_answer answer;

	dns_reply_build(&packet, "a.test", "A", 0, "@ 300 A 192.0.2.1");
	packet.p[others[_i].at] = others[_i].to;
	dns_packet_read(buf_slice(&packet), others[_i].name, others[_i].type,
			arena, &answer);
	ck_assert_msg(answer.status == DNS_FAIL, "%s", others[_i].label);
	buf_fini(&packet);
	arena_destroy(&arena);
}
END_TEST

static const struct {
	const char *label;
	unsigned rcode;
	uint8_t flags; /* the second byte's, beside the rcode */
	const char *records;
	bool authentic;
} validated[] = {
    {"AD", 0, 0xa0, "@ 300 A 192.0.2.1", true},
    {"no AD", 0, 0x80, "@ 300 A 192.0.2.1", false},
    {"CD is not AD", 0, 0x90, "@ 300 A 192.0.2.1", false},
    {"no such name", 3, 0xa0, "!test 900 SOA 60", true},
    {"no such record", 0, 0xa0, "!test 900 SOA 60", true},
    {"a failure is not validated", 2, 0xa0, NULL, false},
    {"nor is what cannot be read", 0, 0xa0, "@ 300 HEX 1 c00002", false},
};

START_TEST(test_authentic)
{
	struct buf packet = {.cap = 65535};
	struct arena *arena = arena_create(64);
	struct dns_answer answer;

	dns_reply_build(&packet, "a.test", "A", validated[_i].rcode,
			validated[_i].records);
	packet.p[3] =
	    (char)(validated[_i].flags | (uint8_t)validated[_i].rcode);
	dns_packet_read(buf_slice(&packet), "a.test", DNS_A, arena, &answer);
	ck_assert_msg(answer.authentic == validated[_i].authentic, "%s",
		      validated[_i].label);
	buf_fini(&packet);
	arena_destroy(&arena);
}
END_TEST

/* Nobody stands behind an empty answer of a server that neither recurses nor
 * holds the zone. */
static const struct {
	const char *label;
	uint8_t first, second; /* flags */
	const char *records;
	enum dns_status status;
} unfounded[] = {
    {"recursion", 0x81, 0x80, NULL, DNS_NODATA},
    {"the zone's own server", 0x85, 0x00, NULL, DNS_NODATA},
    {"neither", 0x81, 0x00, NULL, DNS_FAIL},
    {"neither, an alias alone", 0x81, 0x00, "@ 50 CNAME b.test", DNS_FAIL},
    {"neither, but with SOA", 0x81, 0x00, "!test 900 SOA 60", DNS_NODATA},
    {"neither, but with records", 0x81, 0x00, "@ 50 A 192.0.2.1", DNS_OK},
};

START_TEST(test_unfounded)
{
	struct buf packet = {.cap = 65535};
	struct arena *arena = arena_create(64);
	struct dns_answer answer;

	dns_reply_build(&packet, "a.test", "A", 0, unfounded[_i].records);
	packet.p[2] = (char)unfounded[_i].first;
	packet.p[3] = (char)unfounded[_i].second;
	dns_packet_read(buf_slice(&packet), "a.test", DNS_A, arena, &answer);
	ck_assert_msg(answer.status == unfounded[_i].status, "%s: %s",
		      unfounded[_i].label, answer.text);
	buf_fini(&packet);
	arena_destroy(&arena);
}
END_TEST

START_TEST(test_caps)
{
	struct buf packet = {.cap = 65535}, records = {.cap = 65535};
	struct arena *arena = arena_create(64);
	struct dns_answer answer;

	for (int i = 0; i < 250; i++)
		buf_printf(&records, "@ 300 A 192.0.2.%d\n", i);
	dns_reply_build(&packet, "a.test", "A", 0, buf_cstr(&records));
	dns_packet_read(buf_slice(&packet), "a.test", DNS_A, arena, &answer);
	ck_assert_int_eq(answer.status, DNS_OK);
	ck_assert_uint_eq(answer.count, DNS_RECORDS_MAX);
	buf_fini(&packet);
	buf_fini(&records);
	arena_destroy(&arena);
}
END_TEST

/* One record of n bytes, in strings of at most 255. */
static void
add_txt(struct buf *records, size_t n)
{
	buf_add_str(records, "@ 300 TXT ");
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && i % 255 == 0)
			buf_add_str(records, "|");
		buf_add_str(records, "x");
	}
	buf_add_str(records, "\n");
}

START_TEST(test_txt_size)
{
	struct buf packet = {.cap = 65535}, records = {.cap = 65535};
	struct arena *arena = arena_create(64);
	struct dns_answer answer;

	add_txt(&records, DNS_TXT_MAX);
	add_txt(&records, DNS_TXT_MAX + 1);
	add_txt(&records, 1);
	dns_reply_build(&packet, "a.test", "TXT", 0, buf_cstr(&records));
	dns_packet_read(buf_slice(&packet), "a.test", DNS_TXT, arena, &answer);
	ck_assert_int_eq(answer.status, DNS_OK);
	ck_assert_uint_eq(answer.count, 3);
	ck_assert_uint_eq(answer.records[0].data.n, DNS_TXT_MAX);
	ck_assert_ptr_null(answer.records[1].data.p);
	ck_assert_uint_eq(answer.records[2].data.n, 1);
	buf_fini(&packet);
	buf_fini(&records);
	arena_destroy(&arena);
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

int
main(void)
{
	Suite *s = suite_create("dns/packet");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, test_rows, 0, COUNT(rows));
	tcase_add_loop_test(tc, test_cut, 0, COUNT(rows));
	tcase_add_loop_test(tc, test_not_ours, 0, COUNT(others));
	tcase_add_loop_test(tc, test_authentic, 0, COUNT(validated));
	tcase_add_loop_test(tc, test_unfounded, 0, COUNT(unfounded));
	tcase_add_test(tc, test_caps);
	tcase_add_test(tc, test_txt_size);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
