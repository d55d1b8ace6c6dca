#include <errno.h>
#include <time.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/spool/body.h"
#include "gateway/spool/internal.h"
#include "gateway/spool/resub.h"

/*
 * The store thread: takes what waits, commits it together, and between two
 * batches does a slice of what is never urgent: moving bodies out of mostly
 * dead segments, forgetting old resubmission keys.
 *
 * A batch has caps, so that its transaction stays far from LMDB's 131,071
 * dirty pages and nobody waits for somebody else's mountain: what is over
 * waits for the next. One operation alone is taken whatever its size.
 */

enum {
	BATCH_COUNT = 1024,	       /* operations of a kind */
	BATCH_PUTS = 20000,	       /* records */
	BATCH_BYTES = 8 * 1024 * 1024, /* of small bodies */
	OUTCOME_WAIT_MS = 50,
	OUTCOME_CROWD = 500, /* that many do not wait */
	TICK_MS = 1000,
	SLICE_MS = 50, /* when busy, a slice each */
	READERS_MS = 60000,
};

#define QUEUE_PUSH(q, op)                \
	do {                             \
		(op)->next = NULL;       \
		*(q)->tail = (op);       \
		(q)->tail = &(op)->next; \
		(q)->count++;            \
	} while (0)

#define QUEUE_POP(q, into)                      \
	do {                                    \
		**(into) = (q)->head;           \
		*(into) = &(q)->head->next;     \
		(q)->head = (q)->head->next;    \
		if ((q)->head == NULL)          \
			(q)->tail = &(q)->head; \
		(q)->count--;                   \
		**(into) = NULL;                \
	} while (0)

static void
wake(struct spool *spool)
{
	if (!spool->asleep)
		return;
	spool->asleep = false;
	pthread_cond_signal(&spool->wake);
}

void
spool_queue_accept(struct spool *spool, struct spool_accept *op)
{
	pthread_mutex_lock(&spool->lock);
	QUEUE_PUSH(&spool->accepts, op);
	wake(spool);
	pthread_mutex_unlock(&spool->lock);
}

void
spool_queue_outcome(struct spool *spool, struct spool_outcome *op)
{
	pthread_mutex_lock(&spool->lock);
	if (spool->outcomes.head == NULL) {
		spool->outcome_since_ms = clock_mono_ms();
		wake(spool);
	} else if (spool->outcomes.count == OUTCOME_CROWD) {
		wake(spool);
	}
	QUEUE_PUSH(&spool->outcomes, op);
	pthread_mutex_unlock(&spool->lock);
}

static void
accept_streamed(void *arg)
{
	struct spool_accept *op = arg;

	spool_queue_accept(op->body->spool, op);
}

static void
extra_streamed(void *arg)
{
	struct spool_outcome *op = arg;

	spool_queue_outcome(op->extra_body->spool, op);
}

/* The second of its bodies, when the first is on disk. */
static void
outcome_extra(struct spool *spool, struct spool_outcome *op)
{
	if (op->extra_body != NULL && op->extra_body->stream != NULL)
		large_finish(op->extra_body->stream, extra_streamed, op);
	else
		spool_queue_outcome(spool, op);
}

static void
outcome_streamed(void *arg)
{
	struct spool_outcome *op = arg;

	outcome_extra(op->dsn_body->spool, op);
}

void
spool_accept_start(struct spool *spool, struct spool_accept *op)
{
	if (op->body != NULL && op->body->stream != NULL)
		large_finish(op->body->stream, accept_streamed, op);
	else
		spool_queue_accept(spool, op);
}

void
spool_outcome_start(struct spool *spool, struct spool_outcome *op)
{
	if (op->dsn_body != NULL && op->dsn_body->stream != NULL)
		large_finish(op->dsn_body->stream, outcome_streamed, op);
	else
		outcome_extra(spool, op);
}

void
spool_change_start(struct spool *spool, struct spool_change *op)
{
	pthread_mutex_lock(&spool->lock);
	QUEUE_PUSH(&spool->changes, op);
	wake(spool);
	pthread_mutex_unlock(&spool->lock);
}

void
spool_undo_start(struct spool *spool, struct spool_undo *op)
{
	pthread_mutex_lock(&spool->lock);
	QUEUE_PUSH(&spool->undos, op);
	wake(spool);
	pthread_mutex_unlock(&spool->lock);
}

/* --- the thread
 * ----------------------------------------------------------------- */

static size_t
accept_puts(const struct spool_accept *op)
{
	return 5 + op->msg->rcpt_count + op->change_count;
}

static uint64_t
body_bytes(const struct spool_body *body)
{
	return body == NULL || body->stream != NULL ? 0 : body->n;
}

static uint64_t
accept_bytes(const struct spool_accept *op)
{
	return body_bytes(op->body);
}

static size_t
outcome_puts(const struct spool_outcome *op)
{
	return 5 + op->rcpt_count + (op->dsn ? op->dsn->rcpt_count : 0) +
	       (op->extra ? op->extra->rcpt_count : 0) + op->change_count;
}

/* With what its changes carry: an envelope of 50,000 recipients is one. */
static uint64_t
outcome_bytes(const struct spool_outcome *op)
{
	uint64_t bytes = body_bytes(op->dsn_body) + body_bytes(op->extra_body);

	for (size_t i = 0; i < op->change_count; i++)
		bytes += op->changes[i].value.n;
	return bytes;
}

/* Whether the operation still fits; the first of a batch always does. */
static bool
fits(size_t *puts, uint64_t *bytes, size_t more_puts, uint64_t more_bytes)
{
	if (*puts > 0 && (*puts + more_puts > BATCH_PUTS ||
			  *bytes + more_bytes > BATCH_BYTES))
		return false;
	*puts += more_puts;
	*bytes += more_bytes;
	return true;
}

/* Administrators first: a block is to be in force before the next mail. */
static void
batch_take(struct spool *spool, struct batch *batch)
{
	struct spool_change **c = &batch->changes;
	struct spool_outcome **o = &batch->outcomes;
	struct spool_accept **a = &batch->accepts;
	struct spool_undo **u = &batch->undos;
	size_t puts = 0;
	uint64_t bytes = 0;

	for (int i = 0;
	     spool->changes.head != NULL && i < BATCH_COUNT &&
	     fits(&puts, &bytes, 1 + spool->changes.head->change_count, 0);
	     i++)
		QUEUE_POP(&spool->changes, &c);
	for (int i = 0; spool->accepts.head != NULL && i < BATCH_COUNT &&
			fits(&puts, &bytes, accept_puts(spool->accepts.head),
			     accept_bytes(spool->accepts.head));
	     i++)
		QUEUE_POP(&spool->accepts, &a);
	puts /= 2; /* neither kind may starve the other */
	for (int i = 0; spool->outcomes.head != NULL && i < BATCH_COUNT &&
			fits(&puts, &bytes, outcome_puts(spool->outcomes.head),
			     outcome_bytes(spool->outcomes.head));
	     i++)
		QUEUE_POP(&spool->outcomes, &o);
	if (spool->undos.head != NULL) /* it has a slice's size itself */
		QUEUE_POP(&spool->undos, &u);
	spool->outcome_since_ms = clock_mono_ms();
}

/* Milliseconds until there is something to commit; 0: now. */
static int64_t
wait_ms(const struct spool *spool)
{
	int64_t left;

	if (spool->stop || spool->accepts.head != NULL ||
	    spool->changes.head != NULL || spool->undos.head != NULL ||
	    spool->outcomes.count > OUTCOME_CROWD)
		return 0;
	if (spool->outcomes.head == NULL)
		return TICK_MS;
	left = spool->outcome_since_ms + OUTCOME_WAIT_MS - clock_mono_ms();
	return left > 0 ? left : 0;
}

static void
sleep_ms(struct spool *spool, int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (ms % 1000) * 1000000;
	until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	spool->asleep = true;
	while (spool->asleep)
		if (pthread_cond_timedwait(&spool->wake, &spool->lock,
					   &until) == ETIMEDOUT)
			break;
	spool->asleep = false;
}

/* Locked. True: something waits; false: all quiet, or the tick is over. */
static bool
work_wait(struct spool *spool, bool may_sleep)
{
	int64_t ms = wait_ms(spool);

	if (ms == 0 || !may_sleep)
		return ms == 0;
	sleep_ms(spool, ms);
	return wait_ms(spool) == 0;
}

/* What is not urgent. True: there is more of it. */
static bool
tend(struct spool *spool, bool idle)
{
	int64_t now_ms = clock_mono_ms();
	bool more = false;

	if (now_ms - spool->readers_checked_ms >= READERS_MS) {
		store_check_readers(spool->store);
		spool->readers_checked_ms = now_ms;
	}
	if (idle)
		space_tend(spool);
	if (idle || now_ms - spool->compacted_ms >= SLICE_MS) {
		more = compact_slice(spool, now_ms);
		spool->compacted_ms = now_ms;
	}
	return more;
}

static void
commit_some(struct spool *spool, struct batch *batch, bool idle)
{
	int64_t now_s = clock_wall_s(), now_ms = clock_mono_ms();
	bool tick = now_s != spool->swept_s;

	batch->sweep = spool->sweep_more || tick || resub_excess(spool);
	batch->empty_trash =
	    (spool->trash_more || tick) && spool->trash_due_s <= now_s &&
	    (idle || now_ms - spool->trash_swept_ms >= SLICE_MS);
	if (batch->empty_trash) {
		spool->trash_swept_ms = now_ms;
		spool->trash_more = false; /* unless it succeeds */
	}
	spool->swept_s = now_s;
	batch_commit(spool, batch);
	spool->sweep_more = batch->sweep_more;
}

static bool
queues_empty(const struct spool *spool)
{
	return spool->accepts.head == NULL && spool->changes.head == NULL &&
	       spool->outcomes.head == NULL && spool->undos.head == NULL;
}

bool
spool_idle(struct spool *spool)
{
	bool idle;

	pthread_mutex_lock(&spool->lock);
	idle = queues_empty(spool);
	pthread_mutex_unlock(&spool->lock);
	return idle;
}

void *
spool_thread(void *arg)
{
	struct spool *spool = arg;
	bool more = false, work;

	pthread_mutex_lock(&spool->lock);
	for (;;) {
		struct batch batch = {.changes = NULL};

		work = work_wait(spool, !more && !spool->sweep_more &&
					    !spool->trash_more);
		if (spool->stop && queues_empty(spool))
			break;
		if (work)
			batch_take(spool, &batch);
		pthread_mutex_unlock(&spool->lock);
		commit_some(spool, &batch, !work);
		more = tend(spool, !work);
		pthread_mutex_lock(&spool->lock);
	}
	pthread_mutex_unlock(&spool->lock);
	return NULL;
}
