#ifndef GATEWAY_SPOOL_RESUB_INDEX_H
#define GATEWAY_SPOOL_RESUB_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Which messages may have come under a key: a part of the key's hash, and the
 * id. It only ever says "perhaps"; who asks looks at the record. 14 to 21 bytes
 * an entry. One thread.
 */
struct resub_index;

struct resub_index *resub_index_create(void);
void resub_index_destroy(struct resub_index **index);
/* Of the 64 bits of hash 44 are kept; id is not 0. A pair that is added twice
 * is there twice. */
void resub_index_add(struct resub_index *index, uint64_t hash, uint64_t id);
bool resub_index_remove(struct resub_index *index, uint64_t hash, uint64_t id);
/* The n-th candidate, from 0; 0: there are no more. Cheap for small n. */
uint64_t resub_index_find(const struct resub_index *index, uint64_t hash,
			  size_t n);
size_t resub_index_count(const struct resub_index *index);
size_t resub_index_bytes(const struct resub_index *index);

#endif
