#ifndef DNS_CACHE_TABLE_H
#define DNS_CACHE_TABLE_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/slice.h"

/*
 * The entries of one shard by domain. Not uthash: that costs three times as
 * much here, because its chains are long (up to ten) and each step is another
 * cache line. The caller locks.
 *
 * Invariants of an entry, kept by cache.c: it is on `used` unless it is gone;
 * a gone one is on `changed`, and only there to delete what is on disk.
 */
struct cache_entry {
	/* a look-up reads these and the key: two cache lines with most names */
	struct cache_entry *next;
	uint32_t hash;
	uint8_t key_size, verdict, reason;
	bool local; /* `targets` or our own name decided */
	bool changed, saved, gone;
	uint16_t hold_s; /* of the last failure: doubles */
	int64_t since_wall_s, until_wall_s;
	int64_t retry_wall_s; /* good, but the last question failed: served
				 stale and not asked again before */
	int64_t used_wall_s;
	TAILQ_ENTRY(cache_entry) used_link, changed_link;
	char key[];
};

/* Zeroed is empty. */
struct cache_table {
	struct cache_entry **buckets;
	uint32_t size, count; /* size: 0, or a power of two */
};

struct cache_entry *cache_table_find(const struct cache_table *table,
				     struct slice key, uint32_t hash);
/* A new, zeroed one; the key is not there yet, and at most 255 bytes. */
struct cache_entry *cache_table_add(struct cache_table *table, struct slice key,
				    uint32_t hash);
void cache_table_remove(struct cache_table *table, struct cache_entry *entry);
void cache_table_fini(struct cache_table *table); /* and all entries */

#endif
