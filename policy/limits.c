/*
 * The limits as one object: the table of counts, which stays, and the rules,
 * which a reload replaces as a whole.
 *
 * Rate time is the wall clock at the start and from then on the monotonic
 * clock: a jump of the wall clock frees nothing and locks nobody out, and what
 * is on disk can still be compared with it after a restart. What others are
 * told, and what they tell us, is by the wall clock: it is converted where it
 * goes out and comes in.
 */
#include "policy/limits.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "policy/limits_int.h"

/* Some hundreds of microseconds. */
#define SWEEP_MAX 5000
#define US_PER_S 1000000
#define SET_LEAST_US (2 * US_PER_S)

struct limits *
limits_create(const struct limits_conf *conf, struct accounts *accounts,
	      int64_t wall_us, int64_t mono_us)
{
	struct limits *limits = mem_zalloc(sizeof(*limits));

	limits->table = rate_create(&(struct rate_opts){0});
	limits->accounts = accounts;
	limits->ahead_us = wall_us - mono_us;
	atomic_init(&limits->now_us, wall_us);
	pthread_mutex_init(&limits->lock, NULL);
	pthread_mutex_init(&limits->lag_lock, NULL);
	limits->rules = limit_rules_create(conf);
	return limits;
}

void
limits_destroy(struct limits **limits)
{
	struct limits_lag *lag;
	struct limits *l = *limits;

	if (l == NULL)
		return;
	*limits = NULL;
	lag = limits_lag_take(l);
	limits_lag_free(&lag);
	limits_cache_free(l->cache);
	limit_rules_unref(&l->rules);
	rate_destroy(&l->table);
	pthread_mutex_destroy(&l->lock);
	pthread_mutex_destroy(&l->lag_lock);
	free(l);
}

void
limits_reload(struct limits *limits, const struct limits_conf *conf)
{
	struct limit_rules *rules = limit_rules_create(conf), *old;
	struct limit_shared *cached[LIMIT_CACHE_SIZE];

	pthread_mutex_lock(&limits->lock);
	old = limits->rules;
	limits->rules = rules;
	limits->reloads++;
	limits_cache_take(limits, cached);
	pthread_mutex_unlock(&limits->lock);
	limits_cache_free(cached);
	limit_rules_unref(&old);
}

struct limit_rules *
limits_rules(struct limits *limits)
{
	struct limit_rules *rules;

	pthread_mutex_lock(&limits->lock);
	rules = limit_rules_ref(limits->rules);
	pthread_mutex_unlock(&limits->lock);
	return rules;
}

int64_t
limits_time(struct limits *limits, int64_t mono_us)
{
	int64_t now_us = mono_us + limits->ahead_us;
	int64_t latest =
	    atomic_load_explicit(&limits->now_us, memory_order_relaxed);

	while (latest < now_us &&
	       !atomic_compare_exchange_weak_explicit(
		   &limits->now_us, &latest, now_us, memory_order_relaxed,
		   memory_order_relaxed))
		;
	return now_us;
}

void
limits_wall(struct limits *limits, int64_t wall_us, int64_t mono_us)
{
	int64_t set_us = wall_us - mono_us - limits->ahead_us;

	/* less may be that the two were read at different moments */
	limits->set_s = set_us > -SET_LEAST_US && set_us < SET_LEAST_US
			    ? 0
			    : set_us / US_PER_S;
}

static uint64_t
granted_of(struct limits *limits, const char *cred, enum limit_counted counted,
	   int64_t now_us, int64_t *until_us)
{
	int64_t until_wall_s = 0, set_s = limits->set_s;
	uint64_t amount;

	amount = accounts_granted(limits->accounts, cred, (uint8_t)counted,
				  now_us / US_PER_S + set_s, &until_wall_s);
	until_wall_s -= set_s;
	if (amount > 0 && until_wall_s < *until_us / US_PER_S)
		*until_us = until_wall_s * US_PER_S;
	return amount;
}

/* Who may send to more outside may send to more in all. */
uint64_t
limits_granted(struct limits *limits, const char *cred,
	       enum limit_counted counted, int64_t now_us, int64_t *until_us)
{
	uint64_t amount;

	if (limits->accounts == NULL || cred == NULL)
		return 0;
	amount = granted_of(limits, cred, counted, now_us, until_us);
	if (counted == LIMIT_ALL_RECIPIENTS) {
		amount += granted_of(limits, cred, LIMIT_RECIPIENTS, now_us,
				     until_us);
		amount += granted_of(limits, cred, LIMIT_INTERNAL_RECIPIENTS,
				     now_us, until_us);
	}
	return amount;
}

void
limits_sweep(struct limits *limits, int64_t mono_us)
{
	rate_sweep(limits->table, SWEEP_MAX, limits_time(limits, mono_us));
}

void
limits_usage(struct limits *limits, uint64_t *keys, uint64_t *bytes)
{
	struct rate_status status;

	rate_status_get(limits->table, &status);
	*keys = status.keys;
	*bytes = status.bytes;
}
