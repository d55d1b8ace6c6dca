#ifndef GATEWAY_BACK_PREFLIGHT_H
#define GATEWAY_BACK_PREFLIGHT_H

#include "gateway/back/relay.h"

/*
 * The look at a campaign that begins, before anything of it goes: its first
 * message's header, its recipients, what DNS says of those who stand for it.
 * It ends within PREFLIGHT_MS whatever DNS and the disk do; then the campaign
 * runs, or waits for a person, with its warnings as the reason. Nothing is kept
 * of it: after a restart it is done again.
 */
#define PREFLIGHT_MS 10000

struct preflights; /* of a relay */

struct preflights *preflights_create(struct relay *relay);
void preflights_destroy(struct preflights **preflights);

/* Fine of one that is not CAMPAIGN_CHECKING, or is looked at already. A later
 * turn of the loop does it, when its jobs are placed. While the queue is read
 * back at the start nothing is done: ask again when it is complete. */
void preflight_start(struct relay *relay, uint64_t campaign);

#endif
