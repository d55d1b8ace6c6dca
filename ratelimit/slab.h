#ifndef RATELIMIT_SLAB_H
#define RATELIMIT_SLAB_H

#include <stddef.h>
#include <stdint.h>

/*
 * Blocks of memory by size class (four to a doubling), named by 32 bits.
 * Chunks that are all free go back. No locks of its own.
 */
#define SLAB_SIZE_MAX (1u << 20)
#define SLAB_CLASSES 61

struct slab_chunk;
struct slab_ref {
	struct slab_chunk *chunk; /* NULL: the number is free */
	uint64_t size;		  /* of its blocks, once more: a miss less */
};
struct slab {
	struct slab_ref *chunks; /* by number */
	uint32_t chunk_count, chunk_room;
	uint32_t hole;			/* no number below is free */
	uint32_t partial[SLAB_CLASSES]; /* chunk number + 1; 0: none */
	uint64_t bytes;
};

void slab_init(struct slab *slab);
void slab_fini(struct slab *slab);
/* Not zeroed, aligned to 8. Never 0. Aborts when memory is gone. */
uint32_t slab_get(struct slab *slab, size_t size);
void slab_put(struct slab *slab, uint32_t block);
void *slab_at(const struct slab *slab, uint32_t block);
size_t slab_room(const struct slab *slab, uint32_t block); /* its bytes */
size_t slab_room_for(size_t size); /* of a block got for that size */

#endif
