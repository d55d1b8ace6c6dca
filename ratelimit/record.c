/*
 * The layout of a key's record: a head and its states, each of the size that
 * its own head says. It decides what is worth nothing; where a record lives is
 * the shard's.
 */
#include "ratelimit/record.h"

#include <stdbool.h>
#include <string.h>

#include "ratelimit/gcra.h"
#include "ratelimit/window.h"

size_t
state_size(const struct state *state)
{
	switch ((enum rate_kind)state->kind) {
	case RATE_WINDOW:
		return window_size(state);
	case RATE_GCRA:
		return sizeof(struct gcra);
	case RATE_LEVEL:
		return sizeof(struct level);
	}
	return sizeof(struct state);
}

static struct state *
first(struct record *record)
{
	return (struct state *)(record + 1);
}

static struct state *
after(struct state *state)
{
	return (struct state *)((char *)state + state_size(state));
}

static struct state *
end(const struct record *record)
{
	struct state *state = (struct state *)((uintptr_t)(record + 1));

	for (uint32_t i = 0; i < record->states; i++)
		state = after(state);
	return state;
}

size_t
record_bytes(const struct record *record)
{
	return (size_t)((const char *)end(record) - (const char *)record);
}

void
record_seek(struct record *record, uint32_t rule, struct record_at *at)
{
	if (at->state != NULL && at->index + 1 < record->states) {
		at->state = after(at->state);
		at->index++;
		if (at->state->rule == rule)
			return;
	}
	at->state = first(record);
	for (at->index = 0; at->index < record->states; at->index++) {
		if (at->state->rule == rule)
			return;
		at->state = after(at->state);
	}
	at->state = NULL;
}

struct state *
record_find(struct record *record, uint32_t rule)
{
	struct record_at at = {NULL, 0};

	record_seek(record, rule, &at);
	return at.state;
}

static void
move_tail(struct record *record, struct state *from, char *to)
{
	memmove(to, from, (size_t)((char *)end(record) - (char *)from));
}

struct state *
record_resize(struct record *record, struct state *state, size_t size)
{
	struct state *next;

	if (state == NULL) {
		state = end(record);
		record->states++;
		memset(state, 0, size);
		return state;
	}
	next = after(state);
	if ((size_t)((char *)next - (char *)state) != size)
		move_tail(record, next, (char *)state + size);
	return state;
}

void
record_remove(struct record *record, struct state *state)
{
	move_tail(record, after(state), (char *)state);
	record->states--;
}

/* False: it is worth nothing. */
static bool
state_clean(struct record *record, struct state *state, int64_t now_us)
{
	struct window *window = (struct window *)state;
	struct window_view view;

	switch ((enum rate_kind)state->kind) {
	case RATE_WINDOW:
		window_read(window, window->width_us, now_us, &view);
		if (window_empty(&view))
			return false;
		if (view.count < state->rows * WINDOW_SLOTS) {
			record_resize(record, state, window_packed(&view));
			window_write(window, &view);
		}
		return true;
	case RATE_GCRA:
		return !gcra_empty((struct gcra *)state, now_us);
	case RATE_LEVEL:
		return ((struct level *)state)->count != 0;
	}
	return false;
}

void
record_clean(struct record *record, int64_t now_us)
{
	struct state *state = first(record);

	for (uint32_t left = record->states; left > 0; left--) {
		if (state_clean(record, state, now_us))
			state = after(state);
		else
			record_remove(record, state);
	}
}

unsigned
record_full(struct record *record)
{
	struct state *state = first(record);
	unsigned full = 0;

	for (uint32_t i = 0; i < record->states; i++) {
		if (state->full > full)
			full = state->full;
		state = after(state);
	}
	return full;
}

struct state *
record_least(struct record *record)
{
	struct state *state = first(record), *least = NULL;

	for (uint32_t i = 0; i < record->states; i++) {
		if (least == NULL || state->full < least->full)
			least = state;
		state = after(state);
	}
	return least;
}
