#ifndef DNS_QUERY_H
#define DNS_QUERY_H

#include "dns/lookup.h"

/*
 * A question as bytes (RFC 1035, 4.1), and whether a packet answers it. The
 * letters of the name are upper or lower case at random (draft-vixie-dnsext-
 * dns0x20): who forges an answer must guess them beside id and port. RD is
 * set, and AD, which asks for the answer's AD (RFC 6840, 5.7).
 */
#define DNS_QUERY_SIZE (12 + 255 + 4)
#define DNS_QUERY_RANDOM (2 + 32) /* id; a bit for each letter */

struct dns_query {
	uint16_t n;
	uint8_t bytes[DNS_QUERY_SIZE];
};

/* name as of dns_name_key. mixed: with letters of random case. */
void dns_query_build(struct dns_query *query, const char *name,
		     enum dns_type type, bool mixed,
		     const uint8_t random[DNS_QUERY_RANDOM]);

enum query_match {
	QUERY_OTHER,  /* no answer to it */
	QUERY_FOLDED, /* but for the case of letters */
	QUERY_SAME,
};
enum query_match dns_query_match(const struct dns_query *query,
				 struct slice reply);
bool dns_query_truncated(struct slice reply);

#endif
