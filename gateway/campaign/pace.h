#ifndef GATEWAY_CAMPAIGN_PACE_H
#define GATEWAY_CAMPAIGN_PACE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * How fast the bulk lane may go to one site. Pure: time is an argument, in
 * milliseconds of any clock that only goes forward.
 *
 * A step is a fraction of the rule: at step 0 all of it, at PACE_STEPS one
 * connection and one recipient a minute. A reply that says "slower" goes to the
 * last step within that reply; each quiet span goes one step back.
 */
#define PACE_STEPS 6

struct pace_rule { /* the ceilings; 0: none */
	uint32_t connections;
	uint32_t per_connection; /* messages, then a fresh one */
	uint32_t per_minute;	 /* recipients */
	int64_t quiet_ms; /* without complaint: one step back; 0: 15 min */
};

struct pace {
	struct pace_rule rule;
	uint32_t step;
	int64_t paused_until_ms, step_until_ms;
	double tokens;
	int64_t filled_ms;
};

void pace_init(struct pace *pace, const struct pace_rule *rule, int64_t now_ms);
/* The rule changed; the step stays. */
void pace_rule_set(struct pace *pace, const struct pace_rule *rule,
		   int64_t now_ms);
/* 0: one may start now; else in so many milliseconds ask again. */
int64_t pace_wait_ms(struct pace *pace, int64_t now_ms);
/* Of one message so many recipients may go together: a minute's worth, or a
 * debt would keep the next from showing for long that all is well. 0: all. */
uint32_t pace_batch(struct pace *pace, int64_t now_ms);
/* n recipients started; may go into debt, which the next ones wait for. */
void pace_take(struct pace *pace, uint32_t n, int64_t now_ms);
void pace_give_back(struct pace *pace, uint32_t n);
struct bounce_throttle;
void pace_throttled(struct pace *pace, const struct bounce_throttle *throttle,
		    int64_t now_ms);
uint32_t pace_connections(struct pace *pace, int64_t now_ms); /* 0: no cap */
bool pace_is_slowed(struct pace *pace, int64_t now_ms);

/* A warm-up plan: recipients a day of a source address at one site, by the
 * days since it began; the last stands for ever. 0: no cap. */
uint32_t pace_warmup(const uint32_t *plan, uint32_t days, int64_t day);

#endif
