/*
 * The parts that decide who may send, and their housekeeping.
 *
 * A tick each second, of slices: counts of connections and logins go to the
 * store (a crash forgets at most a second of them), idle keys and worthless
 * records go, blocks whose time is over are taken out and what they held is
 * looked at again. At most one change of each kind is on its way, so that a
 * slow disk makes nothing pile up here; what waits stays counted in memory.
 *
 * Changes are answered on the store thread and work on the relay's: both only
 * push to the queue of the main loop. That queue goes last, when the spool is
 * closed and nobody can push any more.
 */
#include "gateway/guard.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/address.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/net/queue.h"

#define TICK_MS 1000
#define PRUNE_RECORDS 500 /* looked at in one tick */
#define PRUNE_PAUSE_S 600 /* behind the last record */
#define EXPIRE_MAX 1000	  /* blocks in one change */
#define BLOCK_BYTES_MAX 65536

/* What is on its way and comes back through the queue. */
struct step {
	struct queue_item item;
	struct guard *guard;
	void (*back)(struct guard *guard);
	bool away;
};

struct counts { /* limits_lag on its way to the store */
	struct step step;
	struct spool_change op;
	struct limits_lag *lag;
};

struct expired { /* blocks whose time is over */
	struct step step;
	struct spool_change op;
	uint64_t ids[EXPIRE_MAX];
	struct store_change changes[EXPIRE_MAX];
	struct buf keys[EXPIRE_MAX], values[EXPIRE_MAX];
	size_t count;
	bool failed; /* not on disk: once more */
	bool more;   /* as many as fit were found the last time */
};

struct recheck {
	struct step step;
	struct back_work work;
	bool again; /* more went meanwhile */
};

struct guard {
	struct guard_parts parts;
	struct loop *loop;
	struct queue *queue;
	struct spool *spool;
	guard_work_fn *work;
	void *work_arg;
	struct timer_op *tick;
	struct counts counts, pruned, last;
	struct expired expired;
	struct recheck recheck;
	struct buf prune_cursor;
	int64_t prune_wall_s; /* not before */
	bool failing;	      /* told of in the log */
};

static void
on_step(void *arg, struct queue_item *item)
{
	struct step *step =
	    (struct step *)((char *)item - offsetof(struct step, item));

	step->away = false;
	step->back(arg);
}

static void
told(struct guard *guard, int err)
{
	if (err != 0 && !guard->failing)
		log_event(GW_LOG_WARN, "limits-not-kept",
			  LF_STR("why", "counts of connections and logins, and "
					"ends of blocks, are in force but not "
					"on disk"),
			  LF_ERR(err));
	guard->failing = err != 0;
}

/* --- counts --------------------------------------------------------------- */

static void
on_counts_kept(struct spool_change *op)
{
	struct counts *counts =
	    (struct counts *)((char *)op - offsetof(struct counts, op));

	queue_push(counts->step.guard->queue, &counts->step.item);
}

/* lag NULL: nothing to keep. */
static void
counts_keep(struct counts *counts, struct limits_lag *lag)
{
	struct spool_change *op = &counts->op;

	if (lag == NULL)
		return;
	counts->lag = lag;
	counts->step.away = true;
	*op = (struct spool_change){.done = on_counts_kept};
	op->changes = limits_lag_changes(lag, &op->change_count);
	spool_change_start(counts->step.guard->spool, op);
}

static void
counts_back(struct guard *guard)
{
	struct counts *all[] = {&guard->counts, &guard->pruned, &guard->last};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (all[i]->lag == NULL || all[i]->step.away)
			continue;
		told(guard, all[i]->op.err);
		limits_lag_free(&all[i]->lag);
	}
}

static void
prune(struct guard *guard, int64_t now_wall_s)
{
	if (guard->pruned.step.away || now_wall_s < guard->prune_wall_s)
		return;
	counts_keep(&guard->pruned,
		    limits_prune(guard->parts.limits, spool_store(guard->spool),
				 PRUNE_RECORDS, &guard->prune_cursor));
	if (guard->prune_cursor.n == 0)
		guard->prune_wall_s = now_wall_s + PRUNE_PAUSE_S;
}

/* --- blocks whose time is over ---------------------------------------------
 */

static void
on_rechecked(struct back_work *work)
{
	struct recheck *recheck =
	    (struct recheck *)((char *)work - offsetof(struct recheck, work));

	queue_push(recheck->step.guard->queue, &recheck->step.item);
}

/* id: of the block that went; 0: several. */
static void
recheck_start(struct guard *guard, uint64_t id)
{
	struct recheck *recheck = &guard->recheck;

	if (guard->work == NULL)
		return;
	if (recheck->step.away) {
		recheck->again = true;
		return;
	}
	recheck->again = false;
	recheck->step.away = true;
	recheck->work = (struct back_work){
	    .verb = BACK_RECHECK, .rule = id, .done = on_rechecked};
	guard->work(guard->work_arg, &recheck->work);
}

static void
recheck_back(struct guard *guard)
{
	if (guard->recheck.again)
		recheck_start(guard, 0);
}

static void
on_expired_kept(struct spool_change *op)
{
	struct expired *expired =
	    (struct expired *)((char *)op - offsetof(struct expired, op));

	queue_push(expired->step.guard->queue, &expired->step.item);
}

static void
expired_keep(struct guard *guard)
{
	struct expired *expired = &guard->expired;

	for (size_t i = 0; i < expired->count; i++) {
		buf_init(&expired->keys[i], STORE_KEY_MAX);
		buf_init(&expired->values[i], BLOCK_BYTES_MAX);
		blocklist_change(guard->parts.blocklist, expired->ids[i],
				 &expired->keys[i], &expired->values[i],
				 &expired->changes[i]);
	}
	expired->failed = false;
	expired->step.away = true;
	expired->op = (struct spool_change){.changes = expired->changes,
					    .change_count = expired->count,
					    .done = on_expired_kept};
	spool_change_start(guard->spool, &expired->op);
}

static void
expired_back(struct guard *guard)
{
	struct expired *expired = &guard->expired;

	told(guard, expired->op.err);
	expired->failed = expired->op.err != 0;
	for (size_t i = 0; i < expired->count; i++) {
		buf_fini(&expired->keys[i]);
		buf_fini(&expired->values[i]);
	}
}

static void
expire(struct guard *guard, int64_t now_wall_s)
{
	struct expired *expired = &guard->expired;
	bool went_on = expired->more;

	if (expired->step.away)
		return;
	if (expired->failed) {
		expired_keep(guard);
		return;
	}
	expired->count = blocklist_expire(guard->parts.blocklist, now_wall_s,
					  expired->ids, EXPIRE_MAX);
	expired->more = expired->count == EXPIRE_MAX;
	if (expired->count == 0)
		return;
	log_event(GW_LOG_INFO, "block-expired",
		  LF_U64("count", expired->count));
	/* once at the start of a long row of them, and at its end */
	if (!went_on || !expired->more)
		recheck_start(guard, expired->count == 1 ? expired->ids[0] : 0);
	expired_keep(guard);
}

/* --- the tick ---------------------------------------------------------------
 */

void
guard_tick(struct guard *guard, int64_t now_wall_s, int64_t mono_us)
{
	expire(guard, now_wall_s);
	if (!guard->counts.step.away)
		counts_keep(&guard->counts,
			    limits_lag_take(guard->parts.limits));
	limits_wall(guard->parts.limits, now_wall_s * 1000000, mono_us);
	limits_sweep(guard->parts.limits, mono_us);
	prune(guard, now_wall_s);
}

static void
on_tick(void *arg)
{
	struct guard *guard = arg;

	guard->tick = timer_start(guard->loop, TICK_MS, on_tick, guard);
	guard_tick(guard, clock_wall_s(), clock_mono_us());
}

void
guard_start(struct guard *guard, guard_work_fn *work, void *arg)
{
	guard->work = work;
	guard->work_arg = arg;
	guard->tick = timer_start(guard->loop, TICK_MS, on_tick, guard);
}

void
guard_stop(struct guard *guard)
{
	timer_cancel(&guard->tick);
	guard->work = NULL;
	if (guard->parts.limits != NULL && !guard->last.step.away)
		counts_keep(&guard->last, limits_lag_take(guard->parts.limits));
}

/* --- the store thread -------------------------------------------------------
 */

/* Only for what was being sent while the list changed: else front has looked at
 * all of it already, and 50,000 domains to be folded are not for this thread.
 * Of mail to 50,000 the recipients often stand together by domain: each run of
 * one is asked for once. */
static bool
domain_refused(struct blocklist *list, const struct spool_msg *msg,
	       int64_t now_wall_s)
{
	struct slice last = SLICE_NONE;
	struct block_hit hit;

	for (uint32_t i = 0; i < msg->rcpt_count; i++) {
		struct block_facts facts = {
		    .domain = address_domain(slice_str(msg->rcpts[i].address)),
		};

		if (slice_eq(facts.domain, last))
			continue;
		last = facts.domain;
		if (blocklist_find(list, &facts, false, now_wall_s, &hit))
			return true;
	}
	return false;
}

bool
guard_veto(void *arg, const struct spool_msg *msg)
{
	struct guard *guard = arg;
	struct blocklist *list = guard->parts.blocklist;
	const struct block_facts facts = {
	    .cred = msg->cred,
	    .ip = &msg->client,
	    .from = slice_str(msg->mail_from),
	    .body = msg->body.digest,
	};
	struct block_hit hit;
	int64_t now_wall_s;

	if (blocklist_is_empty(list) ||
	    msg->block_generation == blocklist_generation(list))
		return false;
	now_wall_s = clock_wall_s();
	return blocklist_find(list, &facts, false, now_wall_s, &hit) ||
	       domain_refused(list, msg, now_wall_s);
}

/* --- life --------------------------------------------------------------------
 */

struct guard *
guard_create(struct loop *loop)
{
	struct guard *guard = mem_zalloc(sizeof(*guard));

	guard->loop = loop;
	guard->queue = queue_create(loop, on_step, guard);
	guard->counts.step = (struct step){.guard = guard, .back = counts_back};
	guard->pruned.step = guard->counts.step;
	guard->last.step = guard->counts.step;
	guard->expired.step =
	    (struct step){.guard = guard, .back = expired_back};
	guard->recheck.step =
	    (struct step){.guard = guard, .back = recheck_back};
	buf_init(&guard->prune_cursor, STORE_KEY_MAX);
	guard->parts = (struct guard_parts){
	    .accounts = accounts_create(),
	    .blocklist = blocklist_create(),
	    .decisions = decisions_create(0),
	    .top = top_create(),
	};
	return guard;
}

static int
unreadable(int err, const char *what, char *error, size_t error_size)
{
	if (err != 0)
		snprintf(error, error_size, "%s cannot be read: %s", what,
			 gw_err_text(err));
	return err;
}

int
guard_load(struct guard *guard, struct spool *spool,
	   const struct limits_conf *conf, char *error, size_t error_size)
{
	struct guard_parts *parts = &guard->parts;
	struct store_env *store = spool_store(spool);
	int64_t now_wall_s = clock_wall_s();
	int err;

	guard->spool = spool;
	err = unreadable(blocklist_load(parts->blocklist, store, now_wall_s),
			 "the block list", error, error_size);
	if (err == 0)
		err = unreadable(
		    accounts_load(parts->accounts, store, now_wall_s),
		    "grants and senders", error, error_size);
	if (err != 0)
		return err;
	parts->limits = limits_create(conf, parts->accounts,
				      clock_wall_ms() * 1000, clock_mono_us());
	return unreadable(limits_load(parts->limits, store),
			  "the counts of limits", error, error_size);
}

const struct guard_parts *
guard_parts(const struct guard *guard)
{
	return &guard->parts;
}

void
guard_reload(struct guard *guard, const struct limits_conf *conf)
{
	limits_reload(guard->parts.limits, conf);
}

void
guard_destroy(struct guard **guardp)
{
	struct guard *guard = *guardp;

	if (guard == NULL)
		return;
	*guardp = NULL;
	timer_cancel(&guard->tick);
	guard->work = NULL;
	queue_destroy(&guard->queue);
	buf_fini(&guard->prune_cursor);
	top_destroy(&guard->parts.top);
	decisions_destroy(&guard->parts.decisions);
	limits_destroy(&guard->parts.limits);
	blocklist_destroy(&guard->parts.blocklist);
	accounts_destroy(&guard->parts.accounts);
	free(guard);
}
