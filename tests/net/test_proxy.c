/* The PROXY header: each case whole, cut at every offset, and followed by the
 * client's own bytes. */
#include "gateway/net/proxy.h"
#include "tests/net/net_help.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(s) s, sizeof(s) - 1
#define A4 "\xc0\x00\x02\x01\x0a\x00\x00\x02\x30\x39\x02\x4b"
#define A16 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0"
#define A6 A16 "\1" A16 "\2\xff\xff\0\x19"
#define X10 "0123456789"
#define X50 X10 X10 X10 X10 X10
#define X100 X50 X50
#define U108 X100 "01234567"

struct row {
	const char *label;
	const char *p;
	size_t n;
	enum proxy_result result;
	const char *source;	 /* for PROXY_ADDR */
	const char *destination; /* the same */
};

static const struct row rows[] = {
    {"v1 tcp4", BYTES("PROXY TCP4 192.0.2.1 10.0.0.2 12345 587\r\n"),
     PROXY_ADDR, "192.0.2.1:12345", "10.0.0.2:587"},
    {"v1 tcp6", BYTES("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"), PROXY_ADDR,
     "[2001:db8::1]:1", "[::1]:65535"},
    {"v1 port 0", BYTES("PROXY TCP4 192.0.2.1 10.0.0.2 0 0\r\n"), PROXY_ADDR,
     "192.0.2.1:0", "10.0.0.2:0"},
    {"v1 longest tcp6",
     BYTES("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	   "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe 65535 65535\r\n"),
     PROXY_ADDR, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe]:65535"},
    {"v1 unknown", BYTES("PROXY UNKNOWN\r\n"), PROXY_LOCAL, NULL, NULL},
    {"v1 unknown, rest ignored",
     BYTES("PROXY UNKNOWN ffff::1 who knows 9 99999999\r\n"), PROXY_LOCAL, NULL,
     NULL},
    {"v1 unknown of 107 bytes",
     BYTES("PROXY UNKNOWN " X50 X10 X10 X10 X10 "0\r\n"), PROXY_LOCAL, NULL,
     NULL},
    {"v1 unknown of 108 bytes",
     BYTES("PROXY UNKNOWN " X50 X10 X10 X10 X10 "01\r\n"), PROXY_BAD, NULL,
     NULL},
    {"v1 too long without end", BYTES("PROXY UNKNOWN " X100 X100), PROXY_BAD,
     NULL, NULL},
    {"v1 unknownish", BYTES("PROXY UNKNOWNS\r\n"), PROXY_BAD, NULL, NULL},
    {"v1 bare LF", BYTES("PROXY UNKNOWN\n"), PROXY_BAD, NULL, NULL},
    {"v1 bare CR inside", BYTES("PROXY UNKNOWN \r x\r\n"), PROXY_BAD, NULL,
     NULL},
    {"v1 lower case", BYTES("proxy UNKNOWN\r\n"), PROXY_BAD, NULL, NULL},
    {"v1 nothing said", BYTES("PROXY \r\n"), PROXY_BAD, NULL, NULL},
    {"v1 no space", BYTES("PROXY\r\n"), PROXY_BAD, NULL, NULL},
    {"v1 UDP4", BYTES("PROXY UDP4 192.0.2.1 10.0.0.2 1 2\r\n"), PROXY_BAD, NULL,
     NULL},
    {"v1 v6 address as TCP4", BYTES("PROXY TCP4 ::1 ::2 1 2\r\n"), PROXY_BAD,
     NULL, NULL},
    {"v1 v4 address as TCP6", BYTES("PROXY TCP6 1.2.3.4 1.2.3.5 1 2\r\n"),
     PROXY_BAD, NULL, NULL},
    {"v1 leading zero in address",
     BYTES("PROXY TCP4 192.0.02.1 10.0.0.2 1 2\r\n"), PROXY_BAD, NULL, NULL},
    {"v1 leading zero in port", BYTES("PROXY TCP4 192.0.2.1 10.0.0.2 01 2\r\n"),
     PROXY_BAD, NULL, NULL},
    {"v1 port too large", BYTES("PROXY TCP4 192.0.2.1 10.0.0.2 65536 2\r\n"),
     PROXY_BAD, NULL, NULL},
    {"v1 port with sign", BYTES("PROXY TCP4 192.0.2.1 10.0.0.2 +1 2\r\n"),
     PROXY_BAD, NULL, NULL},
    {"v1 no port", BYTES("PROXY TCP4 192.0.2.1 10.0.0.2 1\r\n"), PROXY_BAD,
     NULL, NULL},
    {"v1 empty port", BYTES("PROXY TCP4 192.0.2.1 10.0.0.2 1 \r\n"), PROXY_BAD,
     NULL, NULL},
    {"v1 word too many", BYTES("PROXY TCP4 192.0.2.1 10.0.0.2 1 2 3\r\n"),
     PROXY_BAD, NULL, NULL},
    {"v1 trailing space", BYTES("PROXY TCP4 192.0.2.1 10.0.0.2 1 2 \r\n"),
     PROXY_BAD, NULL, NULL},
    {"v1 two spaces", BYTES("PROXY TCP4  192.0.2.1 10.0.0.2 1 2\r\n"),
     PROXY_BAD, NULL, NULL},
    {"v1 NUL in address", BYTES("PROXY TCP4 192.0.2.1\0 10.0.0.2 1 2\r\n"),
     PROXY_BAD, NULL, NULL},
    {"an SMTP client", BYTES("EHLO client\r\n"), PROXY_BAD, NULL, NULL},
    {"a TLS client", BYTES("\x16\x03\x01\x02\x00"), PROXY_BAD, NULL, NULL},
    {"a line end", BYTES("\r\nEHLO"), PROXY_BAD, NULL, NULL},

    {"v2 tcp4", BYTES(SIG "\x21\x11\0\x0c" A4), PROXY_ADDR, "192.0.2.1:12345",
     "10.0.0.2:587"},
    {"v2 tcp6", BYTES(SIG "\x21\x21\0\x24" A6), PROXY_ADDR,
     "[2001:db8::1]:65535", "[2001:db8::2]:25"},
    {"v2 tcp4 with TLVs", BYTES(SIG "\x21\x11\0\x14" A4 "\x04\0\5abcde"),
     PROXY_ADDR, "192.0.2.1:12345", "10.0.0.2:587"},
    {"v2 tcp4 with a TLV cut short", BYTES(SIG "\x21\x11\0\x0d" A4 "\x04"),
     PROXY_ADDR, "192.0.2.1:12345", "10.0.0.2:587"},
    {"v2 local", BYTES(SIG "\x20\0\0\0"), PROXY_LOCAL, NULL, NULL},
    {"v2 local with a block to skip", BYTES(SIG "\x20\x11\0\x0c" A4),
     PROXY_LOCAL, NULL, NULL},
    {"v2 local, any family", BYTES(SIG "\x20\xff\0\1x"), PROXY_LOCAL, NULL,
     NULL},
    {"v2 unspecified", BYTES(SIG "\x21\0\0\0"), PROXY_LOCAL, NULL, NULL},
    {"v2 unspecified with bytes", BYTES(SIG "\x21\0\0\3abc"), PROXY_LOCAL, NULL,
     NULL},
    {"v2 unix", BYTES(SIG "\x21\x31\0\xd8" U108 U108), PROXY_LOCAL, NULL, NULL},
    {"v2 unix too short", BYTES(SIG "\x21\x31\0\xd7" U108 U108), PROXY_BAD,
     NULL, NULL},
    {"v2 tcp4 too short", BYTES(SIG "\x21\x11\0\x0b" A4), PROXY_BAD, NULL,
     NULL},
    {"v2 tcp6 with the length of tcp4", BYTES(SIG "\x21\x21\0\x0c" A4),
     PROXY_BAD, NULL, NULL},
    {"v2 udp4", BYTES(SIG "\x21\x12\0\x0c" A4), PROXY_BAD, NULL, NULL},
    {"v2 unassigned family", BYTES(SIG "\x21\x41\0\x0c" A4), PROXY_BAD, NULL,
     NULL},
    {"v2 unassigned transport", BYTES(SIG "\x21\x10\0\x0c" A4), PROXY_BAD, NULL,
     NULL},
    {"v2 unassigned command", BYTES(SIG "\x22\x11\0\x0c" A4), PROXY_BAD, NULL,
     NULL},
    {"v2 version 1", BYTES(SIG "\x11\x11\0\x0c" A4), PROXY_BAD, NULL, NULL},
    {"v2 one over our cap", BYTES(SIG "\x21\x11\x0f\xf1" A4), PROXY_BAD, NULL,
     NULL},
    {"v2 length 65535", BYTES(SIG "\x20\0\xff\xff"), PROXY_BAD, NULL, NULL},
    {"v2 signature wrong at its end",
     BYTES("\r\n\r\n\0\r\nQUIT\r\x21\x11\0\x0c" A4), PROXY_BAD, NULL, NULL},
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static enum proxy_result
parse(const char *p, size_t n, size_t *used, char *source, char *destination)
{
	struct sock_addr s, d;
	enum proxy_result result;
	/* Exactly n bytes on the heap, so that ASan sees a step too far. */
	char *copy = malloc(n == 0 ? 1 : n);

	memcpy(copy, p, n);
	*used = SIZE_MAX;
	result = proxy_parse(slice_of(copy, n), used, &s, &d);
	free(copy);
	if (result == PROXY_ADDR) {
		sock_addr_format(&s, source);
		sock_addr_format(&d, destination);
	}
	return result;
}

static void
check_good(const struct row *row, size_t n, const char *p)
{
	char source[SOCK_ADDR_TEXT_SIZE], destination[SOCK_ADDR_TEXT_SIZE];
	size_t used;

	ck_assert_msg(parse(p, n, &used, source, destination) == row->result,
		      "%s", row->label);
	ck_assert_msg(used == row->n, "%s: used %zu", row->label, used);
	if (row->result != PROXY_ADDR)
		return;
	ck_assert_msg(strcmp(source, row->source) == 0, "%s: %s", row->label,
		      source);
	ck_assert_msg(strcmp(destination, row->destination) == 0, "%s: %s",
		      row->label, destination);
}

START_TEST(whole_and_followed)
{
	static const char after[] = "PROXY EHLO\r\n\r\n";

	for (size_t i = 0; i < ROWS; i++) {
		const struct row *row = &rows[i];
		char s[SOCK_ADDR_TEXT_SIZE], d[SOCK_ADDR_TEXT_SIZE];
		size_t used;
		char *long_p;

		if (row->result == PROXY_BAD) {
			ck_assert_msg(parse(row->p, row->n, &used, s, d) ==
					  PROXY_BAD,
				      "%s", row->label);
			continue;
		}
		check_good(row, row->n, row->p);
		long_p = malloc(row->n + sizeof(after));
		memcpy(long_p, row->p, row->n);
		memcpy(long_p + row->n, after, sizeof(after));
		check_good(row, row->n + sizeof(after), long_p);
		free(long_p);
	}
}
END_TEST

/* A good header asks for more until its last byte; a bad one never turns
 * good, and once bad stays bad. Cut at each offset is also byte by byte: the
 * parser keeps nothing. */
START_TEST(cut_everywhere)
{
	for (size_t i = 0; i < ROWS; i++) {
		const struct row *row = &rows[i];
		char s[SOCK_ADDR_TEXT_SIZE], d[SOCK_ADDR_TEXT_SIZE];
		bool bad = false;
		size_t used;

		for (size_t n = 0; n < row->n; n++) {
			enum proxy_result result =
			    parse(row->p, n, &used, s, d);

			if (row->result == PROXY_BAD && result == PROXY_BAD)
				bad = true;
			ck_assert_msg(result == (bad ? PROXY_BAD : PROXY_MORE),
				      "%s cut at %zu: %d", row->label, n,
				      (int)result);
		}
	}
}
END_TEST

START_TEST(never_more_at_the_cap)
{
	static const char starts[][16] = {
	    "PROXY UNKNOWN ",
	    SIG "\x21\x11\x0f",
	    SIG "\x20\0\x0f",
	};
	char big[PROXY_HEADER_MAX];

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		char s[SOCK_ADDR_TEXT_SIZE], d[SOCK_ADDR_TEXT_SIZE];
		size_t used;

		memset(big, 'x', sizeof(big));
		memcpy(big, starts[i], i == 0 ? 14 : 15);
		if (i > 0)
			big[15] = '\xf0'; /* the longest we take */
		ck_assert_int_ne((int)parse(big, sizeof(big), &used, s, d),
				 PROXY_MORE);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {whole_and_followed, cut_everywhere,
				      never_more_at_the_cap};

	return RUN_TESTS("net/proxy", tests);
}
