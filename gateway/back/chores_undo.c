/*
 * An undo: the spool brings back what a purge took, a slice of messages at a
 * time, and says which; what of them is in no job yet becomes jobs, as after a
 * restart. Other recipients of the same messages may be in the queue all the
 * while.
 */
#include <stddef.h>
#include <stdlib.h>

#include "gateway/back/chores_int.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define MESSAGES_A_SLICE 20

struct undo {
	struct inbound in; /* first: how it comes back */
	struct spool_undo op;
	struct run *run;
	uint32_t at; /* of op.ids */
	bool flying;
};

static void
undo_take(struct relay *relay, struct inbound *in)
{
	struct undo *undo = (struct undo *)in;

	relay->outcome_count--;
	undo->flying = false;
	undo->at = 0;
	undo->run->work->messages += undo->op.count;
	undo->run->work->recipients += undo->op.recipients;
	relay_fill_soon(relay);
	if (undo->run->cancelled)
		run_undo_slice(&relay->chores->mark);
}

/* On the store thread. */
static void
on_undone(struct spool_undo *op)
{
	struct undo *undo =
	    (struct undo *)((char *)op - offsetof(struct undo, op));

	queue_push(undo->run->relay->queue, &undo->in.item);
}

static void
ask(struct undo *undo)
{
	undo->op = (struct spool_undo){.trash = undo->run->work->trash,
				       .done = on_undone};
	undo->flying = true;
	undo->run->relay->outcome_count++;
	spool_undo_start(undo->run->relay->spool, &undo->op);
}

void
run_undo_begin(struct run *run)
{
	run->undo = mem_zalloc(sizeof(*run->undo));
	run->undo->in.take = undo_take;
	run->undo->run = run;
	ask(run->undo);
}

void
run_undo_fini(struct run *run)
{
	free(run->undo);
	run->undo = NULL;
}

/* Recipients that a job has already are not enqueued once more. */
static void
leave_out_known(struct relay *relay, struct spool_msg *msg)
{
	struct job *job;

	for (job = catalog_of_message(relay->catalog, msg->id); job;
	     job = catalog_next_of_message(job)) {
		const uint32_t *indexes = job_rcpts(job);

		for (uint32_t i = 0; i < job->rcpt_count; i++) {
			struct spool_rcpt *rcpt =
			    mail_find_rcpt(msg, indexes[i]);

			if (rcpt)
				rcpt->state = RCPT_PURGED;
		}
	}
}

static void
bring_back(struct run *run, uint64_t id)
{
	struct spool_msg *msg;
	char text[ID_TEXT_SIZE];
	int err = spool_load(run->relay->spool, id, &msg);

	if (err == 0) {
		leave_out_known(run->relay, msg);
		mail_enqueue(run->relay, &msg, true);
	} else if (err != GW_ENOENT) {
		id_format(id, text);
		log_event(GW_LOG_ERROR, "load", LF_STR("msg", text),
			  LF_ERR(err));
		run->work->failed++;
	}
}

bool
run_undo_slice(struct run **runp)
{
	struct run *run = *runp;
	struct undo *undo = run->undo;
	int err;

	if (undo->flying)
		return false; /* the op is the store thread's */
	err = undo->op.err;
	if (run->cancelled) {
		run_finish(runp, GW_ECANCELED);
		return false;
	}
	for (int i = 0; i < MESSAGES_A_SLICE && undo->at < undo->op.count; i++)
		bring_back(run, undo->op.ids[undo->at++]);
	if (undo->at < undo->op.count)
		return true;
	if (err == 0 && undo->op.more) {
		ask(undo);
		return false;
	}
	/* Nothing more of what there was is no failure. */
	if (err == GW_ENOENT && run->work->messages > 0)
		err = 0;
	run_finish(runp, err);
	return false;
}
