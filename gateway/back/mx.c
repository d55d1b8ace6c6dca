/*
 * The hosts of an MX destination, from dns/route. The answer is kept for its
 * time to live, within bounds; a new one replaces it only while nobody is
 * connecting by the old one. A domain that cannot have mail is bounced at
 * once; one that DNS says nothing about waits.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/back/dest.h"
#include "gateway/back/relay.h"
#include "gateway/base/mem.h"

#define HOLD_MIN_MS 60000
#define HOLD_MAX_MS 3600000
#define UNKNOWN_MS 60000 /* until a resolver that failed is asked again */
#define SMTP_PORT 25

static int64_t
hold_ms(uint32_t ttl_s)
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

/* One host a target, in the order given: priorities count up. */
static struct hostset *
hosts_of_targets(const struct back_hop *conf, const struct dns_targets *targets)
{
	struct hostset *hosts;
	uint32_t count =
	    targets->count < HOSTS_MAX ? targets->count : HOSTS_MAX;
	size_t n = 0;

	hosts = hostset_create(count);
	hosts->patient = true;
	for (uint32_t i = 0; i < count; i++) {
		const struct dns_target *target = &targets->targets[i];
		struct host *host = &hosts->host[n];

		if (!allowed(conf, &target->ip))
			continue;
		host->name = mem_strdup(target->host);
		host->port =
		    conf->host_count > 0 ? conf->hosts[0].port : SMTP_PORT;
		host->priority = (uint16_t)n++;
		host->ips[0] = target->ip;
		host->ip_count = 1;
		host->ips_until_ms = INT64_MAX;
	}
	hosts->count = n;
	return hosts;
}

static void
bounce_all(struct dest *dest, const char *enhanced, int code,
	   const struct dns_targets *targets)
{
	struct result result;

	result_set(&result, FATE_BOUNCED, enhanced, targets->text);
	result.code = code;
	dest_down(dest,
		  relay_now_ms(dest->hop->relay) + hold_ms(targets->ttl_s),
		  &result);
}

static void
take_targets(struct dest *dest, const struct dns_targets *targets)
{
	struct hostset *hosts = hosts_of_targets(&dest->hop->conf, targets);
	struct result result;

	if (hosts->count == 0) {
		hostset_destroy(&hosts);
		result_set(&result, FATE_BOUNCED, "5.4.4",
			   "the domain's mail servers have no address that "
			   "can be used");
		dest_down(dest,
			  relay_now_ms(dest->hop->relay) +
			      hold_ms(targets->ttl_s),
			  &result);
		return;
	}
	if (dest->hosts)
		hostset_inherit(hosts, dest->hosts);
	hostset_destroy(&dest->hosts);
	dest->hosts = hosts;
	dest->hosts_until_ms =
	    relay_now_ms(dest->hop->relay) + hold_ms(targets->ttl_s);
	relay_kick(dest->hop->relay, dest);
}

static void
on_targets(void *arg, const struct dns_targets *targets)
{
	struct dest *dest = arg;
	struct result result;

	dest->targets_op = NULL;
	switch (targets->status) {
	case TARGETS_OK:
		take_targets(dest, targets);
		return;
	case TARGETS_NO_DOMAIN:
		bounce_all(dest, "5.1.2", 0, targets);
		return;
	case TARGETS_NULL_MX:
		bounce_all(dest, "5.1.10", 0, targets);
		return;
	case TARGETS_NONE:
		bounce_all(dest, "5.4.4", 0, targets);
		return;
	case TARGETS_UNKNOWN:
		result_set(&result, FATE_DEFERRED, "4.4.3", targets->text);
		dest_down(dest, relay_now_ms(dest->hop->relay) + UNKNOWN_MS,
			  &result);
		return;
	}
}

bool
mx_ready(struct dest *dest)
{
	struct relay *relay = dest->hop->relay;
	struct dns_targets_req req = {
	    .domain = dest->domain,
	    .kind = TARGET_MX,
	    .v6 = true,
	    .self = relay->settings->conf.hostname,
	};

	if (dest->targets_op)
		return false;
	if (dest->hosts && (relay_now_ms(relay) < dest->hosts_until_ms ||
			    dest->conn_count > 0))
		return true;
	dest->targets_op =
	    dns_targets_start(relay->dns, &req, on_targets, dest);
	relay_live(relay, dest);
	return false;
}
