#include "gateway/back/recount.h"

#include <stddef.h>
#include <stdlib.h>

#include "gateway/base/arena.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define CHANGES_MAX 512

struct recount {
	struct inbound in; /* first: how it comes back */
	struct spool_change op;
	struct relay *relay;
	struct arena *arena;
	struct store_change changes[CHANGES_MAX];
};

static void
recount_free(struct recount *recount)
{
	arena_destroy(&recount->arena);
	free(recount);
}

void
recount_found(struct relay *relay, const struct spool_msg *msg)
{
	if (relay->campaigns && msg->campaign != 0)
		campaign_found(relay->campaigns, msg->campaign, msg->rcpt_count,
			       msg->cred, msg->owner);
}

static void
recounted_take(struct relay *relay, struct inbound *in)
{
	struct recount *recount = (struct recount *)in;

	if (recount->op.err != 0)
		log_event(GW_LOG_ERROR, "recount-not-durable",
			  LF_ERR(recount->op.err));
	recount_free(recount);
	relay->outcome_count--;
	relay_check_stopped(relay);
}

/* On the store thread. */
static void
on_recounted(struct spool_change *op)
{
	struct recount *recount =
	    (struct recount *)((char *)op - offsetof(struct recount, op));

	queue_push(recount->relay->queue, &recount->in.item);
}

/* False: there was nothing. */
static bool
commit_some(struct relay *relay)
{
	struct recount *recount = mem_zalloc(sizeof(*recount));

	recount->arena = arena_create(1024);
	recount->op.change_count = campaigns_recount(
	    relay->campaigns, recount->arena, recount->changes, CHANGES_MAX);
	if (recount->op.change_count == 0) {
		recount_free(recount);
		return false;
	}
	recount->in.take = recounted_take;
	recount->op.changes = recount->changes;
	recount->op.done = on_recounted;
	recount->relay = relay;
	relay->outcome_count++;
	spool_change_start(relay->spool, &recount->op);
	return true;
}

void
recount_start(struct relay *relay)
{
	while (relay->campaigns && commit_some(relay))
		;
}
