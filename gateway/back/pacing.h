#ifndef GATEWAY_BACK_PACING_H
#define GATEWAY_BACK_PACING_H

#include "gateway/back/relay.h"

/*
 * The pace of one destination of the bulk lane: ceilings of the settings, the
 * warm-up plan of its source address, and what the receiver says. NULL is no
 * pace: the other lanes go on at the same site as if this were not there.
 */
struct day_key;
struct pacing;

struct pacing *pacing_create(const struct dest *dest); /* with its source */
void pacing_destroy(struct pacing **pacing);

/* Whether another message may start now. What must wait stays in its turn, as
 * if it had not been looked at; the tick comes back to it. */
bool pacing_may_start(struct pacing *pacing);
/* Whether one with so many connections may open another. */
bool pacing_may_open(struct pacing *pacing, uint32_t connections);
/* A connection that carried so many messages is closed. */
bool pacing_is_worn(const struct pacing *pacing, uint64_t messages);
/* At most so many recipients of a message may go together; 0: all. */
uint32_t pacing_batch(struct pacing *pacing);
/* So many recipients of a message are sent to: of the rate. Who is put off
 * takes of it once more, being asked for once more. */
void pacing_started(struct pacing *pacing, uint32_t rcpts);
/* They were not, after all. */
void pacing_undone(struct pacing *pacing, uint32_t rcpts);
/* Whether there is a plan, for which deliveries are counted (days.h), and as
 * what. */
bool pacing_warms(const struct pacing *pacing);
const struct day_key *pacing_day_key(const struct pacing *pacing);
/* What the receiver said. True: it wants less, and this was not the message's
 * fault. */
bool pacing_hears(struct pacing *pacing, const struct dest *dest, int code,
		  const uint8_t enhanced[3], struct slice text);
/* There is something to remember: the destination stays. */
bool pacing_matters(struct pacing *pacing);

#endif
