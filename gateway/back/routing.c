#include "gateway/back/routing.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/hash.h"
#include "gateway/base/mem.h"

/* gcc does not see that uthash keeps what it is given. */
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

struct routing_entry {
	UT_hash_handle hh;
	size_t hop;
	char domain[]; /* a leading dot: and below */
};

struct routing {
	struct routing_entry *entries;
	size_t fallback;
};

static int
routing_add(struct routing *routing, const char *domain, size_t hop,
	    char *error, size_t error_size)
{
	size_t n = strlen(domain);
	struct routing_entry *entry;

	HASH_FIND(hh, routing->entries, domain, n, entry);
	if (entry) {
		snprintf(error, error_size, "%s is routed twice", domain);
		return GW_EINVAL;
	}
	entry = mem_zalloc(sizeof(*entry) + n + 1);
	memcpy(entry->domain, domain, n + 1);
	entry->hop = hop;
	HASH_ADD_KEYPTR(hh, routing->entries, entry->domain, n, entry);
	return 0;
}

static int
routing_fill(struct routing *routing, const struct back_route *routes,
	     size_t route_count, char *error, size_t error_size)
{
	size_t defaults = 0;

	for (size_t i = 0; i < route_count; i++) {
		const struct back_route *route = &routes[i];

		if (route->domain_count == 0) {
			routing->fallback = route->hop;
			defaults++;
		}
		for (size_t d = 0; d < route->domain_count; d++) {
			int err = routing_add(routing, route->domains[d],
					      route->hop, error, error_size);

			if (err != 0)
				return err;
		}
	}
	if (defaults == 1)
		return 0;
	snprintf(error, error_size, "%s default route",
		 defaults == 0 ? "there is no" : "there is more than one");
	return GW_EINVAL;
}

int
routing_create(struct routing **routing, const struct back_route *routes,
	       size_t route_count, size_t hop_count, char *error,
	       size_t error_size)
{
	int err;

	*routing = NULL;
	for (size_t i = 0; i < route_count; i++) {
		if (routes[i].hop < hop_count)
			continue;
		snprintf(error, error_size, "route %zu names no next hop", i);
		return GW_EINVAL;
	}
	*routing = mem_zalloc(sizeof(**routing));
	err = routing_fill(*routing, routes, route_count, error, error_size);
	if (err != 0)
		routing_destroy(routing);
	return err;
}

void
routing_destroy(struct routing **routing)
{
	struct routing_entry *entry, *next;

	if (!*routing)
		return;
	for (entry = (*routing)->entries; entry; entry = next) {
		next = entry->hh.next;
		HASH_DEL((*routing)->entries, entry);
		free(entry);
	}
	free(*routing);
	*routing = NULL;
}

static const struct routing_entry *
routing_get(const struct routing *routing, struct slice key)
{
	struct routing_entry *entry;

	HASH_FIND(hh, routing->entries, key.p, key.n, entry);
	return entry;
}

/* An entry with a leading dot for the domain itself, its parent and so on. */
static const struct routing_entry *
routing_below(const struct routing *routing, struct slice domain)
{
	char key[256];
	struct slice dotted;

	if (domain.n >= sizeof(key))
		return NULL;
	key[0] = '.';
	memcpy(key + 1, domain.p, domain.n);
	dotted = slice_of(key, domain.n + 1);
	while (dotted.n > 1) {
		const struct routing_entry *entry =
		    routing_get(routing, dotted);

		if (entry)
			return entry;
		dotted = slice_from(dotted, 1);
		dotted = slice_from(dotted, slice_find(dotted, '.'));
	}
	return NULL;
}

size_t
routing_find_or(const struct routing *routing, struct slice domain,
		size_t fallback)
{
	const struct routing_entry *entry;

	if (domain.n == 0 || !routing->entries)
		return fallback;
	entry = routing_get(routing, domain);
	if (!entry)
		entry = routing_below(routing, domain);
	return entry ? entry->hop : fallback;
}

size_t
routing_find(const struct routing *routing, struct slice domain)
{
	return routing_find_or(routing, domain, routing->fallback);
}
