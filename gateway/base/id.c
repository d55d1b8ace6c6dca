/*
 * Ids: one atomic counter. id_start only ever raises it, so it may be called
 * again at any time and from any thread; an id given is below every later one
 * of the process, and, since the largest id on disk is handed in, below every
 * one of the next. A wall clock that went back changes nothing of this.
 */
#include "gateway/base/id.h"

#include <stdatomic.h>

#include "gateway/base/error.h"

#define COUNT_BITS 20
#define MAX_WALL_MS ((int64_t)1 << 43) /* past the year 2200 */
#define TEXT_CHARS (ID_TEXT_SIZE - 1)

static _Atomic uint64_t next_id = 1; /* 0 is nobody's id */

void
id_start(int64_t wall_ms, uint64_t largest_seen)
{
	uint64_t floor, now;

	if (wall_ms < 0)
		wall_ms = 0;
	if (wall_ms > MAX_WALL_MS)
		wall_ms = MAX_WALL_MS;
	floor = (uint64_t)wall_ms << COUNT_BITS;
	if (largest_seen >= floor && largest_seen < UINT64_MAX)
		floor = largest_seen + 1;
	now = atomic_load(&next_id);
	while (now < floor &&
	       !atomic_compare_exchange_weak(&next_id, &now, floor)) {
	}
}

uint64_t
id_next(void)
{
	return atomic_fetch_add_explicit(&next_id, 1, memory_order_relaxed);
}

void
id_format(uint64_t id, char out[ID_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

	for (int i = TEXT_CHARS - 1; i >= 0; i--) {
		out[i] = digits[id & 31];
		id >>= 5;
	}
	out[TEXT_CHARS] = '\0';
}

/* Ids are read out over the telephone: case, and the look-alikes that
 * Crockford leaves out, are accepted. */
static int
digit_value(char c)
{
	static const signed char letters[26] = {
	    10, 11, 12, 13, 14, 15, 16, 17, 1,	18, 19, 1,  20,
	    21, 0,  22, 23, 24, 25, 26, -1, 27, 28, 29, 30, 31};

	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'Z')
		return letters[c - 'A'];
	if (c >= 'a' && c <= 'z')
		return letters[c - 'a'];
	return -1;
}

int
id_parse(struct slice s, uint64_t *id)
{
	uint64_t v = 0;

	if (s.n != TEXT_CHARS)
		return GW_EINVAL;
	for (size_t i = 0; i < s.n; i++) {
		int digit = digit_value(s.p[i]);

		/* 13 digits hold 65 bits: the first has four only */
		if (digit < 0 || (i == 0 && digit > 15))
			return GW_EINVAL;
		v = v << 5 | (uint64_t)digit;
	}
	*id = v;
	return 0;
}

int64_t
id_wall_ms(uint64_t id)
{
	return (int64_t)(id >> COUNT_BITS);
}
