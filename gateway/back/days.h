#ifndef GATEWAY_BACK_DAYS_H
#define GATEWAY_BACK_DAYS_H

#include "gateway/back/relay.h"
#include "gateway/campaign/receiver.h"
#include "gateway/store/change.h"

/*
 * How many recipients the bulk lane sent to this day (UTC), at the consumers of
 * a large receiver and, by a warm-up plan, at a site. A delivery takes its
 * places when it begins, and at its end gives back those of whoever was not
 * reached. Those who were are in the store by the commit of their outcome
 * (days_change), so a restart goes on where the day was: what a kill loses is
 * what it interrupts, which is sent, and counted, once more.
 */
struct days;

#define DAY_KEY_SIZE 17
struct day_key { /* what is counted */
	uint8_t b[DAY_KEY_SIZE];
};

struct day_key day_key_receiver(enum receiver receiver);
struct day_key day_key_site(const struct dest *dest); /* and its source */

/* Reads the day. */
struct days *days_create(struct relay *relay, int64_t now_wall_s);
void days_destroy(struct days **days);
/* Today, with what is under way. */
uint64_t days_count(struct days *days, const struct day_key *key,
		    int64_t now_wall_s);
/* Returns the day that is counted from now on, for what follows; never 0. */
int64_t days_begin(struct days *days, int64_t now_wall_s);
void days_take(struct days *days, const struct day_key *key, uint32_t n);
/* Of a day that is over: nothing. */
void days_give_back(struct days *days, int64_t day, const struct day_key *key,
		    uint32_t n);
/* n of those that were taken are reached: to be committed. */
void days_change(int64_t day, const struct day_key *key, uint32_t n,
		 struct arena *arena, struct store_change *change);
/* The guard stops this campaign: true at the first time of a day. */
bool days_ask(struct days *days, uint64_t campaign, int64_t now_wall_s);
/* It is stopped by this order, in the arena that is taken. Both are one commit:
 * one that was asked and goes on all the same would go past the guard. */
void days_asked(struct days *days, uint64_t campaign, struct arena **arena,
		const struct store_change *stop);
/* Days that are over leave the store. */
void days_tick(struct days *days, int64_t now_wall_s);

#endif
