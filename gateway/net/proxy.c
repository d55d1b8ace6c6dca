/*
 * The PROXY protocol header, both versions, strictly: what the specification
 * says must not be sent is bad, since a header read wrongly charges another
 * client. The first byte decides the version, and no byte behind the header
 * is looked at.
 */
#include "gateway/net/proxy.h"

#include <string.h>

#define V1_MAX 107 /* with CRLF */
#define V2_FIXED 16
#define V2_INET 12
#define V2_INET6 36
#define V2_UNIX 216

#define V1_START SLICE_LIT("PROXY ")
#define V2_START SLICE_LIT("\r\n\r\n\0\r\nQUIT\n")

/* Whether in can still become, or already has, this beginning. */
static bool
may_start(struct slice in, struct slice start)
{
	size_t n = in.n < start.n ? in.n : start.n;

	return slice_eq(slice_head(in, n), slice_head(start, n));
}

static bool
v1_ip(struct slice s, bool v6, struct ip_addr *ip)
{
	return (slice_find(s, ':') < s.n) == v6 && ip_parse(s, ip) == 0;
}

static bool
v1_port(struct slice s, uint16_t *port)
{
	uint64_t value;

	if ((s.n > 1 && s.p[0] == '0') || !slice_u64(s, &value) ||
	    value > UINT16_MAX)
		return false;
	*port = (uint16_t)value;
	return true;
}

/* "TCP4 source destination port port": line is what follows "PROXY ". */
static enum proxy_result
v1_line(struct slice line, struct sock_addr *source,
	struct sock_addr *destination)
{
	struct slice word[5];
	struct slice rest = line;
	size_t count = 0;
	bool v6;

	if (slice_eq(line, SLICE_LIT("UNKNOWN")) ||
	    slice_starts(line, SLICE_LIT("UNKNOWN ")))
		return PROXY_LOCAL;
	while (count < 5 && slice_split(&rest, ' ', &word[count]))
		count++;
	if (count < 5 || rest.n > 0 || line.p[line.n - 1] == ' ')
		return PROXY_BAD;
	v6 = slice_eq(word[0], SLICE_LIT("TCP6"));
	if (!v6 && !slice_eq(word[0], SLICE_LIT("TCP4")))
		return PROXY_BAD;
	if (!v1_ip(word[1], v6, &source->ip) ||
	    !v1_ip(word[2], v6, &destination->ip) ||
	    !v1_port(word[3], &source->port) ||
	    !v1_port(word[4], &destination->port))
		return PROXY_BAD;
	return PROXY_ADDR;
}

static enum proxy_result
v1_parse(struct slice in, size_t *used, struct sock_addr *source,
	 struct sock_addr *destination)
{
	struct slice head = slice_head(in, V1_MAX);
	size_t lf = slice_find(head, '\n');

	if (!may_start(in, V1_START))
		return PROXY_BAD;
	if (lf == head.n)
		return head.n == V1_MAX ? PROXY_BAD : PROXY_MORE;
	if (lf < V1_START.n || head.p[lf - 1] != '\r')
		return PROXY_BAD;
	*used = lf + 1;
	head = slice_from(slice_head(head, lf - 1), V1_START.n);
	/* A bare CR is no part of any header. */
	if (slice_find(head, '\r') < head.n)
		return PROXY_BAD;
	return v1_line(head, source, destination);
}

static uint16_t
u16_at(const char *p)
{
	const unsigned char *b = (const unsigned char *)p;

	return (uint16_t)(b[0] << 8 | b[1]);
}

static void
v2_inet(const char *p, struct sock_addr *source, struct sock_addr *destination)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	memcpy(source->ip.b, mapped, sizeof(mapped));
	memcpy(source->ip.b + 12, p, 4);
	memcpy(destination->ip.b, mapped, sizeof(mapped));
	memcpy(destination->ip.b + 12, p + 4, 4);
	source->port = u16_at(p + 8);
	destination->port = u16_at(p + 10);
}

static void
v2_inet6(const char *p, struct sock_addr *source, struct sock_addr *destination)
{
	memcpy(source->ip.b, p, 16);
	memcpy(destination->ip.b, p + 16, 16);
	source->port = u16_at(p + 32);
	destination->port = u16_at(p + 34);
}

/* The smallest block of addresses of a family and transport; -1: none that
 * can come over a connection. */
static int
v2_least(unsigned char family)
{
	switch (family) {
	case 0x00: /* unspecified */
		return 0;
	case 0x11: /* TCP over IPv4 */
		return V2_INET;
	case 0x21: /* TCP over IPv6 */
		return V2_INET6;
	case 0x31: /* UNIX stream */
		return V2_UNIX;
	default: /* datagrams, and what is not assigned */
		return -1;
	}
}

static enum proxy_result
v2_parse(struct slice in, size_t *used, struct sock_addr *source,
	 struct sock_addr *destination)
{
	unsigned char command, family;
	size_t length;
	int least;

	if (!may_start(in, V2_START))
		return PROXY_BAD;
	if (in.n < V2_FIXED)
		return PROXY_MORE;
	command = (unsigned char)in.p[12];
	family = (unsigned char)in.p[13];
	length = u16_at(in.p + 14);
	if ((command != 0x20 && command != 0x21) ||
	    length > PROXY_HEADER_MAX - V2_FIXED)
		return PROXY_BAD;
	/* With LOCAL the family means nothing and is not looked at. */
	least = command == 0x20 ? 0 : v2_least(family);
	if (least < 0 || length < (size_t)least)
		return PROXY_BAD;
	if (in.n < V2_FIXED + length)
		return PROXY_MORE;
	*used = V2_FIXED + length;
	if (command == 0x20 || (family != 0x11 && family != 0x21))
		return PROXY_LOCAL;
	if (family == 0x11)
		v2_inet(in.p + V2_FIXED, source, destination);
	else
		v2_inet6(in.p + V2_FIXED, source, destination);
	return PROXY_ADDR;
}

enum proxy_result
proxy_parse(struct slice in, size_t *used, struct sock_addr *source,
	    struct sock_addr *destination)
{
	if (in.n == 0)
		return PROXY_MORE;
	if (in.p[0] == 'P')
		return v1_parse(in, used, source, destination);
	return v2_parse(in, used, source, destination);
}
