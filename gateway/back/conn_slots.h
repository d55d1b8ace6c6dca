#ifndef GATEWAY_BACK_CONN_SLOTS_H
#define GATEWAY_BACK_CONN_SLOTS_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Connections are slots, and there are only so many. This says who opens the
 * next one, so that destinations that do not answer delay nobody else:
 *
 * - sites that let us in of late come first, then those nobody has spoken to,
 *   by turns of the credentials that wait for them, as many at a time as one
 *   weighs (weights.h), then those that failed;
 * - those that failed are given at most a fifth of all slots to be tried
 *   again, and all that have not let us in yet at most four fifths;
 * - a connection that has no answer after a second is slow (sooner when others
 *   wait), and at most a fifth of all slots may be: beyond that the one that
 *   waits longest is given up, as if it had timed out.
 *
 * Next hops of the administrator's (`relay`) are not sites: they only count.
 *
 * Each lane has queues and fifths of its own: of all slots for personal mail,
 * of their share for bulk and dsn, which have that share together, and at least
 * one each. So what a campaign waits for delays no personal mail.
 */
struct conn;
struct dest;
struct relay;
struct conn_slots;

struct slot_attempt { /* of a connection that opens; zeroed is none */
	TAILQ_ENTRY(slot_attempt) link;
	struct conn *conn;
	int64_t began_ms;
	uint8_t rank, lane;
	bool counted, listed;
};

struct conn_slots *conn_slots_create(struct relay *relay);
void
conn_slots_destroy(struct conn_slots **slots); /* nobody waits, nothing opens */

/* dest has something to send and wants a connection. False: not now; it waits,
 * and is run when its turn has come. */
bool conn_slots_take(struct dest *dest);
void conn_slots_leave(struct dest *dest); /* it waits no more */
/* Runs those whose turn has come. */
void conn_slots_serve(struct conn_slots *slots);

/* A connection begins to open, and ends to, let in or not. */
void conn_slots_open_begin(struct dest *dest, struct slot_attempt *attempt,
			   struct conn *conn);
void conn_slots_open_end(struct dest *dest, struct slot_attempt *attempt);
/* A connect to one address begins (anew); of sites only. */
void conn_slots_attempt(struct dest *dest, struct slot_attempt *attempt);
/* A slot is free again. */
void conn_slots_freed(struct conn_slots *slots);
void conn_slots_tick(struct conn_slots *slots); /* gives up who is too slow */

/* Whether the lane may open one more, whoever waits. */
bool conn_slots_has_room(const struct conn_slots *slots, unsigned lane);
/* A connection of the lane that has nothing to do is not to be kept. */
bool conn_slots_are_few(const struct conn_slots *slots, unsigned lane);

uint32_t conn_slots_waiting(const struct conn_slots *slots); /* destinations */

#endif
