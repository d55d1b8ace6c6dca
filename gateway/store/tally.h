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

/* In a record, the ones that expire first go; in a change, an error. */
#define TALLY_CELLS_MAX 4096

/* The value of a STORE_TALLY change, and of a record: the present time first
 * (records: of their last change), then the cells. Both append, so several
 * values may follow each other in one buffer. Records are in order of (id,
 * slot); a change in any other order is sorted, which costs. */
void tally_begin(struct buf *out, int64_t now_wall_s);
void tally_put(struct buf *out, const struct tally_cell *cell);
/* 1 got a cell, 0 the end, GW_ECORRUPT. */
struct tally_reader {
	struct slice rest;
	int64_t wall_s;
	/* internal: of the cell before */
	int64_t last_slot, last_wall_s;
	uint32_t last_id;
	bool any;
};
int tally_read(struct tally_reader *reader, struct slice value);
int tally_next(struct tally_reader *reader, struct tally_cell *cell);
bool tally_valid(struct slice change); /* can be read, and merged */
/* record: what is there (none: n 0). 0; 1: done, but what was there could not
 * be read and is replaced. out is cleared first; it may stay empty: nothing is
 * left. GW_EINVAL: the change cannot be read; GW_ETOOBIG: out has no room. */
int tally_merge(struct slice record, struct slice change, struct buf *out);

#endif
