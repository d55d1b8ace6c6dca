/*
 * How fast a campaign goes, and when it will be done: what became final in the
 * last minutes, in slots, since counting began or it was let go on. Of that
 * and the rate it is allowed, the lower is what is reckoned with.
 */
#include "gateway/campaign/campaign_int.h"

#include <string.h>

#define KNOWN_S 30 /* less says nothing */

void
campaign_recent_reset(struct campaign *campaign)
{
	campaign->recent_since_wall_s = 0;
	memset(campaign->recent_slot, 0, sizeof(campaign->recent_slot));
	memset(campaign->recent_count, 0, sizeof(campaign->recent_count));
}

void
campaign_recent_add(struct campaign *campaign, uint64_t n, int64_t now_wall_s)
{
	int64_t slot = now_wall_s / RECENT_SLOT_S;
	size_t at = (size_t)((uint64_t)slot % RECENT_SLOTS);

	if (campaign->recent_since_wall_s == 0)
		campaign->recent_since_wall_s = now_wall_s;
	if (campaign->recent_slot[at] != slot) {
		campaign->recent_slot[at] = slot;
		campaign->recent_count[at] = 0;
	}
	campaign->recent_count[at] += (uint32_t)(n < 1000000 ? n : 1000000);
}

uint32_t
campaign_recent(const struct campaign *campaign, int64_t now_wall_s)
{
	int64_t now = now_wall_s / RECENT_SLOT_S;
	int64_t from = (now - RECENT_SLOTS + 1) * RECENT_SLOT_S;
	uint64_t sum = 0, per_h;

	if (campaign->recent_since_wall_s == 0)
		return 0;
	if (from < campaign->recent_since_wall_s)
		from = campaign->recent_since_wall_s;
	if (now_wall_s - from < KNOWN_S)
		return 0;
	for (size_t i = 0; i < RECENT_SLOTS; i++)
		if (campaign->recent_slot[i] > now - RECENT_SLOTS &&
		    campaign->recent_slot[i] <= now)
			sum += campaign->recent_count[i];
	per_h = sum * 3600 / (uint64_t)(now_wall_s - from);
	return per_h < UINT32_MAX ? (uint32_t)per_h : UINT32_MAX;
}

int64_t
campaign_eta(const struct campaign *campaign, int64_t now_wall_s)
{
	uint64_t left = campaign_left(campaign) + campaign_to_adopt(campaign);
	uint32_t rate = campaign->rate_per_h;
	uint32_t recent = campaign_recent(campaign, now_wall_s);

	/* CHECKING takes a moment, unless a person is asked then */
	if (left == 0 ||
	    (campaign->state != CAMPAIGN_RUNNING &&
	     (campaign->state != CAMPAIGN_CHECKING || campaign->confirm)))
		return 0;
	if (recent > 0 && (rate == 0 || recent < rate))
		rate = recent;
	if (rate == 0 || left > (uint64_t)INT64_MAX / 2 / 3600)
		return 0;
	return now_wall_s + (int64_t)((left * 3600 + rate - 1) / rate);
}
