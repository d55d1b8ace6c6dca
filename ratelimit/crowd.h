#ifndef RATELIMIT_CROWD_H
#define RATELIMIT_CROWD_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"

/*
 * How many connections there are, in all and from each address (v4 /32, v6
 * /64). Shared by the front threads: every function may be called on any.
 */
struct crowd;

enum crowd_verdict { CROWD_IN, CROWD_FULL, CROWD_ADDRESS_FULL };

struct crowd *crowd_create(void);
void crowd_destroy(struct crowd **crowd);
/* CROWD_IN: counted until crowd_leave. A maximum of 0 is none. */
enum crowd_verdict crowd_enter(struct crowd *crowd, const struct ip_addr *ip,
			       uint32_t max, uint32_t address_max);
void crowd_leave(struct crowd *crowd, const struct ip_addr *ip);
uint32_t crowd_count(struct crowd *crowd);

#endif
