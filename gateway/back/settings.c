/*
 * Copies the options and says what is wrong with them before a thread depends
 * on them: everything that can fail (a CA file, a route to nowhere) fails
 * here, so a reload either takes effect whole or not at all.
 */
#include "gateway/back/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/hostset.h"
#include "gateway/base/address.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"

#define IDLE_MS 5000
#define CONNECTIONS 20
#define CONNECTIONS_ALL 500
#define MESSAGES_MAX 1000
#define EXPIRE_S (4 * 86400)
#define QUARANTINE_S (40 * 86400)
#define RESERVED 70 /* per cent, for personal mail */
#define LOOKUPS 125 /* of the bulk lane; a quarter of dns/'s */

static const int64_t retry_default[] = {300, 900, 1800, 3600};

static const char *
copy_str(struct arena *arena, const char *s)
{
	return arena_dup(arena, slice_str(s));
}

static void *
copy_array(struct arena *arena, const void *p, size_t count, size_t size)
{
	void *copy = arena_alloc(arena, count * size + 1);

	if (count > 0)
		memcpy(copy, p, count * size);
	return copy;
}

static const struct ip_addr *
copy_ip(struct arena *arena, const struct ip_addr *ip)
{
	return ip ? copy_array(arena, ip, 1, sizeof(*ip)) : NULL;
}

void
settings_copy_hop(struct arena *arena, struct back_hop *hop)
{
	struct back_host *hosts =
	    copy_array(arena, hop->hosts, hop->host_count, sizeof(*hosts));

	for (size_t i = 0; i < hop->host_count; i++) {
		hosts[i].name = copy_str(arena, hosts[i].name);
		if (hosts[i].weight == 0)
			hosts[i].weight = 1;
	}
	hop->hosts = hosts;
	hop->name = copy_str(arena, hop->name);
	hop->ca_file = copy_str(arena, hop->ca_file);
	hop->user = copy_str(arena, hop->user);
	hop->password = copy_str(arena, hop->password);
	hop->maildir = copy_str(arena, hop->maildir);
	hop->source = copy_ip(arena, hop->source);
	for (int i = 0; i < LANES; i++)
		hop->lane_source[i] = copy_ip(arena, hop->lane_source[i]);
	if (hop->connection_max == 0)
		hop->connection_max = CONNECTIONS;
	if (hop->messages_max == 0)
		hop->messages_max = MESSAGES_MAX;
	if (hop->idle_ms < 0)
		hop->idle_ms = IDLE_MS;
}

static void
copy_route(struct arena *arena, struct back_route *route)
{
	const char **domains =
	    arena_alloc(arena, (route->domain_count + 1) * sizeof(*domains));

	for (size_t i = 0; i < route->domain_count; i++)
		domains[i] = copy_str(arena, route->domains[i]);
	route->domains = domains;
}

static void
copy_own_domains(struct settings *settings, const struct back_conf *conf)
{
	size_t count = conf->own_domain_count;
	struct buf key;

	settings->own_domains = arena_alloc(
	    settings->arena, (count + 1) * sizeof(*settings->own_domains));
	buf_init(&key, 1024);
	for (size_t i = 0; i < count; i++) {
		buf_clear(&key);
		address_domain_key(&key, slice_str(conf->own_domains[i]));
		settings->own_domains[i] =
		    slice_str(arena_dup(settings->arena, buf_slice(&key)));
	}
	buf_fini(&key);
	settings->conf.own_domains = NULL;
}

static void
copy_classes(struct settings *settings, const struct back_conf *from)
{
	struct back_class *classes =
	    copy_array(settings->arena, from->classes, from->class_count,
		       sizeof(*classes));

	for (size_t i = 0; i < from->class_count; i++)
		classes[i].name = copy_str(settings->arena, classes[i].name);
	settings->conf.classes = classes;
}

static void
copy_bulk(struct settings *settings, const struct back_bulk *from)
{
	struct back_bulk *bulk = &settings->conf.bulk;
	struct arena *arena = settings->arena;

	if (bulk->reserved == 0)
		bulk->reserved = RESERVED;
	if (bulk->lookups == 0)
		bulk->lookups = settings->conf.dns.inflight_max > 0
				    ? settings->conf.dns.inflight_max / 4 + 1
				    : LOOKUPS;
	bulk->retry_s = copy_array(arena, from->retry_s, from->retry_count,
				   sizeof(int64_t));
	bulk->warmup = copy_array(arena, from->warmup, from->warmup_days,
				  sizeof(uint32_t));
	settings->bulk_conf = settings->conf;
	if (bulk->retry_count > 0) {
		settings->bulk_conf.retry_s = bulk->retry_s;
		settings->bulk_conf.retry_count = bulk->retry_count;
	}
	if (bulk->expire_s > 0)
		settings->bulk_conf.expire_s = bulk->expire_s;
}

static void
copy_conf(struct settings *settings, const struct back_conf *from)
{
	struct back_conf *conf = &settings->conf;
	struct arena *arena = settings->arena;
	struct back_hop *hops;
	struct back_route *routes;

	*conf = *from;
	conf->hostname = copy_str(arena, from->hostname);
	conf->postmaster = copy_str(arena, from->postmaster);
	conf->dns.servers = copy_str(arena, from->dns.servers);
	conf->dns.second = copy_str(arena, from->dns.second);
	conf->dns.hosts_path = copy_str(arena, from->dns.hosts_path);
	conf->dns.resolv_path = copy_str(arena, from->dns.resolv_path);
	copy_own_domains(settings, from);
	hops = copy_array(arena, from->hops, from->hop_count, sizeof(*hops));
	for (size_t i = 0; i < from->hop_count; i++)
		settings_copy_hop(arena, &hops[i]);
	conf->hops = hops;
	routes =
	    copy_array(arena, from->routes, from->route_count, sizeof(*routes));
	for (size_t i = 0; i < from->route_count; i++)
		copy_route(arena, &routes[i]);
	conf->routes = routes;
	copy_classes(settings, from);
	if (from->retry_count == 0) {
		conf->retry_s = retry_default;
		conf->retry_count =
		    sizeof(retry_default) / sizeof(retry_default[0]);
	} else {
		conf->retry_s = copy_array(arena, from->retry_s,
					   from->retry_count, sizeof(int64_t));
	}
	conf->scan_replacement = copy_str(arena, from->scan_replacement);
	conf->scan_subject = copy_str(arena, from->scan_subject);
	conf->dkim = dkim_keys_share(from->dkim);
	if (conf->quarantine_s <= 0)
		conf->quarantine_s = QUARANTINE_S;
	if (conf->expire_s <= 0)
		conf->expire_s = EXPIRE_S;
	if (conf->connection_max == 0)
		conf->connection_max = CONNECTIONS_ALL;
	copy_bulk(settings, &from->bulk);
}

static int
check_waits(const int64_t *waits, size_t count, char *error, size_t error_size)
{
	for (size_t i = 0; i < count; i++) {
		if (waits[i] > 0)
			continue;
		snprintf(error, error_size, "a retry wait is not positive");
		return GW_EINVAL;
	}
	return 0;
}

static int
check_bulk(const struct back_conf *conf, char *error, size_t error_size)
{
	const struct back_bulk *bulk = &conf->bulk;

	if (bulk->own_hop && bulk->hop >= conf->hop_count) {
		snprintf(error, error_size, "bulk names no next hop");
		return GW_EINVAL;
	}
	if (bulk->reserved > 100) {
		snprintf(error, error_size, "over 100 per cent are reserved");
		return GW_EINVAL;
	}
	return check_waits(bulk->retry_s, bulk->retry_count, error, error_size);
}

static int
check_hop(const struct back_hop *hop, char *error, size_t error_size)
{
	const char *what = NULL;

	if (!hop->name || hop->name[0] == '\0')
		what = "has no name";
	else if (hop->kind == BACK_SMTP && hop->host_count == 0)
		what = "has no host";
	else if (hop->host_count > HOSTS_MAX)
		what = "has too many hosts";
	else if (hop->kind == BACK_MAILDIR &&
		 (!hop->maildir || hop->maildir[0] == '\0'))
		what = "has no directory";
	else if ((hop->user == NULL) != (hop->password == NULL))
		what = "needs a user and a password, or neither";
	if (!what)
		return 0;
	snprintf(error, error_size, "next hop %s %s",
		 hop->name ? hop->name : "?", what);
	return GW_EINVAL;
}

static int
check_conf(const struct back_conf *conf, char *error, size_t error_size)
{
	if (!conf->hostname || !conf->postmaster) {
		snprintf(error, error_size, "no hostname or postmaster");
		return GW_EINVAL;
	}
	for (size_t i = 0; i < conf->hop_count; i++) {
		int err = check_hop(&conf->hops[i], error, error_size);

		if (err != 0)
			return err;
		for (size_t j = 0; j < i; j++) {
			if (strcmp(conf->hops[i].name, conf->hops[j].name) != 0)
				continue;
			snprintf(error, error_size,
				 "next hop %s is there twice",
				 conf->hops[i].name);
			return GW_EINVAL;
		}
	}
	if (check_bulk(conf, error, error_size) != 0)
		return GW_EINVAL;
	return check_waits(conf->retry_s, conf->retry_count, error, error_size);
}

static int
make_tls(struct settings *settings, char *error, size_t error_size)
{
	const struct back_conf *conf = &settings->conf;

	settings->tls = mem_array(conf->hop_count + 1, sizeof(*settings->tls));
	for (size_t i = 0; i < conf->hop_count; i++) {
		const struct back_hop *hop = &conf->hops[i];
		struct tls_client_opts opts = {0};
		int err;

		if (hop->kind == BACK_MAILDIR || hop->tls == BACK_TLS_NONE)
			continue;
		/* Opportunistic TLS never verifies: RFC 7435, 3. */
		opts.verify =
		    hop->tls_verify && hop->tls != BACK_TLS_OPPORTUNISTIC;
		opts.ca_file = hop->ca_file;
		err = tls_client_create(&settings->tls[i], &opts, error,
					error_size);
		if (err != 0)
			return err;
	}
	return 0;
}

int
settings_create(struct settings **settings, const struct back_conf *conf,
		char *error, size_t error_size)
{
	struct settings *s;
	int err;

	*settings = NULL;
	err = check_conf(conf, error, error_size);
	if (err != 0)
		return err;
	s = mem_zalloc(sizeof(*s));
	s->arena = arena_create(4096);
	copy_conf(s, conf);
	err = routing_create(&s->routing, s->conf.routes, s->conf.route_count,
			     s->conf.hop_count, error, error_size);
	if (err == 0)
		err = make_tls(s, error, error_size);
	if (err != 0)
		settings_destroy(&s);
	*settings = s;
	return err;
}

void
settings_destroy(struct settings **settings)
{
	struct settings *s = *settings;

	*settings = NULL;
	if (!s)
		return;
	for (size_t i = 0; s->tls && i < s->conf.hop_count; i++)
		tls_ctx_destroy(&s->tls[i]);
	free(s->tls);
	routing_destroy(&s->routing);
	dkim_keys_release(&s->conf.dkim);
	arena_destroy(&s->arena);
	free(s);
}

const struct back_conf *
settings_lane(const struct settings *settings, unsigned lane)
{
	return lane == LANE_BULK ? &settings->bulk_conf : &settings->conf;
}

uint32_t
settings_share(const struct settings *settings, uint32_t max)
{
	uint32_t reserved = settings->conf.bulk.reserved;
	uint64_t share = (uint64_t)max * (100 - reserved) / 100;

	return share > 0 ? (uint32_t)share : 1;
}

bool
settings_own_domain(const struct settings *settings, struct slice domain)
{
	struct buf key;
	bool own = false;

	buf_init(&key, 1024);
	address_domain_key(&key, domain);
	for (size_t i = 0; i < settings->conf.own_domain_count && !own; i++)
		own = address_domain_covers(settings->own_domains[i],
					    buf_slice(&key));
	buf_fini(&key);
	return own;
}

static bool
same_str(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool
same_hosts(const struct back_hop *a, const struct back_hop *b)
{
	if (a->host_count != b->host_count)
		return false;
	for (size_t i = 0; i < a->host_count; i++) {
		const struct back_host *x = &a->hosts[i], *y = &b->hosts[i];

		if (!same_str(x->name, y->name) || x->port != y->port ||
		    x->weight != y->weight || x->priority != y->priority)
			return false;
	}
	return true;
}

static bool
same_ip(const struct ip_addr *a, const struct ip_addr *b)
{
	return a == b || (a && b && ip_eq(a, b));
}

static bool
same_sources(const struct back_hop *a, const struct back_hop *b)
{
	for (int i = 0; i < LANES; i++) {
		if (!same_ip(a->lane_source[i], b->lane_source[i]))
			return false;
	}
	return same_ip(a->source, b->source);
}

bool
settings_hop_same(const struct back_hop *a, const struct back_hop *b)
{
	return same_sources(a, b) && same_str(a->name, b->name) &&
	       a->kind == b->kind && a->dane == b->dane && same_hosts(a, b) &&
	       a->tls == b->tls && a->tls_verify == b->tls_verify &&
	       same_str(a->ca_file, b->ca_file) && same_str(a->user, b->user) &&
	       same_str(a->password, b->password) &&
	       same_str(a->maildir, b->maildir) && a->tokens == b->tokens &&
	       a->eightbit_pass == b->eightbit_pass &&
	       a->connection_max == b->connection_max &&
	       a->messages_max == b->messages_max &&
	       a->timeout_ms == b->timeout_ms && a->idle_ms == b->idle_ms &&
	       a->mx_loopback == b->mx_loopback &&
	       a->mx_private == b->mx_private;
}
