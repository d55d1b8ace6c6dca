/* Copies for who shows them. */
#include "gateway/campaign/campaign_int.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"

static void
copy(char *to, size_t size, const char *from)
{
	size_t n = from != NULL ? strnlen(from, size - 1) : 0;

	if (n > 0)
		memcpy(to, from, n);
	to[n] = '\0';
}

int
campaign_get(struct campaigns *campaigns, uint64_t id, int64_t now_wall_s,
	     struct campaign_view *view)
{
	struct campaign *campaign;

	pthread_mutex_lock(&campaigns->lock);
	campaign = campaign_find(campaigns, id);
	if (campaign == NULL) {
		pthread_mutex_unlock(&campaigns->lock);
		return GW_ENOENT;
	}
	view->id = id;
	copy(view->name, sizeof(view->name), campaign->name);
	copy(view->cred, sizeof(view->cred), campaign->login->name);
	copy(view->owner, sizeof(view->owner), campaign->owner);
	copy(view->reason, sizeof(view->reason), campaign->reason);
	view->why = campaign->why;
	view->state = campaign->state;
	memcpy(view->counts, campaign->counts, sizeof(view->counts));
	view->left = campaign_left(campaign);
	view->rate_per_h = campaign->rate_per_h;
	view->connections = campaign->connections;
	view->recent_per_h = campaign->state == CAMPAIGN_RUNNING
				 ? campaign_recent(campaign, now_wall_s)
				 : 0;
	view->began_wall_s = campaign->began_wall_s;
	view->last_wall_s = campaign->last_wall_s;
	view->ended_wall_s = campaign->ended_wall_s;
	view->eta_wall_s = campaign_eta(campaign, now_wall_s);
	view->confirm = campaign->confirm;
	view->order = campaign->state_seq;
	view->told = campaign->told_seq >= campaign->state_seq;
	view->trash = campaign->trash;
	view->bounce = campaign->bounce;
	pthread_mutex_unlock(&campaigns->lock);
	return 0;
}

static int
by_newest(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x > y ? -1 : x < y;
}

/* Sorted without the lock: there may be thousands. */
size_t
campaigns_list(struct campaigns *campaigns, uint64_t before, uint64_t *ids,
	       size_t max)
{
	struct campaign *campaign, *next;
	uint64_t *found;
	size_t n = 0;

	pthread_mutex_lock(&campaigns->lock);
	found = mem_array(HASH_COUNT(campaigns->by_id) + 1, sizeof(*found));
	HASH_ITER(hh, campaigns->by_id, campaign, next)
	if (before == 0 || campaign->id < before)
		found[n++] = campaign->id;
	pthread_mutex_unlock(&campaigns->lock);
	qsort(found, n, sizeof(*found), by_newest);
	if (n > max)
		n = max;
	memcpy(ids, found, n * sizeof(*ids));
	free(found);
	return n;
}

size_t
campaigns_canceled(struct campaigns *campaigns, uint64_t *ids, size_t max)
{
	struct campaign *campaign, *next;
	size_t n = 0;

	pthread_mutex_lock(&campaigns->lock);
	HASH_ITER(hh, campaigns->by_id, campaign, next)
	{
		if (n < max && campaign->state == CAMPAIGN_CANCELED &&
		    campaign_left(campaign) > 0)
			ids[n++] = campaign->id;
	}
	pthread_mutex_unlock(&campaigns->lock);
	return n;
}

void
campaigns_status_get(struct campaigns *campaigns,
		     struct campaigns_status *status)
{
	struct campaign *campaign, *next;

	*status = (struct campaigns_status){0};
	pthread_mutex_lock(&campaigns->lock);
	HASH_ITER(hh, campaigns->by_id, campaign, next)
	{
		status->by_state[campaign->state]++;
		if (!campaign_has_ended(campaign))
			status->left += campaign_left(campaign);
	}
	pthread_mutex_unlock(&campaigns->lock);
}
