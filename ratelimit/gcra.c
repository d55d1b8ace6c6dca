/*
 * GCRA. It decides whether an amount fits and when it will; it never reads a
 * clock and owns no memory.
 *
 * A bucket that holds W = tat - now and runs out with time. Taking a charge
 * back is not simply W -= n: had it not been there, the bucket might have been
 * empty for a while in which it really ran, and a client that reserves, waits
 * and gives back would send for nothing. What W would be is known from above
 * in two ways, and the lower one counts: of the charge itself no more can be
 * left than its units less the time since; and no more can be in the bucket
 * than was charged since it was last empty and is kept (net). So what is
 * reserved from rest and given back leaves exactly the rest, in any order.
 *
 * The bounds hold at a moment after which nothing was charged. A paced charge
 * is charged when it leaves, so that moment may still be to come.
 *
 * A rule in observe refuses nobody, but what it would have refused it would not
 * have charged either: it is charged until the bucket is full and no further.
 * Else the day on which it is enforced would begin with days of waiting.
 */
#include "ratelimit/gcra.h"

#include <assert.h>

#define SPAN_MAX (INT64_MAX / 4)
#define NET_UNKNOWN INT64_MAX

static int64_t
span(uint64_t units, int64_t period_us)
{
	assert(period_us > 0);
	return units > (uint64_t)(SPAN_MAX / period_us)
		   ? SPAN_MAX
		   : (int64_t)units * period_us;
}

/* The limit as time, with what may be paced. */
static int64_t
span_most(const struct rate_rule *rule, uint64_t limit)
{
	int64_t at_once = span(limit, rule->period_us);

	if (rule->pace_percent <= 100)
		return at_once;
	if (at_once / 100 >= SPAN_MAX / rule->pace_percent)
		return SPAN_MAX;
	return at_once / 100 * rule->pace_percent +
	       at_once % 100 * rule->pace_percent / 100;
}

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Times stop where one more span still fits. */
static int64_t
add(int64_t at_us, int64_t n)
{
	return at_us > INT64_MAX / 2 - n ? INT64_MAX / 2 : at_us + n;
}

/* Threads ask with times that are a little apart: time stands still then. */
static int64_t
steady(const struct gcra *gcra, int64_t now_us)
{
	return gcra == NULL ? now_us : later(now_us, gcra->seen_us);
}

bool
gcra_empty(const struct gcra *gcra, int64_t now_us)
{
	return gcra->tat_us <= now_us;
}

uint64_t
gcra_total(const struct gcra *gcra, int64_t period_us, int64_t now_us)
{
	int64_t left = gcra == NULL ? 0 : gcra->tat_us - now_us;

	return left <= 0 ? 0 : (uint64_t)((left - 1) / period_us + 1);
}

void
gcra_ask(const struct gcra *gcra, struct rate_charge *charge, int64_t now_us)
{
	const struct rate_rule *rule = charge->rule;
	int64_t burst = span(charge->limit, rule->period_us);
	int64_t most = span_most(rule, charge->limit), begin, after;

	now_us = steady(gcra, now_us);
	begin = gcra == NULL ? now_us : later(gcra->tat_us, now_us);
	after = add(begin, span(charge->amount, rule->period_us));
	charge->used = gcra_total(gcra, rule->period_us, now_us);
	charge->paced = 0;
	if (rule->pace_percent > 100 && charge->mode != RATE_OBSERVE &&
	    charge->used > charge->limit) {
		charge->paced = charge->used - charge->limit;
		charge->used = charge->limit;
	}
	charge->at_us = now_us;
	charge->tat_us = after;
	charge->frees_us = 0;
	if (charge->amount > charge->limit) {
		charge->result = RATE_NEVER;
	} else if (charge->amount == 0 || after - now_us <= burst) {
		charge->result = RATE_FITS;
	} else if (rule->pace_percent > 100 && charge->mode != RATE_OBSERVE &&
		   after - now_us <= most) {
		charge->result = RATE_PACED;
		charge->at_us = after - burst;
	} else {
		charge->result = RATE_OVER;
		charge->frees_us = after - most;
	}
	if (charge->mode == RATE_OBSERVE && after - now_us > most)
		charge->tat_us = later(begin, add(now_us, most));
}

static void
begin_anew(struct gcra *gcra, int64_t now_us)
{
	gcra->tat_us = gcra->since_us = now_us;
	gcra->seen_us = gcra->last_us = now_us;
	gcra->net_us = gcra->paced_us = gcra->over_us = 0;
}

/* While paced charges are to leave, their times stand: nothing is converted. */
void
gcra_convert(struct gcra *gcra, const struct rate_rule *rule, int64_t now_us)
{
	int64_t latest, left, units, part;

	now_us = steady(gcra, now_us);
	if (gcra->step_us == rule->period_us || gcra->step_us == 0 ||
	    gcra->tat_us <= now_us || gcra->last_us > now_us)
		return;
	left = gcra->tat_us - now_us;
	units = left / gcra->step_us;
	/* up: what is used does not become less by it */
	part = (int64_t)((double)(left % gcra->step_us) /
			 (double)gcra->step_us * (double)rule->period_us) +
	       1;
	latest = add(now_us, span_most(rule, rule->limit));
	gcra->tat_us =
	    add(now_us, span((uint64_t)units, rule->period_us) + part);
	if (gcra->tat_us > latest)
		gcra->tat_us = latest;
	gcra->net_us = gcra->tat_us - now_us;
	gcra->step_us = rule->period_us;
}

static void
net_add(int64_t *net_us, int64_t n)
{
	if (*net_us > SPAN_MAX - n || n == SPAN_MAX)
		*net_us = NET_UNKNOWN;
	else
		*net_us += n;
}

static void
net_take(int64_t *net_us, int64_t n)
{
	if (*net_us != NET_UNKNOWN)
		*net_us -= n < *net_us ? n : *net_us;
}

void
gcra_add(struct gcra *gcra, const struct rate_charge *charge, int64_t now_us)
{
	int64_t n = span(charge->amount, charge->rule->period_us);

	now_us = steady(gcra, now_us);
	if (gcra->tat_us <= now_us)
		begin_anew(gcra, now_us);
	if (gcra->last_us <= now_us)
		gcra->paced_us = 0;
	if (charge->mode != RATE_OBSERVE)
		gcra->over_us = 0;
	else if (charge->tat_us < add(gcra->tat_us, n))
		net_add(&gcra->over_us, add(gcra->tat_us, n) - charge->tat_us);
	gcra->tat_us = charge->tat_us;
	gcra->step_us = charge->rule->period_us;
	gcra->seen_us = now_us;
	gcra->last_us = later(gcra->last_us, charge->at_us);
	net_add(&gcra->net_us, n);
	if (charge->at_us > now_us)
		net_add(&gcra->paced_us, n);
}

void
gcra_take(struct gcra *gcra, const struct rate_charge *charge, int64_t now_us)
{
	int64_t n = span(charge->amount, charge->rule->period_us), left, at_us;

	now_us = steady(gcra, now_us);
	if (gcra->tat_us <= now_us || charge->at_us < gcra->since_us)
		return; /* it has run out */
	at_us = later(now_us, gcra->last_us);
	left = n - (at_us - charge->at_us);
	if (left > 0) {
		int64_t over = left < gcra->over_us ? left : gcra->over_us;

		net_take(&gcra->over_us, over);
		gcra->tat_us -= left - over;
	}
	net_take(&gcra->net_us, n);
	if (charge->at_us > now_us) {
		net_take(&gcra->paced_us, n);
		if (gcra->paced_us == 0)
			gcra->last_us = at_us = now_us;
	}
	if (gcra->net_us < NET_UNKNOWN && gcra->tat_us > at_us + gcra->net_us)
		gcra->tat_us = at_us + gcra->net_us;
}

void
gcra_replace(struct gcra *gcra, const struct rate_charge *charge,
	     int64_t now_us)
{
	for (size_t i = charge->back_count; i-- > 0;) {
		const struct rate_charge old = {
		    .rule = charge->rule,
		    .amount = charge->back[i].amount,
		    .at_us = charge->back[i].at_us,
		};

		gcra_take(gcra, &old, now_us);
	}
}

void
gcra_load(struct gcra *gcra, const struct rate_rule *rule, uint64_t value,
	  int64_t now_us)
{
	int64_t latest = add(now_us, span_most(rule, rule->limit));
	int64_t tat = value > (uint64_t)latest ? latest : (int64_t)value;
	int64_t leaves_us;

	if (tat <= now_us || tat <= gcra->tat_us)
		return;
	if (gcra->tat_us <= now_us)
		begin_anew(gcra, now_us);
	leaves_us = tat - span(rule->limit, rule->period_us);
	if (leaves_us > gcra->last_us) {
		gcra->last_us = leaves_us;
		net_add(&gcra->paced_us, tat - gcra->tat_us);
	}
	net_add(&gcra->net_us, tat - gcra->tat_us);
	gcra->tat_us = tat;
	gcra->step_us = rule->period_us;
}
