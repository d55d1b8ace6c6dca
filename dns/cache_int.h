#ifndef DNS_CACHE_INT_H
#define DNS_CACHE_INT_H

#include <bsd/sys/queue.h>
#include <pthread.h>
#include <stdatomic.h>

#include "dns/cache.h"
#include "dns/reach.h"
#include "gateway/base/buf.h"
#include "gateway/base/hash.h"
#include "gateway/net/queue.h"

/*
 * Of the cache what dns/lookup, dns/domain and its own files share.
 *
 * A loop's `struct dns` joins the cache it was created with, before anything
 * else uses it, and leaves as the first step of its destruction. Between the
 * two other loops may wake it (through a queue of its own).
 */
struct dns;

/* 0, or GW_EIO: out of descriptors. */
int dns_cache_join(struct dns_cache *cache, struct dns *dns);
/* Open dns_domain_ops go silently, as dns_destroy says. Fine when it never
 * joined. */
void dns_cache_leave(struct dns_cache *cache, struct dns *dns);

#endif
