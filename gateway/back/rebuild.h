#ifndef GATEWAY_BACK_REBUILD_H
#define GATEWAY_BACK_REBUILD_H

#include "gateway/back/relay.h"

/*
 * The queue as it is on disk at start, read back in slices. Messages accepted
 * from now on come by back_accepted and have larger ids: the two meet at no
 * message.
 */
void rebuild_begin(struct relay *relay);
bool rebuild_slice(struct relay *relay); /* true: there is more */
void rebuild_end(struct relay *relay);

#endif
