/*
 * The pure pace (gateway/campaign/pace.h) with a clock, the settings that hold
 * now, and the day's count of the warm-up plan.
 *
 * The plan counts from the start of the process: a restart begins its day anew.
 */
#include "gateway/back/pacing.h"

#include <stdlib.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/campaign/bounce.h"
#include "gateway/campaign/pace.h"

#define DAY_S INT64_C(86400)

struct pacing {
	struct relay *relay;
	struct pace pace;
	int64_t day; /* since the epoch, that started is of */
	uint64_t started;
	bool warm_said; /* that the day's share is used up */
};

static const struct back_bulk *
terms(const struct pacing *pacing)
{
	return &pacing->relay->settings->conf.bulk;
}

struct pacing *
pacing_create(struct relay *relay)
{
	struct pacing *pacing = mem_zalloc(sizeof(*pacing));

	pacing->relay = relay;
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

static bool
is_warm(struct pacing *pacing)
{
	const struct back_bulk *bulk = terms(pacing);
	int64_t now_s, day;
	uint32_t most;

	if (bulk->warmup_days == 0)
		return true;
	now_s = clock_wall_s();
	day = now_s / DAY_S;
	if (day != pacing->day) {
		pacing->day = day;
		pacing->started = 0;
		pacing->warm_said = false;
	}
	most = pace_warmup(bulk->warmup, bulk->warmup_days,
			   (now_s - bulk->warmup_since_wall_s) / DAY_S);
	return most == 0 || pacing->started < most;
}

static void
say_warm(struct pacing *pacing)
{
	if (pacing->warm_said)
		return;
	pacing->warm_said = true;
	log_event(GW_LOG_INFO, "warm-up", LF_U64("rcpts", pacing->started),
		  LF_STR("what", "the rest goes tomorrow"));
}

bool
pacing_may_start(struct pacing *pacing)
{
	if (!pacing)
		return true;
	renew(pacing);
	if (!is_warm(pacing)) {
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
	if (!pacing)
		return 0;
	renew(pacing);
	return pace_batch(&pacing->pace, relay_now_ms(pacing->relay));
}

void
pacing_started(struct pacing *pacing, uint32_t rcpts)
{
	if (!pacing)
		return;
	pace_take(&pacing->pace, rcpts, relay_now_ms(pacing->relay));
	pacing->started += rcpts;
}

void
pacing_undone(struct pacing *pacing, uint32_t rcpts)
{
	if (!pacing)
		return;
	pace_give_back(&pacing->pace, rcpts);
	pacing->started -= rcpts < pacing->started ? rcpts : pacing->started;
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

/* The day's count matters until the day is over. */
bool
pacing_matters(struct pacing *pacing)
{
	if (!pacing)
		return false;
	if (pace_is_slowed(&pacing->pace, relay_now_ms(pacing->relay)))
		return true;
	return terms(pacing)->warmup_days > 0 && pacing->started > 0 &&
	       pacing->day == clock_wall_s() / DAY_S;
}
