#ifndef DNS_CACHE_INT_H
#define DNS_CACHE_INT_H

#include <bsd/sys/queue.h>
#include <pthread.h>
#include <stdatomic.h>

#include "dns/cache.h"
#include "dns/cache_table.h"
#include "dns/reach.h"
#include "dns/stats.h"
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

/* --- entries (cache.c) ---------------------------------------------------- */

struct cache_pending;
TAILQ_HEAD(cache_entries, cache_entry);

struct cache_shard {
	_Alignas(64) pthread_mutex_t lock;
	struct cache_table entries;    /* gone ones too */
	struct cache_pending *pending; /* uthash: share.c */
	struct cache_entries used;     /* latest first, see touch() */
	struct cache_entries changed;  /* not yet taken to disk */
	uint32_t count;		       /* without gone ones */
	uint64_t hits, misses, stale_served, shared;
	uint64_t verdicts[DOMAIN_VERDICTS];
};

#define CACHE_SHARDS_MAX 64

struct cache_share;

struct dns_cache {
	unsigned shard_bits;
	struct cache_shard *shards;
	/* the configuration: read on every look-up, so without a lock */
	_Atomic uint32_t shard_max; /* entries */
	_Atomic int64_t stale_s;
	_Atomic bool loopback, private;
	_Atomic uint32_t cred_max;
	_Atomic int64_t slow_ms;
	_Atomic uint32_t epoch; /* of `targets` and self */
	pthread_mutex_t conf_lock;
	char *self;    /* under conf_lock; NULL: none */
	char **except; /* the same */
	_Atomic size_t except_count;
	pthread_mutex_t save_lock;
	unsigned save_shard; /* under save_lock: where to go on */
	struct dns_stats stats;
	struct cache_share *share;
};

struct cache_policy {
	struct reach_policy permits;
	char self[256]; /* "": none */
	uint32_t epoch;
};
void cache_policy_get(struct dns_cache *cache, struct cache_policy *policy);
/* A special-use name, and not one that exists here. */
bool cache_reserved(struct dns_cache *cache, struct slice domain);
void cache_reach_get(struct dns_cache *cache, struct reach_policy *permits);

/* What a look-up found out. */
struct cache_finding {
	enum domain_verdict verdict;
	enum domain_reason reason;
	uint32_t ttl_s;
	bool local;	/* see cache_entry; not kept when epoch is not ours */
	uint32_t epoch; /* of the policy it was made with */
};

struct cache_shard *cache_shard_of(struct dns_cache *cache, struct slice domain,
				   unsigned *hash);
size_t cache_shard_count(const struct dns_cache *cache);
/* All with the shard's lock held. get counts a hit, or a miss. */
bool cache_shard_get(struct dns_cache *cache, struct cache_shard *shard,
		     struct slice domain, unsigned hash, int64_t now_wall_s,
		     struct domain_fact *fact);
/* Keeps it, if it is to be kept; fact: what is to be answered, which is the
 * good verdict of before when this is UNKNOWN. */
void cache_shard_settle(struct dns_cache *cache, struct cache_shard *shard,
			struct slice domain, unsigned hash,
			const struct cache_finding *finding, int64_t now_wall_s,
			struct domain_fact *fact);
struct cache_entry *cache_shard_find(struct cache_shard *shard,
				     struct slice domain, unsigned hash);
/* The one that is there, or a new one, for which others may have to go. */
struct cache_entry *cache_shard_entry(struct dns_cache *cache,
				      struct cache_shard *shard,
				      struct slice domain, unsigned hash);
void cache_shard_drop(struct cache_shard *shard, struct cache_entry *entry);

/* --- records (cache_save.c) ------------------------------------------------
 */

#define CACHE_RECORD_SIZE 20
void cache_record_encode(const struct cache_entry *entry, struct buf *out);
/* GW_ECORRUPT. Only the fields of the verdict are set. */
int cache_record_decode(struct slice value, struct cache_entry *entry);

#endif
