/*
 * A token bucket whose rate is one of PACE_STEPS + 1 fractions of the rule,
 * each step half of the one before it. The last step is the same for all: one
 * connection, one recipient a minute, whatever the rule allows.
 *
 * Time that passed is worked off step by step, so a pace that nobody asked for
 * an hour is where it would be had it been asked each second.
 */
#include "gateway/campaign/pace.h"

#include "gateway/campaign/bounce.h"

#define QUIET_MS INT64_C(900000)
#define MINUTE_MS 60000.0
/* What a rule without a ceiling steps down from. */
#define RATE_BASE 120.0
#define CONNECTIONS_BASE 16
#define BURST_MS 5000.0 /* so much of the rate may go at once */

static int64_t
quiet_ms(const struct pace *pace)
{
	return pace->rule.quiet_ms > 0 ? pace->rule.quiet_ms : QUIET_MS;
}

/* A minute; 0: as many as there are. */
static double
rate(const struct pace *pace)
{
	double full = pace->rule.per_minute, slowed;

	if (pace->step == 0)
		return full;
	slowed = (full > 0 ? full : RATE_BASE) / (double)(1U << pace->step);
	if (pace->step >= PACE_STEPS || slowed < 1)
		return 1;
	return slowed;
}

static double
capacity(double per_minute)
{
	double burst = per_minute * BURST_MS / MINUTE_MS;

	return burst < 1 ? 1 : burst;
}

static void
fill(struct pace *pace, int64_t now_ms)
{
	double per_minute = rate(pace);
	double most = capacity(per_minute);

	if (now_ms <= pace->filled_ms)
		return;
	if (per_minute > 0)
		pace->tokens +=
		    (double)(now_ms - pace->filled_ms) * per_minute / MINUTE_MS;
	else
		pace->tokens = most;
	if (pace->tokens > most)
		pace->tokens = most;
	pace->filled_ms = now_ms;
}

/* At most PACE_STEPS rounds. */
static void
settle(struct pace *pace, int64_t now_ms)
{
	while (pace->step > 0 && now_ms >= pace->step_until_ms) {
		fill(pace, pace->step_until_ms);
		pace->step--;
		pace->step_until_ms += quiet_ms(pace);
	}
	fill(pace, now_ms);
}

void
pace_init(struct pace *pace, const struct pace_rule *rule, int64_t now_ms)
{
	*pace = (struct pace){.rule = *rule, .filled_ms = now_ms};
	pace->tokens = capacity(rate(pace));
}

void
pace_rule_set(struct pace *pace, const struct pace_rule *rule, int64_t now_ms)
{
	settle(pace, now_ms);
	pace->rule = *rule;
	if (pace->tokens > capacity(rate(pace)))
		pace->tokens = capacity(rate(pace));
}

int64_t
pace_wait_ms(struct pace *pace, int64_t now_ms)
{
	double per_minute;
	int64_t wait_ms;

	settle(pace, now_ms);
	if (now_ms < pace->paused_until_ms)
		return pace->paused_until_ms - now_ms;
	per_minute = rate(pace);
	if (per_minute <= 0 || pace->tokens >= 1)
		return 0;
	wait_ms = (int64_t)((1 - pace->tokens) * MINUTE_MS / per_minute) + 1;
	/* The next step may come sooner than the next token. */
	if (pace->step > 0 && now_ms + wait_ms > pace->step_until_ms)
		wait_ms = pace->step_until_ms - now_ms;
	return wait_ms > 0 ? wait_ms : 1;
}

void
pace_take(struct pace *pace, uint32_t n, int64_t now_ms)
{
	settle(pace, now_ms);
	if (rate(pace) > 0)
		pace->tokens -= n;
}

uint32_t
pace_batch(struct pace *pace, int64_t now_ms)
{
	double per_minute;

	settle(pace, now_ms);
	per_minute = rate(pace);
	if (per_minute <= 0)
		return 0;
	return per_minute < 1 ? 1 : (uint32_t)per_minute;
}

void
pace_give_back(struct pace *pace, uint32_t n)
{
	double most = capacity(rate(pace));

	if (rate(pace) <= 0)
		return;
	pace->tokens += n;
	if (pace->tokens > most)
		pace->tokens = most;
}

void
pace_throttled(struct pace *pace, const struct bounce_throttle *throttle,
	       int64_t now_ms)
{
	int64_t paused_ms = now_ms + throttle->pause_ms, until_ms;

	settle(pace, now_ms);
	pace->step = PACE_STEPS;
	/* What is owed at the old rate would take ages at the new one. */
	pace->tokens = 0;
	if (paused_ms > pace->paused_until_ms)
		pace->paused_until_ms = paused_ms;
	until_ms = throttle->slow_ms > quiet_ms(pace) ? throttle->slow_ms
						      : quiet_ms(pace);
	until_ms +=
	    pace->paused_until_ms > now_ms ? pace->paused_until_ms : now_ms;
	if (until_ms > pace->step_until_ms)
		pace->step_until_ms = until_ms;
}

uint32_t
pace_connections(struct pace *pace, int64_t now_ms)
{
	uint32_t full = pace->rule.connections, slowed;

	settle(pace, now_ms);
	if (pace->step == 0)
		return full;
	if (pace->step >= PACE_STEPS)
		return 1;
	slowed = (full > 0 ? full : CONNECTIONS_BASE) >> pace->step;
	return slowed > 0 ? slowed : 1;
}

bool
pace_is_slowed(struct pace *pace, int64_t now_ms)
{
	settle(pace, now_ms);
	return pace->step > 0 || now_ms < pace->paused_until_ms;
}

uint32_t
pace_warmup(const uint32_t *plan, uint32_t days, int64_t day)
{
	if (days == 0)
		return 0;
	if (day < 0)
		day = 0;
	return plan[day < days ? day : days - 1];
}
