/*
 * From a rule and what the table said of its charge to an action and a hit.
 *
 * The modes say it all to the table: a rule that defers or rejects is
 * enforced, and takes the whole call with it; one that holds or sends to bulk
 * is left out where it is over, since the message does not leave by it; one in
 * observe counts past its limit.
 */
#include <string.h>

#include "policy/limits_int.h"

#define US_PER_S 1000000

int64_t
limit_wall_s(int64_t rate_us)
{
	if (rate_us <= 0)
		return 0;
	return rate_us / US_PER_S + (rate_us % US_PER_S != 0);
}

static uint64_t
add_up(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void
limit_charge_init(struct rate_charge *charge,
		  const struct limit_binding *binding,
		  const struct limit_bound *bound, uint64_t amount,
		  uint64_t granted)
{
	const struct limit_rule *rule = bound->rule;
	enum rate_mode mode = RATE_ENFORCE;

	if (bound->observe)
		mode = RATE_OBSERVE;
	else if (rule->refusal == LIMIT_HOLD || rule->refusal == LIMIT_BULK)
		mode = RATE_PASS;
	*charge = (struct rate_charge){
	    .key = binding->keys[bound->key].key,
	    .rule = bound->observe ? &rule->watched : &rule->rate,
	    .limit = bound->limit,
	    .amount = limit_units(rule, amount),
	    .mode = mode,
	};
	if (granted > 0)
		charge->limit = add_up(charge->limit, granted / rule->unit);
}

bool
limit_charge(struct rate_table *table, struct rate_charge *charges,
	     size_t count, int64_t now_us)
{
	size_t done = 0;

	while (done < count) {
		size_t n = count - done;

		if (n > RATE_CHARGES_MAX)
			n = RATE_CHARGES_MAX;
		if (!rate_charge(table, charges + done, n, now_us)) {
			limit_refund(table, charges, done, now_us);
			return false;
		}
		done += n;
	}
	return true;
}

void
limit_refund(struct rate_table *table, const struct rate_charge *charges,
	     size_t count, int64_t now_us)
{
	for (size_t done = 0; done < count; done += RATE_CHARGES_MAX) {
		size_t n = count - done;

		rate_refund(table, charges + done,
			    n < RATE_CHARGES_MAX ? n : RATE_CHARGES_MAX,
			    now_us);
	}
}

/* Pace never comes to a rule in observe: would it have been enough? */
static enum limit_action
would_have(const struct limit_rule *rule, const struct rate_charge *charge)
{
	uint64_t room = charge->limit / 100 * rule->rate.pace_percent +
			charge->limit % 100 * rule->rate.pace_percent / 100;

	if (rule->rate.pace_percent > 0 && charge->result != RATE_NEVER &&
	    add_up(charge->used, charge->amount) <= room)
		return LIMIT_PACE;
	return rule->refusal;
}

void
limit_hit_fill(struct limit_hit *hit, const struct limit_rule *rule,
	       const struct rate_charge *charge)
{
	uint64_t base = rule->rate.limit;
	uint64_t granted = charge->limit > base ? charge->limit - base : 0;

	*hit = (struct limit_hit){
	    .per = rule->policy->per,
	    .counted = rule->counted,
	    .never = charge->result == RATE_NEVER,
	    .used = charge->used * rule->unit,
	    .limit = charge->limit,
	    .amount = charge->amount * rule->unit,
	    .period_ms = rule->period_ms,
	};
	memcpy(hit->name, rule->policy->name, sizeof(hit->name));
	if (rule->rate.kind == RATE_GCRA) {
		hit->limit = add_up(rule->limit, granted * rule->unit);
		hit->burst = charge->limit * rule->unit;
	}
	switch (charge->result) {
	case RATE_FITS:
		hit->action = LIMIT_PASS;
		break;
	case RATE_PACED:
		hit->action = LIMIT_PACE;
		hit->frees_wall_s = limit_wall_s(charge->at_us);
		break;
	case RATE_NEVER:
	case RATE_OVER:
		hit->action = charge->mode == RATE_OBSERVE
				  ? would_have(rule, charge)
				  : rule->refusal;
		/* Nobody is told to wait for what waiting does not bring. */
		if (hit->never && hit->action == LIMIT_DEFER)
			hit->action = LIMIT_REJECT;
		if (!hit->never)
			hit->frees_wall_s = limit_wall_s(charge->frees_us);
		break;
	}
}

enum reply_id
limit_hit_reply(const struct limit_hit *hit)
{
	bool reject = hit->never || hit->action == LIMIT_REJECT;

	if (!reject)
		return REPLY_LIMIT_DEFER;
	if (hit->counted == LIMIT_DEAD_DOMAINS)
		return REPLY_LIMIT_SUSPECT;
	return hit->never ? REPLY_LIMIT_NEVER : REPLY_LIMIT_REJECT;
}

void
limit_verdict_init(struct limit_verdict *verdict)
{
	/* without the observed ones, which are most of it */
	memset(verdict, 0, offsetof(struct limit_verdict, observed));
	verdict->observed_count = 0;
}

static void
tell(int64_t *wall_s, const struct limits *limits)
{
	if (*wall_s != 0)
		*wall_s += limits->set_s;
}

void
limit_hit_tell(struct limit_hit *hit, const struct limits *limits)
{
	tell(&hit->frees_wall_s, limits);
}

void
limit_verdict_tell(struct limit_verdict *verdict, const struct limits *limits)
{
	tell(&verdict->not_before_wall_s, limits);
	tell(&verdict->all_not_before_wall_s, limits);
	tell(&verdict->hit.frees_wall_s, limits);
	for (size_t i = 0; i < verdict->observed_count; i++)
		tell(&verdict->observed[i].frees_wall_s, limits);
}

void
limit_verdict_offer(struct limit_verdict *verdict, const struct limit_hit *hit)
{
	if (hit->action < verdict->action || hit->action == LIMIT_PASS)
		return;
	if (hit->action == verdict->action &&
	    (verdict->hit.never ||
	     (!hit->never && hit->frees_wall_s <= verdict->hit.frees_wall_s)))
		return;
	verdict->action = hit->action;
	verdict->hit = *hit;
}

void
limit_verdict_over(struct limit_verdict *verdict, struct limit_bound *bound,
		   const struct rate_charge *charge)
{
	struct limit_hit hit;

	if (charge->result == RATE_FITS ||
	    (bound->observe &&
	     (bound->told || verdict->observed_count == LIMIT_OBSERVED_MAX)))
		return;
	limit_hit_fill(&hit, bound->rule, charge);
	hit.observed = bound->observe;
	if (!bound->observe) {
		limit_verdict_offer(verdict, &hit);
		return;
	}
	bound->told = true;
	verdict->observed[verdict->observed_count++] = hit;
}
