/*
 * The places that a delivery takes in the day's counts (days.h): when it
 * begins, so that what is under way is not forgotten by the next; at its end
 * they are kept by whoever was taken, or refused for good, in the same commit,
 * and given back by the others: put off, never asked, or lost with the reply to
 * the dot. Those are sent to again, and take a place then.
 */
#include "gateway/back/bulk.h"
#include "gateway/back/days.h"
#include "gateway/back/pacing.h"
#include "gateway/base/address.h"
#include "gateway/base/clock.h"

/* Of recipients, by whose consumers they are. */
struct crowd {
	uint32_t n[RECEIVERS];
};

static void
crowd_add(struct crowd *crowd, const struct spool_rcpt *rcpt)
{
	crowd->n[receiver_of(address_domain(slice_str(rcpt->address)))]++;
}

bool
bulk_sends(const struct dest *dest)
{
	return dest->kind != DEST_LOBBY && !dest_is_down(dest);
}

void
bulk_began(struct delivery *delivery)
{
	struct dest *dest = delivery->dest;
	struct days *days = delivery->relay->days;
	int64_t now_wall_s = clock_wall_s();
	struct crowd crowd = {{0}};

	if (delivery->msg->lane != LANE_BULK || !bulk_sends(dest))
		return;
	for (uint32_t i = 0; i < delivery->count; i++)
		crowd_add(&crowd, delivery->rcpts[i]);
	delivery->day = days_begin(days, now_wall_s);
	for (int r = RECEIVER_NONE + 1; r < RECEIVERS; r++) {
		struct day_key key = day_key_receiver((enum receiver)r);

		days_take(days, &key, crowd.n[r]);
	}
	delivery->warms = pacing_warms(dest->pacing);
	if (delivery->warms)
		days_take(days, pacing_day_key(dest->pacing), delivery->count);
}

/* What of a delivery counts, or does not. */
struct share {
	struct crowd crowd;
	uint32_t all;
};

static void
share_add(struct share *share, const struct spool_rcpt *rcpt)
{
	crowd_add(&share->crowd, rcpt);
	share->all++;
}

static void
give_back(struct delivery *delivery, const struct share *share)
{
	struct days *days = delivery->relay->days;

	for (int r = RECEIVER_NONE + 1; r < RECEIVERS; r++) {
		struct day_key key = day_key_receiver((enum receiver)r);

		days_give_back(days, delivery->day, &key, share->crowd.n[r]);
	}
	if (delivery->warms)
		days_give_back(days, delivery->day,
			       pacing_day_key(delivery->dest->pacing),
			       share->all);
}

static void
keep_one(struct outcome *outcome, enum rcpt_state state, int64_t day,
	 const struct day_key *key, uint32_t n)
{
	struct store_change change;

	if (n == 0)
		return;
	days_change(day, key, n, outcome_arena(outcome), &change);
	outcome_change(outcome, state, &change);
}

static void
keep(struct outcome *outcome, enum rcpt_state state,
     const struct delivery *delivery, const struct share *share)
{
	for (int r = RECEIVER_NONE + 1; r < RECEIVERS; r++) {
		struct day_key key = day_key_receiver((enum receiver)r);

		keep_one(outcome, state, delivery->day, &key,
			 share->crowd.n[r]);
	}
	if (delivery->warms)
		keep_one(outcome, state, delivery->day,
			 pacing_day_key(delivery->dest->pacing), share->all);
}

void
bulk_undone(struct delivery *delivery)
{
	struct share all = {.all = 0};

	if (delivery->day == 0)
		return;
	for (uint32_t i = 0; i < delivery->count; i++)
		share_add(&all, delivery->rcpts[i]);
	give_back(delivery, &all);
}

void
bulk_ended(struct outcome *outcome, struct delivery *delivery,
	   const struct result *results)
{
	struct share taken = {.all = 0}, refused = taken, back = taken;

	if (delivery->day == 0)
		return;
	for (uint32_t i = 0; i < delivery->count; i++) {
		const struct result *result = &results[i];

		if (result->fate == FATE_DELIVERED)
			share_add(&taken, delivery->rcpts[i]);
		else if (result->fate == FATE_BOUNCED && result->code >= 500)
			share_add(&refused, delivery->rcpts[i]);
		else
			share_add(&back, delivery->rcpts[i]);
	}
	keep(outcome, RCPT_DELIVERED, delivery, &taken);
	keep(outcome, RCPT_BOUNCED, delivery, &refused);
	give_back(delivery, &back);
}
