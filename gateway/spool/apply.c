#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/spool/body.h"
#include "gateway/spool/internal.h"
#include "gateway/spool/resub.h"
#include "gateway/spool/trash.h"
#include "gateway/store/key.h"

/*
 * What one operation does within the transaction: the records, the indices,
 * the ledger. Nothing here touches a file or answers anybody. All counting is
 * done in the batch's copy, which becomes true with the commit or is thrown
 * away.
 *
 * A value got from the store points into a page: it is used up, or copied,
 * before the next write.
 */

#define REPLY_MAX 512

static struct slice
key_id(uint64_t id, uint8_t p[KEY_ID_SIZE])
{
	key_put_u64(p, id);
	return slice_of(p, KEY_ID_SIZE);
}

static struct slice
key_of_rcpt(uint64_t id, uint32_t index, uint8_t p[KEY_RCPT_SIZE])
{
	key_rcpt(id, index, p);
	return slice_of(p, KEY_RCPT_SIZE);
}

void
record_complain(const char *event, uint64_t id)
{
	char text[ID_TEXT_SIZE];

	id_format(id, text);
	log_event(GW_LOG_ERROR, event, LF_STR("msg", text));
}

bool
msg_stays(const struct spool_msg *msg)
{
	for (uint32_t i = 0; i < msg->rcpt_count; i++)
		if (msg->rcpts[i].state < RCPT_DELIVERED)
			return true;
	return false;
}

/* --- a message comes --------------------------------------------------------
 */

static void
rcpts_put(struct batch *batch, struct store_txn *txn,
	  const struct spool_msg *msg)
{
	uint8_t key[KEY_RCPT_SIZE];
	void *p;

	for (uint32_t i = 0; i < msg->rcpt_count; i++) {
		const struct spool_rcpt *rcpt = &msg->rcpts[i];

		batch->ledger.count[LEDGER_STATE + rcpt->state]++;
		if (rcpt->state >= RCPT_DELIVERED)
			continue;
		p = store_reserve_last(txn, STORE_RCPT,
				       key_of_rcpt(msg->id, rcpt->index, key),
				       record_rcpt_size(rcpt));
		if (p != NULL)
			record_rcpt_encode(rcpt, p);
	}
}

/* The body's row. A small one was given its place before. */
static void
body_gain(struct spool *spool, struct spool_msg *msg,
	  const struct spool_body *body)
{
	if (body != NULL && body->stream != NULL) {
		large_result(body->stream, &msg->body.segment,
			     &msg->body.length);
		msg->body.offset = 0;
		segments_add_large(&spool->segs, msg->body.segment,
				   msg->body.length);
	}
	segments_gain(&spool->segs, &msg->body, msg->id);
}

static void
msg_put(struct spool *spool, struct batch *batch, struct store_txn *txn,
	struct spool_msg *msg, const struct spool_body *body)
{
	uint8_t key[KEY_ID_SIZE];
	void *p;

	if (msg->id > batch->largest_id)
		batch->largest_id = msg->id;
	rcpts_put(batch, txn, msg);
	if (!msg_stays(msg))
		return;
	body_gain(spool, msg, body);
	p = store_reserve_last(txn, STORE_MESSAGE, key_id(msg->id, key),
			       record_msg_size(msg));
	if (p != NULL)
		record_msg_encode(msg, p);
}

/* The last moment: whatever was forbidden before this commit, nothing slips in
 * behind it. */
static bool
vetoed(const struct spool *spool, const struct spool_msg *msg)
{
	return spool->opts.veto != NULL && (msg->flags & MSG_GENERATED) == 0 &&
	       spool->opts.veto(spool->opts.veto_arg, msg);
}

void
apply_accept(struct spool *spool, struct batch *batch, struct store_txn *txn,
	     struct spool_accept *op, int64_t now_wall_s)
{
	struct spool_msg *msg = op->msg;

	op->answer = SPOOL_ACCEPTED;
	op->first_id = msg->id;
	if (msg->has_resub_key &&
	    resub_match(spool, txn, msg, now_wall_s, &op->first_id)) {
		op->answer = SPOOL_DUPLICATE;
		batch->ledger.count[LEDGER_DUPLICATES] += msg->rcpt_count;
		return;
	}
	op->first_id = msg->id;
	if (vetoed(spool, msg)) {
		op->answer = SPOOL_VETOED;
		return;
	}
	batch->ledger.count[msg->flags & MSG_GENERATED ? LEDGER_GENERATED
						       : LEDGER_ACCEPTED] +=
	    msg->rcpt_count;
	msg_put(spool, batch, txn, msg, op->body);
	if (msg->has_resub_key)
		resub_put(spool, txn, msg,
			  now_wall_s + spool->opts.resub_window_s);
	store_apply(txn, op->changes, op->change_count);
}

/* --- recipients leave --------------------------------------------------------
 */

static int
msg_get(struct store_txn *txn, uint64_t id, struct spool_msg *msg)
{
	uint8_t key[KEY_ID_SIZE];
	struct slice value;
	int err = store_get(txn, STORE_MESSAGE, key_id(id, key), &value);

	memset(msg, 0, sizeof(*msg));
	msg->id = id;
	return err == 0 ? record_msg_decode(value, msg) : err;
}

static int
rcpt_get(struct store_txn *txn, uint64_t id, uint32_t index,
	 struct spool_rcpt *rcpt)
{
	uint8_t key[KEY_RCPT_SIZE];
	struct slice value;
	int err =
	    store_get(txn, STORE_RCPT, key_of_rcpt(id, index, key), &value);

	memset(rcpt, 0, sizeof(*rcpt));
	rcpt->index = index;
	return err == 0 ? record_rcpt_decode(value, rcpt) : err;
}

static bool
rcpt_is_of(void *arg, struct slice key, struct slice value)
{
	uint64_t *id = arg;
	uint32_t index;
	uint64_t found;

	(void)value;
	if (key_rcpt_decode(key, &found, &index) == 0 && found == *id)
		*id = 0;
	return false;
}

static bool
rcpts_left(struct store_txn *txn, uint64_t id)
{
	uint8_t key[KEY_RCPT_SIZE];
	uint64_t wanted = id;

	store_each(txn, STORE_RCPT, key_of_rcpt(id, 0, key), rcpt_is_of,
		   &wanted);
	return wanted == 0 || store_error(txn) != 0;
}

static void
msg_remove(struct spool *spool, struct store_txn *txn, uint64_t id)
{
	uint8_t key[KEY_ID_SIZE];
	struct spool_msg msg;

	if (msg_get(txn, id, &msg) != 0)
		record_complain("spool-message-bad", id);
	else
		segments_lose(&spool->segs, &msg.body);
	store_delete(txn, STORE_MESSAGE, key_id(id, key));
}

bool
msg_leave(struct spool *spool, struct store_txn *txn, uint64_t id)
{
	if (rcpts_left(txn, id) || trash_has(txn, id))
		return false;
	msg_remove(spool, txn, id);
	return true;
}

/* The record is copied: it cannot be written from its own page. */
static void
rcpt_keep(struct spool *spool, struct store_txn *txn, uint64_t id,
	  struct spool_rcpt *rcpt, const struct spool_outcome_rcpt *what)
{
	uint8_t key[KEY_RCPT_SIZE];
	char reply[REPLY_MAX + 1];
	char *p;

	rcpt->state = (uint8_t)what->state;
	rcpt->holds = what->state == RCPT_HELD ? what->holds : 0;
	rcpt->attempts = what->attempts;
	rcpt->next_wall_s = what->next_wall_s;
	if (what->reply != NULL) {
		size_t n = strnlen(what->reply, REPLY_MAX);

		memcpy(reply, what->reply, n);
		reply[n] = '\0';
		rcpt->last_reply = reply;
	}
	buf_clear(&spool->scratch);
	p = buf_reserve(&spool->scratch, record_rcpt_size(rcpt));
	if (p == NULL) {
		store_fail(txn, GW_ETOOBIG);
	} else {
		record_rcpt_encode(rcpt, p);
		store_put(txn, STORE_RCPT, key_of_rcpt(id, rcpt->index, key),
			  slice_of(p, record_rcpt_size(rcpt)));
	}
	rcpt->last_reply = NULL; /* it was on our stack */
}

static bool
to_trash(const struct spool_outcome *op, const struct spool_outcome_rcpt *what)
{
	return op->trash != 0 && what->state == RCPT_PURGED;
}

/* *taken: how many went into the trash. */
static int
rcpt_apply(struct spool *spool, struct batch *batch, struct store_txn *txn,
	   const struct spool_outcome *op,
	   const struct spool_outcome_rcpt *what, uint32_t *taken)
{
	uint64_t id = op->id;
	uint8_t key[KEY_RCPT_SIZE];
	struct spool_rcpt rcpt;
	int err = rcpt_get(txn, id, what->index, &rcpt);

	if (err == GW_ECORRUPT && what->state >= RCPT_DELIVERED) {
		record_complain("spool-recipient-bad", id);
		rcpt.state = RCPT_QUEUED; /* as far as anybody knows */
	} else if (err != 0) {
		return err;
	} else if (to_trash(op, what)) {
		trash_take(spool, txn, op->trash, id, what->index);
		(*taken)++;
	}
	batch->ledger.count[LEDGER_STATE + rcpt.state]--;
	batch->ledger.count[LEDGER_STATE + what->state]++;
	if (what->state >= RCPT_DELIVERED)
		store_delete(txn, STORE_RCPT,
			     key_of_rcpt(id, what->index, key));
	else
		rcpt_keep(spool, txn, id, &rcpt, what);
	return 0;
}

/* What an outcome says of the message as a whole. GW_ENOENT: it is gone. */
static int
msg_change(struct spool *spool, struct store_txn *txn,
	   const struct spool_outcome *op)
{
	uint8_t key[KEY_ID_SIZE];
	struct spool_msg msg;
	size_t n;
	char *p;
	int err = msg_get(txn, op->id, &msg);

	if (err != 0)
		return err;
	msg.flags |= op->set_flags;
	if (op->set_campaign != 0) {
		msg.campaign = op->set_campaign;
		msg.lane = LANE_BULK;
	}
	/* Anew, not in place: it may be of an older form. */
	n = record_msg_size(&msg);
	buf_clear(&spool->scratch);
	p = buf_reserve(&spool->scratch, n);
	if (p == NULL) {
		store_fail(txn, GW_ETOOBIG);
		return 0;
	}
	record_msg_encode(&msg, p);
	store_put(txn, STORE_MESSAGE, key_id(op->id, key), slice_of(p, n));
	return 0;
}

static bool
outcome_valid(const struct spool_outcome *op)
{
	for (size_t i = 0; i < op->rcpt_count; i++)
		if (op->rcpts[i].state >= RCPT_STATES)
			return false;
	return true;
}

/*
 * Whoever is there is marked, though others are gone: a delivery that is not
 * marked is made once more after the next start. (Of one named twice the first
 * word counts.) 0 when some were marked, or there was nothing to mark.
 */
static int
outcome_mark(struct spool *spool, struct batch *batch, struct store_txn *txn,
	     const struct spool_outcome *op)
{
	int first = 0, err;
	size_t marked = 0;
	uint32_t taken = 0;

	if (!outcome_valid(op))
		return GW_EINVAL;
	for (size_t i = 0; i < op->rcpt_count; i++) {
		err = rcpt_apply(spool, batch, txn, op, &op->rcpts[i], &taken);
		if (err == 0)
			marked++;
		else if (first == 0)
			first = err;
	}
	if (taken > 0)
		trash_note(batch, txn, op, taken);
	return marked > 0 ? 0 : first;
}

/* Matched only while the first is queued, held or delivered; not when its bytes
 * were altered: then what the client sends again is the one good copy. */
static bool
still_matches(const struct spool_outcome_rcpt *rcpt)
{
	if (rcpt->state == RCPT_HELD && (rcpt->holds & HOLD_ALTERED) != 0)
		return false;
	return rcpt->state <= RCPT_DELIVERED;
}

static void
outcome_resub(struct spool *spool, struct store_txn *txn,
	      const struct spool_outcome *op)
{
	/* A copy of it goes out in its place: to send it again would be to
	 * deliver it twice. */
	if (op->extra != NULL)
		return;
	for (size_t i = 0; i < op->rcpt_count; i++) {
		if (still_matches(&op->rcpts[i]))
			continue;
		resub_drop(spool, txn, op->id);
		return;
	}
}

static void
generated_put(struct spool *spool, struct batch *batch, struct store_txn *txn,
	      struct spool_msg *msg, const struct spool_body *body)
{
	if (msg == NULL)
		return;
	batch->ledger.count[LEDGER_GENERATED] += msg->rcpt_count;
	msg_put(spool, batch, txn, msg, body);
}

void
apply_outcome(struct spool *spool, struct batch *batch, struct store_txn *txn,
	      struct spool_outcome *op)
{
	bool final = false;
	int err;

	op->err = outcome_mark(spool, batch, txn, op);
	if (op->err != 0)
		return;
	for (size_t i = 0; i < op->rcpt_count; i++)
		final |= op->rcpts[i].state >= RCPT_DELIVERED;
	outcome_resub(spool, txn, op);
	if (!final || !msg_leave(spool, txn, op->id)) {
		err = op->set_flags != 0 || op->set_campaign != 0
			  ? msg_change(spool, txn, op)
			  : 0;
		/* Nothing else was to be done: then nothing was. */
		if (err != 0 && op->rcpt_count == 0 && op->set_campaign != 0) {
			op->err = err;
			return;
		}
	}
	generated_put(spool, batch, txn, op->dsn, op->dsn_body);
	generated_put(spool, batch, txn, op->extra, op->extra_body);
	store_apply(txn, op->changes, op->change_count);
}
