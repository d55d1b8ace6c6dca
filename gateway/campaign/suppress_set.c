/*
 * Ten million addresses in 16 bytes each, at a load of 3/8 to 3/4: two keyed
 * SipHashes stand for an address, so that two addresses are one by chance only
 * in 2^-128, and nobody can look for such a pair. Linear probing; what is
 * taken out closes its gap, so nothing is ever marked as deleted.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/secret.h"
#include "gateway/campaign/suppress_int.h"

#define SLOTS_FIRST 8

void
suppress_set_init(struct suppress_set *set)
{
	memset(set, 0, sizeof(*set));
	secret_random(set->keys, sizeof(set->keys));
}

void
suppress_set_fini(struct suppress_set *set)
{
	for (size_t i = 0; i < SUPPRESS_PARTS; i++)
		free(set->parts[i].slots);
	memset(set, 0, sizeof(*set));
}

static struct suppress_hash
hash_of(const struct suppress_set *set, struct slice key)
{
	struct suppress_hash hash = {
	    .a = hash_siphash13(set->keys[0], key.p, key.n),
	    .b = hash_siphash13(set->keys[1], key.p, key.n)};

	if (hash.a == 0 && hash.b == 0)
		hash.a = 1;
	return hash;
}

static bool
is_free(const struct suppress_hash *slot)
{
	return slot->a == 0 && slot->b == 0;
}

static size_t
part_of(const struct suppress_hash *hash)
{
	return (size_t)(hash->b % SUPPRESS_PARTS);
}

/* Where it is, or the free slot where it belongs. */
static size_t
find(const struct suppress_part *part, const struct suppress_hash *hash)
{
	size_t mask = part->size - 1, at = (size_t)hash->a & mask;

	while (!is_free(&part->slots[at]) &&
	       (part->slots[at].a != hash->a || part->slots[at].b != hash->b))
		at = (at + 1) & mask;
	return at;
}

bool
suppress_set_has(const struct suppress_set *set, struct slice key)
{
	struct suppress_hash hash = hash_of(set, key);
	const struct suppress_part *part = &set->parts[part_of(&hash)];

	return part->used > 0 && !is_free(&part->slots[find(part, &hash)]);
}

static void
grow(struct suppress_part *part)
{
	struct suppress_part old = *part;

	part->size = old.size > 0 ? old.size * 2 : SLOTS_FIRST;
	part->slots = mem_array(part->size, sizeof(*part->slots));
	for (size_t i = 0; i < old.size; i++) {
		if (!is_free(&old.slots[i]))
			part->slots[find(part, &old.slots[i])] = old.slots[i];
	}
	free(old.slots);
}

bool
suppress_set_add(struct suppress_set *set, struct slice key)
{
	struct suppress_hash hash = hash_of(set, key);
	struct suppress_part *part = &set->parts[part_of(&hash)];
	size_t at;

	if (part->size == 0)
		grow(part);
	at = find(part, &hash);
	if (!is_free(&part->slots[at]))
		return false;
	if ((part->used + 1) * 4 > part->size * 3) {
		grow(part);
		at = find(part, &hash);
	}
	part->slots[at] = hash;
	part->used++;
	set->count++;
	return true;
}

/* Those behind the gap that may stand in it move up. */
static void
close_gap(struct suppress_part *part, size_t gap)
{
	size_t mask = part->size - 1, at = gap;

	for (;;) {
		size_t home;

		at = (at + 1) & mask;
		if (is_free(&part->slots[at]))
			break;
		home = (size_t)part->slots[at].a & mask;
		if (((at - home) & mask) < ((at - gap) & mask))
			continue; /* its home lies behind the gap */
		part->slots[gap] = part->slots[at];
		gap = at;
	}
	part->slots[gap] = (struct suppress_hash){0};
}

bool
suppress_set_del(struct suppress_set *set, struct slice key)
{
	struct suppress_hash hash = hash_of(set, key);
	struct suppress_part *part = &set->parts[part_of(&hash)];
	size_t at;

	if (part->used == 0)
		return false;
	at = find(part, &hash);
	if (is_free(&part->slots[at]))
		return false;
	close_gap(part, at);
	part->used--;
	set->count--;
	return true;
}
