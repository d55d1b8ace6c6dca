#ifndef DNS_PACKET_H
#define DNS_PACKET_H

#include "dns/lookup.h"
#include "gateway/base/arena.h"

/*
 * Reads a reply (RFC 1035, 4; 2308 for what is not there). Everything in it
 * comes from strangers: lengths, names, pointers and counts are checked, and
 * the work is bounded whatever the packet says.
 */

/* The answer to (name, type): name as of dns_name_key. Records and host names
 * are made in arena. authentic is the packet's AD: whether it is to be believed
 * is the caller's. */
void dns_packet_read(struct slice packet, const char *name, enum dns_type type,
		     struct arena *arena, struct dns_answer *answer);

#endif
