#ifndef GATEWAY_BACK_EXPIRE_H
#define GATEWAY_BACK_EXPIRE_H

#include "gateway/back/relay.h"

/* What is in quarantine for long enough goes: at start, then every hour. */
struct expiry;

struct expiry *expire_create(struct relay *relay);
void expire_destroy(struct expiry **expiry); /* nothing is under way */
void expire_tick(struct expiry *expiry);

#endif
