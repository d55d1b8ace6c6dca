/*
 * The cache over a restart: which entries changed since they were last taken,
 * and their bytes. What was kept and is no longer there is given out as a
 * deletion, or the table on disk would grow for ever; so an entry that is
 * pushed out stays behind as "gone" until it is taken. Only what was taken
 * before leaves such a trace, so there are never more of them than entries
 * fit into the cache and were saved.
 *
 * A record read back is from disk, not from us: lengths, numbers and times are
 * checked, and a time from the future (the clock was set back) is cut. What
 * `targets` or our own name decided is not kept: the next start may have
 * others, and whoever changes them wants to see it at once.
 */
#include "dns/cache_int.h"
#include "dns/name.h"
#include "gateway/base/error.h"

#define RECORD_VERSION 1
#define FLAG_LOCAL 1
#define LASTS_MAX_S (24 * 3600) /* the longest clamp */
#define TAKE_AT_ONCE 64		/* with a shard's lock held */

/* ---- Records ---- */

void
cache_record_encode(const struct cache_entry *entry, struct buf *out)
{
	buf_put_u8(out, RECORD_VERSION);
	buf_put_u8(out, entry->verdict);
	buf_put_u8(out, entry->reason);
	buf_put_u8(out, entry->local ? FLAG_LOCAL : 0);
	buf_put_u64(out, (uint64_t)entry->since_wall_s);
	buf_put_u64(out, (uint64_t)entry->until_wall_s);
}

/* Only these go together, and only these are kept. */
static bool
pair_ok(unsigned verdict, unsigned reason)
{
	switch (verdict) {
	case DOMAIN_DELIVERABLE:
		return reason == DOMAIN_WHY_MX || reason == DOMAIN_WHY_ADDRESS;
	case DOMAIN_DEAD:
		return reason == DOMAIN_WHY_NXDOMAIN ||
		       reason == DOMAIN_WHY_NO_RECORDS;
	case DOMAIN_REFUSES:
		return reason == DOMAIN_WHY_NULL_MX;
	case DOMAIN_UNROUTABLE:
		return reason >= DOMAIN_WHY_NO_HOST &&
		       reason <= DOMAIN_WHY_SELF;
	}
	return false;
}

static bool
times_ok(uint64_t since, uint64_t until)
{
	/* years below 10,000: sums cannot overflow */
	return since <= UINT64_C(253402300799) && until >= since &&
	       until - since <= LASTS_MAX_S;
}

int
cache_record_decode(struct slice value, struct cache_entry *entry)
{
	struct reader r;
	unsigned version, verdict, reason, flags;
	uint64_t since, until;

	reader_init(&r, value);
	version = reader_u8(&r);
	verdict = reader_u8(&r);
	reason = reader_u8(&r);
	flags = reader_u8(&r);
	since = reader_u64(&r);
	until = reader_u64(&r);
	if (!reader_end(&r) || version != RECORD_VERSION ||
	    !pair_ok(verdict, reason) || flags > FLAG_LOCAL ||
	    !times_ok(since, until))
		return GW_ECORRUPT;
	entry->verdict = (uint8_t)verdict;
	entry->reason = (uint8_t)reason;
	entry->local = flags & FLAG_LOCAL;
	entry->since_wall_s = (int64_t)since;
	entry->until_wall_s = (int64_t)until;
	return 0;
}

/* ---- To disk ---- */

struct taking {
	dns_cache_fn *fn;
	void *arg;
	struct buf record;
};

static void
take(struct cache_shard *shard, struct cache_entry *entry,
     struct taking *taking)
{
	struct slice key = slice_of(entry->key, entry->key_size);
	bool kept =
	    !entry->gone && !entry->local && entry->verdict != DOMAIN_UNKNOWN;

	TAILQ_REMOVE(&shard->changed, entry, changed_link);
	entry->changed = false;
	entry->saved = kept;
	buf_clear(&taking->record);
	if (kept)
		cache_record_encode(entry, &taking->record);
	taking->fn(taking->arg, key,
		   kept ? buf_slice(&taking->record) : SLICE_NONE);
	if (entry->gone)
		cache_table_remove(&shard->entries, entry);
}

static size_t
take_some(struct cache_shard *shard, size_t max, struct taking *taking)
{
	struct cache_entry *entry;
	size_t count = 0;

	pthread_mutex_lock(&shard->lock);
	while (count < max && (entry = TAILQ_FIRST(&shard->changed)) != NULL) {
		take(shard, entry, taking);
		count++;
	}
	pthread_mutex_unlock(&shard->lock);
	return count;
}

size_t
dns_cache_take_changes(struct dns_cache *cache, size_t max, dns_cache_fn *fn,
		       void *arg)
{
	struct taking taking = {
	    .fn = fn, .arg = arg, .record.cap = CACHE_RECORD_SIZE};
	size_t count = 0, empty = 0;

	pthread_mutex_lock(&cache->save_lock);
	/* each in turn, so that a busy one does not keep the others waiting */
	while (count < max && empty < cache_shard_count(cache)) {
		size_t most =
		    max - count < TAKE_AT_ONCE ? max - count : TAKE_AT_ONCE;
		size_t n =
		    take_some(&cache->shards[cache->save_shard], most, &taking);

		count += n;
		empty = n == most ? 0 : empty + 1;
		cache->save_shard = (cache->save_shard + 1) %
				    (unsigned)cache_shard_count(cache);
	}
	pthread_mutex_unlock(&cache->save_lock);
	buf_fini(&taking.record);
	return count;
}

/* ---- From disk ---- */

/* In key form, and a name that DNS is asked for. */
static bool
key_ok(struct slice key)
{
	if (!dns_name_ok(key))
		return false;
	for (size_t i = 0; i < key.n; i++) {
		if (key.p[i] >= 'A' && key.p[i] <= 'Z')
			return false;
	}
	return true;
}

static bool
too_old(const struct dns_cache *cache, const struct cache_entry *entry,
	int64_t now_wall_s)
{
	int64_t end = entry->until_wall_s;

	if (entry->verdict == DOMAIN_DELIVERABLE)
		end += atomic_load(&cache->stale_s);
	return now_wall_s >= end;
}

int
dns_cache_restore(struct dns_cache *cache, struct slice key, struct slice value,
		  int64_t now_wall_s)
{
	struct cache_entry read = {.saved = true}, *entry;
	struct cache_shard *shard;
	unsigned hash;

	if (!key_ok(key) || cache_record_decode(value, &read) != 0)
		return GW_ECORRUPT;
	/* special ones were asked for while somebody allowed them */
	if (read.local || too_old(cache, &read, now_wall_s) ||
	    cache_reserved(cache, key))
		return GW_ENOENT;
	if (read.since_wall_s > now_wall_s) {
		read.until_wall_s -= read.since_wall_s - now_wall_s;
		read.since_wall_s = now_wall_s;
	}
	shard = cache_shard_of(cache, key, &hash);
	pthread_mutex_lock(&shard->lock);
	entry = cache_shard_find(shard, key, hash);
	if (entry == NULL) {
		entry = cache_shard_entry(cache, shard, key, hash);
		entry->verdict = read.verdict;
		entry->reason = read.reason;
		entry->local = read.local;
		entry->since_wall_s = read.since_wall_s;
		entry->until_wall_s = read.until_wall_s;
		entry->saved = true;
	}
	pthread_mutex_unlock(&shard->lock);
	return 0;
}
