/*
 * What `sluice limits` and `why` show: each rule as it stands for somebody.
 * Looking charges nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/limits_int.h"

static void
line_plain(struct limit_line *line, const struct limit_rule *rule)
{
	const struct rate_charge charge = {
	    .rule = &rule->rate,
	    .limit = rule->rate.limit,
	    .result = RATE_FITS,
	};

	*line = (struct limit_line){
	    .configured = rule->limit,
	    .over = rule->policy->over,
	};
	limit_hit_fill(&line->hit, rule, &charge);
	line->hit.observed = rule->policy->observe;
}

static void
line_look(struct limits *limits, const char *cred,
	  const struct limit_binding *b, const struct limit_bound *bound,
	  int64_t now_us, struct limit_line *line)
{
	enum limit_counted counted = bound->rule->counted;
	int64_t until_us = INT64_MAX;
	struct rate_charge charge;
	uint64_t granted;

	granted = limits_granted(limits, cred, counted, now_us, &until_us);
	limit_charge_init(&charge, b, bound, 1, granted);
	rate_look(limits->table, &charge, now_us);
	limit_hit_fill(&line->hit, bound->rule, &charge);
	limit_hit_tell(&line->hit, limits);
	line->hit.observed = bound->observe;
	line->paced = charge.paced * bound->rule->unit;
	line->applies = true;
	if (granted > 0 && until_us != INT64_MAX)
		line->grant_until_wall_s = until_us / 1000000 + limits->set_s;
}

void
limits_each(struct limits *limits, const struct limit_who *who, int64_t mono_us,
	    limit_line_fn *fn, void *arg)
{
	static const struct limit_who nobody;
	struct limit_rules *rules = limits_rules(limits), *mine;
	int64_t now_us = limits_time(limits, mono_us);
	struct limit_binding b;
	size_t next = 0;

	if (who == NULL)
		who = &nobody;
	mine = limit_rules_ref(rules);
	limit_bind(&b, &mine, who, UINT32_MAX);
	for (size_t i = 0; i < rules->rule_count; i++) {
		const struct limit_rule *rule = &rules->rules[i];
		struct limit_line line;

		line_plain(&line, rule);
		if (next < b.count && b.bound[next].rule == rule)
			line_look(limits, who->cred, &b, &b.bound[next++],
				  now_us, &line);
		if (!fn(arg, &line))
			break;
	}
	limit_unbind(&b);
	limit_rules_unref(&rules);
}
