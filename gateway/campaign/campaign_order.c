/*
 * What a person, a rule or the end makes of a campaign, and that what ended
 * long ago is forgotten.
 *
 * An order is in force at once and durable when its change is committed. Two
 * at a time may reach the disk in either order; see CAMPAIGN_STATE_SLOTS.
 */
#include "gateway/campaign/campaign_int.h"

#include <string.h>

#include "gateway/base/error.h"
#include "gateway/campaign/record.h"
#include "gateway/store/env.h"

#define KEEP_S (40 * 86400)

#define BIT(state) (1u << (state))

static bool
may_become(enum campaign_state from, enum campaign_state to)
{
	static const unsigned to_from[CAMPAIGN_STATES] = {
	    [CAMPAIGN_CHECKING] = 0,
	    [CAMPAIGN_WAITING] = BIT(CAMPAIGN_CHECKING),
	    [CAMPAIGN_RUNNING] = BIT(CAMPAIGN_CHECKING) |
				 BIT(CAMPAIGN_WAITING) | BIT(CAMPAIGN_PAUSED) |
				 BIT(CAMPAIGN_STOPPED),
	    [CAMPAIGN_PAUSED] = BIT(CAMPAIGN_CHECKING) | BIT(CAMPAIGN_WAITING) |
				BIT(CAMPAIGN_RUNNING) | BIT(CAMPAIGN_STOPPED) |
				BIT(CAMPAIGN_CANCELED),
	    [CAMPAIGN_STOPPED] = BIT(CAMPAIGN_CHECKING) |
				 BIT(CAMPAIGN_WAITING) | BIT(CAMPAIGN_RUNNING) |
				 BIT(CAMPAIGN_PAUSED),
	    [CAMPAIGN_CANCELED] = BIT(CAMPAIGN_CHECKING) |
				  BIT(CAMPAIGN_WAITING) |
				  BIT(CAMPAIGN_RUNNING) | BIT(CAMPAIGN_PAUSED) |
				  BIT(CAMPAIGN_STOPPED),
	    [CAMPAIGN_DONE] = BIT(CAMPAIGN_WAITING) | BIT(CAMPAIGN_RUNNING) |
			      BIT(CAMPAIGN_PAUSED) | BIT(CAMPAIGN_STOPPED),
	};
	if ((unsigned)to >= CAMPAIGN_STATES)
		return false;
	if (from == to)
		return from != CAMPAIGN_DONE;
	return (to_from[to] & BIT(from)) != 0;
}

static uint32_t
term_of(int64_t given, uint32_t old)
{
	if (given < 0)
		return old;
	return given < UINT32_MAX ? (uint32_t)given : UINT32_MAX;
}

static void
obey(struct campaign *campaign, const struct campaign_order *order,
     int64_t now_wall_s)
{
	enum campaign_state old = campaign->state;

	campaign_state_set(campaign, order->state);
	campaign->rate_per_h = term_of(order->rate_per_h, campaign->rate_per_h);
	campaign->connections =
	    term_of(order->connections, campaign->connections);
	if (old != order->state || order->reason != NULL)
		campaign_reason_set(campaign, order->reason);
	if (order->state == CAMPAIGN_CANCELED && order->trash != 0)
		campaign->trash = order->trash;
	if (old != order->state || (order->bounce && !campaign->bounce)) {
		/* Of this its owner knows nothing yet. */
		campaign->state_seq = campaign->seq + 1;
		campaign->bounce = order->bounce;
	}
	if (old == order->state)
		return;
	if (order->state != CAMPAIGN_CANCELED)
		campaign->trash = 0;
	campaign->forgiven |= old == CAMPAIGN_STOPPED;
	campaign->ended_wall_s = campaign_has_ended(campaign) ? now_wall_s : 0;
	if (order->state == CAMPAIGN_RUNNING)
		campaign_recent_reset(campaign);
}

int
campaign_order(struct campaigns *campaigns, const struct campaign_order *order,
	       int64_t now_wall_s, struct arena *arena,
	       struct store_change *change)
{
	struct campaign *campaign;
	int err = 0;

	pthread_mutex_lock(&campaigns->lock);
	campaign = campaign_find(campaigns, order->id);
	if (campaign == NULL)
		err = GW_ENOENT;
	else if ((order->as_seen && campaign->state != order->seen) ||
		 !may_become(campaign->state, order->state))
		err = GW_EINVAL;
	else if (order->state == CAMPAIGN_DONE && campaign->pending > 0)
		err = GW_EBUSY;
	if (err == 0) {
		obey(campaign, order, now_wall_s);
		campaign_put_standing(campaign, arena, change);
	}
	pthread_mutex_unlock(&campaigns->lock);
	return err;
}

int
campaign_state_change(struct campaigns *campaigns, uint64_t id,
		      struct arena *arena, struct store_change *change)
{
	struct campaign *campaign;

	pthread_mutex_lock(&campaigns->lock);
	campaign = campaign_find(campaigns, id);
	if (campaign != NULL)
		campaign_put_standing(campaign, arena, change);
	pthread_mutex_unlock(&campaigns->lock);
	return campaign != NULL ? 0 : GW_ENOENT;
}

int
campaign_told_changes(struct campaigns *campaigns, uint64_t id,
		      struct arena *arena, struct store_change *changes,
		      uint32_t *order)
{
	struct campaign *campaign;

	pthread_mutex_lock(&campaigns->lock);
	campaign = campaign_find(campaigns, id);
	if (campaign != NULL) {
		campaign_put_standing(campaign, arena, &changes[0]);
		campaign_put_told(campaign, arena, &changes[1]);
		*order = campaign->state_seq;
	}
	pthread_mutex_unlock(&campaigns->lock);
	return campaign != NULL ? 0 : GW_ENOENT;
}

void
campaign_told(struct campaigns *campaigns, uint64_t id, uint32_t order)
{
	struct campaign *campaign;

	pthread_mutex_lock(&campaigns->lock);
	campaign = campaign_find(campaigns, id);
	if (campaign != NULL && campaign->told_seq < order)
		campaign->told_seq = order;
	pthread_mutex_unlock(&campaigns->lock);
}

bool
campaign_is_told(struct campaigns *campaigns, uint64_t id)
{
	struct campaign *campaign;
	bool told;

	pthread_mutex_lock(&campaigns->lock);
	campaign = campaign_find(campaigns, id);
	told = campaign == NULL || campaign->told_seq >= campaign->state_seq;
	pthread_mutex_unlock(&campaigns->lock);
	return told;
}

/* --- forgetting ----------------------------------------------------------- */

struct expire {
	uint64_t id;
	struct arena *arena;
	struct store_change *changes;
	size_t count, max;
};

static void
put_delete(struct expire *expire, const struct campaign_key *key)
{
	uint8_t *p = arena_alloc(expire->arena, CAMPAIGN_KEY_MAX);

	expire->changes[expire->count++] = (struct store_change){
	    .table = STORE_CAMPAIGN,
	    .kind = STORE_DELETE,
	    .key = slice_of(p, campaign_key_encode(key, p)),
	};
}

static bool
each_failure(void *arg, struct slice in, struct slice value)
{
	struct expire *expire = arg;
	struct campaign_key key;

	(void)value;
	if (expire->count == expire->max ||
	    campaign_key_decode(in, &key) != 0 || key.tag != CAMPAIGN_FAILED ||
	    key.id != expire->id)
		return false;
	put_delete(expire, &key);
	return true;
}

static uint64_t
find_old(struct campaigns *campaigns, int64_t now_wall_s)
{
	int64_t keep_s;
	struct campaign *campaign, *next;
	uint64_t id = 0;

	pthread_mutex_lock(&campaigns->lock);
	keep_s = campaigns->conf.keep_s > 0 ? campaigns->conf.keep_s : KEEP_S;
	/* When there is room for no more, what ended goes early. */
	if (HASH_COUNT(campaigns->by_id) > CAMPAIGNS_MAX - CAMPAIGNS_MAX / 8)
		keep_s = keep_s < 3600 ? keep_s : 3600;
	HASH_ITER(hh, campaigns->by_id, campaign, next)
	{
		if (!campaign_has_ended(campaign) || campaign->pending > 0 ||
		    campaign->ended_wall_s >= now_wall_s - keep_s)
			continue;
		/* What is of none is sent. */
		if (campaign->state == CAMPAIGN_CANCELED &&
		    campaign_left(campaign) > 0)
			continue;
		id = campaign->id;
		break;
	}
	pthread_mutex_unlock(&campaigns->lock);
	return id;
}

static void
forget(struct campaigns *campaigns, struct expire *expire)
{
	struct campaign_key key = {.tag = CAMPAIGN_TALLY, .id = expire->id};
	struct campaign *campaign;

	for (; key.sub < CAMPAIGN_COUNTS; key.sub++)
		put_delete(expire, &key);
	key.tag = CAMPAIGN_STATE;
	for (key.sub = 0; key.sub < CAMPAIGN_STATE_SLOTS; key.sub++)
		put_delete(expire, &key);
	key.sub = 0;
	key.tag = CAMPAIGN_LAST;
	put_delete(expire, &key);
	key.tag = CAMPAIGN_TOLD;
	put_delete(expire, &key);
	key.tag = CAMPAIGN_RECORD;
	put_delete(expire, &key);
	pthread_mutex_lock(&campaigns->lock);
	campaign_put_number(campaigns->last_id, expire->arena,
			    &expire->changes[expire->count++]);
	campaign = campaign_find(campaigns, expire->id);
	if (campaign != NULL)
		campaign_forget(campaigns, campaign);
	campaigns->full_logged = false;
	pthread_mutex_unlock(&campaigns->lock);
}

size_t
campaigns_expire(struct campaigns *campaigns, struct store_env *env,
		 int64_t now_wall_s, struct arena *arena,
		 struct store_change *changes, size_t max)
{
	struct expire expire = {
	    .id = find_old(campaigns, now_wall_s),
	    .arena = arena,
	    .changes = changes,
	    .max = max,
	};
	struct campaign_key key = {.tag = CAMPAIGN_FAILED, .id = expire.id};
	uint8_t from[CAMPAIGN_KEY_MAX];
	struct store_txn *txn;

	if (expire.id == 0 || max < CAMPAIGN_EXPIRE_MIN)
		return 0;
	txn = store_read(env);
	store_each(txn, STORE_CAMPAIGN,
		   slice_of(from, campaign_key_encode(&key, from)),
		   each_failure, &expire);
	store_abort(&txn);
	if (expire.count == 0)
		forget(campaigns, &expire);
	return expire.count;
}

_Static_assert(CAMPAIGN_COUNTS + CAMPAIGN_STATE_SLOTS + 4 <=
		   CAMPAIGN_EXPIRE_MIN,
	       "one call forgets all but the failures");
