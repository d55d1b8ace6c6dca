#ifndef TESTS_DNS_CACHE_HELP_H
#define TESTS_DNS_CACHE_HELP_H

#include <stdio.h>
#include <string.h>

#include "dns/cache.h"

/* What the tests of the cache share. */

#define NOW 1700000000
#define DAY (24 * 3600)
#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

static inline struct dns_cache *
cache_of(uint32_t domain_max)
{
	struct dns_cache_conf conf = {.domain_max = domain_max};

	return dns_cache_create(&conf);
}

static inline void
put(struct dns_cache *cache, const char *domain, enum domain_verdict verdict,
    uint32_t ttl_s, int64_t now)
{
	static const enum domain_reason reasons[] = {
	    [DOMAIN_UNKNOWN] = DOMAIN_WHY_FAILED,
	    [DOMAIN_DELIVERABLE] = DOMAIN_WHY_MX,
	    [DOMAIN_DEAD] = DOMAIN_WHY_NXDOMAIN,
	    [DOMAIN_REFUSES] = DOMAIN_WHY_NULL_MX,
	    [DOMAIN_RESERVED] = DOMAIN_WHY_SPECIAL_USE,
	    [DOMAIN_UNROUTABLE] = DOMAIN_WHY_NOT_PUBLIC,
	};

	dns_cache_put(cache, slice_str(domain), verdict, reasons[verdict],
		      ttl_s, now);
}

static inline bool
get(struct dns_cache *cache, const char *domain, int64_t now,
    struct domain_fact *fact)
{
	memset(fact, 0, sizeof(*fact));
	return dns_cache_get(cache, slice_str(domain), now, fact);
}

/* The verdict that holds now, or -1. */
static inline int
verdict(struct dns_cache *cache, const char *domain, int64_t now)
{
	struct domain_fact fact;

	return get(cache, domain, now, &fact) ? (int)fact.verdict : -1;
}

static inline void
name_of(char out[32], unsigned i)
{
	(void)snprintf(out, 32, "d%u.de", i);
}

#endif
