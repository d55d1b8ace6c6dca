#include "gateway/spool/resub.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/hash.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/spool/resub_index.h"
#include "gateway/store/key.h"

/*
 * Resubmission keys: a message that comes again within its window is known by
 * the key that front made of it. On disk a key is the value of its message's
 * id, so that a batch writes behind what was written last: by key, which is a
 * digest, each message would dirty a page of its own. The way from key to id is
 * an index in memory, made at start of one scan.
 *
 * 1. The index says "perhaps", the record decides: entries without a record do
 *    no harm, a record without its entry would be a duplicate that is missed.
 *    So an entry is there before its record is committed and goes after it.
 * 2. What a transaction did to the index is in the journal until it ends.
 * 3. Not more than resub_max keys are kept; the oldest are forgotten first.
 */

#define SWEEP_MAX 256
/* Slices at once when there are too many: more than a batch can bring. */
#define SWEEP_SLICES 5
/* A key's older records: each ran out or was dropped, the sweep is behind. */
#define CANDIDATES_MAX 64

struct resub_step {
	uint64_t hash, id;
	bool added; /* or to be removed */
};

struct resub {
	struct resub_index *index;
	struct resub_step *journal;
	size_t steps, room;
	size_t removing; /* steps that are removals */
};

static uint64_t
key_hash(const uint8_t key[DIGEST_SIZE])
{
	return hash_bytes(key, DIGEST_SIZE);
}

static struct slice
key_of(uint64_t id, uint8_t p[KEY_ID_SIZE])
{
	key_put_u64(p, id);
	return slice_of(p, KEY_ID_SIZE);
}

static void
journal_add(struct resub *resub, const uint8_t key[DIGEST_SIZE], uint64_t id,
	    bool added)
{
	struct resub_step step = {key_hash(key), id, added};

	if (resub->steps == resub->room) {
		resub->room = resub->room * 2 + 64;
		resub->journal = mem_resize(
		    resub->journal, resub->room * sizeof(*resub->journal));
	}
	resub->journal[resub->steps++] = step;
	if (added)
		resub_index_add(resub->index, step.hash, id);
	else
		resub->removing++;
}

static void
journal_end(struct resub *resub, bool committed)
{
	for (size_t i = 0; i < resub->steps; i++) {
		const struct resub_step *step = &resub->journal[i];

		if (step->added != committed)
			resub_index_remove(resub->index, step->hash, step->id);
	}
	resub->steps = resub->removing = 0;
}

void
resub_committed(struct spool *spool)
{
	journal_end(spool->resub, true);
}

void
resub_rolled_back(struct spool *spool)
{
	journal_end(spool->resub, false);
}

/* --- a key comes, is looked for, goes --------------------------------------
 */

static bool
resub_get(struct store_txn *txn, uint64_t id, struct record_resub *rec)
{
	uint8_t p[KEY_ID_SIZE];
	struct slice value;

	return store_get(txn, STORE_RESUB, key_of(id, p), &value) == 0 &&
	       record_resub_decode(value, rec) == 0;
}

static void
forget(struct spool *spool, struct store_txn *txn, uint64_t id,
       const uint8_t key[DIGEST_SIZE])
{
	uint8_t p[KEY_ID_SIZE];

	if (store_delete(txn, STORE_RESUB, key_of(id, p)))
		journal_add(spool->resub, key, id, false);
}

void
resub_put(struct spool *spool, struct store_txn *txn,
	  const struct spool_msg *msg, int64_t expiry)
{
	struct record_resub rec = {.expiry_wall_s = expiry};
	uint8_t p[KEY_ID_SIZE];
	void *value = store_reserve_last(txn, STORE_RESUB, key_of(msg->id, p),
					 RECORD_RESUB_SIZE);

	if (value == NULL)
		return;
	memcpy(rec.key, msg->resub_key, DIGEST_SIZE);
	record_resub_encode(&rec, value);
	journal_add(spool->resub, msg->resub_key, msg->id, true);
}

void
resub_drop(struct spool *spool, struct store_txn *txn, uint64_t id)
{
	struct record_resub rec;

	if (resub_get(txn, id, &rec))
		forget(spool, txn, id, rec.key);
}

bool
resub_match(struct spool *spool, struct store_txn *txn,
	    const struct spool_msg *msg, int64_t now, uint64_t *first_id)
{
	uint64_t hash = key_hash(msg->resub_key), id;
	struct record_resub rec;

	for (size_t n = 0; n < CANDIDATES_MAX; n++) {
		id = resub_index_find(spool->resub->index, hash, n);
		if (id == 0)
			break;
		if (!resub_get(txn, id, &rec) ||
		    memcmp(rec.key, msg->resub_key, DIGEST_SIZE) != 0)
			continue;
		*first_id = id;
		if (rec.expiry_wall_s > now)
			return true;
		forget(spool, txn, id, rec.key);
	}
	return false;
}

/* --- the sweep -------------------------------------------------------------
 */

struct expired {
	size_t count, excess;
	int64_t now;
	bool more;
	struct {
		uint64_t id;
		uint8_t key[DIGEST_SIZE];
	} old[SWEEP_MAX];
};

static bool
expired_collect(void *arg, struct slice key, struct slice value)
{
	struct expired *e = arg;
	struct record_resub rec = {.expiry_wall_s = 0};
	bool good = record_resub_decode(value, &rec) == 0;

	if (key.n != KEY_ID_SIZE ||
	    (good && rec.expiry_wall_s > e->now && e->count >= e->excess))
		return false;
	if (e->count == SWEEP_MAX) {
		e->more = true;
		return false;
	}
	e->old[e->count].id = key_get_u64(key.p);
	memcpy(e->old[e->count++].key, rec.key, DIGEST_SIZE);
	return true;
}

static size_t
excess(const struct spool *spool)
{
	size_t n = resub_index_count(spool->resub->index);
	size_t keep = spool->resub->removing + spool->opts.resub_max;

	return n > keep ? n - keep : 0;
}

/* From the oldest id on, to the first that is not over. They run out in this
 * order unless the window was made shorter or the clock set back: then some
 * stay longer, and are no match. */
void
apply_sweep(struct spool *spool, struct batch *batch, struct store_txn *txn,
	    int64_t now_wall_s)
{
	struct expired e;

	for (int i = 0; i < SWEEP_SLICES; i++) {
		e.count = 0;
		e.excess = excess(spool);
		e.now = now_wall_s;
		e.more = false;
		store_each(txn, STORE_RESUB, SLICE_NONE, expired_collect, &e);
		for (size_t k = 0; k < e.count; k++)
			forget(spool, txn, e.old[k].id, e.old[k].key);
		if (!e.more || e.excess <= SWEEP_MAX)
			break;
	}
	batch->sweep_more = e.more;
}

bool
resub_excess(const struct spool *spool)
{
	return excess(spool) > 0;
}

/* --- at start --------------------------------------------------------------
 */

/* Until the first release keys were the keys, in no order: they are brought
 * over in slices, each whole or not at all. */
#define OLD_VALUE_SIZE 17
#define OLD_MAX 4096

struct old {
	size_t count;
	struct {
		uint64_t id;
		struct record_resub rec;
	} rows[OLD_MAX];
};

static bool
old_collect(void *arg, struct slice key, struct slice value)
{
	struct old *old = arg;

	if (key.n != DIGEST_SIZE)
		return false;
	memset(&old->rows[old->count], 0, sizeof(old->rows[0]));
	memcpy(old->rows[old->count].rec.key, key.p, DIGEST_SIZE);
	if (value.n == OLD_VALUE_SIZE) {
		old->rows[old->count].id = key_get_u64(value.p + 1);
		old->rows[old->count].rec.expiry_wall_s =
		    (int64_t)key_get_u64(value.p + 9);
	}
	return ++old->count < OLD_MAX;
}

static int
old_slice(struct spool *spool, struct old *old)
{
	struct store_txn *txn = store_write(spool->store);
	uint8_t p[KEY_ID_SIZE], value[RECORD_RESUB_SIZE];

	old->count = 0;
	store_each(txn, STORE_RESUB_OLD, SLICE_NONE, old_collect, old);
	for (size_t i = 0; i < old->count; i++) {
		const struct record_resub *rec = &old->rows[i].rec;

		store_delete(txn, STORE_RESUB_OLD,
			     slice_of(rec->key, DIGEST_SIZE));
		if (old->rows[i].id == 0) /* damaged */
			continue;
		record_resub_encode(rec, value);
		store_put(txn, STORE_RESUB, key_of(old->rows[i].id, p),
			  slice_of(value, sizeof(value)));
	}
	if (old->count > 0)
		return store_commit(&txn);
	store_abort(&txn);
	return 0;
}

/* Without the disk it is as well: then it is done at the next start, and until
 * then some message may come twice. */
static void
old_bring(struct spool *spool)
{
	struct old *old = mem_alloc(sizeof(*old));
	uint64_t brought = 0;
	int err;

	do {
		err = old_slice(spool, old);
		brought += err == 0 ? old->count : 0;
	} while (err == 0 && old->count > 0);
	free(old);
	if (brought > 0 || err != 0)
		log_event(err == 0 ? GW_LOG_INFO : GW_LOG_WARN,
			  "spool-resubmission-keys-moved",
			  LF_U64("keys", brought), LF_ERR(err));
}

static bool
row_load(void *arg, struct slice key, struct slice value)
{
	struct resub_index *index = arg;
	struct record_resub rec;
	uint64_t id = key.n == KEY_ID_SIZE ? key_get_u64(key.p) : 0;

	if (id != 0 && record_resub_decode(value, &rec) == 0)
		resub_index_add(index, key_hash(rec.key), id);
	return true;
}

void
resub_load(struct spool *spool)
{
	struct store_txn *txn;
	int err;

	spool->resub = mem_zalloc(sizeof(*spool->resub));
	spool->resub->index = resub_index_create();
	old_bring(spool);
	txn = store_read(spool->store);
	store_each(txn, STORE_RESUB, SLICE_NONE, row_load, spool->resub->index);
	err = store_error(txn);
	store_abort(&txn);
	if (err != 0)
		log_event(GW_LOG_ERROR, "spool-resubmission-keys-bad",
			  LF_ERR(err));
}

void
resub_fini(struct spool *spool)
{
	struct resub *resub = spool->resub;

	spool->resub = NULL;
	if (resub == NULL)
		return;
	resub_index_destroy(&resub->index);
	free(resub->journal);
	free(resub);
}
