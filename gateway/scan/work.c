/*
 * Jobs on the scan thread: the parts of one message, a few at a time, so that
 * one of a thousand parts does not keep the others waiting. A part that is
 * infected ends the job at once; the raw message, which is the last of them,
 * only when those under way have not turned out infected, since a part has a
 * name to tell people. Else the worst counts: a part without a verdict is worse
 * than one that cannot be scanned, since it may yet turn out infected.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/scan/key.h"
#include "gateway/scan/scan_int.h"

#define PARTS_AT_ONCE 4

void
verdict_error(struct scan_verdict *verdict, enum scan_why why)
{
	memset(verdict, 0, sizeof(*verdict));
	verdict->kind = SCAN_ERROR;
	verdict->why = why;
}

static int
rank(enum scan_kind kind)
{
	switch (kind) {
	case SCAN_CLEAN:
		return 0;
	case SCAN_UNSCANNABLE:
		return 1;
	case SCAN_ERROR:
		return 2;
	case SCAN_INFECTED:
		return 3;
	}
	return 2;
}

/* Of two contents that somebody looked at. */
static bool
is_mixed(const struct scan_verdict *a, const struct scan_verdict *b)
{
	return a->kind == SCAN_CLEAN && b->kind == SCAN_CLEAN &&
	       a->server[0] != '\0' && b->server[0] != '\0' &&
	       strcmp(a->istag, b->istag) != 0;
}

/* The raw message; where it is infected, so is a part that has a name, most
 * likely. */
static bool
is_whole(const struct scan_part *part)
{
	return part->begin == 0 && part->encoding == MIME_IDENTITY &&
	       (!part->name || part->name[0] == '\0') && part->type &&
	       strcmp(part->type, "message/rfc822") == 0;
}

static bool
is_decided(const struct work *work)
{
	return work->worst.kind == SCAN_INFECTED &&
	       !is_whole(&work->job->parts[work->worst_part]);
}

static void
note(struct work *work, size_t part, const struct scan_verdict *verdict)
{
	bool worse = rank(verdict->kind) > rank(work->worst.kind) ||
		     (verdict->kind == SCAN_INFECTED && !is_decided(work));
	/* That somebody looked says more than that there was nothing. */
	bool better_known = verdict->kind == work->worst.kind &&
			    !work->worst.server[0] && verdict->server[0];

	if (is_mixed(&work->worst, verdict))
		work->mixed = true;
	if (!worse && !better_known)
		return;
	work->worst = *verdict;
	work->worst_part = part;
}

/* work is gone, and job its caller's. */
static void
end(struct work *work)
{
	struct scan_job *job = work->job;
	struct waiter *waiter;

	HASH_DEL(work->scan->works, work);
	timer_cancel(&work->deadline);
	while ((waiter = TAILQ_FIRST(&work->waiters))) {
		TAILQ_REMOVE(&work->waiters, waiter, of_work);
		content_leave(&waiter);
	}
	job->verdict = work->worst;
	job->part = work->worst_part;
	job->cached = work->cached;
	job->mixed = work->mixed;
	atomic_fetch_sub(&work->scan->jobs, 1);
	free(work);
	job->done(job);
}

static void
end_with_error(struct work *work, enum scan_why why)
{
	struct waiter *first = TAILQ_FIRST(&work->waiters);
	struct scan_verdict verdict;

	verdict_error(&verdict, why);
	note(work, first ? first->part : 0, &verdict);
	end(work);
}

static void
wait_for(struct work *work, size_t part)
{
	struct waiter *waiter = mem_zalloc(sizeof(*waiter));

	waiter->work = work;
	waiter->part = part;
	TAILQ_INSERT_TAIL(&work->waiters, waiter, of_work);
	work->waiting++;
	content_join(work->scan, waiter);
}

/* What is known of a part without a look at its bytes. */
static bool
is_settled(const struct scan *scan, const struct scan_part *part,
	   struct scan_verdict *verdict)
{
	uint64_t max = atomic_load(&scan->bytes_max);

	memset(verdict, 0, sizeof(*verdict));
	if (part->decoded_bytes == 0)
		return true;
	if (max == 0 || part->decoded_bytes <= max)
		return false;
	verdict->kind = SCAN_UNSCANNABLE;
	verdict->why = SCAN_WHY_TOO_BIG;
	return true;
}

static void
begin_part(struct work *work, size_t i)
{
	const struct scan_part *part = &work->job->parts[i];
	struct scan *scan = work->scan;
	struct scan_verdict verdict;
	uint8_t key[DIGEST_SIZE];

	if (is_settled(scan, part, &verdict)) {
		note(work, i, &verdict);
		return;
	}
	/* First: a rescan that is under way is not to be counted again. */
	scan_key(part, key);
	if (content_is_known(scan, key)) {
		atomic_fetch_add(&scan->shared, 1);
		wait_for(work, i);
		return;
	}
	if (!work->job->afresh &&
	    verdicts_get(scan->verdicts, key, loop_now_ms(scan->loop), true,
			 &verdict)) {
		atomic_fetch_add(&scan->hits, 1);
		work->cached++;
		note(work, i, &verdict);
		return;
	}
	atomic_fetch_add(&scan->misses, 1);
	wait_for(work, i);
}

/* May end it. */
static void
step(struct work *work)
{
	while (!is_decided(work) && work->waiting < PARTS_AT_ONCE &&
	       work->next_part < work->job->part_count)
		begin_part(work, work->next_part++);
	if (is_decided(work) || work->waiting == 0)
		end(work);
}

void
work_part_done(struct work *work, size_t part,
	       const struct scan_verdict *verdict)
{
	note(work, part, verdict);
	step(work);
}

static void
on_deadline(void *arg)
{
	struct work *work = arg;
	struct scan *scan = work->scan;

	work->deadline = NULL;
	end_with_error(work, SCAN_WHY_TIMEOUT);
	content_pump(scan);
}

void
work_begin(struct scan *scan, struct scan_job *job)
{
	struct work *work = mem_zalloc(sizeof(*work));

	work->id = (uintptr_t)job->internal;
	work->scan = scan;
	work->job = job;
	TAILQ_INIT(&work->waiters);
	HASH_ADD(hh, scan->works, id, sizeof(work->id), work);
	if (scan->stopping) {
		end_with_error(work, SCAN_WHY_CANCELED);
		return;
	}
	/* Without servers there is no scanning. */
	if (TAILQ_EMPTY(&scan->servers)) {
		end(work);
		return;
	}
	work->deadline = timer_start(
	    scan->loop, scan->settings->conf.message_ms, on_deadline, work);
	step(work);
	content_pump(scan);
}

void
work_cancel(struct scan *scan, uint64_t id)
{
	struct work *work;

	HASH_FIND(hh, scan->works, &id, sizeof(id), work);
	if (!work)
		return;
	end_with_error(work, SCAN_WHY_CANCELED);
	content_pump(scan);
}

void
work_cancel_all(struct scan *scan)
{
	struct work *work, *next;

	HASH_ITER(hh, scan->works, work, next)
	end_with_error(work, SCAN_WHY_CANCELED);
}

bool
work_known(struct scan *scan, struct scan_job *job)
{
	struct scan_verdict verdict;
	uint8_t key[DIGEST_SIZE];
	uint32_t cached = 0;

	memset(&job->verdict, 0, sizeof(job->verdict));
	job->part = 0;
	job->cached = 0;
	job->mixed = false;
	if (!atomic_load(&scan->on) || job->part_count == 0)
		return true;
	if (job->afresh)
		return false;
	for (size_t i = 0; i < job->part_count; i++) {
		if (job->parts[i].decoded_bytes == 0)
			continue;
		scan_key(&job->parts[i], key);
		if (is_settled(scan, &job->parts[i], &verdict) ||
		    !verdicts_get(scan->verdicts, key, clock_mono_ms(), false,
				  &verdict) ||
		    verdict.kind != SCAN_CLEAN)
			return false;
		cached++;
		job->mixed |= is_mixed(&job->verdict, &verdict);
		job->verdict = verdict;
		job->part = i;
	}
	job->cached = cached;
	atomic_fetch_add(&scan->hits, cached);
	return true;
}

bool
work_known_virus(struct scan *scan, struct scan_job *job)
{
	uint8_t key[DIGEST_SIZE];

	for (size_t i = 0; i < job->part_count; i++) {
		if (job->parts[i].decoded_bytes == 0)
			continue;
		scan_key(&job->parts[i], key);
		if (!verdicts_virus(scan->verdicts, key, clock_mono_ms(),
				    &job->verdict))
			continue;
		job->part = i;
		job->cached = 1;
		return true;
	}
	return false;
}
