#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/spool/internal.h"
#include "gateway/spool/io.h"
#include "gateway/store/key.h"

/*
 * Moving the last live bodies out of an old segment, so that 64 MiB are not
 * kept for one mail to a host that is down for four days. A slice at a time
 * on the store thread: read some bodies, append them to the current segment
 * like any others, sync, and one small transaction that turns the references.
 * The digest goes along unchanged: bytes that were damaged stay found out.
 *
 * A segment remembers between which ids its messages lie, so a slice walks
 * that stretch of the message table and no index is needed for this alone.
 *
 * Messages in memory still carry the old reference. Each move is remembered
 * for them, the last MOVES_MAX ones; after that a reader is told GW_ENOENT
 * and must load the message anew.
 */

#if defined(__GNUC__) && !defined(__clang__)
/* gcc's analyzer takes what uthash's table holds for leaked. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

enum {
	LOOK_MAX = 500, /* records looked at in a slice */
	MOVE_MAX = 64,	/* moved in a slice */
	MOVE_BYTES = 1024 * 1024,
	MOVES_MAX = 100000,
	SCAN_MS = 10000, /* between looks for the next segment */
	LIVE_SHARE = 4,	 /* less than one in so many bytes lives */
};

struct moves {
	UT_hash_handle hh;
	/* An empty body shares its offset with the one behind it. */
	struct {
		uint64_t segment, offset, length;
	} from;
	uint64_t id;
};

struct mover {
	uint64_t id;
	struct spool_ref from, to;
	char *bytes;
};

struct compaction {
	uint64_t victim; /* 0: none */
	uint64_t next_id, last_id;
	int64_t scanned_ms;
	struct mover movers[MOVE_MAX];
	size_t count;
	uint64_t bytes;
	size_t looked;
	bool end; /* no more in the table's stretch */
};

/* --- what was moved ----------------------------------------------------------
 */

static void
move_remember(struct segments *segs, const struct mover *m)
{
	struct moves *move = mem_zalloc(sizeof(*move)), *oldest;

	move->from.segment = m->from.segment;
	move->from.offset = m->from.offset;
	move->from.length = m->from.length;
	move->id = m->id;
	pthread_mutex_lock(&segs->lock);
	HASH_ADD(hh, segs->moves, from, sizeof(move->from), move);
	oldest = segs->moves;
	if (HASH_COUNT(segs->moves) > MOVES_MAX)
		HASH_DEL(segs->moves, oldest);
	else
		oldest = NULL;
	pthread_mutex_unlock(&segs->lock);
	free(oldest);
}

uint64_t
moved_lookup(struct segments *segs, const struct spool_ref *ref)
{
	struct moves key = {.from = {ref->segment, ref->offset, ref->length}};
	struct moves *move;
	uint64_t id;

	pthread_mutex_lock(&segs->lock);
	HASH_FIND(hh, segs->moves, &key.from, sizeof(key.from), move);
	id = move != NULL ? move->id : 0;
	pthread_mutex_unlock(&segs->lock);
	return id;
}

void
compact_fini(struct spool *spool)
{
	struct moves *move, *tmp;

	HASH_ITER(hh, spool->segs.moves, move, tmp)
	{
		HASH_DEL(spool->segs.moves, move);
		free(move);
	}
	free(spool->compaction);
	spool->compaction = NULL;
}

/* --- which segment
 * ------------------------------------------------------------- */

/* Locked. */
static bool
worth_moving(const struct spool *spool, const struct segment *seg,
	     int64_t now_ms)
{
	if (!seg->sealed || seg->rec.large || seg->missing || seg->unmovable ||
	    seg->pins > 0 || seg->rec.live_count == 0)
		return false;
	if (seg->rec.live_bytes >= seg->size / LIVE_SHARE)
		return false;
	return atomic_load(&spool->segs.thrifty) ||
	       now_ms - seg->sealed_ms >= spool->opts.compact_after_s * 1000;
}

static void
victim_find(struct spool *spool, int64_t now_ms)
{
	struct compaction *c = spool->compaction;
	const struct segment *seg;
	int64_t wait_ms = spool->opts.compact_after_s * 1000;

	if (wait_ms > SCAN_MS)
		wait_ms = SCAN_MS;
	if (now_ms - c->scanned_ms < wait_ms)
		return;
	c->scanned_ms = now_ms;
	pthread_mutex_lock(&spool->segs.lock);
	for (seg = spool->segs.table; seg != NULL; seg = seg->hh.next) {
		if (!worth_moving(spool, seg, now_ms))
			continue;
		c->victim = seg->id;
		c->next_id = seg->rec.first_id;
		c->last_id = seg->rec.last_id;
		break;
	}
	pthread_mutex_unlock(&spool->segs.lock);
}

/* --- a slice
 * ---------------------------------------------------------------------- */

static bool
mover_collect(void *arg, struct slice key, struct slice value)
{
	struct compaction *c = arg;
	struct spool_msg msg;
	uint64_t id;

	id = key.n == KEY_ID_SIZE ? key_get_u64(key.p) : UINT64_MAX;
	c->end = id > c->last_id;
	if (c->end || c->count == MOVE_MAX || c->bytes >= MOVE_BYTES ||
	    c->looked == LOOK_MAX)
		return false;
	c->looked++;
	c->next_id = id + 1;
	if (record_msg_decode(value, &msg) != 0 ||
	    msg.body.segment != c->victim)
		return true;
	c->movers[c->count].id = id;
	c->movers[c->count].bytes = NULL;
	c->movers[c->count++].from = msg.body;
	c->bytes += msg.body.length;
	return true;
}

static int
movers_collect(struct spool *spool)
{
	struct compaction *c = spool->compaction;
	struct store_txn *txn = store_read(spool->store);
	uint8_t key[KEY_ID_SIZE];
	int err;

	c->count = c->looked = 0;
	c->bytes = 0;
	c->end = true; /* when the table ends first */
	key_put_u64(key, c->next_id);
	store_each(txn, STORE_MESSAGE, slice_of(key, sizeof(key)),
		   mover_collect, c);
	err = store_error(txn);
	store_abort(&txn);
	return err;
}

/* What cannot be read whole stays where it is. */
static int
mover_read(struct spool *spool, struct mover *m)
{
	struct spool_reader *reader;
	int64_t n;
	int err = spool_reader_open(spool, &m->from, &reader);

	if (err != 0)
		return err;
	m->bytes = mem_alloc(m->from.length + 1);
	n = spool_reader_read(reader, 0, m->bytes, m->from.length);
	spool_reader_close(&reader);
	if (n < 0)
		return (int)n;
	return (uint64_t)n == m->from.length ? 0 : GW_ECORRUPT;
}

static int
movers_place(struct spool *spool)
{
	struct compaction *c = spool->compaction;
	int err = 0;

	for (size_t i = 0; i < c->count && err == 0; i++) {
		struct mover *m = &c->movers[i];

		err = mover_read(spool, m);
		m->to = m->from;
		if (err == 0)
			err = segments_place(&spool->segs,
					     slice_of(m->bytes, m->from.length),
					     &m->to);
	}
	if (err == 0)
		err = segments_flush(&spool->segs);
	if (err == 0)
		err = segments_sync(&spool->segs);
	else
		segments_seal(&spool->segs, false);
	return err;
}

static void
mover_turn(struct spool *spool, struct store_txn *txn, const struct mover *m)
{
	uint8_t p[KEY_ID_SIZE];
	struct slice key, value;

	key_put_u64(p, m->id);
	key = slice_of(p, sizeof(p));
	if (store_get(txn, STORE_MESSAGE, key, &value) != 0)
		return;
	buf_clear(&spool->scratch);
	buf_add_slice(&spool->scratch, value);
	if (spool->scratch.overflow) {
		store_fail(txn, GW_ETOOBIG);
		return;
	}
	record_msg_set_ref(spool->scratch.p, &m->to);
	store_put(txn, STORE_MESSAGE, key, buf_slice(&spool->scratch));
	segments_gain(&spool->segs, &m->to, m->id);
	segments_lose(&spool->segs, &m->from);
}

static int
movers_commit(struct spool *spool)
{
	struct compaction *c = spool->compaction;
	struct store_txn *txn = store_write(spool->store);
	int err;

	for (size_t i = 0; i < c->count; i++)
		mover_turn(spool, txn, &c->movers[i]);
	segments_put_rows(&spool->segs, txn);
	err = store_commit(&txn);
	if (err != 0)
		return err;
	/* Before the old segment can go: a reader finds one or the other. */
	for (size_t i = 0; i < c->count; i++)
		move_remember(&spool->segs, &c->movers[i]);
	segments_committed(&spool->segs);
	return 0;
}

static void
victim_leave(struct spool *spool, int err)
{
	struct compaction *c = spool->compaction;
	struct segment *seg = segments_find(&spool->segs, c->victim);
	char name[SEGMENT_NAME_SIZE];

	segment_name(c->victim, name);
	if (seg != NULL && err != GW_ENOSPC)
		seg->unmovable = true; /* until the next start */
	if (err != 0)
		log_event(GW_LOG_ERROR, "spool-compact",
			  LF_STR("segment", name), LF_ERR(err));
	c->victim = 0;
}

static int
slice_run(struct spool *spool)
{
	struct compaction *c = spool->compaction;
	int err = movers_collect(spool);

	if (err != 0 || c->count == 0)
		return err;
	err = movers_place(spool);
	if (err == 0)
		err = movers_commit(spool);
	if (err != 0)
		segments_rolled_back(&spool->segs);
	for (size_t i = 0; i < c->count; i++) {
		free(c->movers[i].bytes);
		c->movers[i].bytes = NULL;
	}
	return err;
}

bool
compact_slice(struct spool *spool, int64_t now_ms)
{
	struct compaction *c = spool->compaction;
	int err;

	if (spool->opts.compact_after_s < 0)
		return false;
	if (c == NULL)
		c = spool->compaction = mem_zalloc(sizeof(*c));
	if (c->victim == 0)
		victim_find(spool, now_ms);
	if (c->victim == 0)
		return false;
	err = slice_run(spool);
	if (err != 0 || c->end)
		victim_leave(spool, err);
	return true;
}
