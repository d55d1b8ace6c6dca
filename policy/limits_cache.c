/*
 * Bindings that are used again. A session's login, class and address stay
 * while it lasts, so the rules that are for its messages and their keys are
 * found once for many messages.
 *
 * A place is found by a hash; who comes to one that is taken drives the other
 * out, which costs that one a binding and nothing else. A binding is of one
 * set of rules: a reload empties the cache, and what was bound meanwhile under
 * the old rules does not enter it.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "policy/limits_int.h"

/* No keyed hash: who makes addresses meet drives bindings out, no more. */
#define FNV_PRIME UINT64_C(0x100000001b3)

static void
shared_unref(struct limit_shared *shared)
{
	if (shared == NULL || atomic_fetch_sub_explicit(
				  &shared->refs, 1, memory_order_acq_rel) != 1)
		return;
	limit_unbind(&shared->binding);
	free(shared->cred);
	free(shared->class);
	free(shared);
}

static struct limit_shared *
shared_ref(struct limit_shared *shared)
{
	atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
	return shared;
}

void
limit_shared_unref(struct limit_shared **shared)
{
	shared_unref(*shared);
	*shared = NULL;
}

static bool
is_same(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

static bool
is_of(const struct limit_shared *shared, const struct limit_who *who)
{
	return shared != NULL && ip_eq(&shared->ip, &who->ip) &&
	       is_same(shared->cred, who->cred) &&
	       is_same(shared->class, who->class);
}

static struct limit_shared **
place_of(struct limits *limits, const struct limit_who *who)
{
	uint64_t h, half;

	memcpy(&h, who->ip.b, sizeof(h));
	memcpy(&half, who->ip.b + sizeof(h), sizeof(half));
	h = (h ^ half * FNV_PRIME) * FNV_PRIME;
	for (const char *p = who->cred; p != NULL && *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * FNV_PRIME;
	return &limits->cache[(h ^ h >> 32) % LIMIT_CACHE_SIZE];
}

static struct limit_shared *
shared_make(struct limit_rules *rules, const struct limit_who *who)
{
	struct limit_shared *shared = mem_zalloc(sizeof(*shared));

	atomic_init(&shared->refs, 1);
	shared->cred = mem_strdup(who->cred);
	shared->class = mem_strdup(who->class);
	shared->ip = who->ip;
	limit_bind(&shared->binding, &rules, who, LIMIT_ON_MESSAGES);
	return shared;
}

struct limit_shared *
limits_bind_message(struct limits *limits, const struct limit_who *who,
		    uint64_t *reloads)
{
	struct limit_shared **place = place_of(limits, who), *shared;
	struct limit_shared *old = NULL;
	struct limit_rules *rules = NULL;

	pthread_mutex_lock(&limits->lock);
	*reloads = limits->reloads;
	shared = is_of(*place, who) ? shared_ref(*place) : NULL;
	if (shared == NULL)
		rules = limit_rules_ref(limits->rules);
	pthread_mutex_unlock(&limits->lock);
	if (shared != NULL)
		return shared;
	shared = shared_make(rules, who);
	pthread_mutex_lock(&limits->lock);
	if (*reloads == limits->reloads) {
		old = *place;
		*place = shared_ref(shared);
	}
	pthread_mutex_unlock(&limits->lock);
	shared_unref(old);
	return shared;
}

void
limits_cache_take(struct limits *limits, struct limit_shared **out)
{
	memcpy(out, limits->cache, sizeof(limits->cache));
	memset(limits->cache, 0, sizeof(limits->cache));
}

void
limits_cache_free(struct limit_shared **taken)
{
	for (size_t i = 0; i < LIMIT_CACHE_SIZE; i++)
		limit_shared_unref(&taken[i]);
}
