/*
 * Verdicts by domain, for all loops: shards with a lock each, a keyed hash
 * (names are chosen by strangers), least recently used first out. What an
 * entry may still be used for is decided here (holds, stale), how long it may
 * be kept (the clamps), and that a failure never takes the place of a domain
 * known to be good. Who asks DNS, and who waits for whom, is share.c's and
 * domain.c's; the configuration is cache_conf.c's, the bytes on disk are
 * cache_save.c's.
 *
 * A look-up is one lock, one hash and one compare. "Recently used" is to
 * TOUCH_S: a hot entry is not moved each time, and moving touches three
 * others' cache lines.
 *
 * The wall clock may be set back: what seems to be from the future does not
 * hold.
 */
#include "dns/cache.h"

#include "dns/cache_int.h"

#define TOUCH_S 16
#define CLOCK_SLACK_S 60

/* RFC 2308, 5 advises 1 to 3 hours at most for what is not there; RFC 9520, 3.2
 * five minutes for what failed. */
#define GOOD_MIN_S 300
#define GOOD_MAX_S (24 * 3600)
#define BAD_MIN_S 60
#define BAD_MAX_S (3 * 3600)
#define FAIL_MIN_S 30
#define FAIL_MAX_S 300

/* ---- Entries ---- */

struct cache_shard *
cache_shard_of(struct dns_cache *cache, struct slice domain, unsigned *hash)
{
	uint64_t h = hash_bytes(domain.p, domain.n);

	/* the low bits choose the bucket */
	*hash = (unsigned)h;
	return &cache->shards[h >> 32 & (cache_shard_count(cache) - 1)];
}

struct cache_entry *
cache_shard_find(struct cache_shard *shard, struct slice domain, unsigned hash)
{
	struct cache_entry *entry =
	    cache_table_find(&shard->entries, domain, hash);

	return entry != NULL && !entry->gone ? entry : NULL;
}

static void
mark_changed(struct cache_shard *shard, struct cache_entry *entry)
{
	if (entry->changed)
		return;
	entry->changed = true;
	TAILQ_INSERT_TAIL(&shard->changed, entry, changed_link);
}

void
cache_shard_drop(struct cache_shard *shard, struct cache_entry *entry)
{
	TAILQ_REMOVE(&shard->used, entry, used_link);
	shard->count--;
	if (entry->saved) {
		entry->gone = true;
		mark_changed(shard, entry);
		return;
	}
	if (entry->changed)
		TAILQ_REMOVE(&shard->changed, entry, changed_link);
	cache_table_remove(&shard->entries, entry);
}

struct cache_entry *
cache_shard_entry(struct dns_cache *cache, struct cache_shard *shard,
		  struct slice domain, unsigned hash)
{
	uint32_t max =
	    atomic_load_explicit(&cache->shard_max, memory_order_relaxed);
	struct cache_entry *entry =
	    cache_table_find(&shard->entries, domain, hash);

	if (entry != NULL && !entry->gone)
		return entry;
	while (shard->count >= max)
		cache_shard_drop(shard,
				 TAILQ_LAST(&shard->used, cache_entries));
	if (entry == NULL)
		entry = cache_table_add(&shard->entries, domain, hash);
	entry->gone = false;
	entry->retry_wall_s = 0;
	entry->hold_s = 0;
	TAILQ_INSERT_HEAD(&shard->used, entry, used_link);
	shard->count++;
	return entry;
}

static void
touch(struct cache_shard *shard, struct cache_entry *entry, int64_t now_wall_s)
{
	int64_t age_s = now_wall_s - entry->used_wall_s;

	if (age_s >= 0 && age_s < TOUCH_S)
		return;
	entry->used_wall_s = now_wall_s;
	TAILQ_REMOVE(&shard->used, entry, used_link);
	TAILQ_INSERT_HEAD(&shard->used, entry, used_link);
}

/* ---- What an entry is good for ---- */

static bool
from_future(const struct cache_entry *entry, int64_t now_wall_s)
{
	return entry->since_wall_s > now_wall_s + CLOCK_SLACK_S;
}

static bool
holds(const struct cache_entry *entry, int64_t now_wall_s)
{
	return now_wall_s < entry->until_wall_s &&
	       !from_future(entry, now_wall_s);
}

/* Its own time, and then what stale_s gives. */
static bool
known_good(const struct dns_cache *cache, const struct cache_entry *entry,
	   int64_t now_wall_s)
{
	int64_t stale_s =
	    atomic_load_explicit(&cache->stale_s, memory_order_relaxed);

	return entry->verdict == DOMAIN_DELIVERABLE &&
	       now_wall_s < entry->until_wall_s + stale_s &&
	       !from_future(entry, now_wall_s);
}

static void
fact_of(const struct cache_entry *entry, int64_t now_wall_s,
	struct domain_fact *fact)
{
	fact->verdict = entry->verdict;
	fact->reason = entry->reason;
	fact->since_wall_s = entry->since_wall_s;
	fact->until_wall_s = entry->until_wall_s;
	if (entry->retry_wall_s > fact->until_wall_s)
		fact->until_wall_s = entry->retry_wall_s;
	fact->stale = entry->verdict == DOMAIN_DELIVERABLE &&
		      now_wall_s >= entry->until_wall_s;
}

bool
cache_shard_get(struct dns_cache *cache, struct cache_shard *shard,
		struct slice domain, unsigned hash, int64_t now_wall_s,
		struct domain_fact *fact)
{
	struct cache_entry *entry = cache_shard_find(shard, domain, hash);

	if (entry == NULL) {
		shard->misses++;
		return false;
	}
	if (!holds(entry, now_wall_s)) {
		if (!known_good(cache, entry, now_wall_s) ||
		    (now_wall_s >= entry->retry_wall_s &&
		     !dns_stats_failing(&cache->stats))) {
			shard->misses++;
			return false;
		}
		shard->stale_served++;
	}
	shard->hits++;
	touch(shard, entry, now_wall_s);
	fact_of(entry, now_wall_s, fact);
	return true;
}

bool
dns_cache_get(struct dns_cache *cache, struct slice domain, int64_t now_wall_s,
	      struct domain_fact *fact)
{
	unsigned hash;
	struct cache_shard *shard = cache_shard_of(cache, domain, &hash);
	bool found;

	pthread_mutex_lock(&shard->lock);
	found = cache_shard_get(cache, shard, domain, hash, now_wall_s, fact);
	pthread_mutex_unlock(&shard->lock);
	return found;
}

bool
dns_cache_look(struct dns_cache *cache, struct slice domain,
	       struct domain_fact *fact)
{
	unsigned hash;
	struct cache_shard *shard = cache_shard_of(cache, domain, &hash);
	struct cache_entry *entry;

	pthread_mutex_lock(&shard->lock);
	entry = cache_shard_find(shard, domain, hash);
	/* no time here, so nothing is called stale */
	if (entry != NULL)
		fact_of(entry, INT64_MIN, fact);
	pthread_mutex_unlock(&shard->lock);
	return entry != NULL;
}

/* ---- What DNS said ---- */

static int64_t
clamp(uint32_t ttl_s, int64_t least_s, int64_t most_s)
{
	if (ttl_s < least_s)
		return least_s;
	return ttl_s > most_s ? most_s : ttl_s;
}

static int64_t
lasts_s(const struct cache_finding *finding)
{
	if (finding->verdict == DOMAIN_DELIVERABLE)
		return clamp(finding->ttl_s, GOOD_MIN_S, GOOD_MAX_S);
	return clamp(finding->ttl_s, BAD_MIN_S, BAD_MAX_S);
}

/* The next failure's time: twice the last one's, if that was of late. */
static uint16_t
next_hold_s(const struct cache_entry *entry, int64_t last_wall_s,
	    int64_t now_wall_s)
{
	unsigned twice = entry->hold_s * 2u;

	if (entry->hold_s == 0 || now_wall_s - last_wall_s > FAIL_MAX_S ||
	    last_wall_s - now_wall_s > FAIL_MAX_S)
		return FAIL_MIN_S;
	return (uint16_t)(twice > FAIL_MAX_S ? FAIL_MAX_S : twice);
}

static void
fact_now(const struct cache_finding *finding, int64_t lasts, int64_t now_wall_s,
	 struct domain_fact *fact)
{
	*fact = (struct domain_fact){.verdict = finding->verdict,
				     .reason = finding->reason,
				     .since_wall_s = now_wall_s,
				     .until_wall_s = now_wall_s + lasts};
}

static void
entry_set(struct cache_shard *shard, struct cache_entry *entry,
	  const struct cache_finding *finding, int64_t lasts,
	  int64_t now_wall_s)
{
	entry->verdict = (uint8_t)finding->verdict;
	entry->reason = (uint8_t)finding->reason;
	entry->local = finding->local;
	entry->since_wall_s = now_wall_s;
	entry->until_wall_s = now_wall_s + lasts;
	entry->retry_wall_s = 0;
	/* what is on disk is to be replaced, or goes */
	if ((finding->verdict != DOMAIN_UNKNOWN && !finding->local) ||
	    entry->saved)
		mark_changed(shard, entry);
	touch(shard, entry, now_wall_s);
}

static void
settle_unknown(struct dns_cache *cache, struct cache_shard *shard,
	       struct slice domain, unsigned hash,
	       const struct cache_finding *finding, int64_t now_wall_s,
	       struct domain_fact *fact)
{
	struct cache_entry *entry = cache_shard_find(shard, domain, hash);
	bool keep = finding->reason != DOMAIN_WHY_BUSY;

	if (entry != NULL && known_good(cache, entry, now_wall_s)) {
		if (keep) {
			entry->hold_s =
			    next_hold_s(entry, entry->retry_wall_s, now_wall_s);
			entry->retry_wall_s = now_wall_s + entry->hold_s;
		}
		if (!holds(entry, now_wall_s))
			shard->stale_served++;
		fact_of(entry, now_wall_s, fact);
		return;
	}
	fact_now(finding, 0, now_wall_s, fact);
	if (!keep)
		return;
	entry = cache_shard_entry(cache, shard, domain, hash);
	if (entry->verdict != DOMAIN_UNKNOWN)
		entry->hold_s = 0;
	entry->hold_s = next_hold_s(entry, entry->until_wall_s, now_wall_s);
	fact->until_wall_s = now_wall_s + entry->hold_s;
	entry_set(shard, entry, finding, entry->hold_s, now_wall_s);
}

void
cache_shard_settle(struct dns_cache *cache, struct cache_shard *shard,
		   struct slice domain, unsigned hash,
		   const struct cache_finding *finding, int64_t now_wall_s,
		   struct domain_fact *fact)
{
	struct cache_entry *entry;

	if (finding->reason != DOMAIN_WHY_BUSY)
		shard->verdicts[finding->verdict]++;
	if (finding->verdict == DOMAIN_UNKNOWN) {
		settle_unknown(cache, shard, domain, hash, finding, now_wall_s,
			       fact);
		return;
	}
	fact_now(finding, lasts_s(finding), now_wall_s, fact);
	if (finding->local && finding->epoch != atomic_load(&cache->epoch))
		return;
	entry = cache_shard_entry(cache, shard, domain, hash);
	entry->hold_s = 0;
	entry_set(shard, entry, finding, lasts_s(finding), now_wall_s);
}

void
dns_cache_put(struct dns_cache *cache, struct slice domain,
	      enum domain_verdict verdict, enum domain_reason reason,
	      uint32_t ttl_s, int64_t now_wall_s)
{
	struct cache_finding finding = {
	    .verdict = verdict,
	    .reason = reason,
	    .ttl_s = ttl_s,
	    .local =
		reason == DOMAIN_WHY_NOT_PUBLIC || reason == DOMAIN_WHY_SELF,
	    .epoch = atomic_load(&cache->epoch),
	};
	struct domain_fact ignored;
	unsigned hash;
	struct cache_shard *shard = cache_shard_of(cache, domain, &hash);

	pthread_mutex_lock(&shard->lock);
	cache_shard_settle(cache, shard, domain, hash, &finding, now_wall_s,
			   &ignored);
	pthread_mutex_unlock(&shard->lock);
}

/* ---- Flush ---- */

static size_t
flush_all(struct dns_cache *cache)
{
	size_t count = 0;

	for (size_t i = 0; i < cache_shard_count(cache); i++) {
		struct cache_shard *shard = &cache->shards[i];
		struct cache_entry *entry;

		pthread_mutex_lock(&shard->lock);
		count += shard->count;
		while ((entry = TAILQ_FIRST(&shard->used)) != NULL)
			cache_shard_drop(shard, entry);
		pthread_mutex_unlock(&shard->lock);
	}
	return count;
}

size_t
dns_cache_flush(struct dns_cache *cache, struct slice domain)
{
	struct cache_shard *shard;
	struct cache_entry *entry;
	unsigned hash;

	if (domain.n == 0)
		return flush_all(cache);
	shard = cache_shard_of(cache, domain, &hash);
	pthread_mutex_lock(&shard->lock);
	entry = cache_shard_find(shard, domain, hash);
	if (entry != NULL)
		cache_shard_drop(shard, entry);
	pthread_mutex_unlock(&shard->lock);
	return entry != NULL ? 1 : 0;
}
