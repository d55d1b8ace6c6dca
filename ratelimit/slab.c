/*
 * Memory of the table's records. A malloc of each would cost 16 bytes and a
 * pointer of 8; here a record costs what its class rounds up, an eighth at the
 * worst and nothing for the commonest, and its name has 4 bytes.
 *
 * A chunk holds blocks of one class. Those with a free block are in a list of
 * their class; free blocks are in a list of their chunk, so that a chunk whose
 * last block is put back can go as a whole.
 */
#include "ratelimit/slab.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

#define CHUNK_BYTES 16368 /* 16 KiB with malloc's own */
#define SLOT_BITS 10
#define SLOT_MASK ((1u << SLOT_BITS) - 1)
#define CLASS_MIN 32u
#define SLOT_NONE UINT16_MAX

struct slab_chunk {
	uint32_t next, prev; /* in the class's list: chunk number + 1 */
	uint32_t size;	     /* of a block */
	uint8_t class;
	uint16_t slots, used;
	uint16_t free;	/* the first free slot */
	uint16_t fresh; /* from here on never used */
	uint64_t blocks[];
};

static unsigned
class_of(size_t size)
{
	unsigned shift = 0;

	assert(size <= SLAB_SIZE_MAX);
	if (size <= CLASS_MIN)
		return 0;
	while ((size - 1) >> shift >= 2 * CLASS_MIN)
		shift++;
	/* CLASS_MIN << shift < size <= CLASS_MIN << (shift + 1) */
	return 4 * shift + 1 +
	       (unsigned)((size - 1 - (CLASS_MIN << shift)) >> (shift + 3));
}

static size_t
class_size(unsigned class)
{
	if (class == 0)
		return CLASS_MIN;
	return (size_t)(4 + (class - 1) % 4 + 1) << (3 + (class - 1) / 4);
}

size_t
slab_room_for(size_t size)
{
	return class_size(class_of(size));
}

size_t
slab_room(const struct slab *slab, uint32_t block)
{
	return slab->chunks[(block >> SLOT_BITS) - 1].size;
}

void
slab_init(struct slab *slab)
{
	memset(slab, 0, sizeof(*slab));
}

void
slab_fini(struct slab *slab)
{
	for (uint32_t i = 0; i < slab->chunk_count; i++)
		free(slab->chunks[i].chunk);
	free(slab->chunks);
}

static size_t
chunk_bytes(const struct slab_chunk *chunk)
{
	return sizeof(*chunk) + (size_t)chunk->slots * chunk->size;
}

static void *
slot_at(struct slab_chunk *chunk, unsigned slot)
{
	return (char *)chunk->blocks + (size_t)slot * chunk->size;
}

static void
list_add(struct slab *slab, uint32_t number)
{
	struct slab_chunk *chunk = slab->chunks[number].chunk;
	uint32_t *head = &slab->partial[chunk->class];

	chunk->prev = 0;
	chunk->next = *head;
	if (*head != 0)
		slab->chunks[*head - 1].chunk->prev = number + 1;
	*head = number + 1;
}

static void
list_remove(struct slab *slab, const struct slab_chunk *chunk)
{
	if (chunk->prev != 0)
		slab->chunks[chunk->prev - 1].chunk->next = chunk->next;
	else
		slab->partial[chunk->class] = chunk->next;
	if (chunk->next != 0)
		slab->chunks[chunk->next - 1].chunk->prev = chunk->prev;
}

static uint32_t
free_number(struct slab *slab)
{
	uint32_t room = slab->chunk_room;

	while (slab->hole < slab->chunk_count &&
	       slab->chunks[slab->hole].chunk != NULL)
		slab->hole++;
	if (slab->hole < slab->chunk_count)
		return slab->hole;
	if (slab->chunk_count == room) {
		room = room == 0 ? 8 : room + room / 2;
		assert(room < UINT32_MAX >> SLOT_BITS);
		slab->chunks =
		    mem_resize(slab->chunks, room * sizeof(*slab->chunks));
		slab->bytes +=
		    (room - slab->chunk_room) * sizeof(*slab->chunks);
		slab->chunk_room = room;
	}
	return slab->chunk_count++;
}

static void
chunk_add(struct slab *slab, unsigned class)
{
	size_t size = class_size(class);
	size_t slots = (CHUNK_BYTES - sizeof(struct slab_chunk)) / size;
	uint32_t number = free_number(slab);
	struct slab_chunk *chunk;

	slots = slots == 0 ? 1 : slots > SLOT_MASK ? SLOT_MASK : slots;
	chunk = mem_alloc(sizeof(*chunk) + slots * size);
	*chunk = (struct slab_chunk){
	    .size = (uint32_t)size,
	    .class = (uint8_t) class,
	    .slots = (uint16_t)slots,
	    .free = SLOT_NONE,
	};
	slab->chunks[number] = (struct slab_ref){chunk, size};
	slab->bytes += chunk_bytes(chunk);
	list_add(slab, number);
}

uint32_t
slab_get(struct slab *slab, size_t size)
{
	unsigned class = class_of(size);
	struct slab_chunk *chunk;
	uint32_t number;
	uint16_t slot;

	if (slab->partial[class] == 0)
		chunk_add(slab, class);
	number = slab->partial[class] - 1;
	chunk = slab->chunks[number].chunk;
	if (chunk->free != SLOT_NONE) {
		slot = chunk->free;
		memcpy(&chunk->free, slot_at(chunk, slot), sizeof(slot));
	} else {
		slot = chunk->fresh++;
	}
	if (++chunk->used == chunk->slots)
		list_remove(slab, chunk);
	return (number + 1) << SLOT_BITS | slot;
}

void *
slab_at(const struct slab *slab, uint32_t block)
{
	const struct slab_ref *ref = &slab->chunks[(block >> SLOT_BITS) - 1];

	return (char *)ref->chunk->blocks + (block & SLOT_MASK) * ref->size;
}

void
slab_put(struct slab *slab, uint32_t block)
{
	uint32_t number = (block >> SLOT_BITS) - 1;
	struct slab_chunk *chunk = slab->chunks[number].chunk;
	uint16_t slot = block & SLOT_MASK;

	if (chunk->used-- == chunk->slots)
		list_add(slab, number);
	if (chunk->used == 0) {
		list_remove(slab, chunk);
		slab->bytes -= chunk_bytes(chunk);
		slab->chunks[number].chunk = NULL;
		if (number < slab->hole)
			slab->hole = number;
		free(chunk);
		return;
	}
	memcpy(slot_at(chunk, slot), &chunk->free, sizeof(slot));
	chunk->free = slot;
}
