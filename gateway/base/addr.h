#ifndef GATEWAY_BASE_ADDR_H
#define GATEWAY_BASE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "gateway/base/slice.h"

/* IPv4 is kept as v4-mapped IPv6 (::ffff:a.b.c.d), so one order serves both. */
struct ip_addr {
	uint8_t b[16];
};

/* bits count in the 128-bit space: a v4 /24 is 120. */
struct ip_prefix {
	struct ip_addr addr; /* host bits are zero */
	uint8_t bits;
};

struct sock_addr {
	struct ip_addr ip;
	uint16_t port; /* host order */
};

#define IP_TEXT_SIZE 46
#define SOCK_ADDR_TEXT_SIZE 56 /* "[v6]:port" */

bool ip_is_v4(const struct ip_addr *ip);
bool ip_is_loopback(const struct ip_addr *ip);
bool ip_is_private(const struct ip_addr *ip); /* RFC 1918, 4193, link-local */
bool ip_eq(const struct ip_addr *a, const struct ip_addr *b);
int ip_parse(struct slice s, struct ip_addr *ip); /* GW_EINVAL */
void ip_format(const struct ip_addr *ip, char out[IP_TEXT_SIZE]);

/* "10.0.0.0/8", "2001:db8::/32", or an address (all bits). Set host bits are
 * GW_EINVAL: an administrator's typo is told, not masked away. ::/0 has every
 * address, v4 too. Formatting leaves out the bits of a single address. */
int ip_prefix_parse(struct slice s, struct ip_prefix *prefix);
void ip_prefix_of(const struct ip_addr *ip, uint8_t bits,
		  struct ip_prefix *prefix); /* masks */
bool ip_prefix_has(const struct ip_prefix *prefix, const struct ip_addr *ip);
void ip_prefix_format(const struct ip_prefix *prefix,
		      char out[IP_TEXT_SIZE + 4]);

/* "127.0.0.1:25", "[::1]:25"; "*:25" is the v6 wildcard (both families).
 * Port 0 is let pass. */
int sock_addr_parse(struct slice s, struct sock_addr *addr);
void sock_addr_format(const struct sock_addr *addr,
		      char out[SOCK_ADDR_TEXT_SIZE]);
int sock_addr_from_native(const struct sockaddr *sa, socklen_t n,
			  struct sock_addr *addr); /* GW_EINVAL: not IP */
/* v4-mapped becomes AF_INET. Returns the length. */
socklen_t sock_addr_to_native(const struct sock_addr *addr,
			      struct sockaddr_storage *ss);

#endif
