/*
 * Decides the order among jobs; knows nothing of hops, messages or clocks.
 * Among those that are ready it is turns.c that chooses.
 *
 * Invariant: heap[job->heap_at] == job for each waiting job. A flush goes from
 * the heap's front to its end: raising a job moves only its ancestors, which
 * were looked at already, so nothing is missed as long as nothing is taken out
 * meanwhile.
 */
#include "gateway/back/sched.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

struct sched {
	struct turns turns;
	struct job **heap;
	size_t heap_count, heap_size;
	size_t flush_at;
	bool flushing;
};

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
	assert(!(*sched)->turns.table);
	free((*sched)->heap);
	free(*sched);
	*sched = NULL;
}

void
sched_ready(struct sched *sched, struct ready *ready, struct job *job,
	    bool first)
{
	assert(job->lane < LANES);
	job->state = JOB_READY;
	if (first)
		turns_give_back(&sched->turns, ready, job);
	else
		turns_put(&sched->turns, ready, job);
}

struct job *
sched_take(struct sched *sched, struct ready *ready)
{
	struct job *job = turns_take(&sched->turns, ready);

	if (job)
		job->state = JOB_ACTIVE;
	return job;
}

void
sched_unready(struct sched *sched, struct ready *ready, struct job *job)
{
	assert(job->state == JOB_READY);
	turns_remove(&sched->turns, ready, job);
	job->state = JOB_ACTIVE;
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
