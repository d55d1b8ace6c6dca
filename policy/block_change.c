/*
 * Changes of the block list, and filling it from STORE_BLOCK. A change is in
 * force when the call returns; durability is the caller's, who commits what
 * blocklist_change gives. Loading believes no record: see block_record.c.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/store/key.h"
#include "policy/block_int.h"

static int
block_id_cmp(struct block_entry *a, struct block_entry *b)
{
	return (a->id > b->id) - (a->id < b->id);
}

static int
block_until_cmp(struct block_entry *a, struct block_entry *b)
{
	if (a->until_wall_s != b->until_wall_s)
		return a->until_wall_s > b->until_wall_s ? 1 : -1;
	return block_id_cmp(a, b);
}

RB_GENERATE(block_ids, block_entry, by_id, block_id_cmp)
RB_GENERATE(block_untils, block_entry, by_until, block_until_cmp)

void
block_entry_free(struct block_entry *entry)
{
	free(entry->author);
	free(entry->reason);
	free(entry);
}

int
block_check(const struct block *block, struct buf *error)
{
	if ((unsigned)block->kind >= BLOCK_KINDS ||
	    (unsigned)block->action >= BLOCK_ACTIONS ||
	    (block->flags & ~(unsigned)BLOCK_STEALTH) != 0)
		return block_error(error, "There is no such kind of entry.");
	if (block->value == NULL || block->value[0] == '\0')
		return block_error(error, "There is no value.");
	if (block->author != NULL && strlen(block->author) > BLOCK_AUTHOR_MAX)
		return block_error(error, "The author is over %d bytes.",
				   BLOCK_AUTHOR_MAX);
	if (block->reason != NULL && strlen(block->reason) > BLOCK_REASON_MAX)
		return block_error(error, "The reason is over %d bytes.",
				   BLOCK_REASON_MAX);
	if (block->until_wall_s < 0 || block->until_wall_s > BLOCK_TIME_MAX ||
	    block->since_wall_s < 0 || block->since_wall_s > BLOCK_TIME_MAX ||
	    block->made_wall_s < 0 || block->made_wall_s > BLOCK_TIME_MAX)
		return block_error(error, "A time is not in this calendar.");
	return 0;
}

/* A prefix like ::/0 has clients of both families in it. */
static void
count_length(struct blocklist *list, const struct block_entry *entry,
	     uint32_t step)
{
	static const struct ip_addr v4 = {{[10] = 0xff, [11] = 0xff}};
	struct ip_prefix prefix = {.bits = entry->raw[0]};
	enum block_action action = entry->key.action;

	memcpy(prefix.addr.b, entry->raw + 1, sizeof(prefix.addr.b));
	if (!ip_is_v4(&prefix.addr) || prefix.bits < 96)
		list->lengths[action][0][prefix.bits] += step;
	if (ip_is_v4(&prefix.addr) || ip_prefix_has(&prefix, &v4))
		list->lengths[action][1][prefix.bits] += step;
}

static void
count_in(struct blocklist *list, const struct block_entry *entry, int by)
{
	enum block_action action = entry->key.action;
	uint32_t step = (uint32_t)by; /* -1 wraps as it should */

	list->used[action][entry->key.class] += step;
	if (entry->key.class == CLASS_IP)
		count_length(list, entry, step);
	atomic_store(&list->count, list->index.count);
}

static void
changed(struct blocklist *list)
{
	atomic_fetch_add(&list->generation, 1);
}

static char *
keep_text(const char *text)
{
	return text == NULL || *text == '\0' ? NULL : mem_strdup(text);
}

/* What a renewal changes; the entry is in no tree of ends meanwhile. */
static void
entry_set(struct blocklist *list, struct block_entry *entry,
	  const struct block *block)
{
	free(entry->author);
	free(entry->reason);
	entry->author = keep_text(block->author);
	entry->reason = keep_text(block->reason);
	entry->flags = block->flags;
	entry->since_wall_s = block->since_wall_s;
	entry->until_wall_s = block->until_wall_s;
	if (entry->until_wall_s != 0)
		RB_INSERT(block_untils, &list->untils, entry);
}

static struct block_entry *
entry_create(const struct block *block, struct slice value)
{
	struct block_entry *entry = mem_zalloc(sizeof(*entry) + value.n + 1);

	memcpy(entry->value, value.p, value.n);
	entry->id = block->id;
	entry->kind = block->kind;
	entry->made_wall_s = block->made_wall_s;
	block_key_of(block->kind, block->action, entry->value, entry->raw,
		     &entry->key);
	return entry;
}

static struct block_entry *
find_value(const struct blocklist *list, enum block_kind kind,
	   enum block_action action, struct buf *value)
{
	struct block_key key;
	uint8_t raw[32];

	block_key_of(kind, action, buf_cstr(value), raw, &key);
	return block_index_find(&list->index, &key);
}

static int
add_locked(struct blocklist *list, const struct block *block, struct buf *value,
	   uint64_t *id, struct buf *error)
{
	struct block_entry *entry =
	    find_value(list, block->kind, block->action, value);

	if (entry != NULL) {
		if (entry->until_wall_s != 0)
			RB_REMOVE(block_untils, &list->untils, entry);
		entry_set(list, entry, block);
		*id = entry->id;
		changed(list);
		block_error(error, "It stood already, and is renewed.");
		return GW_EEXIST;
	}
	if (list->index.count >= BLOCKS_MAX) {
		block_error(error, "The block list is full: %d entries.",
			    BLOCKS_MAX);
		return GW_ETOOBIG;
	}
	entry = entry_create(block, buf_slice(value));
	if (RB_INSERT(block_ids, &list->ids, entry) != NULL) {
		block_entry_free(entry);
		return block_error(error, "The id is another entry's.");
	}
	block_index_add(&list->index, entry);
	entry_set(list, entry, block);
	count_in(list, entry, 1);
	*id = entry->id;
	changed(list);
	return 0;
}

int
blocklist_add(struct blocklist *list, const struct block *block, uint64_t *id,
	      struct buf *error)
{
	struct buf value;
	int err;

	assert(block->id != 0);
	err = block_check(block, error);
	if (err != 0)
		return err;
	buf_init(&value, BLOCK_VALUE_MAX);
	err = blocklist_normalise(block->kind, slice_str(block->value), &value,
				  error);
	if (err == 0) {
		pthread_rwlock_wrlock(&list->lock);
		err = add_locked(list, block, &value, id, error);
		pthread_rwlock_unlock(&list->lock);
	}
	buf_fini(&value);
	return err;
}

static void
take_out(struct blocklist *list, struct block_entry *entry)
{
	RB_REMOVE(block_ids, &list->ids, entry);
	if (entry->until_wall_s != 0)
		RB_REMOVE(block_untils, &list->untils, entry);
	block_index_del(&list->index, entry);
	count_in(list, entry, -1);
	block_entry_free(entry);
}

int
blocklist_del(struct blocklist *list, enum block_kind kind,
	      enum block_action action, struct slice value, uint64_t *id,
	      struct buf *error)
{
	struct block_entry *entry;
	struct buf normal;
	int err;

	buf_init(&normal, BLOCK_VALUE_MAX);
	err = blocklist_normalise(kind, value, &normal, error);
	if (err == 0) {
		pthread_rwlock_wrlock(&list->lock);
		entry = find_value(list, kind, action, &normal);
		if (entry != NULL) {
			*id = entry->id;
			take_out(list, entry);
			changed(list);
		} else {
			err = GW_ENOENT;
		}
		pthread_rwlock_unlock(&list->lock);
	}
	if (err == GW_ENOENT)
		block_error(error, "It is not in the list.");
	buf_fini(&normal);
	return err;
}

size_t
blocklist_expire(struct blocklist *list, int64_t now_wall_s, uint64_t *ids,
		 size_t max)
{
	struct block_entry *entry;
	size_t count = 0;

	if (blocklist_is_empty(list))
		return 0;
	pthread_rwlock_wrlock(&list->lock);
	while (count < max &&
	       (entry = RB_MIN(block_untils, &list->untils)) != NULL &&
	       entry->until_wall_s <= now_wall_s) {
		ids[count++] = entry->id;
		take_out(list, entry);
	}
	if (count > 0)
		changed(list);
	pthread_rwlock_unlock(&list->lock);
	return count;
}

struct load {
	struct blocklist *list;
	struct buf scratch, value;
	uint64_t bad;
};

static bool
load_record(void *arg, struct slice key, struct slice value)
{
	struct load *load = arg;
	struct block block;
	uint64_t id;
	int err;

	buf_clear(&load->value);
	err = block_record_decode(key, value, &block, &load->scratch);
	if (err == 0)
		err = blocklist_normalise(block.kind, slice_str(block.value),
					  &load->value, NULL);
	if (err == 0 && block.id == 0)
		err = GW_ECORRUPT;
	if (err == 0)
		err = add_locked(load->list, &block, &load->value, &id, NULL);
	if (err == GW_ETOOBIG)
		return false;
	/* One bad record must not keep the rest out of force. */
	if (err != 0 && load->bad++ < 10)
		log_event(GW_LOG_ERROR, "block-unreadable",
			  LF_U64("id", key.n == 8 ? key_get_u64(key.p) : 0));
	return true;
}

int
blocklist_load(struct blocklist *list, struct store_env *store,
	       int64_t now_wall_s)
{
	struct load load = {.list = list};
	struct store_txn *txn;
	int err;

	(void)now_wall_s; /* what is over matches nothing, and expires soon */
	buf_init(&load.scratch, 4096);
	buf_init(&load.value, BLOCK_VALUE_MAX);
	txn = store_read(store);
	pthread_rwlock_wrlock(&list->lock);
	store_each(txn, STORE_BLOCK, SLICE_NONE, load_record, &load);
	pthread_rwlock_unlock(&list->lock);
	err = store_error(txn);
	store_abort(&txn);
	buf_fini(&load.scratch);
	buf_fini(&load.value);
	if (load.bad > 0)
		log_event(GW_LOG_ERROR, "blocks-unreadable",
			  LF_U64("count", load.bad));
	return err != 0 ? GW_EIO : 0;
}
