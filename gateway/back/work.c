/*
 * The works in their order. One walks at a time, and one that changes
 * something ends before the next of them begins: an undo behind its purge has
 * all of it to bring back. A count need not wait for the disk, nor does a
 * recheck wait for anything: unblocking is as fast as blocking.
 */
#include "gateway/back/work.h"

#include <stdlib.h>

#include "gateway/back/held.h"
#include "gateway/back/work_int.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/mem.h"

#define LET_GO_A_SLICE 500

struct works *
works_create(void)
{
	return mem_zalloc(sizeof(struct works));
}

void
works_destroy(struct works **works)
{
	if (!*works)
		return;
	idset_fini(&(*works)->recheck_ids);
	free(*works);
	*works = NULL;
}

static void
add_last(struct back_work **at, struct back_work *work)
{
	while (*at)
		at = &(*at)->next;
	*at = work;
}

static void
finish(struct back_work *work, int err)
{
	work->err = err;
	work->next = NULL;
	work->done(work); /* it may be gone */
}

/* --- rules that went ------------------------------------------------------ */

static void
count_let_go(void *arg, const struct job *job)
{
	struct works *works = arg;

	works->rechecks->recipients += job->rcpt_count;
	if (idset_add(&works->recheck_ids, job->id))
		works->rechecks->messages++;
}

static void
end_recheck(struct works *works, int err)
{
	struct back_work *work = works->rechecks;

	works->rechecks = work->next;
	works->letting_go = false;
	idset_fini(&works->recheck_ids);
	finish(work, err);
}

static bool
recheck_slice(struct relay *relay)
{
	struct works *works = relay->works;

	if (!works->rechecks)
		return false;
	if (!works->letting_go)
		held_recheck(relay, works->rechecks->rule);
	works->letting_go = true;
	if (!held_let_go(relay, LET_GO_A_SLICE, count_let_go, works))
		end_recheck(works, 0);
	return true;
}

/* --- everything else ------------------------------------------------------ */

void
run_count(struct run *run, uint64_t id, uint32_t n)
{
	struct back_work *work = run->work;
	size_t at;

	work->recipients += n;
	if (!idset_add(&run->ids, id))
		return;
	work->messages++;
	for (at = 0; at < work->sample_count && work->sample[at] > id; at++)
		;
	if (at == BACK_SAMPLE)
		return;
	if (work->sample_count < BACK_SAMPLE)
		work->sample_count++;
	for (size_t i = work->sample_count - 1; i > at; i--)
		work->sample[i] = work->sample[i - 1];
	work->sample[at] = id;
}

static struct run *
run_create(struct relay *relay, struct back_work *work)
{
	struct run *run = mem_zalloc(sizeof(*run));

	run->relay = relay;
	run->work = work;
	run->end_id = id_next();
	TAILQ_INIT(&run->taken);
	return run;
}

void
run_finish(struct run **runp, int err)
{
	struct run *run = *runp;
	struct relay *relay = run->relay;
	struct back_work *work = run->work;

	*runp = NULL;
	run_walk_fini(run);
	run_undo_fini(run);
	idset_fini(&run->ids);
	free(run);
	finish(work, err);
	relay_fill_soon(relay);
	relay_check_stopped(relay);
}

/* The next that may begin now. */
static struct back_work *
next_work(struct relay *relay)
{
	struct works *works = relay->works;
	struct back_work *work = works->waiting;

	if (!work || works->walk || relay->rebuild)
		return NULL;
	if (works->mark && work->verb != BACK_COUNT)
		return NULL;
	works->waiting = work->next;
	return work;
}

static bool
begin_next(struct relay *relay)
{
	struct works *works = relay->works;
	struct back_work *work = next_work(relay);
	struct run *run;
	int err;

	if (!work)
		return false;
	run = run_create(relay, work);
	if (work->verb == BACK_UNDO) {
		works->mark = run;
		run_undo_begin(run);
		return true;
	}
	err = run_walk_begin(run);
	if (err != 0)
		run_finish(&run, err);
	else
		works->walk = run;
	return true;
}

static bool
walk_slice(struct relay *relay)
{
	struct works *works = relay->works;

	if (!works->walk)
		return false;
	if (run_walk_slice(works->walk))
		return true;
	if (works->walk->work->verb == BACK_COUNT) {
		run_finish(&works->walk, 0);
	} else {
		works->mark = works->walk;
		works->walk = NULL;
	}
	return true;
}

static bool
mark_slice(struct relay *relay)
{
	struct works *works = relay->works;

	if (!works->mark)
		return false;
	if (works->mark->undo)
		return run_undo_slice(&works->mark);
	return run_mark_slice(&works->mark);
}

void
work_start(struct relay *relay, struct back_work *work)
{
	work->next = NULL;
	work->messages = work->recipients = work->held = 0;
	work->busy = work->failed = 0;
	work->sample_count = 0;
	if (relay->stopping) {
		finish(work, GW_ECANCELED);
		return;
	}
	add_last(work->verb == BACK_RECHECK ? &relay->works->rechecks
					    : &relay->works->waiting,
		 work);
	relay_fill_soon(relay);
}

bool
work_slice(struct relay *relay)
{
	bool more = recheck_slice(relay);

	more |= begin_next(relay);
	more |= walk_slice(relay);
	more |= mark_slice(relay);
	return more;
}

bool
work_claims(struct relay *relay, struct job **job)
{
	struct run *run = relay->works->walk;

	return run && run->work->verb == BACK_PURGE && run_claims(run, job);
}

static void
put_all_back(struct run *run)
{
	struct job *job;

	while ((job = TAILQ_FIRST(&run->taken)) != NULL) {
		TAILQ_REMOVE(&run->taken, job, link);
		run_put_back(run, job);
	}
}

void
work_stop(struct relay *relay)
{
	struct works *works = relay->works;

	while (works->rechecks)
		end_recheck(works, GW_ECANCELED);
	while (works->waiting) {
		struct back_work *work = works->waiting;

		works->waiting = work->next;
		finish(work, GW_ECANCELED);
	}
	if (works->walk) {
		put_all_back(works->walk);
		run_finish(&works->walk, GW_ECANCELED);
	}
	if (works->mark) {
		works->mark->cancelled = true;
		put_all_back(works->mark);
		mark_slice(relay);
	}
}
