#ifndef RATELIMIT_WINDOW_H
#define RATELIMIT_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ratelimit/rate.h"
#include "ratelimit/state.h"

/*
 * At most N units in any period, in 16 slots of a 15th of the period. A unit
 * counts until its whole slot has left, so for a period at least and a slot
 * longer at most. Further rows of slots hold what is charged at a time to come
 * (pace); they are there only while something is in them.
 *
 * Kept packed, in cells as wide as what is in them; worked on as a view. Time
 * that goes backwards stands still.
 */
#define WINDOW_SLOTS 16
#define WINDOW_ROWS_MAX 16
#define WINDOW_NOW (WINDOW_SLOTS - 1) /* a view's present slot */

struct window { /* rows * WINDOW_SLOTS cells follow */
	struct state state;
	int64_t slot; /* the present one when it was written */
	int64_t width_us;
};

struct window_view {
	int64_t slot; /* of cells[WINDOW_NOW] */
	int64_t width_us;
	uint8_t cell_log;
	unsigned count; /* of cells; a multiple of WINDOW_SLOTS */
	uint64_t cells[WINDOW_SLOTS * WINDOW_ROWS_MAX];
};

int64_t window_width_us(int64_t period_us);

static inline size_t
window_bytes(unsigned cells, unsigned cell_log)
{
	return sizeof(struct window) + ((size_t)cells << cell_log);
}

static inline size_t
window_size(const struct state *state)
{
	return window_bytes(state->rows * WINDOW_SLOTS, state->cell_log);
}

/* As it is at now_us; window NULL: nothing was charged. A window of another
 * width is converted so that nothing is free earlier than it would be. */
void window_read(const struct window *window, int64_t width_us, int64_t now_us,
		 struct window_view *view);
bool window_empty(const struct window_view *view);
/* Bytes of the window that holds it. */
size_t window_packed(const struct window_view *view);
/* All but state.rule, .kind and .full. */
void window_write(struct window *window, const struct window_view *view);

/* The outputs of charge; at_us also when it is over: where it would be charged
 * all the same. */
void window_ask(const struct window_view *view, struct rate_charge *charge,
		int64_t now_us);
/* at_us: of this view's ask. */
void window_add(struct window_view *view, int64_t at_us, uint64_t amount);
void window_take(struct window_view *view, int64_t at_us, uint64_t amount);
/* From disk: future slots that the rule could not have used become now. */
void window_load(struct window_view *view, const struct rate_rule *rule,
		 int64_t slot, uint64_t value);
/*
 * The common case in place: nothing is to come, the cells are narrow, and the
 * amount fits now. Same result as through a view; false: do it through one,
 * nothing was touched (of charge but its outputs).
 */
bool window_ask_packed(const struct window *window, struct rate_charge *charge,
		       int64_t now_us);
/* charge: as this window's ask left it, in whichever way. */
bool window_add_packed(struct window *window, const struct rate_charge *charge,
		       int64_t now_us);

/* In the window and to come. */
uint64_t window_total(const struct window_view *view);

#endif
