#include "gateway/control/http_parse.h"
#include "tests/net/net_help.h"

START_TEST(heads)
{
	static const struct {
		const char *label, *in;
		int want;
		const char *path, *host;
	} rows[] = {
	    {"plain", "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 1, "/metrics",
	     "a"},
	    {"query off", "GET /m?x=/y HTTP/1.1\r\nhOST:a \r\n\r\n", 1, "/m",
	     "a"},
	    {"1.0 without Host", "GET / HTTP/1.0\r\n\r\n", 1, "/", NULL},
	    {"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 1, "/", ""},
	    {"other fields", "HEAD / HTTP/1.1\r\nA: b:c\r\nHost: h\r\n\r\n", 1,
	     "/", "h"},
	    {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
	     GW_EPROTO, NULL, NULL},
	    {"space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
	     GW_EPROTO, NULL, NULL},
	    {"folded", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", GW_EPROTO, NULL,
	     NULL},
	    {"no colon", "GET / HTTP/1.1\r\nHost\r\n\r\n", GW_EPROTO, NULL,
	     NULL},
	    {"bare LF", "GET / HTTP/1.1\r\nA: b\nHost: c\r\n\r\n", GW_EPROTO,
	     NULL, NULL},
	    {"HTTP/2", "GET / HTTP/2.0\r\n\r\n", GW_EPROTO, NULL, NULL},
	    {"HTTP/0.9", "GET /\r\n\r\n", GW_EPROTO, NULL, NULL},
	    {"absolute form", "GET http://a/ HTTP/1.1\r\n\r\n", GW_EPROTO, NULL,
	     NULL},
	    {"two spaces", "GET  / HTTP/1.1\r\n\r\n", GW_EPROTO, NULL, NULL},
	    {"TLS", "\x16\x03\x01\r\n\r\n", GW_EPROTO, NULL, NULL},
	    {"empty line first", "\r\n\r\n\r\n\r\n", GW_EPROTO, NULL, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = slice_str(rows[i].in);
		struct http_head head;
		int got = http_parse(in, &head);

		ck_assert_msg(got == rows[i].want, "%s: %d", rows[i].label,
			      got);
		if (got != 1)
			continue;
		ck_assert_msg(slice_eq(head.path, slice_str(rows[i].path)),
			      "%s", rows[i].label);
		ck_assert_msg((head.host.p == NULL) == (rows[i].host == NULL) &&
				  slice_eq(head.host, slice_str(rows[i].host)),
			      "%s", rows[i].label);
		for (size_t cut = 0; cut < in.n; cut++)
			ck_assert_int_eq(http_parse(slice_head(in, cut), &head),
					 0);
	}
}
END_TEST

START_TEST(too_big)
{
	struct buf in = {.cap = 1 << 20};
	struct http_head head;

	buf_add_str(&in, "GET / HTTP/1.1\r\n");
	while (in.n < HTTP_HEAD_MAX)
		buf_add_str(&in, "A: b\r\n");
	ck_assert_int_eq(http_parse(buf_slice(&in), &head), GW_ETOOBIG);
	buf_add_str(&in, "\r\n");
	ck_assert_int_eq(http_parse(buf_slice(&in), &head), GW_ETOOBIG);
	buf_fini(&in);
}
END_TEST

START_TEST(local_hosts)
{
	static const struct {
		const char *host;
		bool local;
	} rows[] = {
	    {"localhost", true},     {"LocalHost:9925", true},
	    {"127.0.0.1", true},     {"127.0.0.1:80", true},
	    {"127.9.9.9", true},     {"[::1]", true},
	    {"[::1]:80", true},	     {"", false},
	    {"evil.example", false}, {"localhost.evil.example", false},
	    {"192.0.2.1", false},    {"127.0.0.1.evil.example", false},
	    {"[::1", false},	     {"]", false},
	    {":80", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(http_host_is_local(slice_str(rows[i].host)) ==
				  rows[i].local,
			      "%s", rows[i].host);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {heads, too_big, local_hosts};

	return RUN_TESTS("control/http_parse", tests);
}
