#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/spool/internal.h"
#include "gateway/spool/io.h"
#include "gateway/store/key.h"

/*
 * Reading, from any thread: each call is one read transaction, and nothing
 * that points into it leaves the call.
 *
 * A body that compaction moved is found under its old reference too, as long
 * as the move is remembered: whoever holds a message in memory need not know.
 */

#define MOVES_FOLLOWED 4
#define CHECK_BYTES 65536

struct spool_reader {
	struct spool *spool;
	struct segment *seg;
	struct spool_ref ref;
	int fd;
	bool own_fd;
};

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

struct scan {
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

	if (s->left == 0)
		return false;
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

int
spool_scan(struct spool *spool, const struct spool_cursor *after, size_t max,
	   spool_entry_fn *fn, void *arg, struct spool_cursor *last)
{
	struct scan s = {.left = max, .fn = fn, .arg = arg, .last = last};
	struct spool_cursor from = *after;
	struct store_txn *txn;
	uint8_t key[KEY_RCPT_SIZE];
	int err;

	*last = from;
	if (from.id != 0 && ++from.index == 0)
		from.id++;
	key_rcpt(from.id, from.index, key);
	txn = store_read(spool->store);
	store_each(txn, STORE_RCPT, slice_of(key, sizeof(key)), scan_entry, &s);
	err = store_error(txn);
	store_abort(&txn);
	return err != 0 ? err : s.count;
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

/* --- bodies ----------------------------------------------------------------
 */

/* Where the message's body lies now. */
static int
ref_now(struct spool *spool, uint64_t id, struct spool_ref *ref)
{
	struct store_txn *txn = store_read(spool->store);
	uint8_t key[KEY_ID_SIZE];
	struct spool_msg msg;
	struct slice value;
	int err;

	key_put_u64(key, id);
	err = store_get(txn, STORE_MESSAGE, slice_of(key, sizeof(key)), &value);
	if (err == 0)
		err = record_msg_decode(value, &msg);
	if (err == 0)
		*ref = msg.body;
	store_abort(&txn);
	return err;
}

static int
ref_pin(struct spool *spool, struct spool_ref *ref, struct segment **seg)
{
	uint64_t id;
	int err;

	for (int i = 0; i < MOVES_FOLLOWED; i++) {
		*seg = segment_pin(&spool->segs, ref->segment);
		if (*seg != NULL)
			return 0;
		id = moved_lookup(&spool->segs, ref);
		if (id == 0)
			break;
		err = ref_now(spool, id, ref);
		if (err != 0)
			return err;
	}
	return GW_ENOENT;
}

/* A file that is gone reads as an empty one: what that means for the mail is
 * decided where the digest is compared. */
static int
reader_fd(struct spool_reader *reader)
{
	struct segments *segs = &reader->spool->segs;
	char name[SEGMENT_NAME_SIZE];
	int err;

	pthread_mutex_lock(&segs->lock);
	reader->fd = reader->seg->fd;
	pthread_mutex_unlock(&segs->lock);
	if (reader->fd >= 0)
		return 0;
	segment_name(reader->seg->id, name);
	err = io_open(segs->dir_fd, name, O_RDONLY, &reader->fd);
	reader->own_fd = err == 0;
	return err == GW_ENOENT ? 0 : err;
}

int
spool_reader_open(struct spool *spool, const struct spool_ref *ref,
		  struct spool_reader **reader)
{
	struct spool_reader *r = mem_zalloc(sizeof(*r));
	int err;

	*reader = NULL;
	r->spool = spool;
	r->ref = *ref;
	r->fd = -1;
	err = ref_pin(spool, &r->ref, &r->seg);
	if (err != 0) {
		free(r);
		return err;
	}
	*reader = r;
	err = reader_fd(r);
	if (err != 0)
		spool_reader_close(reader);
	return err;
}

int64_t
spool_reader_read(struct spool_reader *reader, uint64_t offset, void *p,
		  size_t n)
{
	if (reader->fd < 0 || offset >= reader->ref.length)
		return 0;
	if (n > reader->ref.length - offset)
		n = (size_t)(reader->ref.length - offset);
	return io_read(reader->fd, p, n, reader->ref.offset + offset);
}

void
spool_reader_close(struct spool_reader **reader)
{
	struct spool_reader *r = *reader;

	*reader = NULL;
	if (r == NULL)
		return;
	if (r->own_fd)
		io_close(&r->fd);
	segment_unpin(&r->spool->segs, r->seg);
	free(r);
}

int
spool_digest_check(struct spool *spool, const struct spool_ref *ref)
{
	struct digest *digest = digest_create();
	uint8_t sum[DIGEST_SIZE];
	struct spool_reader *reader;
	char *p = mem_alloc(CHECK_BYTES);
	uint64_t done = 0;
	int64_t n;
	int err = spool_reader_open(spool, ref, &reader);

	while (err == 0 && done < ref->length) {
		n = spool_reader_read(reader, done, p, CHECK_BYTES);
		if (n < 0)
			err = (int)n;
		if (n <= 0)
			break;
		digest_add(digest, slice_of(p, (size_t)n));
		done += (uint64_t)n;
	}
	digest_final(digest, sum);
	if (err == 0 && memcmp(sum, ref->digest, DIGEST_SIZE) != 0)
		err = GW_ECORRUPT;
	spool_reader_close(&reader);
	digest_destroy(&digest);
	free(p);
	return err;
}
