/*
 * Start-time fair queueing: each turn has what it paid so far, on a scale that
 * begins for a new turn where the one served last stood. The least paid is
 * served; equals in the order in which they got there. Whoever weighs three
 * times as much pays a third of what it sends.
 *
 * Invariant: a turn without jobs stays while it is ahead of the scale, or one
 * who sends 100 recipients at a time, never with two messages ready at once,
 * would begin anew each time and pay nothing. When nobody has anything ready
 * in the lane, nobody waited for anybody, and all is forgotten.
 */
#include "gateway/back/turns.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/catalog.h"
#include "gateway/back/weights.h"
#include "gateway/base/mem.h"

/* gcc does not see that uthash keeps what it is given. */
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

struct turn_key {
	const struct ready *ready;
	uint64_t cred; /* a hash: a debt outlives the sender's last job */
	uint64_t lane; /* wide: no padding in a hashed key */
};

struct turn {
	UT_hash_handle hh;
	struct turn_key key;
	struct job_list jobs;
	uint64_t paid, order;
	size_t at; /* in the heap */
};

/* Personal mail gets half of the turns when all three have something. */
static const uint8_t lane_order[] = {
    LANE_PERSONAL, LANE_DSN, LANE_PERSONAL, LANE_BULK,
    LANE_PERSONAL, LANE_DSN, LANE_PERSONAL, LANE_BULK};

/* A recipient by weight 1: what each weight up to 16 divides, so that shares
 * are exact; beyond that they are off by less than one in a thousand. */
#define PRICE UINT64_C(720720)

#define LANE_TURNS (sizeof(lane_order) / sizeof(lane_order[0]))

void
ready_init(struct ready *ready)
{
	memset(ready, 0, sizeof(*ready));
}

/* --- the heap of a lane --------------------------------------------------- */

static bool
is_before(const struct turn *a, const struct turn *b)
{
	return a->paid != b->paid ? a->paid < b->paid : a->order < b->order;
}

static void
heap_set(struct ready_lane *lane, size_t at, struct turn *turn)
{
	lane->heap[at] = turn;
	turn->at = at;
}

static void
heap_up(struct ready_lane *lane, struct turn *turn)
{
	size_t at = turn->at;

	while (at > 0 && is_before(turn, lane->heap[(at - 1) / 2])) {
		heap_set(lane, at, lane->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_set(lane, at, turn);
}

static void
heap_down(struct ready_lane *lane, struct turn *turn)
{
	size_t at = turn->at;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= lane->count)
			break;
		if (child + 1 < lane->count &&
		    is_before(lane->heap[child + 1], lane->heap[child]))
			child++;
		if (!is_before(lane->heap[child], turn))
			break;
		heap_set(lane, at, lane->heap[child]);
		at = child;
	}
	heap_set(lane, at, turn);
}

static void
heap_add(struct ready_lane *lane, struct turn *turn)
{
	if (lane->count == lane->size) {
		lane->size = lane->size ? lane->size * 2 : 4;
		lane->heap =
		    mem_resize(lane->heap, lane->size * sizeof(struct turn *));
	}
	heap_set(lane, lane->count++, turn);
	heap_up(lane, turn);
}

/* --- turns ---------------------------------------------------------------- */

static uint32_t
weight_of(const struct job *job)
{
	const struct weight *weight = job->source->sender->weight;

	return weight ? weight->value : 1;
}

/* What sending it costs its turn. */
static uint64_t
price_of(const struct job *job)
{
	return job_cost(job) * PRICE / weight_of(job);
}

static struct turn_key
key_of(const struct ready *ready, const struct job *job)
{
	const char *cred = job->source->sender->cred;

	return (struct turn_key){.ready = ready,
				 .cred = hash_bytes(cred, strlen(cred)),
				 .lane = job->lane};
}

static struct turn *
turn_find(const struct turns *turns, const struct turn_key *key)
{
	struct turn *turn;

	HASH_FIND(hh, turns->table, key, sizeof(*key), turn);
	return turn;
}

static struct turn *
turn_get(struct turns *turns, struct ready *ready, const struct job *job)
{
	struct ready_lane *lane = &ready->lanes[job->lane];
	struct turn_key key = key_of(ready, job);
	struct turn *turn = turn_find(turns, &key);

	if (turn)
		return turn;
	turn = mem_zalloc(sizeof(*turn));
	turn->key = key;
	turn->paid = lane->paid;
	turn->order = lane->order++;
	TAILQ_INIT(&turn->jobs);
	HASH_ADD(hh, turns->table, key, sizeof(key), turn);
	heap_add(lane, turn);
	return turn;
}

static void
drop_first(struct turns *turns, struct ready_lane *lane)
{
	struct turn *turn = lane->heap[0];

	if (--lane->count > 0) {
		heap_set(lane, 0, lane->heap[lane->count]);
		heap_down(lane, lane->heap[0]);
	}
	HASH_DEL(turns->table, turn);
	free(turn);
}

/* Nobody waits any more: what is owed is forgotten. */
static void
check_idle(struct turns *turns, struct ready_lane *lane)
{
	if (lane->jobs > 0)
		return;
	for (size_t i = 0; i < lane->count; i++) {
		HASH_DEL(turns->table, lane->heap[i]);
		free(lane->heap[i]);
	}
	free(lane->heap);
	*lane = (struct ready_lane){.heap = NULL};
}

/* One who comes back is not served before those who waited. */
static void
come_back(struct ready_lane *lane, struct turn *turn)
{
	if (!TAILQ_EMPTY(&turn->jobs) || turn->paid > lane->paid)
		return;
	turn->paid = lane->paid;
	turn->order = lane->order++;
	heap_down(lane, turn);
}

void
turns_put(struct turns *turns, struct ready *ready, struct job *job)
{
	struct ready_lane *lane = &ready->lanes[job->lane];
	struct turn *turn = turn_get(turns, ready, job);

	come_back(lane, turn);
	TAILQ_INSERT_TAIL(&turn->jobs, job, link);
	lane->jobs++;
	ready->count++;
}

void
turns_give_back(struct turns *turns, struct ready *ready, struct job *job)
{
	struct ready_lane *lane = &ready->lanes[job->lane];
	struct turn *turn = turn_get(turns, ready, job);
	uint64_t price = price_of(job);

	turn->paid -= price < turn->paid ? price : turn->paid;
	heap_up(lane, turn);
	TAILQ_INSERT_HEAD(&turn->jobs, job, link);
	lane->jobs++;
	ready->count++;
}

static struct ready_lane *
next_lane(struct ready *ready)
{
	struct ready_lane *lane;

	do {
		lane =
		    &ready->lanes[lane_order[ready->lane_turn++ % LANE_TURNS]];
	} while (lane->jobs == 0);
	return lane;
}

struct job *
turns_take(struct turns *turns, struct ready *ready)
{
	struct ready_lane *lane;
	struct turn *turn;
	struct job *job;

	if (ready->count == 0)
		return NULL;
	lane = next_lane(ready);
	while (TAILQ_EMPTY(&lane->heap[0]->jobs))
		drop_first(turns, lane);
	turn = lane->heap[0];
	job = TAILQ_FIRST(&turn->jobs);
	TAILQ_REMOVE(&turn->jobs, job, link);
	/* What was given back stands behind the scale, which never falls. */
	if (lane->paid < turn->paid)
		lane->paid = turn->paid;
	turn->paid += price_of(job);
	turn->order = lane->order++;
	heap_down(lane, turn);
	lane->jobs--;
	ready->count--;
	check_idle(turns, lane);
	return job;
}

uint64_t
turns_next_cred(const struct ready *ready)
{
	for (unsigned i = 0; i < LANES; i++) {
		if (ready->lanes[i].jobs > 0)
			return ready->lanes[i].heap[0]->key.cred + i;
	}
	return 0;
}

uint32_t
turns_next_weight(const struct ready *ready)
{
	for (unsigned i = 0; i < LANES; i++) {
		const struct ready_lane *lane = &ready->lanes[i];

		if (lane->jobs > 0 && !TAILQ_EMPTY(&lane->heap[0]->jobs))
			return weight_of(TAILQ_FIRST(&lane->heap[0]->jobs));
	}
	return 1;
}

void
turns_remove(struct turns *turns, struct ready *ready, struct job *job)
{
	struct ready_lane *lane = &ready->lanes[job->lane];
	struct turn_key key = key_of(ready, job);
	struct turn *turn = turn_find(turns, &key);

	assert(turn && lane->jobs > 0);
	TAILQ_REMOVE(&turn->jobs, job, link);
	lane->jobs--;
	ready->count--;
	check_idle(turns, lane);
}
