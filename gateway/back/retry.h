#ifndef GATEWAY_BACK_RETRY_H
#define GATEWAY_BACK_RETRY_H

#include <stdint.h>

#include "gateway/back/back.h"

/*
 * When to try again. Pure: time and chance are arguments.
 */

/*
 * The wall second of the next attempt after the attempts-th failure, with up
 * to an eighth more by chance, so that what failed together does not come back
 * together; never after the message expires, which gets one last attempt.
 */
int64_t retry_due_wall_s(const struct back_conf *conf, uint32_t attempts,
			 int64_t accepted_wall_s, int64_t now_wall_s,
			 uint32_t chance);

bool retry_expired(const struct back_conf *conf, int64_t accepted_wall_s,
		   int64_t now_wall_s);

/* How long a host that could not be reached is put aside: 30 s, doubling. */
#define RETRY_ASIDE_MIN_MS 30000
#define RETRY_ASIDE_MAX_MS 600000
int64_t retry_aside_ms(int64_t last_ms); /* last_ms 0: the first time */

#endif
