/*
 * The works in their order. One walks at a time, and one that changes
 * something ends before the next of them begins: an undo behind its purge has
 * all of it to bring back. A count need not wait for the disk, nor does a
 * recheck wait for anything: unblocking is as fast as blocking.
 */
#include "gateway/back/chores.h"

#include <stdlib.h>

#include "gateway/back/chores_int.h"
#include "gateway/back/held.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/mem.h"

#define LET_GO_A_SLICE 500

struct chores *
chores_create(void)
{
	return mem_zalloc(sizeof(struct chores));
}

void
chores_destroy(struct chores **chores)
{
	if (!*chores)
		return;
	idset_fini(&(*chores)->recheck_ids);
	free(*chores);
	*chores = NULL;
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
	struct chores *chores = arg;

	chores->rechecks->recipients += job->rcpt_count;
	if (idset_add(&chores->recheck_ids, job->id))
		chores->rechecks->messages++;
}

static void
end_recheck(struct chores *chores, int err)
{
	struct back_work *work = chores->rechecks;

	chores->rechecks = work->next;
	chores->letting_go = false;
	idset_fini(&chores->recheck_ids);
	finish(work, err);
}

static bool
recheck_slice(struct relay *relay)
{
	struct chores *chores = relay->chores;

	if (!chores->rechecks)
		return false;
	if (!chores->letting_go)
		held_recheck(relay, chores->rechecks->rule);
	chores->letting_go = true;
	if (!held_let_go(relay, LET_GO_A_SLICE, count_let_go, chores))
		end_recheck(chores, 0);
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
	struct chores *chores = relay->chores;
	struct back_work *work = chores->waiting;

	if (!work || chores->walk || relay->rebuild)
		return NULL;
	if (chores->mark && work->verb != BACK_COUNT)
		return NULL;
	chores->waiting = work->next;
	return work;
}

static bool
begin_next(struct relay *relay)
{
	struct chores *chores = relay->chores;
	struct back_work *work = next_work(relay);
	struct run *run;
	int err;

	if (!work)
		return false;
	run = run_create(relay, work);
	if (work->verb == BACK_UNDO) {
		chores->mark = run;
		run_undo_begin(run);
		return true;
	}
	err = run_walk_begin(run);
	if (err != 0)
		run_finish(&run, err);
	else
		chores->walk = run;
	return true;
}

static bool
walk_slice(struct relay *relay)
{
	struct chores *chores = relay->chores;

	if (!chores->walk)
		return false;
	if (run_walk_slice(chores->walk))
		return true;
	if (chores->walk->work->verb == BACK_COUNT) {
		run_finish(&chores->walk, 0);
	} else {
		chores->mark = chores->walk;
		chores->walk = NULL;
	}
	return true;
}

static bool
mark_slice(struct relay *relay)
{
	struct chores *chores = relay->chores;

	if (!chores->mark)
		return false;
	if (chores->mark->undo)
		return run_undo_slice(&chores->mark);
	return run_mark_slice(&chores->mark);
}

void
chores_add(struct relay *relay, struct back_work *work)
{
	work->next = NULL;
	work->messages = work->recipients = work->held = 0;
	work->busy = work->failed = 0;
	work->sample_count = 0;
	if (relay->stopping) {
		finish(work, GW_ECANCELED);
		return;
	}
	add_last(work->verb == BACK_RECHECK ? &relay->chores->rechecks
					    : &relay->chores->waiting,
		 work);
	relay_fill_soon(relay);
}

bool
chores_slice(struct relay *relay)
{
	bool more = recheck_slice(relay);

	more |= begin_next(relay);
	more |= walk_slice(relay);
	more |= mark_slice(relay);
	return more;
}

bool
chores_claim(struct relay *relay, struct job **job)
{
	struct run *run = relay->chores->walk;

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
chores_stop(struct relay *relay)
{
	struct chores *chores = relay->chores;

	while (chores->rechecks)
		end_recheck(chores, GW_ECANCELED);
	while (chores->waiting) {
		struct back_work *work = chores->waiting;

		chores->waiting = work->next;
		finish(work, GW_ECANCELED);
	}
	if (chores->walk) {
		put_all_back(chores->walk);
		run_finish(&chores->walk, GW_ECANCELED);
	}
	if (chores->mark) {
		chores->mark->cancelled = true;
		put_all_back(chores->mark);
		mark_slice(relay);
	}
}
