#ifndef GATEWAY_BACK_ROUTING_H
#define GATEWAY_BACK_ROUTING_H

#include "gateway/back/back.h"
#include "gateway/base/slice.h"

/*
 * Recipient domain -> next hop. An exact entry wins; then the longest
 * ".example.com" entry, which means that domain and all below; then the
 * default. A value without clocks or sockets.
 */
struct routing;

/* GW_EINVAL, with the reason: no default or two, a domain given twice, a hop
 * that is not there. */
int routing_create(struct routing **routing, const struct back_route *routes,
		   size_t route_count, size_t hop_count, char *error,
		   size_t error_size);
void routing_destroy(struct routing **routing);

/* domain in key form (address_domain_key); may be none. An index of hops. */
size_t routing_find(const struct routing *routing, struct slice domain);
/* The same with another default. */
size_t routing_find_or(const struct routing *routing, struct slice domain,
		       size_t fallback);

#endif
