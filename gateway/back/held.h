#ifndef GATEWAY_BACK_HELD_H
#define GATEWAY_BACK_HELD_H

#include "gateway/back/relay.h"

/*
 * Jobs that do not take turns: kept by a block or hold, in lists by the rule's
 * id, or by marks of their own on disk. A rule leaves no mark: when it goes,
 * its jobs go back to their turns and are looked at once more.
 */
struct held;

struct held *held_create(void);
void held_destroy(struct held **held); /* empty by then */

/* Takes the job; it is out of its turn. */
void held_by_rule(struct relay *relay, struct job **job, uint64_t rule);
/* Takes the job; its holds are set. With HOLD_SCAN it is scanning.c's. */
void held_by_mark(struct relay *relay, struct job **job);
/* count recipients of a job of this mark are it no more. */
void held_uncount(struct relay *relay, uint32_t holds, uint32_t count);
/* The job is JOB_RULED or JOB_MARKED: out of its list, JOB_ACTIVE. */
void held_take(struct relay *relay, struct job *job);

/* A rule went, or, 0, perhaps any: what it holds is let go in slices. */
void held_recheck(struct relay *relay, uint64_t rule);
/* Up to max jobs go back to their turns; tell gets each of them first, if it is
 * not NULL. True: there are more. */
typedef void held_tell_fn(void *arg, const struct job *job);
bool held_let_go(struct relay *relay, uint32_t max, held_tell_fn *tell,
		 void *arg);

/* Any held job, out of its list: to empty it at the end. */
struct job *held_drain(struct relay *relay);

/* --- gate.c --------------------------------------------------------------- */

/*
 * What the block list says of a job that is about to start. False: it was
 * taken and is held. With its message loaded (rcpts, one a recipient) only
 * those recipients may be held that are at a blocked domain: they leave the
 * job, and rcpts. Without (NULL) its login and address alone are asked for.
 */
bool gate_pass(struct relay *relay, struct job **job,
	       struct spool_rcpt **rcpts);

#endif
