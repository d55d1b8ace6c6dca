#include "gateway/spool/trash.h"

#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/store/key.h"

/*
 * The trash: what a purge took out of the queue lies there byte for byte, by
 * (purge, message, recipient), until it is brought back or its time is over.
 * In the ledger it is purged all that time. A message's record, and with it
 * its body, stays while the queue or the trash has an entry of it: therefore
 * each message has a row for each purge that holds some of it (its share).
 *
 * The totals of a purge are there to make a listing cheap; what is brought
 * back, and when a share goes, is decided by the entries alone.
 *
 * The resubmission key does not come back: what the client sent again
 * meanwhile was taken for new, and a recipient may have bounced. One mail
 * twice is better than none.
 */

enum {
	CHUNK = 128,	 /* keys collected at once */
	SWEEP_US = 5000, /* of a slice, without the commit */
};

/* --- purges and shares ------------------------------------------------------
 */

static struct slice
purge_key(uint64_t trash, uint8_t p[KEY_PURGE_SIZE])
{
	key_purge(trash, p);
	return slice_of(p, KEY_PURGE_SIZE);
}

static int
purge_get(struct store_txn *txn, uint64_t trash, struct record_purge *purge)
{
	uint8_t key[KEY_PURGE_SIZE];
	struct slice value;
	int err = store_get(txn, STORE_TRASH, purge_key(trash, key), &value);

	memset(purge, 0, sizeof(*purge));
	return err == 0 ? record_purge_decode(value, purge) : err;
}

static void
purge_put(struct store_txn *txn, uint64_t trash,
	  const struct record_purge *purge)
{
	uint8_t key[KEY_PURGE_SIZE], value[RECORD_PURGE_SIZE];

	record_purge_encode(purge, value);
	store_put(txn, STORE_TRASH, purge_key(trash, key),
		  slice_of(value, sizeof(value)));
}

static void
purge_lose(struct store_txn *txn, uint64_t trash, uint64_t messages,
	   uint64_t recipients)
{
	struct record_purge purge;

	if (purge_get(txn, trash, &purge) != 0)
		return; /* it goes with its last entry */
	purge.messages -= messages < purge.messages ? messages : purge.messages;
	purge.recipients -=
	    recipients < purge.recipients ? recipients : purge.recipients;
	purge_put(txn, trash, &purge);
}

static void
purge_delete(struct store_txn *txn, uint64_t trash)
{
	uint8_t key[KEY_PURGE_SIZE];

	store_delete(txn, STORE_TRASH, purge_key(trash, key));
}

static struct slice
share_key(uint64_t id, uint64_t trash, uint8_t p[KEY_SHARE_SIZE])
{
	key_share(id, trash, p);
	return slice_of(p, KEY_SHARE_SIZE);
}

/* True: there was none. */
static bool
share_put(struct store_txn *txn, uint64_t id, uint64_t trash)
{
	uint8_t key[KEY_SHARE_SIZE];
	struct slice value;

	if (store_get(txn, STORE_TRASH, share_key(id, trash, key), &value) == 0)
		return false;
	store_put(txn, STORE_TRASH, slice_of(key, sizeof(key)), SLICE_NONE);
	return true;
}

static void
share_delete(struct store_txn *txn, uint64_t id, uint64_t trash)
{
	uint8_t key[KEY_SHARE_SIZE];

	store_delete(txn, STORE_TRASH, share_key(id, trash, key));
}

struct prefix {
	struct slice bytes;
	bool there;
};

static bool
prefix_look(void *arg, struct slice key, struct slice value)
{
	struct prefix *prefix = arg;

	(void)value;
	prefix->there = slice_starts(key, prefix->bytes);
	return false;
}

/* Some key begins so; also when that cannot be told. */
static bool
prefix_there(struct store_txn *txn, const uint8_t *p, size_t n)
{
	struct prefix prefix = {.bytes = slice_of(p, n)};

	store_each(txn, STORE_TRASH, prefix.bytes, prefix_look, &prefix);
	return prefix.there || store_error(txn) != 0;
}

bool
trash_has(struct store_txn *txn, uint64_t id)
{
	uint8_t key[KEY_SHARE_SIZE];

	key_share(id, 0, key);
	return prefix_there(txn, key, sizeof(key) - 8);
}

/* --- into the trash ---------------------------------------------------------
 */

void
trash_take(struct spool *spool, struct store_txn *txn, uint64_t trash,
	   uint64_t id, uint32_t index)
{
	uint8_t from[KEY_RCPT_SIZE], to[KEY_TRASH_SIZE];
	struct slice value;

	key_rcpt(id, index, from);
	if (store_get(txn, STORE_RCPT, slice_of(from, sizeof(from)), &value) !=
	    0)
		return;
	buf_clear(&spool->scratch);
	buf_add_slice(&spool->scratch, value);
	key_trash(trash, id, index, to);
	store_put(txn, STORE_TRASH, slice_of(to, sizeof(to)),
		  buf_slice(&spool->scratch));
}

void
trash_note(struct batch *batch, struct store_txn *txn,
	   const struct spool_outcome *op, uint32_t taken)
{
	struct record_purge purge;

	(void)purge_get(txn, op->trash, &purge); /* or zeroes */
	purge.messages += share_put(txn, op->id, op->trash);
	purge.recipients += taken;
	if (purge.until_wall_s < op->trash_until_wall_s)
		purge.until_wall_s = op->trash_until_wall_s;
	purge_put(txn, op->trash, &purge);
	if (batch->trash_due_s > purge.until_wall_s)
		batch->trash_due_s = purge.until_wall_s;
}

/* --- the entries of a purge -------------------------------------------------
 */

/* The first ones: whoever has dealt with them deletes them and asks again. */
struct chunk {
	uint8_t prefix[KEY_PURGE_SIZE];
	size_t count;
	struct {
		uint64_t id;
		uint32_t index;
	} at[CHUNK];
};

static bool
chunk_collect(void *arg, struct slice key, struct slice value)
{
	struct chunk *c = arg;

	(void)value;
	if (key.n != KEY_TRASH_SIZE ||
	    memcmp(key.p, c->prefix, sizeof(c->prefix)) != 0)
		return false;
	(void)key_rcpt_decode(slice_from(key, KEY_PURGE_SIZE),
			      &c->at[c->count].id, &c->at[c->count].index);
	return ++c->count < CHUNK;
}

static void
chunk_get(struct store_txn *txn, uint64_t trash, struct chunk *c)
{
	uint8_t from[KEY_TRASH_SIZE];

	c->count = 0;
	key_trash(trash, 0, 0, from);
	memcpy(c->prefix, from, sizeof(c->prefix));
	store_each(txn, STORE_TRASH, slice_of(from, sizeof(from)),
		   chunk_collect, c);
}

static void
entry_delete(struct store_txn *txn, uint64_t trash, uint64_t id, uint32_t index)
{
	uint8_t key[KEY_TRASH_SIZE];

	key_trash(trash, id, index, key);
	store_delete(txn, STORE_TRASH, slice_of(key, sizeof(key)));
}

/* --- bringing back ----------------------------------------------------------
 */

/* One undo, and the message it is at. A message of many recipients goes on in
 * the next slice: no undo is to hold the store for long. */
struct undo {
	struct spool *spool;
	struct batch *batch;
	struct store_txn *txn;
	struct spool_undo *op;
	uint64_t id;	     /* 0: none yet */
	uint32_t id_rcpts;   /* brought back of it */
	uint64_t messages;   /* begun, also those that are lost */
	uint64_t ended;	     /* of which nothing is left */
	uint64_t recipients; /* taken out, also those that are lost */
	uint64_t campaign;   /* the message's */
	bool there;	     /* it has its record */
};

static bool
entries_left(struct store_txn *txn, uint64_t trash, uint64_t id)
{
	uint8_t key[KEY_TRASH_SIZE];

	key_trash(trash, id, 0, key);
	return prefix_there(txn, key, sizeof(key) - 4);
}

static void
undo_msg_end(struct undo *u)
{
	if (u->id == 0)
		return;
	if (u->id_rcpts == 0)
		record_complain("spool-trash-bad", u->id);
	if (entries_left(u->txn, u->op->trash, u->id))
		return;
	share_delete(u->txn, u->id, u->op->trash);
	u->ended++;
	if (u->id_rcpts == 0 && u->there)
		msg_leave(u->spool, u->txn, u->id);
}

static void
undo_msg_begin(struct undo *u, uint64_t id)
{
	struct spool_msg msg = {.campaign = 0};
	uint8_t key[KEY_ID_SIZE];
	struct slice value;

	undo_msg_end(u);
	key_put_u64(key, id);
	u->there = store_get(u->txn, STORE_MESSAGE, slice_of(key, sizeof(key)),
			     &value) == 0;
	u->campaign =
	    u->there && record_msg_decode(value, &msg) == 0 ? msg.campaign : 0;
	u->id = id;
	u->id_rcpts = 0;
	u->messages++;
}

static void
undo_told(struct undo *u, uint32_t index)
{
	struct spool_undo *op = u->op;

	op->indexes[op->recipients++] = index;
	if (u->id_rcpts++ == 0) {
		op->ids[op->count] = u->id;
		op->campaigns[op->count] = u->campaign;
		op->rcpts[op->count++] = 0;
	}
	op->rcpts[op->count - 1]++;
}

static void
undo_entry(struct undo *u, uint32_t index)
{
	uint8_t from[KEY_TRASH_SIZE], to[KEY_RCPT_SIZE];
	struct buf *scratch = &u->spool->scratch;
	int64_t *count = u->batch->ledger.count;
	struct spool_rcpt rcpt;
	struct slice value;

	u->recipients++;
	key_trash(u->op->trash, u->id, index, from);
	if (store_get(u->txn, STORE_TRASH, slice_of(from, sizeof(from)),
		      &value) != 0)
		return;
	buf_clear(scratch);
	buf_add_slice(scratch, value);
	store_delete(u->txn, STORE_TRASH, slice_of(from, sizeof(from)));
	if (!u->there || record_rcpt_decode(buf_slice(scratch), &rcpt) != 0)
		return;
	key_rcpt(u->id, index, to);
	store_put(u->txn, STORE_RCPT, slice_of(to, sizeof(to)),
		  buf_slice(scratch));
	count[LEDGER_STATE + RCPT_PURGED]--;
	count[LEDGER_STATE + rcpt.state]++;
	undo_told(u, index);
}

static bool
undo_is_full(const struct undo *u, uint64_t id)
{
	return u->recipients == SPOOL_UNDO_RCPTS ||
	       (id != u->id && u->messages == SPOOL_UNDO_MAX);
}

/* True: there is more. */
static bool
undo_slice(struct undo *u)
{
	struct chunk chunk;

	for (;;) {
		chunk_get(u->txn, u->op->trash, &chunk);
		if (chunk.count == 0 || store_error(u->txn) != 0)
			return false;
		for (size_t i = 0; i < chunk.count; i++) {
			if (undo_is_full(u, chunk.at[i].id))
				return true;
			if (chunk.at[i].id != u->id)
				undo_msg_begin(u, chunk.at[i].id);
			undo_entry(u, chunk.at[i].index);
		}
	}
}

void
apply_undo(struct spool *spool, struct batch *batch, struct store_txn *txn,
	   struct spool_undo *op, int64_t now_wall_s)
{
	struct undo u = {.spool = spool, .batch = batch, .txn = txn, .op = op};
	const struct store_change *changes;
	struct record_purge purge;
	size_t n;

	op->count = 0;
	op->recipients = 0;
	op->more = false;
	op->err = purge_get(txn, op->trash, &purge);
	if (op->err == 0 && purge.until_wall_s <= now_wall_s)
		op->err = GW_ENOENT;
	if (op->err != 0)
		return;
	op->more = undo_slice(&u);
	undo_msg_end(&u);
	if (op->more)
		purge_lose(txn, op->trash, u.ended, u.recipients);
	else
		purge_delete(txn, op->trash);
	if (op->count == 0 && !op->more)
		op->err = GW_ENOENT;
	if (op->count == 0 || op->also == NULL)
		return;
	n = op->also(op, &changes);
	store_apply(txn, changes, n);
}

/* --- emptying ---------------------------------------------------------------
 */

struct due {
	int64_t now_wall_s, next_s;
	uint64_t trash;
	bool found;
};

static bool
due_look(void *arg, struct slice key, struct slice value)
{
	struct record_purge purge;
	struct due *due = arg;

	if (key_purge_decode(key, &due->trash) != 0)
		return false; /* behind the purges */
	if (record_purge_decode(value, &purge) != 0) {
		record_complain("spool-purge-bad", due->trash);
		purge.until_wall_s = due->now_wall_s;
	}
	if (purge.until_wall_s < due->next_s)
		due->next_s = purge.until_wall_s;
	due->found = purge.until_wall_s <= due->now_wall_s;
	return !due->found;
}

struct sweep {
	struct spool *spool;
	struct store_txn *txn;
	int64_t until_us;
	size_t left; /* entries */
	uint64_t trash, messages, recipients;
};

static bool
sweep_over(const struct sweep *s)
{
	return s->left == 0 || clock_mono_us() >= s->until_us;
}

/* Behind the message's last entry of the slice. */
static void
sweep_msg_end(struct sweep *s, uint64_t id)
{
	if (entries_left(s->txn, s->trash, id))
		return;
	share_delete(s->txn, id, s->trash);
	s->messages++;
	msg_leave(s->spool, s->txn, id);
}

/* False: there is more of this purge. */
static bool
sweep_purge(struct sweep *s)
{
	struct chunk chunk;
	size_t i;

	for (;;) {
		chunk_get(s->txn, s->trash, &chunk);
		if (chunk.count == 0)
			return true;
		for (i = 0; i < chunk.count && !sweep_over(s); i++) {
			uint64_t id = chunk.at[i].id;

			entry_delete(s->txn, s->trash, id, chunk.at[i].index);
			s->recipients++;
			s->left--;
			if (i + 1 == chunk.count || chunk.at[i + 1].id != id)
				sweep_msg_end(s, id);
		}
		if (i < chunk.count || store_error(s->txn) != 0)
			return false;
	}
}

void
apply_trash_sweep(struct spool *spool, struct batch *batch,
		  struct store_txn *txn, int64_t now_wall_s)
{
	struct sweep s = {.spool = spool,
			  .txn = txn,
			  .until_us = clock_mono_us() + SWEEP_US,
			  .left = spool->trash_slice};
	uint8_t from[KEY_PURGE_SIZE];

	for (;;) {
		struct due due = {.now_wall_s = now_wall_s,
				  .next_s = INT64_MAX};

		store_each(txn, STORE_TRASH, purge_key(0, from), due_look,
			   &due);
		batch->trash_due_s = due.next_s;
		if (!due.found || sweep_over(&s))
			return;
		s.trash = due.trash;
		s.messages = s.recipients = 0;
		if (sweep_purge(&s)) {
			purge_delete(txn, s.trash);
			continue;
		}
		purge_lose(txn, s.trash, s.messages, s.recipients);
		return;
	}
}
