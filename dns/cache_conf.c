/*
 * The life of the cache: how many shards, which settings, and what a reload
 * makes worthless. Settings are read on every look-up, so they are atomics;
 * only our own name and the exceptions have a lock. A reload raises the epoch
 * before it drops the verdicts that the old `targets` decided: one that is
 * under way meanwhile carries the old epoch and is not kept.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dns/cache_int.h"
#include "dns/share.h"
#include "dns/slots.h"
#include "dns/special.h"
#include "gateway/base/clock.h"
#include "gateway/base/mem.h"

#define DOMAINS_DEFAULT 200000
#define STALE_DEFAULT_S (24 * 3600)
#define CRED_DEFAULT 100
#define PER_SHARD_MIN 1024 /* below, fewer shards: the cap is by shard */

size_t
cache_shard_count(const struct dns_cache *cache)
{
	return (size_t)1 << cache->shard_bits;
}

static void
conf_set(struct dns_cache *cache, const struct dns_cache_conf *conf)
{
	uint32_t max =
	    conf->domain_max > 0 ? conf->domain_max : DOMAINS_DEFAULT;
	uint32_t shard_max = max >> cache->shard_bits;

	atomic_store(&cache->shard_max, shard_max > 0 ? shard_max : 1);
	atomic_store(&cache->stale_s,
		     conf->stale_s > 0 ? conf->stale_s : STALE_DEFAULT_S);
	atomic_store(&cache->cred_max,
		     conf->cred_max > 0 ? conf->cred_max : CRED_DEFAULT);
	atomic_store(&cache->slow_ms,
		     conf->slow_ms > 0 ? conf->slow_ms : SLOTS_FAST_MS);
}

static void
except_fini(struct dns_cache *cache)
{
	for (size_t i = 0; i < atomic_load(&cache->except_count); i++)
		free(cache->except[i]);
	free(cache->except);
}

/* Under the lock, or before anybody knows the cache. */
static void
except_set(struct dns_cache *cache, const struct dns_cache_conf *conf)
{
	except_fini(cache);
	cache->except =
	    mem_array(conf->except_count + 1, sizeof(*cache->except));
	for (size_t i = 0; i < conf->except_count; i++)
		cache->except[i] = mem_strdup(conf->except[i]);
	atomic_store(&cache->except_count, conf->except_count);
}

struct dns_cache *
dns_cache_create(const struct dns_cache_conf *conf)
{
	struct dns_cache *cache = mem_zalloc(sizeof(*cache));
	uint32_t max =
	    conf->domain_max > 0 ? conf->domain_max : DOMAINS_DEFAULT;
	size_t bytes;

	while (1u << cache->shard_bits < CACHE_SHARDS_MAX &&
	       max >> (cache->shard_bits + 1) >= PER_SHARD_MIN)
		cache->shard_bits++;
	bytes = cache_shard_count(cache) * sizeof(*cache->shards);
	cache->shards = aligned_alloc(_Alignof(struct cache_shard), bytes);
	if (cache->shards == NULL)
		abort();
	memset(cache->shards, 0, bytes);
	for (size_t i = 0; i < cache_shard_count(cache); i++) {
		pthread_mutex_init(&cache->shards[i].lock, NULL);
		TAILQ_INIT(&cache->shards[i].used);
		TAILQ_INIT(&cache->shards[i].changed);
	}
	pthread_mutex_init(&cache->conf_lock, NULL);
	pthread_mutex_init(&cache->save_lock, NULL);
	conf_set(cache, conf);
	atomic_store(&cache->loopback, conf->loopback);
	atomic_store(&cache->private, conf->private);
	cache->self = mem_strdup(conf->self);
	except_set(cache, conf);
	cache->share = share_create();
	return cache;
}

static void
shard_fini(struct cache_shard *shard)
{
	assert(shard->pending == NULL);
	cache_table_fini(&shard->entries);
	pthread_mutex_destroy(&shard->lock);
}

void
dns_cache_destroy(struct dns_cache **cachep)
{
	struct dns_cache *cache = *cachep;

	*cachep = NULL;
	if (cache == NULL)
		return;
	share_destroy(&cache->share);
	for (size_t i = 0; i < cache_shard_count(cache); i++)
		shard_fini(&cache->shards[i]);
	free(cache->shards);
	pthread_mutex_destroy(&cache->conf_lock);
	pthread_mutex_destroy(&cache->save_lock);
	free(cache->self);
	except_fini(cache);
	free(cache);
}

static void
drop_local(struct dns_cache *cache)
{
	for (size_t i = 0; i < cache_shard_count(cache); i++) {
		struct cache_shard *shard = &cache->shards[i];
		struct cache_entry *entry, *next;

		pthread_mutex_lock(&shard->lock);
		TAILQ_FOREACH_SAFE (entry, &shard->used, used_link, next) {
			if (entry->local)
				cache_shard_drop(shard, entry);
		}
		pthread_mutex_unlock(&shard->lock);
	}
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

void
dns_cache_reload(struct dns_cache *cache, const struct dns_cache_conf *conf)
{
	bool other;

	conf_set(cache, conf);
	pthread_mutex_lock(&cache->conf_lock);
	other = conf->loopback != atomic_load(&cache->loopback) ||
		conf->private != atomic_load(&cache->private) ||
		!same_text(conf->self, cache->self);
	if (other) {
		atomic_store(&cache->loopback, conf->loopback);
		atomic_store(&cache->private, conf->private);
		free(cache->self);
		cache->self = mem_strdup(conf->self);
		/* before the entries go: what is under way is not kept */
		atomic_fetch_add(&cache->epoch, 1);
	}
	except_set(cache, conf);
	pthread_mutex_unlock(&cache->conf_lock);
	if (other)
		drop_local(cache);
}

/* It is rare that a name is special: the lock is nobody's way. */
bool
cache_reserved(struct dns_cache *cache, struct slice domain)
{
	bool found = false;

	if (!special_use(domain))
		return false;
	if (atomic_load(&cache->except_count) == 0)
		return true;
	pthread_mutex_lock(&cache->conf_lock);
	for (size_t i = 0; i < cache->except_count && !found; i++) {
		struct slice name = slice_str(cache->except[i]);
		size_t before = domain.n - name.n; /* unless it is shorter */

		found = domain.n >= name.n &&
			slice_eq(slice_from(domain, before), name) &&
			(before == 0 || domain.p[before - 1] == '.');
	}
	pthread_mutex_unlock(&cache->conf_lock);
	return !found;
}

void
cache_reach_get(struct dns_cache *cache, struct reach_policy *permits)
{
	permits->loopback =
	    atomic_load_explicit(&cache->loopback, memory_order_relaxed);
	permits->private =
	    atomic_load_explicit(&cache->private, memory_order_relaxed);
}

void
cache_policy_get(struct dns_cache *cache, struct cache_policy *policy)
{
	size_t n;

	pthread_mutex_lock(&cache->conf_lock);
	cache_reach_get(cache, &policy->permits);
	policy->epoch = atomic_load(&cache->epoch);
	n = cache->self == NULL ? 0 : strlen(cache->self);
	if (n >= sizeof(policy->self))
		n = 0;
	if (n > 0)
		memcpy(policy->self, cache->self, n);
	policy->self[n] = '\0';
	pthread_mutex_unlock(&cache->conf_lock);
}

/* ---- Status ---- */

struct dns_stats *
dns_cache_stats(struct dns_cache *cache)
{
	return &cache->stats;
}

void
dns_cache_status_get(struct dns_cache *cache, struct dns_cache_status *status)
{
	struct dns_stats_sum sum;

	memset(status, 0, sizeof(*status));
	for (size_t i = 0; i < cache_shard_count(cache); i++) {
		struct cache_shard *shard = &cache->shards[i];

		pthread_mutex_lock(&shard->lock);
		status->domains += shard->count;
		status->hits += shard->hits;
		status->misses += shard->misses;
		status->stale_served += shard->stale_served;
		status->shared += shard->shared;
		for (int v = 0; v < DOMAIN_VERDICTS; v++)
			status->verdicts[v] += shard->verdicts[v];
		pthread_mutex_unlock(&shard->lock);
	}
	dns_stats_sum(&cache->stats, clock_mono_ms(), &sum);
	status->asked = sum.asked;
	status->timeouts = sum.timeouts;
	status->failures = sum.failures;
	status->busy = sum.busy + share_busy(cache);
	status->inflight_fast = sum.fast;
	status->inflight_slow = sum.slow;
	status->latency_p50_ms = sum.latency_p50_ms;
	status->latency_p99_ms = sum.latency_p99_ms;
	status->failing = dns_stats_failing(&cache->stats);
}
