#include "gateway/spool/resub.h"

#include <string.h>

#include "gateway/store/key.h"

/*
 * Resubmission keys: a message that comes again within its window is known by
 * the key that front made of it. Two tables that are changed together: the key
 * with the message's id and its expiry, and the keys in order of expiry for
 * the sweep.
 */

#define SWEEP_MAX 256

static bool
resub_get(struct store_txn *txn, const uint8_t key[DIGEST_SIZE],
	  struct record_resub *resub)
{
	struct slice value;

	return store_get(txn, STORE_RESUB, slice_of(key, DIGEST_SIZE),
			 &value) == 0 &&
	       record_resub_decode(value, resub) == 0;
}

static void
expiry_delete(struct store_txn *txn, int64_t wall_s,
	      const uint8_t key[DIGEST_SIZE])
{
	uint8_t p[KEY_EXPIRY_SIZE];

	key_expiry(wall_s, key, p);
	store_delete(txn, STORE_EXPIRY, slice_of(p, sizeof(p)));
}

void
resub_put(struct store_txn *txn, const struct spool_msg *msg, int64_t expiry)
{
	struct record_resub resub = {.id = msg->id, .expiry_wall_s = expiry};
	uint8_t value[RECORD_RESUB_SIZE];
	uint8_t p[KEY_EXPIRY_SIZE];

	record_resub_encode(&resub, value);
	store_put(txn, STORE_RESUB, slice_of(msg->resub_key, DIGEST_SIZE),
		  slice_of(value, sizeof(value)));
	key_expiry(expiry, msg->resub_key, p);
	store_put(txn, STORE_EXPIRY, slice_of(p, sizeof(p)), SLICE_NONE);
}

void
resub_drop(struct store_txn *txn, uint64_t id, const uint8_t key[DIGEST_SIZE])
{
	struct record_resub resub;

	if (!resub_get(txn, key, &resub) || resub.id != id)
		return;
	store_delete(txn, STORE_RESUB, slice_of(key, DIGEST_SIZE));
	expiry_delete(txn, resub.expiry_wall_s, key);
}

bool
resub_match(struct store_txn *txn, const struct spool_msg *msg, int64_t now,
	    uint64_t *first_id)
{
	struct record_resub resub;

	if (!resub_get(txn, msg->resub_key, &resub))
		return false;
	*first_id = resub.id;
	if (resub.expiry_wall_s > now)
		return true;
	expiry_delete(txn, resub.expiry_wall_s, msg->resub_key);
	return false;
}

struct expired {
	size_t count;
	int64_t now;
	bool more;
	uint8_t keys[SWEEP_MAX][KEY_EXPIRY_SIZE];
};

static bool
expired_collect(void *arg, struct slice key, struct slice value)
{
	struct expired *e = arg;

	(void)value;
	if (key.n != KEY_EXPIRY_SIZE || (int64_t)key_get_u64(key.p) > e->now)
		return false;
	if (e->count == SWEEP_MAX) {
		e->more = true;
		return false;
	}
	memcpy(e->keys[e->count++], key.p, KEY_EXPIRY_SIZE);
	return true;
}

void
apply_sweep(struct batch *batch, struct store_txn *txn, int64_t now_wall_s)
{
	struct expired e = {.now = now_wall_s};
	struct record_resub resub;

	store_each(txn, STORE_EXPIRY, SLICE_NONE, expired_collect, &e);
	for (size_t i = 0; i < e.count; i++) {
		const uint8_t *key = e.keys[i] + 8;

		if (resub_get(txn, key, &resub) &&
		    resub.expiry_wall_s <= now_wall_s)
			store_delete(txn, STORE_RESUB,
				     slice_of(key, DIGEST_SIZE));
		store_delete(txn, STORE_EXPIRY,
			     slice_of(e.keys[i], KEY_EXPIRY_SIZE));
	}
	batch->sweep_more = e.more;
}
