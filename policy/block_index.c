#include "policy/block_int.h"

#include <stdlib.h>

#include "gateway/base/hash.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"
#include "gateway/store/key.h"

#define FIRST_SIZE 64

void
block_index_fini(struct block_index *index)
{
	free(index->slots);
	*index = (struct block_index){0};
}

/* A prefix is looked up once for each length in use, so it has a hash of its
 * own: quick, and with a secret start, since lists come from strangers too. */
static uint64_t
prefix_hash(uint64_t seed, const uint8_t *raw)
{
	uint64_t h = seed + raw[0] * UINT64_C(0x9e3779b97f4a7c15);

	h = (h ^ key_get_u64(raw + 1)) * UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ h >> 32 ^ key_get_u64(raw + 9)) * UINT64_C(0x94d049bb133111eb);
	h = (h ^ h >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
	return h ^ h >> 32;
}

/* Class and action only move the keyed hash of the bytes on, so that nothing
 * has to be copied together to be looked up. */
static uint64_t
key_hash(const struct block_index *index, const struct block_key *key)
{
	uint64_t salt = (uint64_t)key->class * BLOCK_ACTIONS + key->action;

	salt *= UINT64_C(0x9e3779b97f4a7c15);
	if (key->class == CLASS_IP)
		return prefix_hash(index->seed ^ salt,
				   (const uint8_t *)key->bytes.p);
	return hash_bytes(key->bytes.p, key->bytes.n) + salt;
}

static bool
same(const struct block_key *a, const struct block_key *b)
{
	return a->class == b->class && a->action == b->action &&
	       slice_eq(a->bytes, b->bytes);
}

struct block_entry *
block_index_find(const struct block_index *index, const struct block_key *key)
{
	uint64_t hash;

	if (index->count == 0)
		return NULL;
	hash = key_hash(index, key);
	for (size_t i = hash & (index->size - 1);;
	     i = (i + 1) & (index->size - 1)) {
		const struct block_slot *slot = &index->slots[i];

		if (slot->entry == NULL)
			return NULL;
		if (slot->hash == hash && same(&slot->entry->key, key))
			return slot->entry;
	}
}

static void
put(struct block_index *index, struct block_entry *entry)
{
	size_t i = entry->hash & (index->size - 1);

	while (index->slots[i].entry != NULL)
		i = (i + 1) & (index->size - 1);
	index->slots[i] = (struct block_slot){entry->hash, entry};
}

static void
grow(struct block_index *index)
{
	struct block_slot *old = index->slots;
	size_t old_size = index->size;

	if (old_size == 0)
		secret_random(&index->seed, sizeof(index->seed));
	index->size = old_size > 0 ? old_size * 2 : FIRST_SIZE;
	index->slots = mem_array(index->size, sizeof(*index->slots));
	for (size_t i = 0; i < old_size; i++) {
		if (old[i].entry != NULL)
			put(index, old[i].entry);
	}
	free(old);
}

void
block_index_add(struct block_index *index, struct block_entry *entry)
{
	if ((index->count + 1) * 2 > index->size)
		grow(index);
	entry->hash = key_hash(index, &entry->key);
	put(index, entry);
	index->count++;
}

/* Whoever probed past the hole moves into it, so there are no tombstones. */
static void
close_hole(struct block_index *index, size_t hole)
{
	size_t mask = index->size - 1;

	for (size_t i = (hole + 1) & mask; index->slots[i].entry != NULL;
	     i = (i + 1) & mask) {
		size_t home = index->slots[i].hash & mask;

		if (((i - home) & mask) < ((i - hole) & mask))
			continue; /* its home is behind the hole */
		index->slots[hole] = index->slots[i];
		hole = i;
	}
	index->slots[hole] = (struct block_slot){0};
}

void
block_index_del(struct block_index *index, struct block_entry *entry)
{
	size_t i = entry->hash & (index->size - 1);

	while (index->slots[i].entry != entry)
		i = (i + 1) & (index->size - 1);
	close_hole(index, i);
	index->count--;
}
