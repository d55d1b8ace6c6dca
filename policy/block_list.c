#include <string.h>

#include "gateway/base/error.h"
#include "gateway/store/key.h"
#include "policy/block_int.h"

#define LOCKED_MAX 1000 /* entries shown under one hold of the lock */

void
block_of_entry(const struct block_entry *entry, struct block *block)
{
	*block = (struct block){
	    .id = entry->id,
	    .kind = entry->kind,
	    .action = entry->key.action,
	    .flags = entry->flags,
	    .value = entry->value,
	    .made_wall_s = entry->made_wall_s,
	    .until_wall_s = entry->until_wall_s,
	    .since_wall_s = entry->since_wall_s,
	    .author = entry->author != NULL ? entry->author : "",
	    .reason = entry->reason != NULL ? entry->reason : "",
	    .hits = atomic_load_explicit(&entry->hits, memory_order_relaxed),
	};
}

static struct block_entry *
find_id(struct blocklist *list, uint64_t id)
{
	struct block_entry like = {.id = id};

	return RB_FIND(block_ids, &list->ids, &like);
}

/* Shows up to max entries behind *after, which moves on. False: fn stopped or
 * there are no more. */
static bool
show_some(struct blocklist *list, uint64_t *after, size_t max, size_t *given,
	  block_fn *fn, void *arg)
{
	struct block_entry like = {.id = *after}, *entry;
	struct block block;
	bool more = true;
	size_t count = 0;

	pthread_rwlock_rdlock(&list->lock);
	entry = RB_NFIND(block_ids, &list->ids, &like);
	if (entry != NULL && entry->id == *after)
		entry = RB_NEXT(block_ids, &list->ids, entry);
	for (; entry != NULL && more && count < max; count++) {
		block_of_entry(entry, &block);
		*after = entry->id;
		more = fn(arg, &block);
		entry = RB_NEXT(block_ids, &list->ids, entry);
	}
	pthread_rwlock_unlock(&list->lock);
	*given += count;
	return more && entry != NULL;
}

size_t
blocklist_each(struct blocklist *list, uint64_t after, size_t max, block_fn *fn,
	       void *arg)
{
	size_t given = 0;

	while (given < max) {
		size_t some = max - given;

		if (!show_some(list, &after,
			       some < LOCKED_MAX ? some : LOCKED_MAX, &given,
			       fn, arg))
			break;
	}
	return given;
}

bool
blocklist_get(struct blocklist *list, uint64_t id, block_fn *fn, void *arg)
{
	struct block_entry *entry;
	struct block block;

	pthread_rwlock_rdlock(&list->lock);
	entry = find_id(list, id);
	if (entry != NULL) {
		block_of_entry(entry, &block);
		fn(arg, &block);
	}
	pthread_rwlock_unlock(&list->lock);
	return entry != NULL;
}

static bool
encode_to(void *arg, const struct block *block)
{
	block_record_encode(block, arg);
	return false;
}

void
blocklist_change(struct blocklist *list, uint64_t id, struct buf *key,
		 struct buf *value, struct store_change *change)
{
	uint8_t name[8];
	bool stands;

	key_put_u64(name, id);
	buf_clear(key);
	buf_clear(value);
	buf_add(key, name, sizeof(name));
	stands = blocklist_get(list, id, encode_to, value);
	*change = (struct store_change){
	    .table = STORE_BLOCK,
	    .kind = stands ? STORE_PUT : STORE_DELETE,
	    .key = buf_slice(key),
	    .value = stands ? buf_slice(value) : SLICE_NONE,
	};
}
