#ifndef RATELIMIT_SHARD_H
#define RATELIMIT_SHARD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ratelimit/rate.h"
#include "ratelimit/record.h"
#include "ratelimit/slab.h"

/*
 * One part of the table: the records of its keys, found by hash. All calls
 * but init and fini with the lock held; pointers hold until `moves` differs,
 * or the lock is given back.
 */
struct shard {
	_Alignas(64) pthread_mutex_t lock;
	uint32_t *buckets; /* blocks of slab; 0: none */
	uint32_t count, room, half;
	uint32_t keys, key_max;
	uint32_t hand, swept; /* buckets: where eviction, the sweep go on */
	uint64_t states, evicted;
	uint64_t moves; /* shard_puts that were not done in place */
	struct slab slab;
};

/* What a call of rate.h is about: none of its keys is evicted for another. */
struct shard_call {
	const struct rate_charge *charges;
	size_t count;
	int64_t now_us;
};

void shard_init(struct shard *shard, uint32_t key_max);
void shard_fini(struct shard *shard);

/* NULL: none, or of another kind. */
struct state *shard_find(struct shard *shard, const struct rate_key *key,
			 const struct rate_rule *rule);
/* The same, and where it was; state NULL: none. `last`: what was found for the
 * same key since the last move, or NULL. */
struct shard_found {
	struct record *record;
	struct record_at at;
	uint64_t moves; /* of the shard */
};
void shard_seek(struct shard *shard, const struct rate_key *key,
		const struct rate_rule *rule, const struct shard_found *last,
		struct shard_found *found);
/* A state with this head, made or made to fit. What follows the head is kept
 * when kind and size are, else undefined for a window and 0 for others. */
struct state *shard_put(struct shard *shard, const struct rate_key *key,
			const struct state *head,
			const struct shard_call *call);

struct shard_sweep {
	size_t max, looked, gone;
	int64_t now_us;
};
/* Some buckets; true at the end, after which it starts anew. */
bool shard_sweep(struct shard *shard, struct shard_sweep *sweep);
uint64_t shard_bytes(const struct shard *shard);

#endif
