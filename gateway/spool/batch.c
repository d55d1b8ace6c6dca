#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/spool/body.h"
#include "gateway/spool/internal.h"
#include "gateway/spool/resub.h"
#include "gateway/spool/trash.h"
#include "gateway/store/key.h"

/*
 * The group commit. The order of one attempt: bodies are written (and the
 * kernel told to start on them), the transaction is built meanwhile, the
 * bodies are synced, and only then the transaction is committed. So a record
 * on disk never names a body that is not.
 *
 * What a failure means is decided here, once:
 * - a body could not be written or synced: the segment is sealed for good (by
 *   then), the whole batch is placed anew once; then FAILED;
 * - no space: submissions are answered FULL, and outcomes and administrators'
 *   changes, which give space back, are tried again by themselves, at last
 *   with the reserve spent, and in parts;
 * - the store failed: everybody is told. After a failed write of its meta page
 *   LMDB takes nothing more until a restart, and says so each time.
 *
 * Whatever the outcome, every operation is answered exactly once.
 */

static int
body_place(struct spool *spool, struct spool_msg *msg, struct spool_body *body)
{
	if (body == NULL)
		return segments_place(&spool->segs, SLICE_NONE, &msg->body);
	memcpy(msg->body.digest, body->sum, DIGEST_SIZE);
	if (body->stream != NULL)
		return 0;
	return segments_place(&spool->segs, slice_of(body->p, body->n),
			      &msg->body);
}

static int
bodies_write(struct spool *spool, struct batch *batch)
{
	int err = 0;

	for (struct spool_outcome *o = batch->outcomes; o; o = o->next) {
		if (o->dsn != NULL && err == 0)
			err = body_place(spool, o->dsn, o->dsn_body);
		if (o->extra != NULL && err == 0)
			err = body_place(spool, o->extra, o->extra_body);
	}
	for (struct spool_accept *a = batch->accepts; a; a = a->next)
		if (err == 0)
			err = body_place(spool, a->msg, a->body);
	return err != 0 ? err : segments_flush(&spool->segs);
}

static void
meta_put(struct store_txn *txn, struct slice name, uint64_t value)
{
	uint8_t p[8];

	key_put_u64(p, value);
	store_put(txn, STORE_META, name, slice_of(p, sizeof(p)));
}

static void
txn_fill(struct spool *spool, struct batch *batch, struct store_txn *txn)
{
	int64_t now_wall_s = clock_wall_s();

	batch->largest_segment = atomic_load(&spool->segs.next_id) - 1;
	batch->ledger = spool->ledger;
	batch->largest_id = spool->largest_id;
	batch->trash_due_s = spool->trash_due_s;
	for (struct spool_change *c = batch->changes; c; c = c->next)
		store_apply(txn, c->changes, c->change_count);
	for (struct spool_outcome *o = batch->outcomes; o; o = o->next)
		apply_outcome(spool, batch, txn, o);
	for (struct spool_undo *u = batch->undos; u; u = u->next)
		apply_undo(spool, batch, txn, u, now_wall_s);
	for (struct spool_accept *a = batch->accepts; a; a = a->next)
		apply_accept(spool, batch, txn, a, now_wall_s);
	if (batch->sweep)
		apply_sweep(spool, batch, txn, now_wall_s);
	if (batch->empty_trash && batch->trash_due_s <= now_wall_s)
		apply_trash_sweep(spool, batch, txn, now_wall_s);
	else
		batch->empty_trash = false;
	segments_put_rows(&spool->segs, txn);
	ledger_put(txn, &spool->ledger, &batch->ledger);
	if (batch->largest_id != spool->largest_id)
		meta_put(txn, SLICE_LIT("largest"), batch->largest_id);
	if (batch->largest_segment != spool->largest_segment)
		meta_put(txn, SLICE_LIT("segment"), batch->largest_segment);
}

/* *disk: the failure is the segment's. */
static int
attempt(struct spool *spool, struct batch *batch, bool *disk)
{
	struct store_txn *txn;
	int err = bodies_write(spool, batch);

	*disk = true;
	if (err != 0) {
		segments_seal(&spool->segs, err != GW_ENOSPC);
		segments_rolled_back(&spool->segs);
		return err;
	}
	txn = store_write(spool->store);
	txn_fill(spool, batch, txn);
	err = segments_sync(&spool->segs);
	if (err != 0) {
		store_abort(&txn);
	} else {
		*disk = false;
		err = store_commit(&txn);
	}
	if (err != 0) {
		segments_rolled_back(&spool->segs);
		resub_rolled_back(spool);
	} else {
		segments_committed(&spool->segs);
		resub_committed(spool);
	}
	return err;
}

/* --- answers
 * ------------------------------------------------------------------ */

/* The message goes on to whoever delivers, its large body stays on disk; or
 * both are thrown away. */
static void
msg_hand_on(struct spool *spool, struct spool_msg *msg, struct spool_body *body,
	    bool kept)
{
	if (kept && body != NULL && body->stream != NULL)
		large_keep(body->stream);
	if (kept && spool->opts.accepted != NULL)
		spool->opts.accepted(spool->opts.accepted_arg, &msg);
	spool_msg_destroy(&msg);
	spool_body_destroy(&body);
}

static void
accept_answer(struct spool *spool, struct spool_accept *op)
{
	struct spool_msg *msg = op->msg;
	struct spool_body *body = op->body;
	bool kept = op->answer == SPOOL_ACCEPTED;

	op->msg = NULL;
	op->body = NULL;
	if (kept)
		atomic_fetch_add_explicit(&spool->accepted, 1,
					  memory_order_relaxed);
	op->done(op); /* op may be gone */
	msg_hand_on(spool, msg, body, kept && msg_stays(msg));
}

static void
outcome_answer(struct spool *spool, struct spool_outcome *op)
{
	struct spool_msg *dsn = op->dsn, *extra = op->extra;
	struct spool_body *dsn_body = op->dsn_body;
	struct spool_body *extra_body = op->extra_body;
	bool kept = op->err == 0;

	op->dsn = op->extra = NULL;
	op->dsn_body = op->extra_body = NULL;
	op->done(op); /* op may be gone */
	msg_hand_on(spool, dsn, dsn_body,
		    kept && dsn != NULL && msg_stays(dsn));
	msg_hand_on(spool, extra, extra_body,
		    kept && extra != NULL && msg_stays(extra));
}

static void
accepts_answer(struct spool *spool, struct batch *batch)
{
	struct spool_accept *op;

	while ((op = batch->accepts) != NULL) {
		batch->accepts = op->next;
		accept_answer(spool, op);
	}
}

static void
accepts_refuse(struct spool *spool, struct batch *batch,
	       enum spool_answer answer)
{
	for (struct spool_accept *a = batch->accepts; a; a = a->next)
		a->answer = answer;
	accepts_answer(spool, batch);
}

static void
undos_answer(struct batch *batch, int err)
{
	struct spool_undo *undo;

	while ((undo = batch->undos) != NULL) {
		batch->undos = undo->next;
		if (err != 0)
			undo->err = err;
		if (undo->err != 0) {
			undo->more = false;
			undo->count = 0;
			undo->recipients = 0;
		}
		undo->done(undo);
	}
}

static void
others_answer(struct spool *spool, struct batch *batch, int err)
{
	struct spool_outcome *outcome;
	struct spool_change *change;

	while ((change = batch->changes) != NULL) {
		batch->changes = change->next;
		change->err = err;
		change->done(change);
	}
	while ((outcome = batch->outcomes) != NULL) {
		batch->outcomes = outcome->next;
		if (err != 0)
			outcome->err = err;
		outcome_answer(spool, outcome);
	}
	undos_answer(batch, err);
}

/* --- what never gets into the transaction
 * --------------------------------------- */

static int
body_error(const struct spool_body *body)
{
	uint64_t segment, bytes;

	if (body == NULL || body->stream == NULL)
		return 0;
	return large_result(body->stream, &segment, &bytes);
}

static bool
changes_valid(const struct store_change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!store_change_valid(&changes[i]))
			return false;
	return true;
}

static void
accepts_screen(struct spool *spool, struct batch *batch)
{
	struct spool_accept **at = &batch->accepts, *op;
	int err;

	while ((op = *at) != NULL) {
		err = body_error(op->body);
		if (err == 0 && !changes_valid(op->changes, op->change_count))
			err = GW_EINVAL;
		if (err == 0) {
			at = &op->next;
			continue;
		}
		*at = op->next;
		log_event(GW_LOG_ERROR, "spool-accept", LF_ERR(err));
		op->answer = err == GW_ENOSPC ? SPOOL_FULL : SPOOL_FAILED;
		accept_answer(spool, op);
	}
}

static void
others_screen(struct spool *spool, struct batch *batch)
{
	struct spool_outcome **at = &batch->outcomes, *op;
	struct spool_change **change_at = &batch->changes, *change;

	while ((op = *at) != NULL) {
		op->err = body_error(op->dsn_body);
		if (op->err == 0)
			op->err = body_error(op->extra_body);
		if (op->err == 0 &&
		    !changes_valid(op->changes, op->change_count))
			op->err = GW_EINVAL;
		if (op->err == 0) {
			at = &op->next;
			continue;
		}
		*at = op->next;
		outcome_answer(spool, op);
	}
	while ((change = *change_at) != NULL) {
		if (changes_valid(change->changes, change->change_count)) {
			change_at = &change->next;
			continue;
		}
		*change_at = change->next;
		change->err = GW_EINVAL;
		change->done(change);
	}
}

/* --- the commit
 * ------------------------------------------------------------------ */

static void
failing_note(struct spool *spool, int err)
{
	int before = atomic_exchange(&spool->failing, err);

	if (err != 0 && store_is_dead(spool->store) && !spool->dead_told) {
		spool->dead_told = true;
		log_event(GW_LOG_ERROR, "spool-needs-restart", LF_ERR(err),
			  LF_STR("what", "a write to the index failed: nothing "
					 "is accepted or marked until sluiced "
					 "is started anew"));
	}
	if (err != 0 && err != before)
		log_event(GW_LOG_ERROR, "spool-commit", LF_ERR(err));
	else if (err == 0 && before != 0)
		log_event(GW_LOG_INFO, "spool-recovered", LF_ERR(before));
}

static int
attempt_twice(struct spool *spool, struct batch *batch)
{
	bool disk;
	int err = attempt(spool, batch, &disk);

	if (err == 0 || err == GW_ENOSPC || !disk)
		return err;
	log_event(GW_LOG_ERROR, "spool-segment-failed", LF_ERR(err));
	return attempt(spool, batch, &disk);
}

static bool
batch_empty(const struct batch *batch)
{
	return batch->accepts == NULL && batch->outcomes == NULL &&
	       batch->changes == NULL && batch->undos == NULL &&
	       !batch->sweep && !batch->empty_trash;
}

/* Deleting needs room first, too. A full map gets smaller slices. */
static void
trash_sweep_less(struct spool *spool, struct batch *batch)
{
	batch->empty_trash = false;
	if (spool->trash_slice > 1)
		spool->trash_slice /= 2;
}

static int
batch_try(struct spool *spool, struct batch *batch)
{
	int err = attempt_twice(spool, batch);

	if (err == GW_ENOSPC && batch->empty_trash)
		trash_sweep_less(spool, batch);
	if (err == GW_ENOSPC && (batch->accepts || batch->undos)) {
		if (batch->accepts != NULL)
			atomic_store(&spool->full, true);
		accepts_refuse(spool, batch, SPOOL_FULL);
		undos_answer(batch, GW_ENOSPC);
		if (batch_empty(batch))
			return GW_ENOSPC;
		err = attempt_twice(spool, batch);
	}
	if (err == GW_ENOSPC && space_spend_reserve(spool))
		err = attempt_twice(spool, batch);
	return err;
}

/* It is on disk: what was counted in the copy is true. */
static void
batch_keep(struct spool *spool, const struct batch *batch)
{
	spool->ledger = batch->ledger;
	spool->largest_id = batch->largest_id;
	spool->largest_segment = batch->largest_segment;
	spool->trash_due_s = batch->trash_due_s;
	if (batch->empty_trash) {
		spool->trash_more = spool->trash_due_s <= clock_wall_s();
		spool->trash_slice = TRASH_SLICE;
	}
	atomic_fetch_add(&spool->commits, 1);
}

/* Leaves the first n outcomes in the batch and returns the others. */
static struct spool_outcome *
outcomes_cut(struct batch *batch, size_t n)
{
	struct spool_outcome **at = &batch->outcomes, *rest;

	while (n-- > 0 && *at != NULL)
		at = &(*at)->next;
	rest = *at;
	*at = NULL;
	return rest;
}

/*
 * Deleting from a B-tree copies the pages it touches first: a thousand
 * outcomes at once may need more than a full map has left, though each makes
 * room for the next. So they go in parts, halved until one fits; when not even
 * a single outcome does, the rest is not tried. GW_ENOSPC: there are some left.
 */
static int
batch_by_parts(struct spool *spool, struct batch *batch)
{
	struct spool_outcome *rest, **end;
	size_t part = 0;
	int err = GW_ENOSPC;

	for (rest = batch->outcomes; rest != NULL; rest = rest->next)
		part++;
	for (part /= 2; part > 0 && batch->outcomes != NULL;) {
		rest = outcomes_cut(batch, part);
		err = attempt_twice(spool, batch);
		if (err == 0) {
			batch_keep(spool, batch);
			others_answer(spool, batch, 0);
		} else {
			part = err == GW_ENOSPC ? part / 2 : 0;
		}
		for (end = &batch->outcomes; *end != NULL;)
			end = &(*end)->next;
		*end = rest;
	}
	return err;
}

void
batch_commit(struct spool *spool, struct batch *batch)
{
	bool asked;
	int err;

	accepts_screen(spool, batch);
	others_screen(spool, batch);
	if (batch->accepts != NULL && space_low(spool, clock_mono_ms()))
		accepts_refuse(spool, batch, SPOOL_FULL);
	if (batch_empty(batch))
		return;
	asked =
	    batch->accepts || batch->outcomes || batch->changes || batch->undos;
	err = batch_try(spool, batch);
	if (err == 0)
		batch_keep(spool, batch);
	else if (err == GW_ENOSPC)
		err = batch_by_parts(spool, batch);
	/* A sweep that found nothing to do touched no disk: no proof. */
	if (err != 0 || asked)
		failing_note(spool, err);
	if (err == 0)
		accepts_answer(spool, batch);
	else
		accepts_refuse(spool, batch,
			       err == GW_ENOSPC ? SPOOL_FULL : SPOOL_FAILED);
	others_answer(spool, batch, err);
}
