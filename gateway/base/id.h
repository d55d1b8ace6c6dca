#ifndef GATEWAY_BASE_ID_H
#define GATEWAY_BASE_ID_H

#include <stdint.h>

#include "gateway/base/slice.h"

/*
 * Ids are 64-bit, never given twice, also not after a restart: a counter that
 * starts at the wall clock in milliseconds times 2^20, or one past the largest
 * id on disk. As text: 13 characters of Crockford's base32, lower case, so
 * that text and number sort alike.
 */
#define ID_TEXT_SIZE 14 /* with NUL */

/* Only ever raises the counter. The control loop calls it again each second,
 * id_start(now, 0), so that id_wall_ms stays true in a long-lived process. */
void id_start(int64_t wall_ms, uint64_t largest_seen);
uint64_t id_next(void); /* any thread */
void id_format(uint64_t id, char out[ID_TEXT_SIZE]);
int id_parse(struct slice s, uint64_t *id); /* GW_EINVAL */
int64_t id_wall_ms(uint64_t id);	    /* about when it was given */

#endif
