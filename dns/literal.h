#ifndef DNS_LITERAL_H
#define DNS_LITERAL_H

#include <stdbool.h>

#include "dns/reach.h"

/*
 * Address literals (RFC 5321, 4.1.3): "[192.0.2.1]", "[IPv6:2001:db8::1]"; the
 * tag may be missing. False: none. IPv4 in IPv6's clothes is REACH_NEVER.
 */
bool literal_parse(struct slice s, struct ip_addr *ip, enum reach *reach);

#endif
