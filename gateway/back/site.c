#include "gateway/back/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/relay.h"
#include "gateway/base/mem.h"

#define HOLD_MIN_MS 60000
#define HOLD_MAX_MS 3600000
#define STRETCH_MS 60000
#define SMTP_PORT 25

int64_t
site_hold_ms(uint32_t ttl_s)
{
	int64_t ms = (int64_t)ttl_s * 1000;

	if (ms < HOLD_MIN_MS)
		return HOLD_MIN_MS;
	return ms > HOLD_MAX_MS ? HOLD_MAX_MS : ms;
}

static bool
allowed(const struct back_hop *conf, const struct ip_addr *ip)
{
	static const struct ip_addr any = {{0}};
	struct ip_addr any4 = {{0}};

	any4.b[10] = 0xff;
	any4.b[11] = 0xff;
	if (ip_eq(ip, &any) || ip_eq(ip, &any4) || ip_is_loopback(ip))
		return conf->mx_loopback;
	return conf->mx_private || !ip_is_private(ip);
}

/* In the order given, which is by preference, equal ones shuffled. Those of
 * one preference share what is sent. */
static struct hostset *
hosts_of_targets(const struct back_hop *conf, const struct dns_targets *targets,
		 bool filter)
{
	uint32_t count =
	    targets->count < HOSTS_MAX ? targets->count : HOSTS_MAX;
	struct hostset *hosts = hostset_create(count);
	size_t n = 0;

	hosts->patient = true;
	for (uint32_t i = 0; i < count; i++) {
		const struct dns_target *target = &targets->targets[i];
		struct host *host = &hosts->host[n];

		if (filter && !allowed(conf, &target->ip))
			continue;
		host->name = mem_strdup(target->host);
		host->port =
		    conf->host_count > 0 ? conf->hosts[0].port : SMTP_PORT;
		host->priority = target->preference;
		host->authentic = target->authentic;
		host->ips[0] = target->ip;
		host->ip_count = 1;
		host->ips_until_ms = INT64_MAX;
		n++;
	}
	hosts->count = n;
	return hosts;
}

/* --- sites ---------------------------------------------------------------- */

static struct site *
site_get(struct hop *hop, const char *key)
{
	size_t n = strlen(key);
	struct site *site;

	HASH_FIND(hh, hop->sites, key, n, site);
	if (site)
		return site;
	site = mem_zalloc(sizeof(*site));
	site->hop = hop;
	memcpy(site->key, key, n + 1);
	HASH_ADD(hh, hop->sites, key, n, site);
	return site;
}

/* Domains that share a site were looked up at different times: the answer that
 * is there counts for its time, or each lookup would undo the last. */
static void
take_hosts(struct site *site, struct hostset **hosts, uint32_t ttl_s)
{
	int64_t now_ms = relay_now_ms(site->hop->relay);

	if (site->hosts && now_ms < site->until_ms) {
		hostset_destroy(hosts);
		return;
	}
	site->until_ms = now_ms + site_hold_ms(ttl_s);
	site->next_ask_ms = 0;
	if (site->hosts && hostset_same(site->hosts, *hosts)) {
		hostset_destroy(hosts);
		return;
	}
	hostset_destroy(&site->hosts);
	site->hosts = *hosts;
	site->version++;
	*hosts = NULL;
}

/* The name of the site, and whether it is one that DNS validated. */
static void
key_make(char key[SITE_KEY_SIZE], const struct hop *hop, const char *name,
	 const struct hostset *hosts)
{
	bool validated = false;

	for (size_t i = 0; hop->conf.dane && i < hosts->count; i++)
		validated |= hosts->host[i].authentic;
	(void)snprintf(key, SITE_KEY_SIZE, "%s%s", name, validated ? "+" : "");
}

struct site *
site_use(struct hop *hop, const struct dns_targets *targets, bool filter)
{
	struct hostset *hosts = hosts_of_targets(&hop->conf, targets, filter);
	char key[SITE_KEY_SIZE];
	struct site *site;

	if (hosts->count == 0) {
		hostset_destroy(&hosts);
		return NULL;
	}
	key_make(key, hop, targets->site, hosts);
	site = site_get(hop, key);
	site->users++;
	take_hosts(site, &hosts, targets->ttl_s);
	return site;
}

void
site_unuse(struct site **sitep)
{
	struct site *site = *sitep;

	*sitep = NULL;
	if (!site || --site->users > 0)
		return;
	HASH_DEL(site->hop->sites, site);
	hostset_destroy(&site->hosts);
	free(site);
}

void
site_stretch(struct site *site)
{
	int64_t until_ms = relay_now_ms(site->hop->relay) + STRETCH_MS;

	if (site->until_ms < until_ms)
		site->until_ms = until_ms;
}

void
site_expire(struct site *site)
{
	site->until_ms = 0;
	site->next_ask_ms = 0;
}

bool
site_is_fresh(const struct site *site)
{
	return relay_now_ms(site->hop->relay) < site->until_ms;
}
