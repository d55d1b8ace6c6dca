#ifndef DNS_REACH_H
#define DNS_REACH_H

#include <stdbool.h>

#include "gateway/base/addr.h"

/*
 * Which addresses mail may be delivered to (`dns { targets }`). An MX can say
 * anything: without this a stranger's zone points our connections at our own
 * machines.
 */
enum reach {
	REACH_PUBLIC,
	REACH_PRIVATE,	/* RFC 1918, 4193, 6598, link- and site-local */
	REACH_LOOPBACK, /* all of 127.0.0.0/8, ::1 */
	REACH_NEVER, /* 0.0.0.0/8, ::, multicast, 240.0.0.0/4, v4 inside ::/96
		      */
};

struct reach_policy {
	bool loopback, private; /* are permitted */
};

/* An address of an AAAA record or an IPv6 literal that is IPv4 inside
 * (::ffff:0:0/96) is REACH_NEVER too, but struct ip_addr cannot tell it from
 * an A record: that is the caller's to refuse. NAT64's 64:ff9b::/96 is what it
 * carries. */
enum reach reach_of(const struct ip_addr *ip);
bool reach_permits(const struct reach_policy *policy, enum reach reach);

#endif
