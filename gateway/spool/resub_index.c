#include "gateway/spool/resub_index.h"

#include <stdlib.h>

#include "gateway/base/mem.h"

/*
 * Open addressing, linear probing, in SHARDS small tables: at four million
 * entries one has a thousand cells, so none ever takes longer than some
 * microseconds to grow and no commit waits for it. Which shard, and where in
 * it, the hash says; whoever chooses keys must not be able to choose hashes.
 *
 * A cell's home is its tag scaled to the table's size. So tables may have any
 * size and grow by half, not twofold. Between a cell's home and the cell
 * nothing is ever empty: removing moves back what stands behind.
 */

enum {
	SHARD_BITS = 12,
	SHARDS = 1 << SHARD_BITS,
	CELLS_MIN = 8,
};

struct cell {
	uint32_t tag;
	uint32_t id_high; /* in halves: 12 bytes, not 16 */
	uint32_t id_low;
};

struct shard {
	struct cell *cells;
	uint32_t size, count;
};

struct resub_index {
	size_t count, bytes;
	struct shard shards[SHARDS];
};

struct resub_index *
resub_index_create(void)
{
	struct resub_index *index = mem_zalloc(sizeof(*index));

	index->bytes = sizeof(*index);
	return index;
}

void
resub_index_destroy(struct resub_index **index)
{
	if (*index == NULL)
		return;
	for (size_t i = 0; i < SHARDS; i++)
		free((*index)->shards[i].cells);
	free(*index);
	*index = NULL;
}

static size_t
shard_of(uint64_t hash)
{
	return (size_t)(hash >> (64 - SHARD_BITS));
}

static uint64_t
cell_id(const struct cell *cell)
{
	return (uint64_t)cell->id_high << 32 | cell->id_low;
}

static uint32_t
home(const struct shard *shard, uint32_t tag)
{
	return (uint32_t)((uint64_t)tag * shard->size >> 32);
}

static uint32_t
next(const struct shard *shard, uint32_t at)
{
	return at + 1 == shard->size ? 0 : at + 1;
}

static void
cell_place(struct shard *shard, struct cell cell)
{
	uint32_t at = home(shard, cell.tag);

	while (cell_id(&shard->cells[at]) != 0)
		at = next(shard, at);
	shard->cells[at] = cell;
}

static void
shard_resize(struct resub_index *index, struct shard *shard, uint32_t size)
{
	struct shard old = *shard;

	shard->cells = mem_array(size, sizeof(*shard->cells));
	shard->size = size;
	for (uint32_t i = 0; i < old.size; i++)
		if (cell_id(&old.cells[i]) != 0)
			cell_place(shard, old.cells[i]);
	free(old.cells);
	index->bytes += ((size_t)size - old.size) * sizeof(struct cell);
}

void
resub_index_add(struct resub_index *index, uint64_t hash, uint64_t id)
{
	struct shard *shard = &index->shards[shard_of(hash)];

	/* An eighth stays empty, or a search would find no end. */
	if (shard->size == 0)
		shard_resize(index, shard, CELLS_MIN);
	else if (shard->count + 1 > shard->size - shard->size / 8)
		shard_resize(index, shard, shard->size + shard->size / 2);
	cell_place(shard, (struct cell){.tag = (uint32_t)hash,
					.id_high = (uint32_t)(id >> 32),
					.id_low = (uint32_t)id});
	shard->count++;
	index->count++;
}

/* Whether a cell at `at` whose home is `from` may not go to the hole. */
static bool
stays(uint32_t hole, uint32_t from, uint32_t at)
{
	if (hole <= at)
		return hole < from && from <= at;
	return hole < from || from <= at;
}

static void
hole_close(struct shard *shard, uint32_t hole)
{
	uint32_t at = hole;

	for (;;) {
		at = next(shard, at);
		if (cell_id(&shard->cells[at]) == 0)
			break;
		if (stays(hole, home(shard, shard->cells[at].tag), at))
			continue;
		shard->cells[hole] = shard->cells[at];
		hole = at;
	}
	shard->cells[hole] = (struct cell){0};
}

bool
resub_index_remove(struct resub_index *index, uint64_t hash, uint64_t id)
{
	struct shard *shard = &index->shards[shard_of(hash)];
	uint32_t at;

	if (shard->count == 0)
		return false;
	at = home(shard, (uint32_t)hash);
	while (cell_id(&shard->cells[at]) != 0 &&
	       (shard->cells[at].tag != (uint32_t)hash ||
		cell_id(&shard->cells[at]) != id))
		at = next(shard, at);
	if (cell_id(&shard->cells[at]) == 0)
		return false;
	hole_close(shard, at);
	shard->count--;
	index->count--;
	if (shard->size > CELLS_MIN && shard->count < shard->size / 4)
		shard_resize(index, shard,
			     shard->size / 2 > CELLS_MIN ? shard->size / 2
							 : CELLS_MIN);
	return true;
}

uint64_t
resub_index_find(const struct resub_index *index, uint64_t hash, size_t n)
{
	const struct shard *shard = &index->shards[shard_of(hash)];
	uint32_t at;

	if (shard->count == 0)
		return 0;
	at = home(shard, (uint32_t)hash);
	for (; cell_id(&shard->cells[at]) != 0; at = next(shard, at))
		if (shard->cells[at].tag == (uint32_t)hash && n-- == 0)
			return cell_id(&shard->cells[at]);
	return 0;
}

size_t
resub_index_count(const struct resub_index *index)
{
	return index->count;
}

size_t
resub_index_bytes(const struct resub_index *index)
{
	return index->bytes;
}
