#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/spool/internal.h"
#include "gateway/store/key.h"

/*
 * Reading, from any thread: each call is one read transaction, and nothing
 * that points into it leaves the call. Bodies: reader.c.
 */

/* --- messages --------------------------------------------------------------
 */

/* One that cannot be read must not keep the others from their mail. */
static void
rcpt_complain(uint64_t id, uint32_t index)
{
	char text[ID_TEXT_SIZE];

	id_format(id, text);
	log_event(GW_LOG_ERROR, "spool-recipient-bad", LF_STR("msg", text),
		  LF_U64("recipient", index));
}

static void
rcpt_add(struct spool_msg *msg, uint32_t index, struct slice value)
{
	struct spool_rcpt r = {.index = index}, *rcpt;

	if (record_rcpt_decode(value, &r) != 0) {
		rcpt_complain(msg->id, index);
		return;
	}
	rcpt = spool_msg_add_rcpt(msg, slice_str(r.address));
	r.address = rcpt->address;
	r.orcpt = arena_dup(msg->arena, slice_str(r.orcpt));
	r.last_reply = arena_dup(msg->arena, slice_str(r.last_reply));
	*rcpt = r;
}

struct rcpts {
	struct spool_msg *msg;
	bool there; /* some record, though it may be unreadable */
	bool look;  /* no more than that */
};

static bool
rcpt_load(void *arg, struct slice key, struct slice value)
{
	struct rcpts *rcpts = arg;
	uint32_t index;
	uint64_t id;

	if (key_rcpt_decode(key, &id, &index) != 0 || id != rcpts->msg->id)
		return false;
	rcpts->there = true;
	if (rcpts->look)
		return false;
	rcpt_add(rcpts->msg, index, value);
	return true;
}

/* GW_ENOENT: nothing of it is queued or held, the rest is in the trash. */
static int
rcpts_load(struct store_txn *txn, struct spool_msg *msg, bool look)
{
	struct rcpts rcpts = {.msg = msg, .look = look};
	uint8_t key[KEY_RCPT_SIZE];

	key_rcpt(msg->id, 0, key);
	store_each(txn, STORE_RCPT, slice_of(key, sizeof(key)), rcpt_load,
		   &rcpts);
	return rcpts.there ? 0 : GW_ENOENT;
}

static void
msg_own(struct spool_msg *msg)
{
	struct arena *arena = msg->arena;

	msg->cred = arena_dup(arena, slice_str(msg->cred));
	msg->session = arena_dup(arena, slice_str(msg->session));
	msg->mail_from = arena_dup(arena, slice_str(msg->mail_from));
	msg->owner = arena_dup(arena, slice_str(msg->owner));
	msg->envid = arena_dup(arena, slice_str(msg->envid));
	if (msg->prefix.n > 0)
		msg->prefix.p = arena_dup(arena, msg->prefix);
	else
		msg->prefix = SLICE_NONE;
}

static int
msg_load(struct store_txn *txn, struct spool_msg *msg)
{
	uint8_t key[KEY_ID_SIZE];
	struct slice value;
	int err;

	key_put_u64(key, msg->id);
	err = store_get(txn, STORE_MESSAGE, slice_of(key, sizeof(key)), &value);
	if (err == 0)
		err = record_msg_decode(value, msg);
	if (err == 0)
		msg_own(msg);
	return err;
}

static int
load_end(struct store_txn **txn, int err, struct spool_msg **msg)
{
	if (err == 0 || err == GW_ENOENT)
		err = store_error(*txn) != 0 ? store_error(*txn) : err;
	store_abort(txn);
	if (err != 0)
		spool_msg_destroy(msg);
	return err;
}

int
spool_load(struct spool *spool, uint64_t id, struct spool_msg **msg)
{
	struct store_txn *txn = store_read(spool->store);
	int err;

	*msg = spool_msg_create();
	(*msg)->id = id;
	err = msg_load(txn, *msg);
	if (err == 0)
		err = rcpts_load(txn, *msg, false);
	return load_end(&txn, err, msg);
}

int
spool_load_some(struct spool *spool, uint64_t id, const uint32_t *indexes,
		uint32_t count, struct spool_msg **msg)
{
	struct store_txn *txn = store_read(spool->store);
	uint8_t key[KEY_RCPT_SIZE];
	struct slice value;
	int err;

	*msg = spool_msg_create();
	(*msg)->id = id;
	err = msg_load(txn, *msg);
	for (uint32_t i = 0; i < count && err == 0; i++) {
		key_rcpt(id, indexes[i], key);
		if (store_get(txn, STORE_RCPT, slice_of(key, sizeof(key)),
			      &value) == 0)
			rcpt_add(*msg, indexes[i], value);
	}
	if (err == 0 && (*msg)->rcpt_count == 0)
		err = rcpts_load(txn, *msg, true);
	return load_end(&txn, err, msg);
}

/* --- one after the other ----------------------------------------------------
 */

struct next {
	struct store_txn *txn;
	struct spool_batch *batch;
	uint64_t id;	       /* under way; 0: none */
	struct spool_msg *msg; /* NULL: it is passed over */
	uint32_t entries;
};

static void
msg_complain(uint64_t id, int err)
{
	char text[ID_TEXT_SIZE];

	id_format(id, text);
	log_event(GW_LOG_ERROR, "load", LF_STR("msg", text), LF_ERR(err));
}

static void
next_end(struct next *next)
{
	struct spool_batch *batch = next->batch;

	if (next->id == 0)
		return;
	batch->after = next->id;
	next->id = 0;
	if (next->msg != NULL && next->msg->rcpt_count > 0)
		batch->msgs[batch->count++] = next->msg;
	else
		spool_msg_destroy(&next->msg);
	next->msg = NULL;
}

static bool
next_begin(struct next *next, uint64_t id)
{
	int err;

	next->id = id;
	next->msg = spool_msg_create();
	next->msg->id = id;
	err = msg_load(next->txn, next->msg);
	if (err == 0)
		return true;
	spool_msg_destroy(&next->msg);
	if (store_error(next->txn) != 0)
		return false;
	msg_complain(id, err);
	return true;
}

static bool
next_entry(void *arg, struct slice key, struct slice value)
{
	struct next *next = arg;
	uint64_t id = 0;
	uint32_t index = 0;

	if (key_rcpt_decode(key, &id, &index) != 0) {
		rcpt_complain(id, index);
		return true;
	}
	if (id != next->id) {
		next_end(next);
		if (id >= next->batch->end)
			return false;
		next->batch->more = next->entries >= SPOOL_BATCH_MAX;
		if (next->batch->more || !next_begin(next, id))
			return false;
	}
	next->entries++;
	if (next->msg != NULL)
		rcpt_add(next->msg, index, value);
	return true;
}

/* What came before it is whole, and next time it is the first: then it is
 * passed over. */
static int
next_fail(struct next *next, int err)
{
	spool_msg_destroy(&next->msg);
	if (next->batch->count == 0 && next->id == 0)
		return err;
	if (next->batch->count == 0) {
		msg_complain(next->id, err);
		next->batch->after = next->id;
	}
	next->batch->more = true;
	return 0;
}

int
spool_load_next(struct spool *spool, struct spool_batch *batch)
{
	struct next next = {.txn = store_read(spool->store), .batch = batch};
	uint8_t key[KEY_RCPT_SIZE];
	int err;

	batch->count = 0;
	batch->more = false;
	key_rcpt(batch->after + 1, 0, key);
	store_each(next.txn, STORE_RCPT, slice_of(key, sizeof(key)), next_entry,
		   &next);
	err = store_error(next.txn);
	if (err != 0)
		err = next_fail(&next, err);
	else
		next_end(&next);
	store_abort(&next.txn);
	return err;
}

struct scan {
	enum store_table table;
	uint8_t from[KEY_TRASH_SIZE];
	size_t prefix; /* of from, before what a recipient's key is */
	struct spool_cursor *last;
	size_t left;
	int count;
	spool_entry_fn *fn;
	void *arg;
};

static bool
scan_entry(void *arg, struct slice key, struct slice value)
{
	struct spool_rcpt rcpt = {.index = 0};
	struct spool_entry entry = {.rcpt = &rcpt};
	struct scan *s = arg;

	if (s->left == 0 || !slice_starts(key, slice_of(s->from, s->prefix)))
		return false;
	key = slice_from(key, s->prefix);
	if (key_rcpt_decode(key, &entry.id, &entry.index) != 0 ||
	    record_rcpt_decode(value, &rcpt) != 0) {
		rcpt_complain(entry.id, entry.index);
		return true;
	}
	s->last->id = entry.id;
	s->last->index = entry.index;
	rcpt.index = entry.index;
	s->left--;
	s->count++;
	return s->fn(s->arg, &entry);
}

/* Behind *last, which is also where it ends. */
static int
scan(struct spool *spool, struct scan *s)
{
	struct spool_cursor from = *s->last;
	struct store_txn *txn = store_read(spool->store);
	int err;

	if (from.id != 0 && ++from.index == 0)
		from.id++;
	key_rcpt(from.id, from.index, s->from + s->prefix);
	store_each(txn, s->table, slice_of(s->from, s->prefix + KEY_RCPT_SIZE),
		   scan_entry, s);
	err = store_error(txn);
	store_abort(&txn);
	return err != 0 ? err : s->count;
}

int
spool_scan(struct spool *spool, const struct spool_cursor *after, size_t max,
	   spool_entry_fn *fn, void *arg, struct spool_cursor *last)
{
	struct scan s = {.table = STORE_RCPT,
			 .left = max,
			 .fn = fn,
			 .arg = arg,
			 .last = last};

	*last = *after;
	return scan(spool, &s);
}

/* --- the trash --------------------------------------------------------------
 */

struct listing {
	struct spool_trash *out;
	size_t max, count;
	int64_t now_wall_s;
};

static bool
list_purge(void *arg, struct slice key, struct slice value)
{
	struct record_purge purge;
	struct listing *l = arg;
	uint64_t trash;

	if (key_purge_decode(key, &trash) != 0)
		return false;
	if (record_purge_decode(value, &purge) != 0 ||
	    purge.until_wall_s <= l->now_wall_s)
		return true;
	if (l->count < l->max)
		l->out[l->count] =
		    (struct spool_trash){.trash = trash,
					 .messages = purge.messages,
					 .recipients = purge.recipients,
					 .until_wall_s = purge.until_wall_s};
	l->count++;
	return true;
}

size_t
spool_trash_list(struct spool *spool, struct spool_trash *out, size_t max)
{
	struct listing l = {
	    .out = out, .max = max, .now_wall_s = clock_wall_s()};
	struct store_txn *txn = store_read(spool->store);
	uint8_t from[KEY_PURGE_SIZE];

	key_purge(0, from);
	store_each(txn, STORE_TRASH, slice_of(from, sizeof(from)), list_purge,
		   &l);
	store_abort(&txn);
	return l.count;
}

int
spool_trash_scan(struct spool *spool, uint64_t trash,
		 const struct spool_cursor *after, size_t max,
		 spool_entry_fn *fn, void *arg, struct spool_cursor *last)
{
	struct scan s = {.table = STORE_TRASH,
			 .prefix = KEY_TRASH_SIZE - KEY_RCPT_SIZE,
			 .left = max,
			 .fn = fn,
			 .arg = arg,
			 .last = last};

	key_trash(trash, 0, 0, s.from);
	*last = *after;
	return scan(spool, &s);
}
