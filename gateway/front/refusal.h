#ifndef GATEWAY_FRONT_REFUSAL_H
#define GATEWAY_FRONT_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/reply.h"

/*
 * What a check says no with, and how the client hears it. A client that goes
 * on to be refused by limits or blocks hears it later each time (0.1 s, twice
 * that, up to 5 s, one after the other): by a timer, holding no thread.
 * Dead domains are slowed too, but only behind as many in a row as one message
 * of an old address book may have.
 */
struct session;
struct timer_op;
struct late; /* an answer that waits for its time */

struct refusal {
	struct reply reply;
	uint64_t ref;	 /* what `sluice why` resolves; 0: none */
	const char *why; /* static, for the log of connections */
	bool slow;	 /* by a limit or the block list */
	bool dead;	 /* for a dead domain: slow after a while */
	bool last;	 /* 421 and the end behind it */
};

/* As ref of an answer: the log has its line already. */
#define REFUSAL_TOLD UINT64_MAX

/* What limits and blocks keep of a session; belongs to struct session. */
struct guard {
	struct presence *presence;
	uint64_t generation;	 /* of the block list when it was asked last */
	struct refusal *blocked; /* the answer it gave; NULL: may go on */
	unsigned refused;	 /* commands in a row */
	unsigned dead;		 /* of them for their domain, not slowed */
	int64_t due_ms;		 /* of the last late answer */
	struct late *late, **late_end;
	struct timer_op *timer;
};

void refusal_init(struct refusal *refusal, const struct reply *reply);
void refusal_make(struct refusal *refusal, enum reply_id id,
		  const struct reply_arg *args, size_t count);
/* Answers the ticket, now or later. */
void refusal_say(struct session *session, uint32_t ticket,
		 const struct refusal *refusal);
/* A command was allowed: the next refusal is told at once. */
void refusal_forgive(struct session *session);
/* All that are late leave now: the session is about to end. */
void refusal_hurry(struct session *session);
void refusal_fini(struct session *session);

#endif
