/*
 * Decides the order among jobs; knows nothing of hops, messages or clocks.
 *
 * Invariants: a turn exists only while it holds a job; ready->count is the sum
 * over its turns; heap[job->heap_at] == job for each waiting job. A flush goes
 * from the heap's front to its end: raising a job moves only its ancestors,
 * which were looked at already, so nothing is missed as long as nothing is
 * taken out meanwhile.
 */
#include "gateway/back/sched.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/catalog.h"
#include "gateway/base/mem.h"

/* gcc does not see that uthash keeps what it is given. */
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

struct turn_key {
	const struct ready *ready;
	const struct sender *sender;
	uint64_t lane; /* wide: no padding in a hashed key */
};

struct turn {
	UT_hash_handle hh;
	TAILQ_ENTRY(turn) link;
	struct turn_key key;
	struct job_list jobs;
};

struct sched {
	struct turn *turns;
	struct job **heap;
	size_t heap_count, heap_size;
	size_t flush_at;
	bool flushing;
};

/* Personal mail gets half of the turns when all three have something. */
static const uint8_t lane_order[] = {
    LANE_PERSONAL, LANE_DSN, LANE_PERSONAL, LANE_BULK,
    LANE_PERSONAL, LANE_DSN, LANE_PERSONAL, LANE_BULK};

#define LANE_TURNS (sizeof(lane_order) / sizeof(lane_order[0]))

void
ready_init(struct ready *ready)
{
	memset(ready, 0, sizeof(*ready));
	for (size_t i = 0; i < LANES; i++)
		TAILQ_INIT(&ready->lanes[i]);
}

struct sched *
sched_create(void)
{
	return mem_zalloc(sizeof(struct sched));
}

void
sched_destroy(struct sched **sched)
{
	if (!*sched)
		return;
	assert(!(*sched)->turns);
	free((*sched)->heap);
	free(*sched);
	*sched = NULL;
}

static struct turn *
turn_get(struct sched *sched, struct ready *ready, const struct job *job)
{
	struct turn_key key = {
	    .ready = ready, .sender = job->source->sender, .lane = job->lane};
	struct turn *turn;

	HASH_FIND(hh, sched->turns, &key, sizeof(key), turn);
	if (turn)
		return turn;
	turn = mem_zalloc(sizeof(*turn));
	turn->key = key;
	TAILQ_INIT(&turn->jobs);
	HASH_ADD(hh, sched->turns, key, sizeof(key), turn);
	TAILQ_INSERT_TAIL(&ready->lanes[job->lane], turn, link);
	return turn;
}

void
sched_ready(struct sched *sched, struct ready *ready, struct job *job,
	    bool first)
{
	struct turn *turn;

	assert(job->lane < LANES);
	turn = turn_get(sched, ready, job);
	job->state = JOB_READY;
	if (first)
		TAILQ_INSERT_HEAD(&turn->jobs, job, link);
	else
		TAILQ_INSERT_TAIL(&turn->jobs, job, link);
	ready->count++;
}

static struct turn *
next_turn(struct ready *ready)
{
	for (size_t i = 0; i < LANE_TURNS; i++) {
		unsigned lane = lane_order[ready->lane_turn % LANE_TURNS];

		ready->lane_turn++;
		if (!TAILQ_EMPTY(&ready->lanes[lane]))
			return TAILQ_FIRST(&ready->lanes[lane]);
	}
	return NULL;
}

struct job *
sched_take(struct sched *sched, struct ready *ready)
{
	struct turn *turn;
	struct job *job;
	unsigned lane;

	if (ready->count == 0)
		return NULL;
	turn = next_turn(ready);
	assert(turn);
	lane = (unsigned)turn->key.lane;
	job = TAILQ_FIRST(&turn->jobs);
	TAILQ_REMOVE(&turn->jobs, job, link);
	TAILQ_REMOVE(&ready->lanes[lane], turn, link);
	if (TAILQ_EMPTY(&turn->jobs)) {
		HASH_DEL(sched->turns, turn);
		free(turn);
	} else {
		TAILQ_INSERT_TAIL(&ready->lanes[lane], turn, link);
	}
	ready->count--;
	job->state = JOB_ACTIVE;
	return job;
}

static void
heap_set(struct sched *sched, size_t at, struct job *job)
{
	sched->heap[at] = job;
	job->heap_at = (uint32_t)at;
}

static void
heap_up(struct sched *sched, size_t at)
{
	struct job *job = sched->heap[at];

	while (at > 0) {
		size_t parent = (at - 1) / 2;

		if (sched->heap[parent]->due_wall_s <= job->due_wall_s)
			break;
		heap_set(sched, at, sched->heap[parent]);
		at = parent;
	}
	heap_set(sched, at, job);
}

static void
heap_down(struct sched *sched, size_t at)
{
	struct job *job = sched->heap[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= sched->heap_count)
			break;
		if (child + 1 < sched->heap_count &&
		    sched->heap[child + 1]->due_wall_s <
			sched->heap[child]->due_wall_s)
			child++;
		if (sched->heap[child]->due_wall_s >= job->due_wall_s)
			break;
		heap_set(sched, at, sched->heap[child]);
		at = child;
	}
	heap_set(sched, at, job);
}

void
sched_wait(struct sched *sched, struct job *job, int64_t due_wall_s)
{
	if (sched->heap_count == sched->heap_size) {
		sched->heap_size = sched->heap_size ? sched->heap_size * 2 : 64;
		sched->heap = mem_resize(sched->heap, sched->heap_size *
							  sizeof(*sched->heap));
	}
	job->state = JOB_WAITING;
	job->due_wall_s = due_wall_s;
	heap_set(sched, sched->heap_count++, job);
	heap_up(sched, sched->heap_count - 1);
}

/* What a burst needed is given back when a quarter of it is in use. */
static void
heap_shrink(struct sched *sched)
{
	if (sched->heap_size <= 4096 ||
	    sched->heap_count > sched->heap_size / 4)
		return;
	sched->heap_size /= 2;
	sched->heap =
	    mem_resize(sched->heap, sched->heap_size * sizeof(*sched->heap));
}

void
sched_unwait(struct sched *sched, struct job *job)
{
	size_t at = job->heap_at;
	struct job *last;

	assert(!sched->flushing && job->state == JOB_WAITING &&
	       sched->heap[at] == job);
	last = sched->heap[--sched->heap_count];
	job->state = JOB_ACTIVE;
	if (last != job) {
		heap_set(sched, at, last);
		heap_up(sched, at);
		heap_down(sched, last->heap_at);
	}
	heap_shrink(sched);
}

struct job *
sched_due(struct sched *sched, int64_t now_wall_s)
{
	struct job *job;

	if (sched->flushing || sched->heap_count == 0)
		return NULL;
	job = sched->heap[0];
	if (job->due_wall_s > now_wall_s)
		return NULL;
	sched_unwait(sched, job);
	return job;
}

uint64_t
sched_waiting(const struct sched *sched)
{
	return sched->heap_count;
}

void
sched_flush_begin(struct sched *sched)
{
	sched->flushing = true;
	sched->flush_at = 0;
}

bool
sched_flush_slice(struct sched *sched, size_t max, int64_t now_wall_s,
		  sched_match_fn *match, const void *arg)
{
	for (; max > 0 && sched->flush_at < sched->heap_count; max--) {
		struct job *job = sched->heap[sched->flush_at];

		if (job->due_wall_s > now_wall_s && match(arg, job)) {
			job->due_wall_s = now_wall_s;
			heap_up(sched, sched->flush_at);
		}
		sched->flush_at++;
	}
	sched->flushing = sched->flush_at < sched->heap_count;
	return sched->flushing;
}

bool
sched_flushing(const struct sched *sched)
{
	return sched->flushing;
}

struct job *
sched_drain(struct sched *sched)
{
	sched->flushing = false;
	if (sched->heap_count == 0)
		return NULL;
	return sched->heap[--sched->heap_count];
}
