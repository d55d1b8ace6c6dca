/*
 * An undo: the spool brings back what a purge took, a slice at a time, and says
 * which recipients; they become jobs, as after a restart. What a campaign
 * counts as purged is less by them in the same commit.
 *
 * Trap: they alone. Another recipient of the same message may be queued on disk
 * and in no job: delivered, with its outcome on the way to the disk.
 */
#include <stddef.h>
#include <stdlib.h>

#include "gateway/back/chores_int.h"
#include "gateway/back/counting.h"
#include "gateway/base/arena.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define MESSAGES_A_SLICE 20
#define RCPTS_A_SLICE 500

struct undo {
	struct inbound in; /* first: how it comes back */
	struct spool_undo op;
	struct run *run;
	uint32_t at;	   /* of op.ids */
	uint32_t index_at; /* of op.indexes */
	bool flying;
	struct arena *arena; /* of the counts; the op's while it is flying */
	struct store_change counts[SPOOL_UNDO_MAX];
};

/* --- to the disk and back ------------------------------------------------- */

static void
uncount(struct undo *undo)
{
	const struct spool_undo *op = &undo->op;

	for (uint32_t i = 0; i < op->count; i++) {
		run_count(undo->run, op->ids[i], op->rcpts[i]);
		if (op->campaigns[i] != 0)
			counting_done(undo->run->relay, op->campaigns[i],
				      CAMPAIGN_PURGED, -(int64_t)op->rcpts[i]);
	}
}

static void
undo_take(struct relay *relay, struct inbound *in)
{
	struct undo *undo = (struct undo *)in;

	relay->outcome_count--;
	undo->flying = false;
	undo->at = undo->index_at = 0;
	uncount(undo);
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

/* On the store thread, within the commit. Messages of one campaign stand
 * together, mostly. */
static size_t
count_changes(struct spool_undo *op, const struct store_change **changes)
{
	struct undo *undo =
	    (struct undo *)((char *)op - offsetof(struct undo, op));
	size_t n = 0;

	arena_destroy(&undo->arena);
	undo->arena = arena_create(1024);
	for (uint32_t i = 0; i < op->count;) {
		uint64_t campaign = op->campaigns[i];
		int64_t rcpts = 0;

		for (; i < op->count && op->campaigns[i] == campaign; i++)
			rcpts += op->rcpts[i];
		if (campaign != 0)
			campaign_count_change(campaign, CAMPAIGN_PURGED, -rcpts,
					      undo->arena, &undo->counts[n++]);
	}
	*changes = undo->counts;
	return n;
}

static void
ask(struct undo *undo)
{
	struct relay *relay = undo->run->relay;

	undo->op = (struct spool_undo){.trash = undo->run->work->trash,
				       .done = on_undone};
	if (relay->campaigns)
		undo->op.also = count_changes;
	undo->flying = true;
	relay->outcome_count++;
	spool_undo_start(relay->spool, &undo->op);
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
	if (run->undo)
		arena_destroy(&run->undo->arena);
	free(run->undo);
	run->undo = NULL;
}

/* --- into the queue ------------------------------------------------------- */

static void
bring_back(struct run *run, uint64_t id, const uint32_t *indexes,
	   uint32_t count)
{
	struct spool_msg *msg;
	char text[ID_TEXT_SIZE];
	int err = spool_load_some(run->relay->spool, id, indexes, count, &msg);

	if (err == 0) {
		mail_enqueue(run->relay, &msg, true);
		return;
	}
	id_format(id, text);
	log_event(GW_LOG_ERROR, "load", LF_STR("msg", text), LF_ERR(err));
	run->work->failed += count;
}

/* How many recipients came with it. */
static uint32_t
bring_back_next(struct undo *undo)
{
	uint32_t count = undo->op.rcpts[undo->at];

	bring_back(undo->run, undo->op.ids[undo->at],
		   undo->op.indexes + undo->index_at, count);
	undo->at++;
	undo->index_at += count;
	return count;
}

bool
run_undo_slice(struct run **runp)
{
	struct run *run = *runp;
	struct undo *undo = run->undo;
	uint32_t rcpts = 0;
	int err;

	if (undo->flying)
		return false; /* the op is the store thread's */
	err = undo->op.err;
	if (run->cancelled) {
		run_finish(runp, GW_ECANCELED);
		return false;
	}
	for (int i = 0; i < MESSAGES_A_SLICE && rcpts < RCPTS_A_SLICE &&
			undo->at < undo->op.count;
	     i++)
		rcpts += bring_back_next(undo);
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
