#ifndef GATEWAY_BACK_CHORES_H
#define GATEWAY_BACK_CHORES_H

#include "gateway/back/relay.h"

/*
 * What administrators do to the queue (back_work), in slices on the relay
 * thread. Nothing begins before the queue is read back from disk, but for
 * BACK_RECHECK, which waits for nobody.
 */
struct chores;

struct chores *chores_create(void);
void chores_destroy(struct chores **chores); /* stopped */

/* Its done runs later; at once when the relay is stopping. */
void chores_add(struct relay *relay, struct back_work *work);
bool chores_slice(struct relay *relay); /* true: there is more to do now */
/* What is on its way to the disk comes back first, all else is cancelled. */
void chores_stop(struct relay *relay);
/* A job, its message loaded, that is about to start: what a purge under way
 * has not come to yet leaves it. True: the purge took the job. */
bool chores_claim(struct relay *relay, struct job **job);

#endif
