/*
 * Sets of hashes with the minute each was last seen, so that the distinct
 * things of any window are those seen at its start or later. A set grows to
 * TOP_DISTINCT_MAX members, out of a pool that all sets share: bounded in all,
 * whoever invents names. What finds no room is told as "more than".
 *
 * Room is made by dropping what no window reaches any more, at most once a
 * minute a set: a full set must not be searched for each new name.
 */
#include "policy/top_int.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "policy/top.h"

#define FIRST_SIZE 4

struct distinct_seen { /* hash 0: free */
	uint64_t hash;
	uint32_t minute;
};

static size_t
charged(uint32_t size)
{
	return size > DISTINCT_SMALL ? size : 0;
}

void
distinct_fini(struct distinct *set, struct distinct_pool *pool)
{
	pool->left += charged(set->size);
	free(set->seen);
	*set = (struct distinct){0};
}

static struct distinct_seen *
place(const struct distinct *set, uint64_t hash)
{
	uint32_t i = (uint32_t)hash & (set->size - 1);

	while (set->seen[i].hash != 0 && set->seen[i].hash != hash)
		i = (i + 1) & (set->size - 1);
	return &set->seen[i];
}

/* What was seen before from_min stays behind. */
static void
rebuild(struct distinct *set, struct distinct_pool *pool, uint32_t size,
	uint32_t from_min)
{
	struct distinct old = *set;

	pool->left += charged(old.size);
	pool->left -= charged(size);
	set->seen = mem_array(size, sizeof(*set->seen));
	set->size = size;
	set->count = 0;
	for (uint32_t i = 0; i < old.size; i++) {
		if (old.seen[i].hash == 0 || old.seen[i].minute < from_min)
			continue;
		*place(set, old.seen[i].hash) = old.seen[i];
		set->count++;
	}
	free(old.seen);
}

static bool
is_full(const struct distinct *set)
{
	return set->count >= TOP_DISTINCT_MAX ||
	       (set->count + 1) * 4 > set->size * 3;
}

/* Drops the old, then grows: whichever is enough. */
static bool
make_room(struct distinct *set, struct distinct_pool *pool, uint32_t minute)
{
	uint32_t size = set->size;

	if (!is_full(set))
		return true;
	if (size > 0 && set->purged_min != minute) {
		set->purged_min = minute;
		rebuild(set, pool, size,
			minute > TOP_WINDOW_MAX_MIN
			    ? minute - TOP_WINDOW_MAX_MIN
			    : 0);
		if (!is_full(set))
			return true;
	}
	if (set->count >= TOP_DISTINCT_MAX)
		return false;
	size = size > 0 ? size * 2 : FIRST_SIZE;
	if (charged(size) > pool->left + charged(set->size))
		return false;
	rebuild(set, pool, size, 0);
	return true;
}

void
distinct_add(struct distinct *set, struct distinct_pool *pool, uint64_t hash,
	     uint32_t minute)
{
	struct distinct_seen *seen;

	if (hash == 0)
		hash = 1;
	if (set->size > 0) {
		seen = place(set, hash);
		if (seen->hash == hash) {
			if (seen->minute < minute)
				seen->minute = minute;
			return;
		}
	}
	if (!make_room(set, pool, minute)) {
		set->more = true;
		set->more_min = minute;
		return;
	}
	*place(set, hash) = (struct distinct_seen){hash, minute};
	set->count++;
}

uint64_t
distinct_count(const struct distinct *set, uint32_t from_min, bool *more)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < set->size; i++) {
		if (set->seen[i].hash != 0 && set->seen[i].minute >= from_min)
			count++;
	}
	*more = set->more && set->more_min >= from_min;
	return count;
}
