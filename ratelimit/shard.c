/*
 * Linear hashing with chains: a bucket or two are split for each key that comes
 * and joined again as keys go, so no call ever pays for a rehash of everything.
 * Which bucket a key is in cannot be chosen from outside: the key is a keyed
 * hash already.
 *
 * A record lives in a block of the slab and moves when it outgrows it. At
 * key_max one goes for each that comes: of a few that the hand points at, one
 * that is worth nothing, else the one that is farthest from its limits. Who
 * floods the table with fresh keys so pushes out fresh keys.
 */
#include "ratelimit/shard.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

#define BUCKETS_MIN 16u
#define SPARSE 4 /* buckets a key, before some are joined */
#define EVICT_LOOK 16
#define EVICT_BUCKETS 128
#define SWEEP_BUCKETS 64 /* while the lock is held */

void
shard_init(struct shard *shard, uint32_t key_max)
{
	memset(shard, 0, sizeof(*shard));
	pthread_mutex_init(&shard->lock, NULL);
	slab_init(&shard->slab);
	shard->count = shard->room = shard->half = BUCKETS_MIN;
	shard->buckets = mem_array(BUCKETS_MIN, sizeof(*shard->buckets));
	shard->key_max = key_max;
}

void
shard_fini(struct shard *shard)
{
	slab_fini(&shard->slab);
	free(shard->buckets);
	pthread_mutex_destroy(&shard->lock);
}

uint64_t
shard_bytes(const struct shard *shard)
{
	return shard->slab.bytes + shard->room * sizeof(*shard->buckets);
}

static struct record *
record_of(const struct shard *shard, uint32_t block)
{
	return slab_at(&shard->slab, block);
}

static uint32_t
bucket_of(const struct shard *shard, const struct rate_key *key)
{
	uint32_t hash = (uint32_t)key->h[1];
	uint32_t bucket = hash & (2 * shard->half - 1);

	return bucket < shard->count ? bucket : hash & (shard->half - 1);
}

static bool
key_eq(const struct rate_key *a, const struct rate_key *b)
{
	return a->h[0] == b->h[0] && a->h[1] == b->h[1];
}

/* Where the block's name stands: in the bucket or in the record before. */
static uint32_t *
place_of(struct shard *shard, const struct rate_key *key)
{
	uint32_t *place = &shard->buckets[bucket_of(shard, key)];
	struct record *record;

	for (; *place != 0; place = &record->next) {
		record = record_of(shard, *place);
		__builtin_prefetch((const char *)record + 64);
		if (key_eq(&record->key, key))
			break;
	}
	return place;
}

void
shard_seek(struct shard *shard, const struct rate_key *key,
	   const struct rate_rule *rule, const struct shard_found *last,
	   struct shard_found *found)
{
	uint32_t block;

	if (last != NULL) {
		*found = *last;
	} else {
		*found = (struct shard_found){.moves = shard->moves};
		block = *place_of(shard, key);
		if (block != 0)
			found->record = record_of(shard, block);
	}
	if (found->record == NULL)
		return;
	record_seek(found->record, rule->id, &found->at);
	if (found->at.state != NULL && found->at.state->kind != rule->kind)
		found->at.state = NULL;
}

struct state *
shard_find(struct shard *shard, const struct rate_key *key,
	   const struct rate_rule *rule)
{
	struct shard_found found;

	shard_seek(shard, key, rule, NULL, &found);
	return found.at.state;
}

/* --- buckets ------------------------------------------------------------ */

static void
room_set(struct shard *shard, uint32_t room)
{
	shard->buckets =
	    mem_resize(shard->buckets, room * sizeof(*shard->buckets));
	shard->room = room;
}

static void
split(struct shard *shard)
{
	uint32_t fresh = shard->count, *place, *tail, block;
	struct record *record;

	if (shard->count == shard->room)
		room_set(shard, shard->room + shard->room / 4);
	place = &shard->buckets[fresh - shard->half];
	tail = &shard->buckets[fresh];
	shard->count++;
	while ((block = *place) != 0) {
		record = record_of(shard, block);
		if (((uint32_t)record->key.h[1] & (2 * shard->half - 1)) ==
		    fresh) {
			*place = record->next;
			*tail = block;
			tail = &record->next;
		} else {
			place = &record->next;
		}
	}
	*tail = 0;
	if (shard->count == 2 * shard->half)
		shard->half *= 2;
}

static void
join(struct shard *shard)
{
	uint32_t *place;

	if (shard->count == shard->half)
		shard->half /= 2;
	shard->count--;
	place = &shard->buckets[shard->count - shard->half];
	while (*place != 0)
		place = &record_of(shard, *place)->next;
	*place = shard->buckets[shard->count];
	if (shard->count < shard->room / 2)
		room_set(shard, shard->count + shard->count / 4);
}

/* Keys went, as many as `gone`. */
static void
join_sparse(struct shard *shard, size_t gone)
{
	for (gone *= 2 * SPARSE; gone > 0; gone--)
		if (shard->count > BUCKETS_MIN &&
		    shard->count / SPARSE > shard->keys)
			join(shard);
}

/* --- records that go ----------------------------------------------------- */

static void
drop(struct shard *shard, uint32_t *place)
{
	uint32_t block = *place;
	struct record *record = record_of(shard, block);

	*place = record->next;
	shard->states -= record->states;
	shard->keys--;
	slab_put(&shard->slab, block);
}

static void
clean(struct shard *shard, struct record *record, int64_t now_us)
{
	shard->states -= record->states;
	record_clean(record, now_us);
	shard->states += record->states;
}

static bool
called(const struct shard_call *call, const struct rate_key *key)
{
	for (size_t i = 0; i < call->count; i++)
		if (key_eq(&call->charges[i].key, key))
			return true;
	return false;
}

struct victim {
	struct rate_key key;
	unsigned full, looked;
	bool found, idle;
};

static void
look_at_bucket(struct shard *shard, uint32_t bucket,
	       const struct shard_call *call, struct victim *victim)
{
	struct record *record;
	uint32_t block = shard->buckets[bucket];
	unsigned full;

	for (; block != 0 && !victim->idle; block = record->next) {
		record = record_of(shard, block);
		if (called(call, &record->key))
			continue;
		clean(shard, record, call->now_us);
		full = record_full(record);
		victim->looked++;
		if (victim->found && full >= victim->full && record->states > 0)
			continue;
		victim->found = true;
		victim->key = record->key;
		victim->full = full;
		victim->idle = record->states == 0;
	}
}

static void
evict(struct shard *shard, const struct shard_call *call)
{
	struct victim victim = {.found = false};

	for (unsigned i = 0; i < EVICT_BUCKETS && i < shard->count &&
			     victim.looked < EVICT_LOOK && !victim.idle;
	     i++) {
		if (shard->hand >= shard->count)
			shard->hand = 0;
		look_at_bucket(shard, shard->hand++, call, &victim);
	}
	if (!victim.found)
		return; /* all are of this call: some too many, for a moment */
	shard->evicted += !victim.idle;
	drop(shard, place_of(shard, &victim.key));
}

/* --- putting ------------------------------------------------------------- */

static uint32_t *
create(struct shard *shard, const struct rate_key *key, size_t size,
       const struct shard_call *call)
{
	struct record *record;
	uint32_t *place;

	if (shard->keys >= shard->key_max)
		evict(shard, call);
	shard->keys++;
	while (shard->keys > shard->count / 4 * 3)
		split(shard);
	place = place_of(shard, key);
	*place = slab_get(&shard->slab, sizeof(*record) + size);
	record = record_of(shard, *place);
	*record = (struct record){.key = *key};
	return place;
}

static struct record *
move(struct shard *shard, uint32_t *place, size_t bytes)
{
	uint32_t old = *place;
	struct record *record = record_of(shard, old);
	size_t used = record_bytes(record);

	*place = slab_get(&shard->slab, bytes);
	memcpy(record_of(shard, *place), record, used);
	slab_put(&shard->slab, old);
	return record_of(shard, *place);
}

static struct state *
insert(struct shard *shard, uint32_t *place, struct state *state, size_t size)
{
	struct record *record = record_of(shard, *place);
	size_t bytes = record_bytes(record) + size, offset = 0;

	if (state != NULL) {
		bytes -= state_size(state);
		offset = (size_t)((char *)state - (char *)record);
	} else {
		shard->states++;
	}
	if (bytes > slab_room(&shard->slab, *place))
		record = move(shard, place, bytes);
	if (offset != 0)
		state = (struct state *)((char *)record + offset);
	return record_resize(record, state, size);
}

static void
forget_least(struct shard *shard, struct record *record, int64_t now_us)
{
	clean(shard, record, now_us);
	if (record->states < RECORD_STATES_MAX)
		return;
	record_remove(record, record_least(record));
	shard->states--;
}

struct state *
shard_put(struct shard *shard, const struct rate_key *key,
	  const struct state *head, const struct shard_call *call)
{
	uint32_t *place = place_of(shard, key);
	size_t size = state_size(head);
	struct record *record;
	struct state *state;

	if (*place == 0)
		place = create(shard, key, size, call);
	record = record_of(shard, *place);
	state = record_find(record, head->rule);
	if (state == NULL && record->states >= RECORD_STATES_MAX)
		forget_least(shard, record, call->now_us);
	if (state == NULL || state->kind != head->kind ||
	    state_size(state) != size) {
		shard->moves++;
		state = insert(shard, place, state, size);
		if (head->kind != RATE_WINDOW)
			memset(state, 0, size);
	}
	*state = *head;
	return state;
}

/* --- the sweep ------------------------------------------------------------ */

static void
sweep_bucket(struct shard *shard, uint32_t bucket, struct shard_sweep *sweep)
{
	uint32_t *place = &shard->buckets[bucket];
	struct record *record;
	uint32_t block;
	size_t bytes;

	while ((block = *place) != 0) {
		record = record_of(shard, block);
		clean(shard, record, sweep->now_us);
		sweep->looked++;
		if (record->states == 0) {
			drop(shard, place);
			sweep->gone++;
			continue;
		}
		bytes = record_bytes(record);
		if (slab_room_for(bytes) < slab_room(&shard->slab, block))
			record = move(shard, place, bytes);
		place = &record->next;
	}
}

bool
shard_sweep(struct shard *shard, struct shard_sweep *sweep)
{
	size_t gone = sweep->gone;
	bool end;

	for (unsigned i = 0; i < SWEEP_BUCKETS && sweep->looked < sweep->max &&
			     shard->swept < shard->count;
	     i++)
		sweep_bucket(shard, shard->swept++, sweep);
	end = shard->swept >= shard->count;
	if (end)
		shard->swept = 0;
	join_sparse(shard, sweep->gone - gone);
	return end;
}
