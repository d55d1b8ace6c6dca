/*
 * Dead domains: a rule that is charged by one thing and asked by another. Each
 * domain that a login meets dead for the first time is charged, whoever is over
 * already too: a login that goes on meeting them stays over, where counting
 * only up to the limit would let mail through each time the oldest leaves the
 * window. Its messages charge nothing; each recipient, and the dot, looks
 * whether one more would still fit. So a limit of N lets N happen and nothing
 * of the login behind them.
 *
 * No message's transaction keeps these charges, since what was met at a refused
 * recipient is met whether a message is accepted or not: they lag to the disk
 * like failed logins.
 */
#include "policy/limits_int.h"

void
limits_dead_domain(struct limits *limits, const struct limit_who *who,
		   int64_t mono_us)
{
	struct limit_rules *rules = limits_rules(limits);
	int64_t now_us = limits_time(limits, mono_us), until_us = INT64_MAX;
	struct limit_binding b;
	uint64_t granted;

	limit_bind(&b, &rules, who, LIMIT_BIT(LIMIT_DEAD_DOMAINS));
	granted = b.count == 0
		      ? 0
		      : limits_granted(limits, who->cred, LIMIT_DEAD_DOMAINS,
				       now_us, &until_us);
	for (size_t i = 0; i < b.count; i++) {
		struct rate_charge charge;

		limit_charge_init(&charge, &b, &b.bound[i], 1, granted);
		charge.mode = RATE_OBSERVE;
		limit_charge(limits->table, &charge, 1, now_us);
		limits_lag_add(limits, &b, &b.bound[i], &charge);
	}
	limit_unbind(&b);
}

void
limit_dead_look(struct rate_table *table, struct limit_binding *b,
		uint64_t granted, int64_t now_us, struct limit_verdict *verdict)
{
	for (size_t i = 0; i < b->count; i++) {
		struct rate_charge charge;

		if (b->bound[i].rule->counted != LIMIT_DEAD_DOMAINS)
			continue;
		limit_charge_init(&charge, b, &b->bound[i], 1, granted);
		rate_look(table, &charge, now_us);
		limit_verdict_over(verdict, &b->bound[i], &charge);
	}
}
