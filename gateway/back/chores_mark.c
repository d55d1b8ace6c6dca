/*
 * What a purge or release took is changed on disk: one outcome a job, a slice
 * of them at a time, pushed along by an empty change so that nobody waits for
 * company. Until the disk has answered the job is nowhere; when it could not
 * be changed it goes back to where it was.
 *
 * Small slices: no administrator's work is to hold the write transaction for
 * more than 5 ms.
 */
#include <stddef.h>
#include <stdlib.h>

#include "gateway/back/chores_int.h"
#include "gateway/back/counting.h"
#include "gateway/back/held.h"
#include "gateway/base/arena.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define JOBS_A_SLICE 256
#define RCPTS_A_SLICE 1000

struct mark {
	struct inbound in; /* first: how it comes back */
	struct spool_outcome op;
	struct store_change count; /* a campaign's, purged */
	struct arena *arena;	   /* its bytes; or NULL */
	uint64_t campaign;	   /* whose it is; 0: none is counted */
	struct run *run;
	struct job *job;
	struct spool_outcome_rcpt rcpts[];
};

struct push {
	struct inbound in;
	struct spool_change op;
	struct run *run;
};

/* One of the slice came back; the last wakes the work. */
static void
landed(struct run *run)
{
	run->relay->outcome_count--;
	if (--run->flying == 0)
		relay_fill_soon(run->relay);
	if (run->flying == 0 && run->cancelled)
		run_mark_slice(&run->relay->chores->mark);
}

/* counted: by the commit. */
static void
purged(struct run *run, struct job *job, int err, uint64_t counted)
{
	if (err == 0) {
		run_count(run, job->id, job->rcpt_count);
		counting_settled(run->relay, job, counted, CAMPAIGN_PURGED,
				 job->rcpt_count);
	}
	if (job->holds == 0)
		mail_uncount(run->relay, job, job->rcpt_count);
	mail_job_end(run->relay, &job);
}

static void
released(struct run *run, struct job *job, int err)
{
	struct relay *relay = run->relay;

	if (err != 0) { /* gone meanwhile */
		mail_job_end(relay, &job);
		return;
	}
	run_count(run, job->id, job->rcpt_count);
	job->holds &= ~(uint32_t)RELEASABLE;
	if (job->holds != 0)
		run->work->held += job->rcpt_count;
	else
		mail_recount(relay, job, job->rcpt_count);
	run_put_back(run, job);
}

static void
mark_take(struct relay *relay, struct inbound *in)
{
	struct mark *mark = (struct mark *)in;
	struct run *run = mark->run;
	struct job *job = mark->job;
	int err = mark->op.err;
	uint64_t counted = mark->campaign;
	char id[ID_TEXT_SIZE];

	(void)relay;
	arena_destroy(&mark->arena);
	free(mark);
	if (err != 0 && err != GW_ENOENT) {
		id_format(job->id, id);
		log_event(GW_LOG_ERROR, "work-not-durable", LF_STR("msg", id),
			  LF_ERR(err));
		run->work->failed += job->rcpt_count;
		run_put_back(run, job);
	} else if (run->work->verb == BACK_PURGE) {
		purged(run, job, err, counted);
	} else {
		released(run, job, err);
	}
	landed(run);
}

/* On the store thread. */
static void
on_marked(struct spool_outcome *op)
{
	struct mark *mark =
	    (struct mark *)((char *)op - offsetof(struct mark, op));

	queue_push(mark->run->relay->queue, &mark->in.item);
}

static void
fill_rcpts(struct mark *mark, const struct run *run, const struct job *job)
{
	bool purge = run->work->verb == BACK_PURGE;
	uint32_t rest = job->holds & ~(uint32_t)RELEASABLE;
	const uint32_t *indexes = job_rcpts(job);

	for (uint32_t i = 0; i < job->rcpt_count; i++) {
		struct spool_outcome_rcpt *rcpt = &mark->rcpts[i];

		rcpt->index = indexes[i];
		rcpt->attempts = job->attempts;
		rcpt->next_wall_s = job->due_wall_s;
		if (purge) {
			rcpt->state = RCPT_PURGED;
		} else if (rest != 0) {
			rcpt->state = RCPT_HELD;
			rcpt->holds = rest;
		} else {
			rcpt->state = RCPT_QUEUED;
		}
	}
}

static void
add_count(struct mark *mark, const struct job *job)
{
	uint64_t campaign = job_campaign(job);

	if (campaign == 0 || !mark->run->relay->campaigns)
		return;
	mark->campaign = campaign;
	mark->arena = arena_create(128);
	campaign_count_change(campaign, CAMPAIGN_PURGED, job->rcpt_count,
			      mark->arena, &mark->count);
	mark->op.changes = &mark->count;
	mark->op.change_count = 1;
}

static void
mark_start(struct run *run, struct job *job)
{
	struct mark *mark = mem_zalloc(
	    sizeof(*mark) + job->rcpt_count * sizeof(mark->rcpts[0]));

	mark->in.take = mark_take;
	mark->run = run;
	mark->job = job;
	fill_rcpts(mark, run, job);
	mark->op.id = job->id;
	mark->op.rcpts = mark->rcpts;
	mark->op.rcpt_count = job->rcpt_count;
	if (run->work->verb == BACK_PURGE) {
		mark->op.trash = run->work->trash;
		mark->op.trash_until_wall_s = run->work->trash_until_wall_s;
		add_count(mark, job);
	}
	mark->op.done = on_marked;
	run->flying++;
	run->relay->outcome_count++;
	spool_outcome_start(run->relay->spool, &mark->op);
}

static void
push_take(struct relay *relay, struct inbound *in)
{
	struct run *run = ((struct push *)in)->run;

	(void)relay;
	free(in);
	landed(run);
}

static void
on_pushed(struct spool_change *op)
{
	struct push *push =
	    (struct push *)((char *)op - offsetof(struct push, op));

	queue_push(push->run->relay->queue, &push->in.item);
}

/* Outcomes wait for company; a change does not, and takes them along. */
static void
push_start(struct run *run)
{
	struct push *push = mem_zalloc(sizeof(*push));

	push->in.take = push_take;
	push->op.done = on_pushed;
	push->run = run;
	run->flying++;
	run->relay->outcome_count++;
	spool_change_start(run->relay->spool, &push->op);
}

bool
run_mark_slice(struct run **runp)
{
	struct run *run = *runp;
	uint32_t rcpts = 0;
	struct job *job;

	if (run->flying > 0)
		return false;
	if (TAILQ_EMPTY(&run->taken)) {
		run_finish(runp, run->cancelled ? GW_ECANCELED : 0);
		return false;
	}
	for (int i = 0; i < JOBS_A_SLICE && rcpts < RCPTS_A_SLICE; i++) {
		job = TAILQ_FIRST(&run->taken);
		if (!job)
			break;
		TAILQ_REMOVE(&run->taken, job, link);
		rcpts += job->rcpt_count;
		mark_start(run, job);
	}
	push_start(run);
	return false;
}
