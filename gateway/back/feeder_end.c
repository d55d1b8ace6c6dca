/*
 * Which campaign is over: nothing is left of it, and no further message came
 * for a while. It is then DONE, and its owner is told; both are committed
 * together (campaign_report.h), so whoever dies in between does it anew. One
 * that was canceled is told of when the rest of it is gone. What was not told
 * by then is told after the restart.
 */
#include <stdlib.h>

#include "gateway/back/campaign_report.h"
#include "gateway/back/feeder_int.h"
#include "gateway/back/preflight.h"
#include "gateway/base/arena.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define WATCH_MS 1000
#define WATCHES_A_TICK 200
#define EXPIRE_MS 600000
#define EXPIRE_CHANGES 256
#define LIST_A_TIME 256

void
feed_watch(struct feeder *feeder, struct feed *feed)
{
	if (feed->watched)
		return;
	feed->watched = true;
	TAILQ_INSERT_TAIL(&feeder->watched, feed, watch_link);
}

void
feed_unwatch(struct feeder *feeder, struct feed *feed)
{
	if (!feed->watched)
		return;
	feed->watched = false;
	TAILQ_REMOVE(&feeder->watched, feed, watch_link);
}

/* False: somebody joins it at this moment. */
static bool
finish(struct relay *relay, uint64_t id)
{
	struct campaign_order order = {.id = id,
				       .state = CAMPAIGN_DONE,
				       .rate_per_h = -1,
				       .connections = -1};
	struct arena *arena = arena_create(512);
	struct store_change change;
	int err = campaign_order(relay->campaigns, &order, clock_wall_s(),
				 arena, &change);

	/* The report commits it. */
	if (err == 0) {
		log_event(GW_LOG_INFO, "campaign-done", LF_U64("campaign", id));
		campaign_report_start(relay, id);
	}
	arena_destroy(&arena);
	return err != GW_EBUSY;
}

static bool
is_empty(const struct feed *feed)
{
	return !feed || (feed->standing == 0 && feed->in == 0);
}

static bool
has_ended(const struct feed *feed)
{
	return feed->terms.state == CAMPAIGN_CANCELED ||
	       feed->terms.state == CAMPAIGN_DONE;
}

/* It stopped, is done, or is canceled and all of it gone; also when a restart
 * came between that and the report. */
static void
check_told(struct relay *relay, uint64_t campaign, const struct feed *feed)
{
	struct campaign_view view;

	if (campaign_is_told(relay->campaigns, campaign) ||
	    campaign_get(relay->campaigns, campaign, clock_wall_s(), &view) !=
		0)
		return;
	if (view.state == CAMPAIGN_STOPPED || view.state == CAMPAIGN_DONE ||
	    (view.state == CAMPAIGN_CANCELED && view.left == 0 &&
	     is_empty(feed) && !campaign_adopts(relay->campaigns, campaign)))
		campaign_report_start(relay, campaign);
}

void
feeder_check_done(struct relay *relay, uint64_t campaign)
{
	struct feeder *feeder = relay->feeder;
	struct feed *feed;
	int64_t over;

	/* While the queue is read the counts may have to be put right yet. */
	if (!relay->campaigns || relay->stopping || relay->rebuild)
		return;
	feed = feed_find(feeder, campaign);
	over = campaign_over_wall_s(relay->campaigns, campaign);
	if (over == 0) {
		check_told(relay, campaign, feed);
		if (!feed || campaign_adopts(relay->campaigns, campaign))
			return;
		feed_unwatch(feeder, feed);
		if (is_empty(feed) && has_ended(feed))
			feed_destroy(feeder, feed);
		return;
	}
	if (!feed)
		feed = feed_get(feeder, campaign);
	feed_watch(feeder, feed);
	if (over > clock_wall_s())
		return;
	if (!finish(relay, campaign))
		return;
	feed_unwatch(feeder, feed);
	if (is_empty(feed))
		feed_destroy(feeder, feed);
}

void
feeder_rebuilt(struct relay *relay)
{
	uint64_t ids[LIST_A_TIME], before = 0;
	size_t n;

	if (!relay->campaigns)
		return;
	do {
		n = campaigns_list(relay->campaigns, before, ids, LIST_A_TIME);
		for (size_t i = 0; i < n; i++) {
			before = ids[i];
			preflight_start(relay, before);
			feeder_check_done(relay, before);
		}
	} while (n == LIST_A_TIME);
}

/* --- what ended long ago -------------------------------------------------- */

struct expiry {
	struct inbound in; /* first */
	struct spool_change op;
	struct relay *relay;
	struct arena *arena;
	struct store_change changes[EXPIRE_CHANGES];
};

static void
expired_take(struct relay *relay, struct inbound *in)
{
	struct expiry *expiry = (struct expiry *)in;

	relay->feeder->expiring = false;
	if (expiry->op.err == 0)
		relay->feeder->next_expire_ms = 0; /* perhaps there are more */
	else
		log_event(GW_LOG_ERROR, "campaigns-expire",
			  LF_ERR(expiry->op.err));
	arena_destroy(&expiry->arena);
	free(expiry);
	relay->outcome_count--;
	relay_check_stopped(relay);
}

/* On the store thread. */
static void
on_expired(struct spool_change *op)
{
	struct expiry *expiry =
	    (struct expiry *)((char *)op - offsetof(struct expiry, op));

	queue_push(expiry->relay->queue, &expiry->in.item);
}

static void
expire(struct relay *relay)
{
	struct expiry *expiry = mem_zalloc(sizeof(*expiry));

	expiry->arena = arena_create(1024);
	expiry->op.change_count = campaigns_expire(
	    relay->campaigns, spool_store(relay->spool), clock_wall_s(),
	    expiry->arena, expiry->changes, EXPIRE_CHANGES);
	if (expiry->op.change_count == 0) {
		arena_destroy(&expiry->arena);
		free(expiry);
		return;
	}
	expiry->in.take = expired_take;
	expiry->op.changes = expiry->changes;
	expiry->op.done = on_expired;
	expiry->relay = relay;
	relay->feeder->expiring = true;
	relay->outcome_count++;
	spool_change_start(relay->spool, &expiry->op);
}

/* Each of them once: it goes behind the others, or away. */
static void
watch_some(struct feeder *feeder)
{
	struct feed *last = TAILQ_LAST(&feeder->watched, feed_list_head);
	bool more = last != NULL;

	for (int i = 0; i < WATCHES_A_TICK && more; i++) {
		struct feed *feed = TAILQ_FIRST(&feeder->watched);
		uint64_t id = feed->id;

		more = feed != last;
		feed_unwatch(feeder, feed);
		feed_adopt(feeder->relay, id);
		feeder_check_done(feeder->relay, id);
	}
}

void
feeder_watch_tick(struct feeder *feeder)
{
	struct relay *relay = feeder->relay;
	int64_t now_ms = relay_now_ms(relay);

	if (!relay->campaigns)
		return;
	if (now_ms >= feeder->next_watch_ms) {
		feeder->next_watch_ms = now_ms + WATCH_MS;
		watch_some(feeder);
	}
	if (now_ms >= feeder->next_expire_ms && !feeder->expiring) {
		feeder->next_expire_ms = now_ms + EXPIRE_MS;
		expire(relay);
	}
}
