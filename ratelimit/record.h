#ifndef RATELIMIT_RECORD_H
#define RATELIMIT_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "ratelimit/rate.h"
#include "ratelimit/state.h"

/* All states of one key, one after the other. */
#define RECORD_STATES_MAX 256

struct record { /* the states follow */
	struct rate_key key;
	uint32_t next; /* of the chain; the shard's */
	uint32_t states;
};

size_t state_size(const struct state *state);
size_t record_bytes(const struct record *record);
/* NULL: this rule has none here. */
struct state *record_find(struct record *record, uint32_t rule);
/* As record_find, but looks first behind where it found one before (state
 * NULL: nowhere): who asks for the same rules in the same order pays one step
 * for each. */
struct record_at {
	struct state *state;
	uint32_t index;
};
void record_seek(struct record *record, uint32_t rule, struct record_at *at);
/* The one that is worth least, or NULL. */
struct state *record_least(struct record *record);
/* Makes `size` bytes of what was state_size of a state, or of the end (state
 * NULL), and returns them; the caller has seen that there is room. */
struct state *record_resize(struct record *record, struct state *state,
			    size_t size);
void record_remove(struct record *record, struct state *state);
/* Leaves out what is worth nothing by now. */
void record_clean(struct record *record, int64_t now_us);
/* The fullest of its states; 0..255. */
unsigned record_full(struct record *record);

#endif
