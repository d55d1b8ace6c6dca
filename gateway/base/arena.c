#include "gateway/base/arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

struct chunk {
	struct chunk *next;
	size_t used;
	size_t size;
	_Alignas(8) char bytes[];
};

struct arena {
	struct chunk *chunks; /* the newest is filled first */
	size_t total;
};

#define CHUNK_MAX 65536

static struct chunk *
chunk_add(struct arena *arena, size_t size)
{
	struct chunk *chunk = mem_alloc(sizeof(*chunk) + size);

	chunk->next = arena->chunks;
	chunk->used = 0;
	chunk->size = size;
	arena->chunks = chunk;
	arena->total += size;
	return chunk;
}

struct arena *
arena_create(size_t first_bytes)
{
	struct arena *arena = mem_zalloc(sizeof(*arena));

	chunk_add(arena, first_bytes);
	return arena;
}

void
arena_destroy(struct arena **arena)
{
	struct chunk *chunk;

	if (*arena == NULL)
		return;
	while ((chunk = (*arena)->chunks) != NULL) {
		(*arena)->chunks = chunk->next;
		free(chunk);
	}
	free(*arena);
	*arena = NULL;
}

void *
arena_alloc(struct arena *arena, size_t n)
{
	struct chunk *chunk = arena->chunks;
	size_t size;
	char *p;

	assert(n < SIZE_MAX / 2);
	n = (n + 7) & ~(size_t)7;
	if (chunk->size - chunk->used < n) {
		size =
		    chunk->size * 2 < CHUNK_MAX ? chunk->size * 2 : CHUNK_MAX;
		chunk = chunk_add(arena, n > size ? n : size);
	}
	p = chunk->bytes + chunk->used;
	chunk->used += n;
	return p;
}

const char *
arena_dup(struct arena *arena, struct slice s)
{
	char *p;

	if (s.p == NULL)
		return NULL;
	p = arena_alloc(arena, s.n + 1);
	memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

size_t
arena_bytes(const struct arena *arena)
{
	return arena->total;
}
