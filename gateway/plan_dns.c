/*
 * From `dns`, `class` and `mx` to what the resolver, the cache, the meaning of
 * verdicts and the delivery to MX hosts are told.
 *
 * Not asked about are our own domains and those that a route names: how mail
 * gets there is said in the file, and many of them exist in no public DNS.
 */
#include "gateway/base/arena.h"
#include "gateway/plan.h"

/* "192.0.2.1:53,[2001:db8::1]:53"; NULL: none. */
static const char *
servers(struct arena *arena, const struct config_addrs *addrs)
{
	struct buf list = {.cap = 4096};
	const char *kept;

	if (addrs->count == 0)
		return NULL;
	for (size_t i = 0; i < addrs->count; i++) {
		char text[SOCK_ADDR_TEXT_SIZE];

		sock_addr_format(&addrs->v[i], text);
		buf_printf(&list, "%s%s", i > 0 ? "," : "", text);
	}
	kept = arena_dup(arena, buf_slice(&list));
	buf_fini(&list);
	return kept;
}

static const struct domains_class *
classes(struct arena *arena, const struct config *c)
{
	struct domains_class *list =
	    plan_array(arena, c->classes.count, sizeof(*list));

	for (size_t i = 0; i < c->classes.count; i++) {
		const struct config_class *class =
		    (const struct config_class *)c->classes.v[i];

		list[i] = (struct domains_class){
		    .name = class->block.name,
		    .refuse_first = (int32_t) class->refuse_first,
		    .unverified = class->unverified,
		};
	}
	return list;
}

static void
make_exempt(struct domains_conf *conf, const struct config *c,
	    const char *auth_domain, struct arena *arena)
{
	size_t count = c->internal.count + 1, n = 0;
	const char **exempt;

	for (size_t i = 0; i < c->routes.count; i++)
		count += config_route(c, i)->domains.count;
	exempt = plan_array(arena, count, sizeof(*exempt));
	for (size_t i = 0; i < c->internal.count; i++)
		exempt[n++] = c->internal.v[i];
	if (auth_domain != NULL)
		exempt[n++] = auth_domain;
	for (size_t i = 0; i < c->routes.count; i++) {
		const struct config_names *names = &config_route(c, i)->domains;

		for (size_t j = 0; j < names->count; j++)
			exempt[n++] = names->v[j];
	}
	conf->exempt = exempt;
	conf->exempt_count = n;
}

static void
make_domains(struct domains_conf *conf, const struct config *c,
	     const char *auth_domain, struct arena *arena)
{
	*conf = (struct domains_conf){
	    .check = c->dns.check,
	    .check_sender = c->dns.check && c->dns.check_sender,
	    .refuse_first = (uint32_t)c->dns.refuse_first,
	    .unverified = (enum domain_unverified)c->dns.unverified,
	    .classes = classes(arena, c),
	    .class_count = c->classes.count,
	};
	make_exempt(conf, c, auth_domain, arena);
}

static bool
any_via_mx(const struct config *c)
{
	for (size_t i = 0; i < c->routes.count; i++) {
		if (config_route(c, i)->via.kind == CONFIG_VIA_MX)
			return true;
	}
	return c->bulk.via.kind == CONFIG_VIA_MX;
}

void
plan_dns(struct plan_dns *plan, const struct config *c, const char *auth_domain,
	 struct arena *arena)
{
	const struct config_dns *dns = &c->dns;

	plan->resolver = (struct dns_opts){
	    .servers = servers(arena, &dns->resolvers),
	    .second = servers(arena, &dns->second),
	    .inflight_max = (uint32_t)dns->in_flight,
	};
	plan->asks = dns->check || any_via_mx(c);
	plan->names.cache = (struct dns_cache_conf){
	    .domain_max = (uint32_t)dns->cache,
	    .stale_s = dns->stale_ms / 1000,
	    .loopback = (dns->targets & CONFIG_TARGET_LOOPBACK) != 0,
	    .private = (dns->targets & CONFIG_TARGET_PRIVATE) != 0,
	    .cred_max = (uint32_t)dns->in_flight_per_login,
	    .self = c->hostname,
	    .except = dns->except.v,
	    .except_count = dns->except.count,
	};
	make_domains(&plan->names.domains, c, auth_domain, arena);
}

static const struct ip_addr *
source(const struct config_ip *ip)
{
	return ip->set ? &ip->ip : NULL;
}

struct back_hop
plan_mx(const struct config *c)
{
	const struct config_mx *mx = &c->mx;
	struct back_hop hop = {
	    .name = "mx",
	    .kind = BACK_MX,
	    .mx_loopback = (c->dns.targets & CONFIG_TARGET_LOOPBACK) != 0,
	    .mx_private = (c->dns.targets & CONFIG_TARGET_PRIVATE) != 0,
	    .tls = plan_tls(mx->tls),
	    .dane = mx->dane,
	    .connection_max = (uint32_t)mx->connections,
	    .messages_max = (uint32_t)mx->messages_per_connection,
	    .source = source(&mx->sources.all),
	    .timeout_ms = mx->timeout_ms,
	    .idle_ms = mx->idle_ms,
	};

	hop.lane_source[LANE_PERSONAL] =
	    source(&mx->sources.lane[CONFIG_LANE_PERSONAL]);
	hop.lane_source[LANE_BULK] =
	    source(&mx->sources.lane[CONFIG_LANE_BULK]);
	hop.lane_source[LANE_DSN] = source(&mx->sources.lane[CONFIG_LANE_DSN]);
	return hop;
}
