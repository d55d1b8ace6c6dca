/*
 * A probe asks for A and MX of 20 random letters below com.: nobody has
 * registered that, so the only honest answer is NXDOMAIN. What is no answer
 * changes no opinion, and is asked again in a minute.
 *
 * The random name is a new one each time: an answer from a cache would tell of
 * yesterday's resolver.
 */
#include "gateway/control/resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/secret.h"

#define HOUR_MS INT64_C(3600000)
#define AGAIN_MS INT64_C(60000)
#define FAILING_MS INT64_C(20000)
#define LETTERS 20

struct resolver {
	struct dns *dns;
	struct dns_cache *cache; /* or NULL */
	bool asks;
	struct dns_servers servers; /* as of the last tick */
	struct dns_op *ops[2];
	bool honest, lied; /* of the probe under way */
	bool rewrites;
	char found[64];
	int64_t next_ms; /* the next probe; 0: now */
	int64_t began_ms;
};

/* --- the probe ----------------------------------------------------------- */

static void
probe_end(struct resolver *resolver)
{
	if (resolver->ops[0] != NULL || resolver->ops[1] != NULL)
		return;
	if (resolver->lied || resolver->honest)
		resolver->rewrites = resolver->lied;
	resolver->next_ms =
	    resolver->began_ms +
	    (resolver->lied || resolver->honest ? HOUR_MS : AGAIN_MS);
}

static void
probe_answer(struct resolver *resolver, const struct dns_answer *answer,
	     const char *type)
{
	const struct dns_record *record = answer->records;
	char ip[IP_TEXT_SIZE] = "";

	/* NODATA is no truth either, but makes nothing seem alive */
	if (answer->status == DNS_NXDOMAIN || answer->status == DNS_NODATA)
		resolver->honest = true;
	if (answer->status != DNS_OK)
		return;
	resolver->lied = true;
	if (type[0] == 'A')
		ip_format(&record->ip, ip);
	snprintf(resolver->found, sizeof(resolver->found), "%s %.58s", type,
		 type[0] == 'A'		? ip
		 : record->host != NULL ? record->host
					: "?");
}

static void
on_address(void *arg, const struct dns_answer *answer)
{
	struct resolver *resolver = arg;

	resolver->ops[0] = NULL;
	probe_answer(resolver, answer, "A");
	probe_end(resolver);
}

static void
on_mx(void *arg, const struct dns_answer *answer)
{
	struct resolver *resolver = arg;

	resolver->ops[1] = NULL;
	probe_answer(resolver, answer, "MX");
	probe_end(resolver);
}

static void
probe_start(struct resolver *resolver, int64_t now_ms)
{
	uint8_t random[LETTERS];
	char name[LETTERS + sizeof(".com")];
	struct dns_req req = {.name = name, .type = DNS_A};

	secret_random(random, sizeof(random));
	for (size_t i = 0; i < LETTERS; i++)
		name[i] = (char)('a' + random[i] % 26);
	memcpy(name + LETTERS, ".com", sizeof(".com"));
	resolver->honest = resolver->lied = false;
	resolver->began_ms = now_ms;
	resolver->ops[0] =
	    dns_lookup_start(resolver->dns, &req, on_address, resolver);
	req.type = DNS_MX;
	resolver->ops[1] =
	    dns_lookup_start(resolver->dns, &req, on_mx, resolver);
}

static void
probe_cancel(struct resolver *resolver)
{
	dns_lookup_cancel(&resolver->ops[0]);
	dns_lookup_cancel(&resolver->ops[1]);
	resolver->next_ms = 0;
}

static bool
is_failing(const struct resolver *resolver)
{
	struct dns_cache_status status;

	if (resolver->cache == NULL)
		return false;
	dns_cache_status_get(resolver->cache, &status);
	return status.failing;
}

void
resolver_tick(struct resolver *resolver, int64_t now_ms)
{
	struct dns_servers servers;

	if (!resolver->asks)
		return;
	dns_servers_get(resolver->dns, &servers);
	if (strcmp(servers.text, resolver->servers.text) != 0) {
		resolver->servers = servers;
		probe_cancel(resolver);
		resolver->rewrites = false;
	}
	if (resolver->ops[0] != NULL || resolver->ops[1] != NULL)
		return;
	/* nobody else may ask for hours: who tells that it is well again? */
	if (resolver->next_ms > resolver->began_ms + FAILING_MS &&
	    is_failing(resolver))
		resolver->next_ms = resolver->began_ms + FAILING_MS;
	if (now_ms >= resolver->next_ms)
		probe_start(resolver, now_ms);
}

/* --- life ---------------------------------------------------------------- */

struct resolver *
resolver_create(struct loop *loop, const struct dns_opts *opts, bool asks)
{
	struct resolver *resolver = mem_zalloc(sizeof(*resolver));

	resolver->cache = opts->cache;
	resolver->asks = asks;
	resolver->dns = dns_create(loop, opts);
	if (resolver->dns != NULL)
		return resolver;
	free(resolver);
	return NULL;
}

void
resolver_destroy(struct resolver **resolverp)
{
	struct resolver *resolver = *resolverp;

	*resolverp = NULL;
	if (resolver == NULL)
		return;
	probe_cancel(resolver);
	dns_destroy(&resolver->dns);
	free(resolver);
}

void
resolver_reload(struct resolver *resolver, const struct dns_opts *opts,
		bool asks)
{
	/* what front and back took, this takes */
	(void)dns_reconfigure(resolver->dns, opts);
	resolver->asks = asks;
	if (!asks) {
		probe_cancel(resolver);
		resolver->rewrites = false;
	}
}

struct dns *
resolver_dns(const struct resolver *resolver)
{
	return resolver->dns;
}

void
resolver_get(const struct resolver *resolver, struct resolver_status *status)
{
	memset(status, 0, sizeof(*status));
	status->asks = resolver->asks;
	dns_servers_get(resolver->dns, &status->servers);
	status->rewrites = resolver->rewrites;
	if (resolver->rewrites)
		memcpy(status->found, resolver->found, sizeof(status->found));
}
