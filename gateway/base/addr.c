/*
 * IP addresses. A v4 address is kept as ::ffff:a.b.c.d throughout, whatever
 * form it was written or accepted in, so that one client has one key. Names
 * are never resolved here, and v6 zones ("%eth0") are refused: an address
 * that means something on one host only has no place in a configuration.
 */
#include "gateway/base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/error.h"

static const uint8_t v4_mapped[12] = {[10] = 0xff, [11] = 0xff};

bool
ip_is_v4(const struct ip_addr *ip)
{
	return memcmp(ip->b, v4_mapped, sizeof(v4_mapped)) == 0;
}

bool
ip_is_loopback(const struct ip_addr *ip)
{
	static const struct ip_addr one = {{[15] = 1}};

	return ip_is_v4(ip) ? ip->b[12] == 127 : ip_eq(ip, &one);
}

bool
ip_is_private(const struct ip_addr *ip)
{
	const uint8_t *b = ip->b;

	if (!ip_is_v4(ip))
		return (b[0] & 0xfe) == 0xfc ||
		       (b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
	b += 12;
	return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) ||
	       (b[0] == 192 && b[1] == 168) || (b[0] == 169 && b[1] == 254);
}

bool
ip_eq(const struct ip_addr *a, const struct ip_addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

int
ip_parse(struct slice s, struct ip_addr *ip)
{
	char text[IP_TEXT_SIZE];
	struct ip_addr parsed;

	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, '\0', s.n) != NULL)
		return GW_EINVAL;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	if (inet_pton(AF_INET, text, parsed.b + 12) == 1)
		memcpy(parsed.b, v4_mapped, sizeof(v4_mapped));
	else if (inet_pton(AF_INET6, text, parsed.b) != 1)
		return GW_EINVAL;
	*ip = parsed;
	return 0;
}

static void
v4_format(const uint8_t b[4], char *out)
{
	for (int i = 0; i < 4; i++) {
		if (b[i] >= 100)
			*out++ = (char)('0' + b[i] / 100);
		if (b[i] >= 10)
			*out++ = (char)('0' + b[i] / 10 % 10);
		*out++ = (char)('0' + b[i] % 10);
		*out++ = i < 3 ? '.' : '\0';
	}
}

void
ip_format(const struct ip_addr *ip, char out[IP_TEXT_SIZE])
{
	if (ip_is_v4(ip)) /* inet_ntop makes it by sprintf */
		v4_format(ip->b + 12, out);
	else
		inet_ntop(AF_INET6, ip->b, out, IP_TEXT_SIZE);
}

void
ip_prefix_of(const struct ip_addr *ip, uint8_t bits, struct ip_prefix *prefix)
{
	struct ip_addr addr = *ip; /* may be inside *prefix */

	if (bits > 128)
		bits = 128;
	for (unsigned i = 0; i < sizeof(addr.b); i++) {
		unsigned keep = bits > 8 * i ? bits - 8 * i : 0;

		if (keep < 8)
			addr.b[i] &= (uint8_t)(0xff00u >> keep);
	}
	prefix->addr = addr;
	prefix->bits = bits;
}

int
ip_prefix_parse(struct slice s, struct ip_prefix *prefix)
{
	struct ip_prefix parsed;
	struct slice host = slice_head(s, slice_find(s, '/'));
	bool dotted = slice_find(host, ':') == host.n;
	uint64_t bits, most = dotted ? 32 : 128;
	struct ip_addr ip;

	if (ip_parse(host, &ip) != 0)
		return GW_EINVAL;
	bits = most;
	if (host.n < s.n &&
	    (!slice_u64(slice_from(s, host.n + 1), &bits) || bits > most))
		return GW_EINVAL;
	ip_prefix_of(&ip, (uint8_t)(bits + (128 - most)), &parsed);
	if (!ip_eq(&parsed.addr, &ip))
		return GW_EINVAL;
	*prefix = parsed;
	return 0;
}

bool
ip_prefix_has(const struct ip_prefix *prefix, const struct ip_addr *ip)
{
	size_t whole = prefix->bits / 8u;
	uint8_t mask = (uint8_t)(0xff00u >> (prefix->bits % 8u));

	if (memcmp(prefix->addr.b, ip->b, whole) != 0)
		return false;
	return mask == 0 ||
	       ((prefix->addr.b[whole] ^ ip->b[whole]) & mask) == 0;
}

void
ip_prefix_format(const struct ip_prefix *prefix, char out[IP_TEXT_SIZE + 4])
{
	/* with less than 96 bits the host bits would not be zero */
	bool v4 = ip_is_v4(&prefix->addr);
	size_t n;

	ip_format(&prefix->addr, out);
	if (prefix->bits == 128)
		return;
	n = strlen(out);
	snprintf(out + n, IP_TEXT_SIZE + 4 - n, "/%u",
		 (unsigned)prefix->bits - (v4 ? 96u : 0u));
}

int
sock_addr_parse(struct slice s, struct sock_addr *addr)
{
	struct sock_addr parsed = {.port = 0};
	struct slice host;
	size_t colon = s.n;
	uint64_t port;

	while (colon > 0 && s.p[colon - 1] != ':')
		colon--;
	if (colon == 0 || !slice_u64(slice_from(s, colon), &port) ||
	    port > UINT16_MAX)
		return GW_EINVAL;
	host = slice_head(s, colon - 1);
	parsed.port = (uint16_t)port;
	if (slice_eq(host, SLICE_LIT("*"))) {
		*addr = parsed;
		return 0;
	}
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') {
		host = (struct slice){host.p + 1, host.n - 2};
		if (slice_find(host, ':') == host.n)
			return GW_EINVAL;
	} else if (slice_find(host, ':') != host.n) {
		return GW_EINVAL; /* where would the port begin? */
	}
	if (ip_parse(host, &parsed.ip) != 0)
		return GW_EINVAL;
	*addr = parsed;
	return 0;
}

void
sock_addr_format(const struct sock_addr *addr, char out[SOCK_ADDR_TEXT_SIZE])
{
	char ip[IP_TEXT_SIZE];

	ip_format(&addr->ip, ip);
	snprintf(out, SOCK_ADDR_TEXT_SIZE,
		 ip_is_v4(&addr->ip) ? "%s:%u" : "[%s]:%u", ip,
		 (unsigned)addr->port);
}

int
sock_addr_from_native(const struct sockaddr *sa, socklen_t n,
		      struct sock_addr *addr)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (sa == NULL || n < (socklen_t)sizeof(sa->sa_family))
		return GW_EINVAL;
	if (sa->sa_family == AF_INET && n >= (socklen_t)sizeof(in)) {
		memcpy(&in, sa, sizeof(in));
		memcpy(addr->ip.b, v4_mapped, sizeof(v4_mapped));
		memcpy(addr->ip.b + 12, &in.sin_addr, 4);
		addr->port = ntohs(in.sin_port);
		return 0;
	}
	if (sa->sa_family == AF_INET6 && n >= (socklen_t)sizeof(in6)) {
		memcpy(&in6, sa, sizeof(in6));
		memcpy(addr->ip.b, &in6.sin6_addr, 16);
		addr->port = ntohs(in6.sin6_port);
		return 0;
	}
	return GW_EINVAL;
}

socklen_t
sock_addr_to_native(const struct sock_addr *addr, struct sockaddr_storage *ss)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	memset(ss, 0, sizeof(*ss));
	if (ip_is_v4(&addr->ip)) {
		in.sin_port = htons(addr->port);
		memcpy(&in.sin_addr, addr->ip.b + 12, 4);
		memcpy(ss, &in, sizeof(in));
		return sizeof(in);
	}
	in6.sin6_port = htons(addr->port);
	memcpy(&in6.sin6_addr, addr->ip.b, 16);
	memcpy(ss, &in6, sizeof(in6));
	return sizeof(in6);
}
