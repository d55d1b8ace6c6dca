#ifndef RATELIMIT_GCRA_H
#define RATELIMIT_GCRA_H

#include <stdbool.h>
#include <stdint.h>

#include "ratelimit/rate.h"
#include "ratelimit/state.h"

/*
 * Pace and burst: one unit each period_us, `limit` of them at once; the
 * theoretical arrival time is kept. limit * period_us beyond some 70,000 years
 * counts as that.
 */
struct gcra {
	struct state state;
	int64_t tat_us;	  /* when nothing is left of what was charged */
	int64_t since_us; /* since when it was never empty */
	int64_t seen_us;  /* the latest time it was charged at */
	int64_t last_us;  /* when the last that was charged leaves */
	int64_t net_us;	  /* charged since since_us and not given back */
	int64_t paced_us; /* the part of net_us that leaves after seen_us */
	int64_t over_us;  /* of net_us, what a rule in observe left out */
	int64_t step_us;  /* period_us of the rule that charged it */
};

/* What was charged under a rule of another step keeps its units, not its time;
 * no more of them than the rule could have charged. Before all other calls. */
void gcra_convert(struct gcra *gcra, const struct rate_rule *rule,
		  int64_t now_us);

/* gcra NULL: nothing was charged. at_us also when it is over: where it would
 * be charged all the same. */
void gcra_ask(const struct gcra *gcra, struct rate_charge *charge,
	      int64_t now_us);
/* charge: as this state's ask left it. A new one: all but state is zero. */
void gcra_add(struct gcra *gcra, const struct rate_charge *charge,
	      int64_t now_us);
/* Gives back charge->back. */
void gcra_replace(struct gcra *gcra, const struct rate_charge *charge,
		  int64_t now_us);
/* Gives back no more than what is sure not to have run out by itself. */
void gcra_take(struct gcra *gcra, const struct rate_charge *charge,
	       int64_t now_us);
/* From disk; a time the rule could not have given becomes its latest. */
void gcra_load(struct gcra *gcra, const struct rate_rule *rule, uint64_t value,
	       int64_t now_us);
bool gcra_empty(const struct gcra *gcra, int64_t now_us);
/* What is charged at now_us, in units. */
uint64_t gcra_total(const struct gcra *gcra, int64_t period_us, int64_t now_us);

#endif
