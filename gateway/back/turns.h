#ifndef GATEWAY_BACK_TURNS_H
#define GATEWAY_BACK_TURNS_H

#include "gateway/back/job.h"

/*
 * Whose turn it is at a destination. Ready jobs stand in a turn for each lane
 * and credential, and a turn is paid by what it sends: recipients, and large
 * bodies (job_cost). Whoever sends 100 recipients waits until the others have
 * sent 100, or have nothing left, and a credential of weight 3 (weights.h)
 * until they have sent 33; one who comes new is next, at the latest after one
 * job of each who waits already. How much more stands in a turn, or of how many
 * campaigns it is, changes nothing. Nothing here knows time.
 */
struct turn;

struct ready_lane {
	struct turn **heap; /* the least paid first; empty turns owe */
	size_t count, size;
	uint64_t paid; /* by the turn that was served last, when it was */
	uint64_t order;
	uint64_t jobs;
};

/* The ready jobs of one destination: embedded there. */
struct ready {
	struct ready_lane lanes[LANES];
	uint64_t count;	    /* jobs */
	uint32_t lane_turn; /* which lane next */
};

struct turns { /* of all destinations; zeroed is none */
	struct turn *table;
};

void ready_init(struct ready *ready);

/* Behind the others of its credential. */
void turns_put(struct turns *turns, struct ready *ready, struct job *job);
/* Before them, and what it cost is given back: it was not sent. */
void turns_give_back(struct turns *turns, struct ready *ready, struct job *job);
/* The next; NULL: there is none. */
struct job *turns_take(struct turns *turns, struct ready *ready);
/* Of whom the next is, or nearly: a hash. Something is ready. */
uint64_t turns_next_cred(const struct ready *ready);
/* What that one weighs; 1 when nothing is ready. */
uint32_t turns_next_weight(const struct ready *ready);
/* This one, without paying. */
void turns_remove(struct turns *turns, struct ready *ready, struct job *job);

#endif
