#ifndef GATEWAY_STORE_TALLY_H
#define GATEWAY_STORE_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/slice.h"

/*
 * A record made of counter cells, and the change that adds to it
 * (STORE_TALLY): cells of the same id and slot add up, or the larger value
 * stands; cells whose time is over go whenever the record is written. The
 * store knows no more of what they count.
 */
struct tally_cell {
	uint32_t id;
	int64_t slot;
	uint64_t value;
	int64_t expires_wall_s;
	bool largest; /* instead of the sum; sums stop at UINT64_MAX */
};

#define TALLY_CELLS_MAX 4096 /* a record; the ones that expire first go */

/* The value of a STORE_TALLY change, and of a record: a u32 of the present
 * time first (records: of their last change), then the cells in order of
 * (id, slot). */
void tally_begin(struct buf *out, int64_t now_wall_s);
void tally_put(struct buf *out, const struct tally_cell *cell);
/* 1 got a cell, 0 the end, GW_ECORRUPT. */
struct tally_reader {
	struct slice rest;
	int64_t wall_s;
};
int tally_read(struct tally_reader *reader, struct slice value);
int tally_next(struct tally_reader *reader, struct tally_cell *cell);
/* record: what is there (none: n 0). A record that cannot be read is replaced.
 * out may stay empty: nothing is left. GW_EINVAL: the change cannot be read. */
int tally_merge(struct slice record, struct slice change, struct buf *out);

#endif
