#include "gateway/back/counting.h"

#include <stddef.h>
#include <stdlib.h>

#include "gateway/back/campaign_report.h"
#include "gateway/back/feeder.h"
#include "gateway/base/arena.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define TEXT_MAX 512

/* --- one recipient -------------------------------------------------------- */

/* Our own word that its domain takes no mail: result_of_domain's. */
static bool
is_dead(const struct result *result)
{
	const uint8_t *v = result->enhanced;

	if (result->code != 0 || v[0] != 5)
		return false;
	return (v[1] == 1 && (v[2] == 2 || v[2] == 10)) ||
	       (v[1] == 4 && v[2] == 4);
}

enum campaign_count
counting_of(const struct result *result, bool expired)
{
	switch (result->fate) {
	case FATE_DELIVERED:
		return CAMPAIGN_DELIVERED;
	case FATE_SUPPRESSED:
		return CAMPAIGN_SUPPRESSED;
	case FATE_DUPLICATE:
		return CAMPAIGN_DUPLICATE;
	case FATE_BOUNCED:
		if (expired)
			return CAMPAIGN_OTHER;
		if (is_dead(result))
			return CAMPAIGN_DEAD;
		return (enum campaign_count)(
		    CAMPAIGN_BOUNCED + (int)bounce_class_of(result->code,
							    result->enhanced,
							    result->text));
	case FATE_DEFERRED:
	case FATE_ALTERED:
		break;
	}
	return CAMPAIGN_COUNTS;
}

static enum rcpt_state
state_of(const struct result *result)
{
	if (result->fate == FATE_DELIVERED)
		return RCPT_DELIVERED;
	return result->fate == FATE_BOUNCED ? RCPT_BOUNCED : RCPT_DROPPED;
}

static void
add_failure(struct outcome *outcome, const struct delivery *d, uint32_t i,
	    const struct result *result, enum campaign_count count)
{
	struct campaign_failure failure = {
	    .campaign = d->msg->campaign,
	    .message = d->msg->id,
	    .index = d->rcpts[i]->index,
	    .count = count,
	    .wall_s = clock_wall_s(),
	    .address = d->rcpts[i]->address,
	};
	struct store_change change;
	struct buf text;

	buf_init(&text, TEXT_MAX);
	result_format(&text, result);
	failure.text = buf_cstr(&text);
	campaign_failure_change(&failure, outcome_arena(outcome), &change);
	outcome_change(outcome, state_of(result), &change);
	buf_fini(&text);
}

void
counting_add(struct outcome *outcome, const struct delivery *d, uint32_t i,
	     const struct result *result, bool expired)
{
	enum campaign_count count;

	if (d->msg->campaign == 0 || !d->relay->campaigns)
		return;
	count = counting_of(result, expired);
	if (count == CAMPAIGN_COUNTS)
		return;
	outcome_count(outcome, d->msg->campaign, count, state_of(result));
	if (count != CAMPAIGN_DELIVERED)
		add_failure(outcome, d, i, result, count);
}

/* --- in memory ------------------------------------------------------------ */

void
counting_done(struct relay *relay, uint64_t campaign, enum campaign_count count,
	      int64_t n)
{
	if (!relay->campaigns || campaign == 0 || n == 0)
		return;
	if (campaign_count(relay->campaigns, campaign, count, n,
			   clock_wall_s())) {
		/* It commits the new state, too. */
		campaign_report_start(relay, campaign);
		feeder_refresh(relay, campaign);
	}
	feeder_check_done(relay, campaign);
}

/* --- alone ---------------------------------------------------------------- */

struct counting {
	struct inbound in; /* first: how it comes back */
	struct spool_change op;
	struct relay *relay;
	struct arena *arena;
	struct store_change change;
	uint64_t campaign;
	enum campaign_count count;
	int64_t n;
};

static void
counting_take(struct relay *relay, struct inbound *in)
{
	struct counting *counting = (struct counting *)in;

	/* Not on disk: the next start finds what is queued. */
	counting_done(relay, counting->campaign, counting->count, counting->n);
	if (counting->op.err != 0)
		log_event(GW_LOG_ERROR, "count-not-durable",
			  LF_U64("campaign", counting->campaign),
			  LF_ERR(counting->op.err));
	arena_destroy(&counting->arena);
	free(counting);
	relay->outcome_count--;
	relay_check_stopped(relay);
}

/* On the store thread. */
static void
on_counted(struct spool_change *op)
{
	struct counting *counting =
	    (struct counting *)((char *)op - offsetof(struct counting, op));

	queue_push(counting->relay->queue, &counting->in.item);
}

void
counting_settled(struct relay *relay, const struct job *job, uint64_t counted,
		 enum campaign_count count, int64_t n)
{
	uint64_t campaign = job_campaign(job);

	if (campaign == counted)
		counting_done(relay, campaign, count, n);
	else
		counting_start(relay, campaign, count, n);
}

void
counting_start(struct relay *relay, uint64_t campaign,
	       enum campaign_count count, int64_t n)
{
	struct counting *counting;

	if (!relay->campaigns || campaign == 0 || n == 0)
		return;
	counting = mem_zalloc(sizeof(*counting));
	counting->relay = relay;
	counting->arena = arena_create(128);
	counting->campaign = campaign;
	counting->count = count;
	counting->n = n;
	campaign_count_change(campaign, count, n, counting->arena,
			      &counting->change);
	counting->in.take = counting_take;
	counting->op.changes = &counting->change;
	counting->op.change_count = 1;
	counting->op.done = on_counted;
	relay->outcome_count++;
	spool_change_start(relay->spool, &counting->op);
}
