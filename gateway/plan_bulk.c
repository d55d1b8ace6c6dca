/*
 * What `bulk` says, in the words of the campaigns' registry and of the lane
 * that their mail leaves by.
 */
#include "gateway/base/arena.h"
#include "gateway/plan.h"

void
plan_campaigns(struct campaigns_conf *conf, const struct config *c)
{
	const struct config_bulk *bulk = &c->bulk;

	*conf = (struct campaigns_conf){
	    .recipients = (uint32_t)bulk->when.recipients,
	    .same = (uint32_t)bulk->when.same,
	    .same_s = bulk->when.same_ms / 1000,
	    .headers = bulk->headers,
	    .rate_per_h = (uint32_t)bulk->rate,
	    .connections = (uint32_t)bulk->connections,
	    .stop_bounced = bulk->stop.v[0],
	    .warn_bounced = bulk->warn.v[0],
	    .stop_complaints = bulk->stop.v[1],
	    .stop_min = (uint32_t)bulk->stop_min,
	    .keep_s = bulk->keep_ms / 1000,
	    .preflight = bulk->preflight,
	};
}

bool
plan_has_bulk_hop(const struct config *c)
{
	return c->bulk.via.kind != CONFIG_VIA_RELAY ||
	       c->bulk.via.relay != NULL;
}

void
plan_bulk(struct back_bulk *to, const struct config *c, struct arena *arena)
{
	const struct config_bulk *bulk = &c->bulk;
	int64_t *retry = plan_array(arena, bulk->retry.count, sizeof(*retry));
	uint32_t *warmup =
	    plan_array(arena, bulk->warmup.count, sizeof(*warmup));

	for (size_t i = 0; i < bulk->retry.count; i++)
		retry[i] = bulk->retry.v[i] / 1000;
	for (size_t i = 0; i < bulk->warmup.count; i++)
		warmup[i] = (uint32_t)bulk->warmup.v[i];
	to->retry_s = retry;
	to->retry_count = bulk->retry.count;
	to->expire_s = bulk->expire_ms / 1000;
	to->reserved = (uint32_t)bulk->reserved;
	to->lookups = (uint32_t)bulk->lookups;
	to->site = (struct pace_rule){
	    .connections = (uint32_t)bulk->site_connections,
	    .per_connection = (uint32_t)bulk->per_connection,
	    .per_minute = (uint32_t)bulk->site_rate,
	};
	to->warmup = warmup;
	to->warmup_days = (uint32_t)bulk->warmup.count;
	to->warmup_since_wall_s = bulk->warmup_from_wall_s;
	to->guard = (uint32_t)bulk->guard;
	to->preflight = bulk->preflight;
}
