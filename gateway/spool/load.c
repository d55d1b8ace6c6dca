#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/spool/internal.h"
#include "gateway/store/key.h"

/*
 * What the index says at start. A record that cannot be read must neither keep
 * the daemon from starting nor cost a mail: the row of a segment only counts
 * what messages say themselves, so a bad one is logged and counted again from
 * them. Taking the segment for unknown instead would give its file, with live
 * bodies in it, to the next writer.
 *
 * Counters of the ledger cannot be had again, but for those of the queue (and
 * purged is never less than the trash); a bad one starts at 0, and the log has
 * a line.
 */

#define BAD_ROWS_MAX 64 /* that are removed at one start */

struct loading {
	struct spool *spool;
	uint64_t bad[BAD_ROWS_MAX];
	size_t bad_count;
	bool damaged; /* some row could not be read */
	struct ledger queue;
	int64_t trashed; /* recipients */
};

static uint64_t
meta_get(struct store_txn *txn, struct slice name)
{
	struct slice value;

	if (store_get(txn, STORE_META, name, &value) != 0 || value.n != 8)
		return 0;
	return key_get_u64(value.p);
}

static bool
row_load(void *arg, struct slice key, struct slice value)
{
	struct record_segment rec;
	struct loading *l = arg;
	bool named = key.n == 8;
	uint64_t id = named ? key_get_u64(key.p) : 0;

	if (named && record_segment_decode(value, &rec) == 0) {
		segments_load_row(&l->spool->segs, id, &rec);
		return true;
	}
	log_event(GW_LOG_ERROR, "spool-segment-row-bad", LF_U64("segment", id),
		  LF_U64("bytes", value.n));
	l->damaged = true;
	if (named && l->bad_count < BAD_ROWS_MAX)
		l->bad[l->bad_count++] = id;
	return true;
}

/* A segment without a row gets one made of its messages. */
static bool
message_count(void *arg, struct slice key, struct slice value)
{
	static const struct record_segment none;
	struct loading *l = arg;
	struct spool_msg msg;
	struct segment *seg;

	if (key.n != KEY_ID_SIZE || record_msg_decode(value, &msg) != 0) {
		log_event(GW_LOG_ERROR, "spool-message-bad",
			  LF_SLICE("key", key));
		return true;
	}
	seg = segments_find(&l->spool->segs, msg.body.segment);
	if (seg == NULL) {
		seg =
		    segments_load_row(&l->spool->segs, msg.body.segment, &none);
		seg->recounted = true;
	}
	if (seg->recounted)
		record_segment_gain(&seg->rec, &msg.body, key_get_u64(key.p));
	return true;
}

static bool
rcpt_count(void *arg, struct slice key, struct slice value)
{
	struct spool_rcpt rcpt;
	struct loading *l = arg;

	(void)key;
	if (record_rcpt_decode(value, &rcpt) == 0)
		l->queue.count[LEDGER_STATE + rcpt.state]++;
	return true;
}

static bool
trash_count(void *arg, struct slice key, struct slice value)
{
	struct record_purge purge;
	struct loading *l = arg;
	uint64_t trash;

	if (key_purge_decode(key, &trash) == 0 &&
	    record_purge_decode(value, &purge) == 0)
		l->trashed += (int64_t)purge.recipients;
	return true;
}

static void
rows_repair(struct loading *l, struct store_txn *txn)
{
	uint8_t key[8], value[RECORD_SEGMENT_SIZE];
	const struct segment *seg;

	for (size_t i = 0; i < l->bad_count; i++) {
		key_put_u64(key, l->bad[i]);
		store_delete(txn, STORE_SEGMENT, slice_of(key, sizeof(key)));
	}
	for (seg = l->spool->segs.table; seg != NULL; seg = seg->hh.next) {
		if (!seg->recounted)
			continue;
		key_put_u64(key, seg->id);
		record_segment_encode(&seg->rec, value);
		store_put(txn, STORE_SEGMENT, slice_of(key, sizeof(key)),
			  slice_of(value, sizeof(value)));
	}
}

static void
ledger_repair(struct loading *l, struct store_txn *txn)
{
	struct ledger *ledger = &l->spool->ledger;
	struct ledger was;

	ledger->count[LEDGER_STATE + RCPT_QUEUED] =
	    l->queue.count[LEDGER_STATE + RCPT_QUEUED];
	ledger->count[LEDGER_STATE + RCPT_HELD] =
	    l->queue.count[LEDGER_STATE + RCPT_HELD];
	if (ledger->count[LEDGER_STATE + RCPT_PURGED] < l->trashed)
		ledger->count[LEDGER_STATE + RCPT_PURGED] = l->trashed;
	for (int i = 0; i < LEDGER_COUNTERS; i++)
		was.count[i] = ~ledger->count[i]; /* write them all */
	ledger_put(txn, &was, ledger);
}

/* Without the disk it is as well: then it is done at the next start. */
static void
repair(struct loading *l, bool ledger)
{
	struct store_txn *txn = store_write(l->spool->store);
	int err;

	rows_repair(l, txn);
	if (ledger)
		ledger_repair(l, txn);
	err = store_commit(&txn);
	log_event(GW_LOG_WARN, "spool-repaired",
		  LF_U64("segment_rows", l->bad_count), LF_ERR(err));
}

int
state_load(struct spool *spool)
{
	struct store_txn *txn = store_read(spool->store);
	struct loading l = {.spool = spool};
	uint64_t segment;
	bool ledger_bad;
	int err;

	spool->largest_id = meta_get(txn, SLICE_LIT("largest"));
	segment = meta_get(txn, SLICE_LIT("segment"));
	ledger_bad = !ledger_load(txn, &spool->ledger);
	store_each(txn, STORE_SEGMENT, SLICE_NONE, row_load, &l);
	if (l.damaged)
		store_each(txn, STORE_MESSAGE, SLICE_NONE, message_count, &l);
	if (ledger_bad) {
		log_event(GW_LOG_ERROR, "spool-ledger-bad",
			  LF_ERR(GW_ECORRUPT));
		store_each(txn, STORE_RCPT, SLICE_NONE, rcpt_count, &l);
		store_each(txn, STORE_TRASH, SLICE_NONE, trash_count, &l);
	}
	err = store_error(txn);
	store_abort(&txn);
	spool->largest_segment = segment;
	if (atomic_load(&spool->segs.next_id) <= segment)
		atomic_store(&spool->segs.next_id, segment + 1);
	if (err == 0 && (l.damaged || ledger_bad))
		repair(&l, ledger_bad);
	return err;
}
