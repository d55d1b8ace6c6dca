#ifndef RATELIMIT_STATE_H
#define RATELIMIT_STATE_H

#include <stddef.h>
#include <stdint.h>

/*
 * What one rule knows of one key: the head of a struct window, a struct gcra
 * or a struct level. It says itself how large it is and how it is to be read,
 * whatever the rule says by now. Sizes are multiples of 8.
 */
struct state {
	uint32_t rule;
	uint8_t kind;	  /* enum rate_kind */
	uint8_t cell_log; /* of a window: bytes of a cell, as a power of two */
	uint8_t rows;	  /* of a window */
	uint8_t full;	  /* after the last charge; 255: the limit or over */
};

struct level {
	struct state state;
	uint64_t count;
};

static inline uint64_t
u64_add(uint64_t a, uint64_t b) /* stops at the end */
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static inline uint8_t
state_full(uint64_t used, uint64_t limit)
{
	if (used >= limit)
		return used == 0 ? 0 : 255;
	return (uint8_t)(limit > UINT64_MAX / 256 ? used / (limit / 256 + 1)
						  : used * 255 / limit);
}

#endif
