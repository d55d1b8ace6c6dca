#ifndef GATEWAY_BASE_ARENA_H
#define GATEWAY_BASE_ARENA_H

#include "gateway/base/slice.h"

/*
 * Memory of one lifetime: many small pieces, freed together. A message's
 * envelope lives in one. Aborts when memory is gone; the owner bounds.
 */
struct arena;

struct arena *arena_create(size_t first_bytes);
void arena_destroy(struct arena **arena);
void *arena_alloc(struct arena *arena, size_t n); /* 8-aligned, not zeroed */
/* NUL-terminated copy; SLICE_NONE gives NULL. */
const char *arena_dup(struct arena *arena, struct slice s);
size_t arena_bytes(const struct arena *arena); /* allocated so far */

#endif
