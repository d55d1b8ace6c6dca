/*
 * The pure pace (gateway/campaign/pace.h) with a clock, the settings that hold
 * now, and the day's share of the warm-up plan, which days.c counts.
 *
 * A restart forgets the pace: the first reply that says "slower" tells of it.
 */
#include "gateway/back/pacing.h"

#include <stdlib.h>

#include "gateway/back/days.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/campaign/bounce.h"
#include "gateway/campaign/pace.h"

#define DAY_S INT64_C(86400)

struct pacing {
	struct relay *relay;
	struct pace pace;
	struct day_key key;
	int64_t said_day; /* that the share of it is used up */
};

static const struct back_bulk *
terms(const struct pacing *pacing)
{
	return &pacing->relay->settings->conf.bulk;
}

struct pacing *
pacing_create(const struct dest *dest)
{
	struct pacing *pacing = mem_zalloc(sizeof(*pacing));
	struct relay *relay = dest->hop->relay;

	pacing->relay = relay;
	pacing->key = day_key_site(dest);
	pace_init(&pacing->pace, &terms(pacing)->site, relay_now_ms(relay));
	return pacing;
}

void
pacing_destroy(struct pacing **pacing)
{
	free(*pacing);
	*pacing = NULL;
}

static bool
is_same(const struct pace_rule *a, const struct pace_rule *b)
{
	return a->connections == b->connections &&
	       a->per_connection == b->per_connection &&
	       a->per_minute == b->per_minute && a->quiet_ms == b->quiet_ms;
}

/* A reload may have changed it. */
static void
renew(struct pacing *pacing)
{
	const struct pace_rule *rule = &terms(pacing)->site;

	if (!is_same(rule, &pacing->pace.rule))
		pace_rule_set(&pacing->pace, rule, relay_now_ms(pacing->relay));
}

bool
pacing_warms(const struct pacing *pacing)
{
	return pacing && terms(pacing)->warmup_days > 0;
}

const struct day_key *
pacing_day_key(const struct pacing *pacing)
{
	return &pacing->key;
}

/* What is left of the day's share. */
static uint64_t
share_left(const struct pacing *pacing)
{
	const struct back_bulk *bulk = terms(pacing);
	int64_t now_s = clock_wall_s();
	uint64_t count;
	uint32_t most;

	if (!pacing_warms(pacing))
		return UINT64_MAX;
	most = pace_warmup(bulk->warmup, bulk->warmup_days,
			   (now_s - bulk->warmup_since_wall_s) / DAY_S);
	if (most == 0)
		return UINT64_MAX;
	count = days_count(pacing->relay->days, &pacing->key, now_s);
	return count < most ? most - count : 0;
}

static void
say_warm(struct pacing *pacing)
{
	int64_t now_s = clock_wall_s();

	if (pacing->said_day == now_s / DAY_S)
		return;
	pacing->said_day = now_s / DAY_S;
	log_event(GW_LOG_INFO, "warm-up",
		  LF_U64("rcpts",
			 days_count(pacing->relay->days, &pacing->key, now_s)),
		  LF_STR("what", "the rest goes tomorrow"));
}

bool
pacing_may_start(struct pacing *pacing)
{
	if (!pacing)
		return true;
	renew(pacing);
	if (share_left(pacing) == 0) {
		say_warm(pacing);
		return false;
	}
	return pace_wait_ms(&pacing->pace, relay_now_ms(pacing->relay)) == 0;
}

bool
pacing_may_open(struct pacing *pacing, uint32_t connections)
{
	uint32_t max;

	if (!pacing)
		return true;
	renew(pacing);
	max = pace_connections(&pacing->pace, relay_now_ms(pacing->relay));
	return max == 0 || connections < max;
}

bool
pacing_is_worn(const struct pacing *pacing, uint64_t messages)
{
	uint32_t max;

	if (!pacing)
		return false;
	max = terms(pacing)->site.per_connection;
	return max > 0 && messages >= max;
}

uint32_t
pacing_batch(struct pacing *pacing)
{
	uint64_t left;
	uint32_t batch;

	if (!pacing)
		return 0;
	renew(pacing);
	batch = pace_batch(&pacing->pace, relay_now_ms(pacing->relay));
	left = share_left(pacing);
	if (left > 0 && left < JOB_RCPTS_MAX && (batch == 0 || left < batch))
		return (uint32_t)left;
	return batch;
}

void
pacing_started(struct pacing *pacing, uint32_t rcpts)
{
	if (!pacing)
		return;
	pace_take(&pacing->pace, rcpts, relay_now_ms(pacing->relay));
}

void
pacing_undone(struct pacing *pacing, uint32_t rcpts)
{
	if (!pacing)
		return;
	pace_give_back(&pacing->pace, rcpts);
}

bool
pacing_hears(struct pacing *pacing, const struct dest *dest, int code,
	     const uint8_t enhanced[3], struct slice text)
{
	const struct bounce_throttle *throttle;

	if (!pacing)
		return false;
	throttle = bounce_throttle_of(code, enhanced, text);
	if (!throttle)
		return false;
	pace_throttled(&pacing->pace, throttle, relay_now_ms(pacing->relay));
	log_event(GW_LOG_WARN, "throttled", LF_STR("hop", dest->hop->conf.name),
		  LF_STR("site", dest->key), LF_STR("rule", throttle->name),
		  LF_I64("code", code), LF_SLICE("reply", text),
		  LF_I64("pause_s", throttle->pause_ms / 1000));
	return true;
}

bool
pacing_matters(struct pacing *pacing)
{
	return pacing &&
	       pace_is_slowed(&pacing->pace, relay_now_ms(pacing->relay));
}
