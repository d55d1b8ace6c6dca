#ifndef GATEWAY_BACK_SCANNING_H
#define GATEWAY_BACK_SCANNING_H

#include "gateway/back/relay.h"

/*
 * What is held pending-scan, by message: looked at late, the oldest first and
 * a few at once; then it joins the queue, changes its hold, or is final. Its
 * jobs are JOB_MARKED, in lists of this unit's. While no scanner answers they
 * wait; nothing but a verdict, or a bypass, lets them go.
 */
struct scanning;

struct scanning *scanning_create(struct relay *relay);
/* No other thread calls any more; the scanner may go. */
void scanning_leave(struct relay *relay);
void scanning_destroy(struct scanning **scanning); /* empty, stopped */

/* For held.c: a job with HOLD_SCAN, JOB_MARKED. */
void scanning_add(struct relay *relay, struct job *job);
void scanning_remove(struct relay *relay, struct job *job);
/* Any of them; NULL: none. */
struct job *scanning_any(struct relay *relay);

/* How long one waits that has failed so often: because nobody answered, or it
 * alone. */
int64_t scanning_wait_ms(unsigned tries, bool down);

bool scanning_slice(struct relay *relay); /* true: there is more to do now */
void scanning_tick(struct relay *relay);
/* Nothing begins any more; what is under way comes back soon. */
void scanning_stop(struct relay *relay);

#endif
