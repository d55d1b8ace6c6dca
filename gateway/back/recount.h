#ifndef GATEWAY_BACK_RECOUNT_H
#define GATEWAY_BACK_RECOUNT_H

#include "gateway/back/relay.h"

/*
 * What the queue says of the campaigns once all of it was read
 * (campaigns_recount), on its way to the disk. What cannot be committed is
 * found again at the next start.
 */

/* A message of the queue as it was at the start. */
void recount_found(struct relay *relay, const struct spool_msg *msg);
/* That was all. */
void recount_start(struct relay *relay);

#endif
