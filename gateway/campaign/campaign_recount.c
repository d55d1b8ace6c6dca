/*
 * After the start, once all of the queue was read: what is left of a campaign
 * by its counts against what of it stands in the queue. Each count is changed
 * by the commit that makes it true, so they are the same; where they are not,
 * a campaign would never be over, or be over too soon. The queue is right.
 *
 * Nothing that was on disk at the load leaves the queue before it is read, but
 * what was read is sent meanwhile. So what was found is held against the counts
 * of the load, and the difference is added to those of now.
 */
#include "gateway/campaign/campaign_int.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/arena.h"
#include "gateway/base/log.h"
#include "gateway/campaign/record.h"
#include "gateway/store/key.h"

/* --- what cannot be read -------------------------------------------------- */

void
campaign_mend(struct campaign *campaign)
{
	const struct campaign_loaded *loaded = campaign->loaded;

	if (loaded == NULL || (!loaded->made_up && loaded->bad_slots == 0))
		return;
	log_event(GW_LOG_ERROR, "campaign-damaged",
		  LF_U64("campaign", campaign->id));
	if (loaded->made_up)
		campaign->began_wall_s = campaign->last_wall_s;
	/* What a person is to confirm, or has stopped, waits as it is. */
	if (campaign_has_ended(campaign) ||
	    (!loaded->made_up && campaign->state != CAMPAIGN_CHECKING &&
	     campaign->state != CAMPAIGN_RUNNING))
		return;
	campaign_state_set(campaign, CAMPAIGN_PAUSED);
	campaign->state_seq = campaign->seq + 1; /* the next one put */
	campaign_reason_set(campaign,
			    "its record on disk was damaged and may have said "
			    "that it is not to go: resume or cancel it");
}

/* --- the queue ------------------------------------------------------------ */

static void
give_to(struct campaigns *campaigns, struct campaign *campaign,
	const char *cred)
{
	struct login *old = campaign->login;
	struct login *new = campaign_login(campaigns, slice_str(cred));
	uint32_t open = !campaign_has_ended(campaign);

	if (new == old)
		return;
	TAILQ_REMOVE(&old->campaigns, campaign, in_login);
	TAILQ_INSERT_HEAD(&new->campaigns, campaign, in_login);
	old->campaign_count--;
	old->open_count -= open;
	new->campaign_count++;
	new->open_count += open;
	campaign->login = new;
	campaign_login_put(campaigns, old);
}

void
campaign_found(struct campaigns *campaigns, uint64_t id, uint32_t recipients,
	       const char *cred, const char *owner)
{
	struct campaign *campaign;

	pthread_mutex_lock(&campaigns->lock);
	campaign = campaign_find(campaigns, id);
	if (campaign != NULL && campaign->loaded != NULL) {
		campaign->loaded->found += recipients;
		if (campaign->loaded->made_up && campaign->owner == NULL) {
			give_to(campaigns, campaign, cred);
			campaign->owner =
			    campaign_owner(campaigns, slice_str(owner));
		}
	}
	pthread_mutex_unlock(&campaigns->lock);
}

/* --- putting right -------------------------------------------------------- */

struct recount {
	struct arena *arena;
	struct store_change *changes;
	size_t count;
};

static void
add(struct recount *recount, const struct campaign *campaign,
    enum campaign_count count, int64_t n)
{
	if (n != 0)
		campaign_count_change(campaign->id, count, n, recount->arena,
				      &recount->changes[recount->count++]);
}

/* In memory they are 0. */
static void
raise_to_none(struct recount *recount, struct campaign *campaign)
{
	int64_t *counts = campaign->loaded->counts;

	for (unsigned i = 0; i < CAMPAIGN_COUNTS; i++) {
		if (counts[i] >= 0)
			continue;
		add(recount, campaign, (enum campaign_count)i, -counts[i]);
		counts[i] = 0;
	}
}

static int64_t
left_of(const int64_t counts[CAMPAIGN_COUNTS])
{
	int64_t left = counts[CAMPAIGN_RECIPIENTS];

	for (size_t i = CAMPAIGN_DELIVERED; i <= CAMPAIGN_OTHER; i++)
		left -= counts[i];
	for (size_t i = CAMPAIGN_BOUNCED; i < CAMPAIGN_COUNTS; i++)
		left -= counts[i];
	return left;
}

static void
change(struct recount *recount, struct campaign *campaign,
       enum campaign_count count, int64_t n)
{
	campaign->counts[count] += (uint64_t)n;
	add(recount, campaign, count, n);
}

/* So many more than there should be: they were brought back, or taken for lost,
 * and are counted as purged, or lost, all the same. */
static void
take_back(struct recount *recount, struct campaign *campaign, int64_t n)
{
	static const enum campaign_count from[] = {CAMPAIGN_PURGED,
						   CAMPAIGN_OTHER};

	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
		int64_t has = campaign->loaded->counts[from[i]];
		int64_t some = n < has ? n : has;

		change(recount, campaign, from[i], -some);
		n -= some;
	}
	change(recount, campaign, CAMPAIGN_RECIPIENTS, n);
}

static void
compare(struct recount *recount, struct campaign *campaign)
{
	const struct campaign_loaded *loaded = campaign->loaded;
	int64_t left, found = (int64_t)loaded->found;

	raise_to_none(recount, campaign);
	left = left_of(loaded->counts);
	if (left == found)
		return;
	log_event(GW_LOG_WARN, "campaign-recounted",
		  LF_U64("campaign", campaign->id), LF_I64("left", left),
		  LF_I64("queued", found));
	if (left > found)
		change(recount, campaign, CAMPAIGN_OTHER, left - found);
	else
		take_back(recount, campaign, found - left);
}

static void
write_anew(struct recount *recount, struct campaign *campaign)
{
	const struct campaign_loaded *loaded = campaign->loaded;
	struct campaign_key key = {.tag = CAMPAIGN_STATE, .id = campaign->id};

	if (!loaded->made_up && loaded->bad_slots == 0)
		return;
	for (; key.sub < CAMPAIGN_STATE_SLOTS; key.sub++) {
		uint8_t *p;

		if ((loaded->bad_slots & (1u << key.sub)) == 0)
			continue;
		p = arena_alloc(recount->arena, CAMPAIGN_KEY_MAX);
		recount->changes[recount->count++] = (struct store_change){
		    .table = STORE_CAMPAIGN,
		    .kind = STORE_DELETE,
		    .key = slice_of(p, campaign_key_encode(&key, p)),
		};
	}
	if (loaded->made_up)
		campaign_put_record(campaign, recount->arena,
				    &recount->changes[recount->count++]);
	campaign_put_standing(campaign, recount->arena,
			      &recount->changes[recount->count++]);
}

_Static_assert(CAMPAIGN_COUNTS + 3 + CAMPAIGN_STATE_SLOTS + 2 <=
		   CAMPAIGN_RECOUNT_MIN,
	       "one campaign's changes fit");

size_t
campaigns_recount(struct campaigns *campaigns, struct arena *arena,
		  struct store_change *changes, size_t max)
{
	struct recount recount = {.arena = arena, .changes = changes};
	struct campaign *campaign, *next;

	pthread_mutex_lock(&campaigns->lock);
	HASH_ITER(hh, campaigns->by_id, campaign, next)
	{
		if (campaign->loaded == NULL)
			continue;
		if (recount.count + CAMPAIGN_RECOUNT_MIN > max)
			break;
		compare(&recount, campaign);
		write_anew(&recount, campaign);
		free(campaign->loaded);
		campaign->loaded = NULL;
	}
	pthread_mutex_unlock(&campaigns->lock);
	return recount.count;
}
