#ifndef GATEWAY_BACK_BULK_H
#define GATEWAY_BACK_BULK_H

#include "gateway/back/delivery.h"

/*
 * What holds for recipients of the bulk lane alone: who is suppressed, or had
 * this very message already, is left out at the start of a delivery; what the
 * receiver says suppresses others; and a campaign stops before it makes a
 * bulk sender of us with one of the large receivers. Who counts there, and in
 * a warm-up plan, is whoever the receiver took or refused for good: who is put
 * off counts when he is sent to again.
 */
struct bulk;

struct bulk *bulk_create(void);
void bulk_destroy(struct bulk **bulk);

/* A loaded job is about to start; each of its recipients is in rcpts. Those
 * that are left out end here. False: none is left, or its campaign may not go
 * any more. The array stays the caller's. */
bool bulk_pass(struct dest *dest, struct job **job, struct spool_rcpt **rcpts);

/* What begins there is sent: else it is put off unasked, or only looked up, and
 * no receiver's to count. */
bool bulk_sends(const struct dest *dest);
/* A delivery that passed begins: its recipients take their places in the day's
 * counts. It is undone; or it ends, and what counts is into the same commit. */
void bulk_began(struct delivery *delivery);
void bulk_undone(struct delivery *delivery);
void bulk_ended(struct outcome *outcome, struct delivery *delivery,
		const struct result *results);

/* What became of a recipient, into the same commit. */
void bulk_note(struct outcome *outcome, const struct delivery *delivery,
	       const struct spool_rcpt *rcpt, const struct result *result,
	       int64_t now_wall_s);

#endif
