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

/* How long a host that could not be reached is put aside while others are
 * there: 30 s, doubling. last_ms 0: the first time. */
#define RETRY_ASIDE_MIN_MS 30000
#define RETRY_ASIDE_MAX_MS 600000
int64_t retry_aside_ms(int64_t last_ms);

/*
 * How long all rest when nobody is left: 1 s, then a quarter more each time.
 * Doubling would come as late as the outage was long; this is late by a fifth
 * of it, so a hop that starts some seconds after us has its mail at once.
 */
#define RETRY_REST_MIN_MS 1000
#define RETRY_REST_MAX_MS 300000
int64_t retry_rest_ms(int64_t last_ms);

#endif
