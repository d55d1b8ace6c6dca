#include "dns/cache_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

#define LINE 64 /* entries begin where a cache line does */
#define FIRST_SIZE 64

static struct cache_entry **
bucket_of(const struct cache_table *table, uint32_t hash)
{
	return &table->buckets[hash & (table->size - 1)];
}

struct cache_entry *
cache_table_find(const struct cache_table *table, struct slice key,
		 uint32_t hash)
{
	struct cache_entry *entry;

	if (table->size == 0)
		return NULL;
	entry = *bucket_of(table, hash);
	while (entry != NULL &&
	       (entry->hash != hash || entry->key_size != key.n ||
		memcmp(entry->key, key.p, key.n) != 0))
		entry = entry->next;
	return entry;
}

static void
push(struct cache_table *table, struct cache_entry *entry)
{
	struct cache_entry **bucket = bucket_of(table, entry->hash);

	entry->next = *bucket;
	*bucket = entry;
}

/* Twice as many buckets; a shard has a few thousand at most by default. */
static void
grow(struct cache_table *table)
{
	struct cache_table bigger = {.size = table->size > 0 ? table->size * 2
							     : FIRST_SIZE,
				     .count = table->count};
	struct cache_entry *entry, *next;

	bigger.buckets = mem_array(bigger.size, sizeof(struct cache_entry *));
	for (uint32_t i = 0; i < table->size; i++) {
		for (entry = table->buckets[i]; entry != NULL; entry = next) {
			next = entry->next;
			push(&bigger, entry);
		}
	}
	free(table->buckets);
	*table = bigger;
}

struct cache_entry *
cache_table_add(struct cache_table *table, struct slice key, uint32_t hash)
{
	size_t size = sizeof(struct cache_entry) + key.n;
	struct cache_entry *entry;

	assert(key.n <= UINT8_MAX);
	size = (size + LINE - 1) / LINE * LINE;
	entry = aligned_alloc(LINE, size);
	if (entry == NULL)
		abort();
	memset(entry, 0, size);
	memcpy(entry->key, key.p, key.n);
	entry->key_size = (uint8_t)key.n;
	entry->hash = hash;
	if (table->count >= table->size)
		grow(table);
	push(table, entry);
	table->count++;
	return entry;
}

void
cache_table_remove(struct cache_table *table, struct cache_entry *entry)
{
	struct cache_entry **at = bucket_of(table, entry->hash);

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	table->count--;
	free(entry);
}

void
cache_table_fini(struct cache_table *table)
{
	for (uint32_t i = 0; i < table->size; i++) {
		while (table->buckets[i] != NULL)
			cache_table_remove(table, table->buckets[i]);
	}
	free(table->buckets);
	*table = (struct cache_table){.size = 0};
}
