#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/store/tally.h"

/*
 * The first two bytes say where the input is cut into a record and a change.
 * What a merge writes can be read, is in strict order, holds nothing that is
 * over, and says the same when it is written again.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(int ok)
{
	if (!ok)
		abort();
}

static void
record_check(struct slice record)
{
	struct tally_reader reader;
	struct tally_cell cell, before;
	size_t count = 0;
	int rc;

	must(tally_read(&reader, record) == 0);
	while ((rc = tally_next(&reader, &cell)) == 1) {
		must(cell.expires_wall_s > reader.wall_s);
		must(count == 0 || before.id < cell.id ||
		     (before.id == cell.id && before.slot < cell.slot));
		before = cell;
		count++;
	}
	must(rc == 0 && count > 0 && count <= TALLY_CELLS_MAX);
}

static void
again_check(struct slice record)
{
	struct buf change = {.cap = SIZE_MAX}, out = {.cap = SIZE_MAX};
	struct tally_reader reader;

	must(tally_read(&reader, record) == 0);
	tally_begin(&change, reader.wall_s);
	must(tally_merge(record, buf_slice(&change), &out) == 0);
	must(slice_eq(buf_slice(&out), record));
	buf_fini(&change);
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out = {.cap = SIZE_MAX};
	struct slice record, change;
	char *a, *b;
	size_t cut;
	int rc;

	if (size < 2)
		return 0;
	cut = (size_t)data[0] << 8 | data[1];
	if (cut > size - 2)
		cut = size - 2;
	/* Each exactly as long as it is. */
	a = slice_dup(slice_of(data + 2, cut));
	b = slice_dup(slice_of(data + 2 + cut, size - 2 - cut));
	record = slice_of(a, cut);
	change = slice_of(b, size - 2 - cut);
	rc = tally_merge(record, change, &out);
	must((rc < 0) == !tally_valid(change));
	if (rc >= 0 && out.n > 0) {
		record_check(buf_slice(&out));
		again_check(buf_slice(&out));
	}
	buf_fini(&out);
	free(a);
	free(b);
	return 0;
}
