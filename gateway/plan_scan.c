/*
 * From `scan` to what gateway/scan, front and back are told of it. The servers'
 * names are looked up by the resolvers of `dns`.
 *
 * A verdict is remembered under what made it. What the file can change of that,
 * beside the service itself, is the policy version: the method, how a server's
 * answers are read, and what is too large to be asked about.
 */
#include <string.h>

#include "gateway/plan.h"

/* FNV-1a; only to tell versions apart, and the same after a restart. */
static uint32_t
mix(uint32_t h, const void *p, size_t n)
{
	const unsigned char *c = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ c[i]) * UINT32_C(16777619);
	return h;
}

static uint32_t
policy_version(const struct config_scan *scan)
{
	uint32_t h = UINT32_C(2166136261);

	h = mix(h, &scan->method, sizeof(scan->method));
	h = mix(h, &scan->size_max, sizeof(scan->size_max));
	for (size_t i = 0; i < scan->servers.count; i++) {
		const char *profile = scan->servers.v[i].profile;

		if (profile != NULL)
			h = mix(h, profile, strlen(profile) + 1);
		h = mix(h, "", 1);
	}
	return h;
}

static const struct scan_server_conf *
servers(const struct config_scan *scan, struct arena *arena)
{
	struct scan_server_conf *list =
	    plan_array(arena, scan->servers.count, sizeof(*list));

	for (size_t i = 0; i < scan->servers.count; i++) {
		const struct config_scan_server *s = &scan->servers.v[i];

		list[i] = (struct scan_server_conf){
		    .tls = s->tls,
		    .host = s->host,
		    .port = s->port,
		    .service = s->service,
		    .weight = s->weight,
		    .profile = s->profile,
		};
	}
	return list;
}

void
plan_scan(struct scan_conf *conf, const struct config *c,
	  const struct dns_opts *dns, struct arena *arena)
{
	const struct config_scan *scan = &c->scan;

	*conf = (struct scan_conf){
	    .servers = servers(scan, arena),
	    .server_count = scan->servers.count,
	    .ca_file = scan->ca,
	    .tls_verify = scan->verify,
	    .reqmod = scan->method != 0,
	    .authenticated_user = scan->user,
	    .connection_max = (uint32_t)scan->connections,
	    .part_ms = scan->part_timeout_ms,
	    .message_ms = scan->message_timeout_ms,
	    .canary_ms = scan->canary_ms,
	    .cache_age_s = scan->cache_age_ms / 1000,
	    .cache_max = (uint32_t)scan->cache,
	    .rescans_per_s = (uint32_t)scan->rescans,
	    .bytes_max = scan->size_max,
	    .policy_version = policy_version(scan),
	    .dns = *dns,
	};
}

/* --- tokens ----------------------------------------------------------------
 */

const struct token_key *
plan_tokens(struct arena *arena, const struct config *c)
{
	const struct config_token_keys *keys = &c->scan.token_keys;
	struct token_key *list = plan_array(arena, keys->count, sizeof(*list));

	for (size_t i = 0; i < keys->count; i++)
		list[i] = (struct token_key){
		    .id = keys->v[i].id,
		    .secret =
			slice_of(keys->v[i].secret, keys->v[i].secret_bytes),
		};
	return list;
}

void
plan_hop_tokens(struct back_hop *hops, size_t count, const struct config *c)
{
	for (size_t i = 0; i < count; i++) {
		if (c->scan.token_keys.count == 0)
			hops[i].tokens = BACK_TOKENS_UNKNOWN;
		else if (i >= c->relays.count)
			hops[i].tokens = BACK_TOKENS_STRIP;
	}
}

/* --- the words of the file in those of the units --------------------------
 */

enum scan_down
plan_down(int down)
{
	switch ((enum config_down)down) {
	case CONFIG_DOWN_HOLD:
		return SCAN_DOWN_HOLD;
	case CONFIG_DOWN_OPEN:
		return SCAN_DOWN_OPEN;
	case CONFIG_DOWN_REJECT:
		return SCAN_DOWN_REJECT;
	}
	return SCAN_DOWN_HOLD;
}

enum scan_unscannable
plan_unscannable(int unscannable)
{
	switch ((enum config_unscannable)unscannable) {
	case CONFIG_UNSCANNABLE_REJECT:
		return SCAN_UNSCANNABLE_REJECT;
	case CONFIG_UNSCANNABLE_HOLD:
		return SCAN_UNSCANNABLE_HOLD;
	case CONFIG_UNSCANNABLE_PASS:
		return SCAN_UNSCANNABLE_PASS;
	}
	return SCAN_UNSCANNABLE_REJECT;
}

enum scan_infected
plan_infected(int infected)
{
	switch ((enum config_infected)infected) {
	case CONFIG_INFECTED_REJECT:
		return SCAN_INFECTED_REJECT;
	case CONFIG_INFECTED_QUARANTINE:
		return SCAN_INFECTED_QUARANTINE;
	case CONFIG_INFECTED_CLEAN:
		return SCAN_INFECTED_CLEAN;
	case CONFIG_INFECTED_DISCARD:
		return SCAN_INFECTED_DISCARD;
	case CONFIG_INFECTED_DISCARD_SILENTLY:
		return SCAN_INFECTED_DISCARD_SILENTLY;
	}
	return SCAN_INFECTED_REJECT;
}
