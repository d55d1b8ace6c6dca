#include "gateway/back/hostset.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/retry.h"
#include "gateway/base/mem.h"

struct hostset *
hostset_create(size_t count)
{
	struct hostset *hosts;

	assert(count <= HOSTS_MAX);
	hosts = mem_zalloc(sizeof(*hosts) + count * sizeof(hosts->host[0]));
	hosts->count = count;
	for (size_t i = 0; i < count; i++)
		hosts->host[i].weight = 1;
	return hosts;
}

void
hostset_destroy(struct hostset **hosts)
{
	if (*hosts) {
		for (size_t i = 0; i < (*hosts)->count; i++)
			free((*hosts)->host[i].name);
	}
	free(*hosts);
	*hosts = NULL;
}

struct hostset *
hostset_copy(const struct hostset *hosts)
{
	struct hostset *copy = hostset_create(hosts->count);

	copy->patient = hosts->patient;
	for (size_t i = 0; i < hosts->count; i++) {
		const struct host *from = &hosts->host[i];
		struct host *to = &copy->host[i];

		to->name = mem_strdup(from->name);
		to->port = from->port;
		to->weight = from->weight;
		to->priority = from->priority;
		to->authentic = from->authentic;
		to->ip_count = from->ip_count;
		memcpy(to->ips, from->ips, sizeof(to->ips));
		to->ips_until_ms = from->ips_until_ms;
	}
	return copy;
}

static int64_t
back_of(const struct host *host)
{
	return host->aside_until_ms > host->rest_until_ms ? host->aside_until_ms
							  : host->rest_until_ms;
}

static bool
eligible(const struct hostset *hosts, size_t i, int64_t now_ms, uint64_t tried)
{
	return !(tried >> i & 1) && back_of(&hosts->host[i]) <= now_ms;
}

/* Smooth weighted turns: 5:1:1 gives AABACAA rather than AAAAABC. */
size_t
hostset_pick(struct hostset *hosts, int64_t now_ms, uint64_t tried)
{
	uint32_t best = UINT32_MAX;
	int64_t total = 0;
	size_t picked = HOST_NONE;

	for (size_t i = 0; i < hosts->count; i++) {
		if (eligible(hosts, i, now_ms, tried) &&
		    hosts->host[i].priority < best)
			best = hosts->host[i].priority;
	}
	for (size_t i = 0; i < hosts->count; i++) {
		struct host *host = &hosts->host[i];

		if (host->priority != best ||
		    !eligible(hosts, i, now_ms, tried))
			continue;
		host->current += host->weight;
		total += host->weight;
		if (picked == HOST_NONE ||
		    host->current > hosts->host[picked].current)
			picked = i;
	}
	if (picked != HOST_NONE)
		hosts->host[picked].current -= total;
	return picked;
}

/* Whether somebody else can be tried now. */
static bool
others_left(const struct hostset *hosts, size_t i, int64_t now_ms)
{
	for (size_t k = 0; k < hosts->count; k++) {
		if (k != i && hosts->host[k].aside_until_ms <= now_ms)
			return true;
	}
	return false;
}

/* Nobody is left: no use in being strict with any of them. */
static void
rest_all(struct hostset *hosts, size_t i, int64_t now_ms)
{
	int64_t until_ms;

	hosts->rest_ms = retry_rest_ms(hosts->rest_ms);
	until_ms = now_ms + hosts->rest_ms;
	hosts->host[i].aside_until_ms = until_ms;
	for (size_t k = 0; k < hosts->count; k++) {
		if (hosts->host[k].aside_until_ms > until_ms)
			hosts->host[k].aside_until_ms = until_ms;
	}
}

void
hostset_failed(struct hostset *hosts, size_t i, int64_t now_ms)
{
	struct host *host = &hosts->host[i];

	if (host->aside_until_ms > now_ms)
		return; /* its other connections failed with it */
	if (!hosts->patient && !others_left(hosts, i, now_ms)) {
		rest_all(hosts, i, now_ms);
		return;
	}
	host->aside_ms = retry_aside_ms(host->aside_ms);
	host->aside_until_ms = now_ms + host->aside_ms;
}

void
hostset_worked(struct hostset *hosts, size_t i)
{
	hosts->rest_ms = 0;
	hosts->host[i].aside_until_ms = 0;
	if (hosts->host[i].breaks == 0)
		hosts->host[i].aside_ms = 0;
}

/* With nobody else to ask it goes on being asked: each message's own waits
 * are slow enough. */
void
hostset_broke(struct hostset *hosts, size_t i, int64_t now_ms)
{
	if (++hosts->host[i].breaks >= HOST_FAILS_MAX &&
	    others_left(hosts, i, now_ms))
		hostset_failed(hosts, i, now_ms);
}

void
hostset_carried(struct hostset *hosts, size_t i)
{
	hosts->host[i].breaks = 0;
	hosts->host[i].aside_ms = 0;
}

int64_t
hostset_back_ms(const struct hostset *hosts, int64_t now_ms)
{
	int64_t first = INT64_MAX;

	for (size_t i = 0; i < hosts->count; i++) {
		int64_t back_ms = back_of(&hosts->host[i]);

		if (back_ms <= now_ms)
			return 0;
		if (back_ms < first)
			first = back_ms;
	}
	return first;
}

void
hostset_forgive(struct hostset *hosts)
{
	for (size_t i = 0; i < hosts->count; i++) {
		hostset_carried(hosts, i);
		hostset_worked(hosts, i);
		hosts->host[i].rest_until_ms = 0;
	}
}

size_t
hostset_find(const struct hostset *hosts, const char *name,
	     const struct ip_addr *ip)
{
	for (size_t i = 0; i < hosts->count; i++) {
		const struct host *host = &hosts->host[i];

		if (strcmp(host->name, name) != 0)
			continue;
		for (uint32_t k = 0; k < host->ip_count; k++) {
			if (ip_eq(&host->ips[k], ip))
				return i;
		}
	}
	return HOST_NONE;
}

static bool
host_is_in(const struct hostset *hosts, const struct host *host)
{
	size_t at = host->ip_count == 0
			? HOST_NONE
			: hostset_find(hosts, host->name, &host->ips[0]);

	return at != HOST_NONE && hosts->host[at].port == host->port &&
	       hosts->host[at].priority == host->priority &&
	       hosts->host[at].authentic == host->authentic;
}

bool
hostset_same(const struct hostset *a, const struct hostset *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (!host_is_in(b, &a->host[i]))
			return false;
	}
	return true;
}

void
hostset_inherit(struct hostset *hosts, const struct hostset *old)
{
	for (size_t i = 0; i < hosts->count; i++) {
		struct host *host = &hosts->host[i];
		size_t was = host->ip_count == 0
				 ? HOST_NONE
				 : hostset_find(old, host->name, &host->ips[0]);

		if (was == HOST_NONE)
			continue;
		host->aside_until_ms = old->host[was].aside_until_ms;
		host->aside_ms = old->host[was].aside_ms;
		host->breaks = old->host[was].breaks;
		host->caps = old->host[was].caps;
		host->caps_known = old->host[was].caps_known;
	}
}
