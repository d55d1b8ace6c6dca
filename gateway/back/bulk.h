#ifndef GATEWAY_BACK_BULK_H
#define GATEWAY_BACK_BULK_H

#include "gateway/back/delivery.h"

/*
 * What holds for recipients of the bulk lane alone: who is suppressed, or had
 * this very message already, is left out at the start of a delivery; what the
 * receiver says suppresses others; and a campaign stops before it makes a
 * bulk sender of us with one of the large receivers.
 */
struct bulk;

struct bulk *bulk_create(void);
void bulk_destroy(struct bulk **bulk);

/* A loaded job is about to start; each of its recipients is in rcpts. Those
 * that are left out end here. False: none is left, or its campaign may not go
 * any more. The array stays the caller's. */
bool bulk_pass(struct dest *dest, struct job **job, struct spool_rcpt **rcpts);

/* What became of a recipient, into the same commit. */
void bulk_note(struct outcome *outcome, const struct delivery *delivery,
	       const struct spool_rcpt *rcpt, const struct result *result,
	       int64_t now_wall_s);

#endif
