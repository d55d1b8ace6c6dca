#include "gateway/store/tally.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/store/key.h"

/*
 * The bytes: a version, the wall time as u32, then cells. A cell is a byte of
 * flags and numbers of seven bits a byte, the lowest first. SAME_ID says that
 * only the differences to the cell before follow: a window of sixteen slots
 * takes some eighty bytes, so that a key's record stays within a leaf of the
 * tree. Whoever makes a change appends cells one by one and knows of no cell
 * before, so there each cell stands for itself; the merge writes the short
 * form. Both are read alike.
 *
 * Records are in strict order of (id, slot), so one pass over both sides
 * merges them. A change out of order is sorted first: who made it must not
 * cost a mail. A record out of order, or that cannot be read, is taken for
 * none: what it counted is lost, and no message.
 */

enum {
	VERSION = 1,
	LARGEST = 1 << 0,
	SAME_ID = 1 << 1,
	HEAD_SIZE = 5,
	CELL_SIZE_MAX = 1 + 4 + 10 + 10 + 10,
	/* Going over the cap makes room for more than one. */
	KEPT = TALLY_CELLS_MAX - TALLY_CELLS_MAX / 16,
};

/* --- numbers ------------------------------------------------------------- */

static uint8_t *
put_number(uint8_t *p, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	return p;
}

/* NULL: cut short, or more than 64 bits. */
static inline const uint8_t *
get_number(const uint8_t *p, const uint8_t *end, uint64_t *v)
{
	unsigned shift = 0;

	if (p == NULL)
		return NULL;
	if (p < end && *p < 0x80) { /* nearly all are small */
		*v = *p;
		return p + 1;
	}
	*v = 0;
	for (; p < end && shift < 70; shift += 7) {
		if (shift == 63 && *p > 1)
			return NULL;
		*v |= (uint64_t)(*p & 0x7f) << shift;
		if ((*p++ & 0x80) == 0)
			return p;
	}
	return NULL;
}

/* Small negative numbers are small: 0, -1, 1, -2 ... */
static uint64_t
fold(uint64_t v)
{
	return v << 1 ^ (v >> 63 ? UINT64_MAX : 0);
}

static uint64_t
unfold(uint64_t v)
{
	return v >> 1 ^ (v & 1 ? UINT64_MAX : 0);
}

/* --- writing ---------------------------------------------------------------
 */

void
tally_begin(struct buf *out, int64_t now_wall_s)
{
	uint8_t head[HEAD_SIZE] = {VERSION};

	if (now_wall_s < 0)
		now_wall_s = 0;
	if (now_wall_s > UINT32_MAX)
		now_wall_s = UINT32_MAX;
	key_put_u32(head + 1, (uint32_t)now_wall_s);
	buf_add(out, head, sizeof(head));
}

/* before: the last one written, NULL: this one stands for itself. */
static void
cell_put(struct buf *out, const struct tally_cell *cell,
	 const struct tally_cell *before)
{
	bool same = before != NULL && before->id == cell->id;
	uint64_t slot = (uint64_t)cell->slot;
	uint64_t expires = (uint64_t)cell->expires_wall_s;
	char *room = buf_reserve(out, CELL_SIZE_MAX);
	uint8_t *p = (uint8_t *)room;

	if (room == NULL)
		return;
	*p++ = (uint8_t)((cell->largest ? LARGEST : 0) | (same ? SAME_ID : 0));
	if (same) {
		slot -= (uint64_t)before->slot;
		expires -= (uint64_t)before->expires_wall_s;
	} else {
		key_put_u32(p, cell->id);
		p += 4;
	}
	p = put_number(p, fold(slot));
	p = put_number(p, cell->value);
	p = put_number(p, fold(expires));
	out->n += (size_t)((char *)p - room);
}

void
tally_put(struct buf *out, const struct tally_cell *cell)
{
	cell_put(out, cell, NULL);
}

/* --- reading ---------------------------------------------------------------
 */

int
tally_read(struct tally_reader *reader, struct slice value)
{
	memset(reader, 0, sizeof(*reader));
	if (value.n < HEAD_SIZE || value.p[0] != VERSION)
		return GW_ECORRUPT;
	reader->wall_s = key_get_u32(value.p + 1);
	reader->rest = slice_from(value, HEAD_SIZE);
	return 0;
}

static bool
cell_get(struct tally_reader *reader, struct tally_cell *cell)
{
	const uint8_t *p = (const uint8_t *)reader->rest.p;
	const uint8_t *end = p + reader->rest.n;
	uint8_t flags = *p++;
	bool same = (flags & SAME_ID) != 0;
	uint64_t slot, expires;

	if ((flags & ~(LARGEST | SAME_ID)) != 0 || (same && !reader->any))
		return false;
	cell->id = reader->last_id;
	if (!same) {
		if (end - p < 4)
			return false;
		cell->id = key_get_u32(p);
		p += 4;
	}
	p = get_number(p, end, &slot);
	p = get_number(p, end, &cell->value);
	p = get_number(p, end, &expires);
	if (p == NULL)
		return false;
	slot = unfold(slot) + (same ? (uint64_t)reader->last_slot : 0);
	expires = unfold(expires) + (same ? (uint64_t)reader->last_wall_s : 0);
	cell->slot = (int64_t)slot;
	cell->expires_wall_s = (int64_t)expires;
	cell->largest = (flags & LARGEST) != 0;
	reader->rest = slice_of(p, (size_t)(end - p));
	return true;
}

int
tally_next(struct tally_reader *reader, struct tally_cell *cell)
{
	if (reader->rest.n == 0)
		return 0;
	if (!cell_get(reader, cell)) {
		reader->rest = SLICE_NONE;
		return GW_ECORRUPT;
	}
	reader->any = true;
	reader->last_id = cell->id;
	reader->last_slot = cell->slot;
	reader->last_wall_s = cell->expires_wall_s;
	return 1;
}

static int
cell_order(const struct tally_cell *a, const struct tally_cell *b)
{
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	if (a->slot != b->slot)
		return a->slot < b->slot ? -1 : 1;
	return 0;
}

bool
tally_valid(struct slice change)
{
	struct tally_reader reader;
	struct tally_cell cell;
	size_t count = 0;
	int rc;

	if (tally_read(&reader, change) != 0)
		return false;
	while ((rc = tally_next(&reader, &cell)) == 1)
		if (++count > TALLY_CELLS_MAX)
			return false;
	return rc == 0;
}

/* --- merging ---------------------------------------------------------------
 */

/* What goes into the record: one cell is held back until it is known that
 * nothing more is added to it. */
struct merged {
	struct buf *out;
	struct tally_cell held, written;
	size_t count;
	int64_t now_wall_s;
	bool holds;
};

static void
held_write(struct merged *m)
{
	if (!m->holds)
		return;
	cell_put(m->out, &m->held, m->count > 0 ? &m->written : NULL);
	m->written = m->held;
	m->holds = false;
	m->count++;
}

static void
cell_merge(struct merged *m, const struct tally_cell *cell)
{
	uint64_t *value = &m->held.value;

	if (cell->expires_wall_s <= m->now_wall_s)
		return;
	if (!m->holds || cell_order(&m->held, cell) != 0) {
		held_write(m);
		m->held = *cell;
		m->holds = true;
		return;
	}
	if (cell->largest)
		*value = *value > cell->value ? *value : cell->value;
	else if (*value > UINT64_MAX - cell->value)
		*value = UINT64_MAX;
	else
		*value += cell->value;
	if (m->held.expires_wall_s < cell->expires_wall_s)
		m->held.expires_wall_s = cell->expires_wall_s;
	m->held.largest = cell->largest;
}

/* One side of the merge, a cell ahead, in order. */
struct side {
	struct tally_reader reader;
	struct tally_cell cell;
	size_t count;
	int rc; /* 1: cell is there; 0: the end; else no good */
};

static void
side_next(struct side *side, bool strict)
{
	struct tally_cell before = side->cell;
	int order;

	side->rc = tally_next(&side->reader, &side->cell);
	if (side->rc != 1)
		return;
	order = side->count++ > 0 ? cell_order(&before, &side->cell) : -1;
	if (order > 0 || (strict && order == 0) ||
	    side->count > TALLY_CELLS_MAX)
		side->rc = GW_ECORRUPT;
}

static void
side_open(struct side *side, struct slice s, bool strict)
{
	memset(side, 0, sizeof(*side));
	if (s.n == 0)
		return;
	side->rc = tally_read(&side->reader, s);
	if (side->rc == 0)
		side_next(side, strict);
}

enum broken { WHOLE, RECORD_BROKEN, CHANGE_BROKEN };

/* Of the same cell the record's goes first. */
static enum broken
sides_merge(struct merged *m, struct slice record, struct slice change)
{
	struct side old, new;

	side_open(&old, record, true);
	side_open(&new, change, false);
	while (old.rc == 1 || new.rc == 1) {
		if (old.rc < 0 || new.rc < 0)
			break;
		if (old.rc == 1 &&
		    (new.rc == 0 || cell_order(&old.cell, &new.cell) <= 0)) {
			cell_merge(m, &old.cell);
			side_next(&old, true);
		} else {
			cell_merge(m, &new.cell);
			side_next(&new, false);
		}
	}
	held_write(m);
	if (new.rc < 0)
		return CHANGE_BROKEN;
	return old.rc < 0 ? RECORD_BROKEN : WHOLE;
}

static enum broken
merge_into(struct buf *out, struct slice record, struct slice change,
	   struct merged *m)
{
	struct tally_reader reader;

	buf_clear(out);
	if (tally_read(&reader, change) != 0)
		return CHANGE_BROKEN;
	*m = (struct merged){.out = out, .now_wall_s = reader.wall_s};
	tally_begin(out, reader.wall_s);
	return sides_merge(m, record, change);
}

/* --- what is rare ----------------------------------------------------------
 */

static int
by_order(const void *a, const void *b)
{
	return cell_order(a, b);
}

/* The ones that expire last come first. */
static int
by_expiry(const void *pa, const void *pb)
{
	const struct tally_cell *a = pa, *b = pb;

	if (a->expires_wall_s != b->expires_wall_s)
		return a->expires_wall_s > b->expires_wall_s ? -1 : 1;
	return cell_order(a, b);
}

/* All cells of s, whatever their order; the caller frees. */
static struct tally_cell *
cells_read(struct slice s, size_t *count)
{
	struct tally_reader reader;
	struct tally_cell *cells;
	/* No cell is shorter than four bytes. */
	size_t room = s.n / 4 + 1;

	cells = mem_array(room, sizeof(*cells));
	*count = 0;
	if (tally_read(&reader, s) != 0)
		return cells;
	while (*count < room && tally_next(&reader, &cells[*count]) == 1)
		(*count)++;
	return cells;
}

static void
cells_write(struct buf *out, int64_t wall_s, struct tally_cell *cells,
	    size_t count)
{
	qsort(cells, count, sizeof(*cells), by_order);
	buf_clear(out);
	tally_begin(out, wall_s);
	for (size_t i = 0; i < count; i++)
		cell_put(out, &cells[i], i > 0 ? &cells[i - 1] : NULL);
}

static void
record_cut(struct buf *out, int64_t wall_s)
{
	struct tally_cell *cells;
	size_t count;

	cells = cells_read(buf_slice(out), &count);
	qsort(cells, count, sizeof(*cells), by_expiry);
	cells_write(out, wall_s, cells, count < KEPT ? count : KEPT);
	free(cells);
}

/* A change in order, in sorted. */
static void
change_sort(struct slice change, struct buf *sorted)
{
	struct tally_reader reader;
	struct tally_cell *cells;
	size_t count;

	tally_read(&reader, change);
	cells = cells_read(change, &count);
	cells_write(sorted, reader.wall_s, cells, count);
	free(cells);
}

int
tally_merge(struct slice record, struct slice change, struct buf *out)
{
	struct buf sorted = {.cap = SIZE_MAX};
	enum broken broken;
	struct merged m = {.out = NULL};
	int rc = 0;

	/* Each side can be put right once. */
	while ((broken = merge_into(out, record, change, &m)) != WHOLE) {
		if (broken == RECORD_BROKEN) {
			record = SLICE_NONE;
			rc = 1;
		} else if (sorted.n == 0 && tally_valid(change)) {
			change_sort(change, &sorted);
			change = buf_slice(&sorted);
		} else {
			rc = GW_EINVAL;
			break;
		}
	}
	buf_fini(&sorted);
	if (rc >= 0 && out->overflow)
		rc = GW_ETOOBIG;
	if (rc < 0 || m.count == 0)
		buf_clear(out);
	else if (m.count > TALLY_CELLS_MAX)
		record_cut(out, m.now_wall_s);
	return rc;
}
