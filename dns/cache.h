#ifndef DNS_CACHE_H
#define DNS_CACHE_H

#include <stddef.h>

#include "dns/verdict.h"
#include "gateway/base/slice.h"

/*
 * Verdicts of domains, shared by all loops; with it what all loops together
 * are doing: which domains are being asked for, how many questions each
 * credential has open, and how well the resolver answers. Any thread.
 *
 * Clamps: deliverable 5 min to 24 h, dead 60 s to 3 h (RFC 2308, 5), failures
 * 30 s (RFC 9520: at most 5 min; what our own caps refused is not kept).
 */
struct dns_cache;

struct dns_cache_conf {
	uint32_t domain_max; /* least recently used go first; 0: 200,000 */
	int64_t stale_s;     /* deliverable ones are served so long after their
				time while the resolver fails; 0: 1 day */
	/* Targets at such addresses are deliverable (`dns { targets }`). */
	bool loopback, private;
	/* Look-ups under way of one credential, 0: 100; those that take longer
	 * than slow_ms, 0: 300, move aside, and twice as many may. */
	uint32_t cred_max;
	int64_t slow_ms;
	const char *self; /* our host name: an MX of this name is no target */
	/* Special-use names that exist here, with all below them; key form. */
	const char *const *except;
	size_t except_count;
};

struct dns_cache *dns_cache_create(const struct dns_cache_conf *conf);
void dns_cache_destroy(struct dns_cache **cache);
/* Verdicts that loopback and private decide are asked anew. */
void dns_cache_reload(struct dns_cache *cache,
		      const struct dns_cache_conf *conf);

/* domain in key form. True: there is one that holds now (stale ones only while
 * the resolver fails). */
bool dns_cache_get(struct dns_cache *cache, struct slice domain,
		   int64_t now_wall_s, struct domain_fact *fact);
/* Whatever is there, also what does not hold any more. */
bool dns_cache_look(struct dns_cache *cache, struct slice domain,
		    struct domain_fact *fact);
/* ttl_s as of the answer, 0: none given; clamped here. */
void dns_cache_put(struct dns_cache *cache, struct slice domain,
		   enum domain_verdict verdict, enum domain_reason reason,
		   uint32_t ttl_s, int64_t now_wall_s);
/* domain none: all. Returns how many went. */
size_t dns_cache_flush(struct dns_cache *cache, struct slice domain);

/*
 * To keep it over a restart. Up to max entries that changed since they were
 * taken last, encoded (versioned, length-checked); value SLICE_NONE: what was
 * kept of this key is to be deleted (flushed, pushed out). fn copies what it
 * wants, must be quick and must not call the cache: a lock is held. Returns
 * how many; fewer than max: no more. Unknown ones are not kept.
 */
typedef void dns_cache_fn(void *arg, struct slice key, struct slice value);
size_t dns_cache_take_changes(struct dns_cache *cache, size_t max,
			      dns_cache_fn *fn, void *arg);
/* One that was kept. GW_ECORRUPT; or too old, then GW_ENOENT: delete it. */
int dns_cache_restore(struct dns_cache *cache, struct slice key,
		      struct slice value, int64_t now_wall_s);

struct dns_cache_status {
	uint64_t domains; /* in the cache */
	uint64_t hits, misses, stale_served;
	uint64_t shared; /* look-ups that waited for another's answer */
	uint64_t busy;	 /* refused by a cap of ours */
	uint64_t verdicts[DOMAIN_VERDICTS]; /* given out by DNS, since start */
	uint64_t asked;			    /* questions to the resolver */
	uint64_t timeouts, failures;	    /* of these */
	uint64_t inflight_fast, inflight_slow;
	double latency_p50_ms, latency_p99_ms; /* of the last minute-or-so */
	bool failing; /* no usable answer of late: known-good is served stale */
};
void dns_cache_status_get(struct dns_cache *cache,
			  struct dns_cache_status *status);

#endif
