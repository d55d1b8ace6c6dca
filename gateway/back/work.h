#ifndef GATEWAY_BACK_WORK_H
#define GATEWAY_BACK_WORK_H

#include "gateway/back/relay.h"

/*
 * What administrators do to the queue (back_work), in slices on the relay
 * thread.
 */
struct works;

struct works *works_create(struct relay *relay);
void works_destroy(struct works **works); /* stopped */

/* Its done runs later, also when relay stops: then now. */
void work_start(struct relay *relay, struct back_work *work);
bool work_slice(struct relay *relay); /* true: there is more to do now */
/* What is on its way to the disk comes back, everything else is cancelled. */
void work_stop(struct relay *relay);

#endif
