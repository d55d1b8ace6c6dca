/*
 * The hash workers.
 *
 * An op is in one of four places: at its door (the pool's queue was full), in
 * the pool's queue, under a worker, or on its way back through the door's
 * queue. `state` says which and belongs to the pool's lock; `done`, `arg` and
 * `timer` are the loop's alone, and no worker looks at them. Cancelling takes
 * an op out of the first two places at once; in the others it is only
 * orphaned (done is NULL) and freed when it arrives.
 *
 * The deadline is a timer of the loop, so workers read no clock; it counts
 * until a worker begins, not until he ends.
 *
 * Who asks the same as an op that was just answered gets its answer: after a
 * restart a hundred connections of one login are two hashes, not a hundred.
 *
 * A door must not go while a worker may still push into its queue: `busy`
 * counts those, and destroying waits for them.
 */
#include "gateway/auth/verify.h"

#include <assert.h>
#include <bsd/sys/queue.h>
#include <crypt.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/base/secret.h"
#include "gateway/net/queue.h"

#define RETRY_MS 20 /* for those who wait at the door */

enum op_state { OP_AT_DOOR, OP_QUEUED, OP_BUSY, OP_BACK };

struct verify_op {
	struct queue_item item;
	struct verify *verify;
	TAILQ_ENTRY(verify_op) order; /* at the door, or in the queue */
	enum op_state state;
	char *password;
	char *hash;
	enum verify_verdict verdict;
	struct timer_op *timer;
	verify_done_fn *done;
	void *arg;
};

TAILQ_HEAD(op_list, verify_op);

struct verify_pool {
	pthread_mutex_t lock;
	pthread_cond_t work; /* something is queued, or stopping */
	pthread_cond_t idle; /* a door's busy fell */
	struct op_list queue;
	size_t queue_count;
	size_t queue_max;
	bool stopping;
	size_t worker_count;
	pthread_t *workers;
};

struct verify {
	struct loop *loop;
	struct verify_pool *pool;
	struct queue *results;
	struct op_list waiting;
	struct timer_op *retry;
	size_t busy; /* under workers; the pool's lock */
};

static void
op_free(struct verify_op *op)
{
	timer_cancel(&op->timer);
	secret_wipe(op->password, strlen(op->password));
	secret_wipe(op->hash, strlen(op->hash));
	free(op->password);
	free(op->hash);
	free(op);
}

static enum verify_verdict
compare(const struct verify_op *op, struct crypt_data *data)
{
	const char *out;
	bool same;

	out = crypt_rn(op->password, op->hash, data, (int)sizeof(*data));
	same = out != NULL && secret_eq(slice_str(out), slice_str(op->hash));
	secret_wipe(data, sizeof(*data)); /* the password's remains, always */
	if (out == NULL)
		return VERIFY_BROKEN;
	return same ? VERIFY_MATCH : VERIFY_WRONG;
}

/* With the lock. */
static void
answer(struct verify_op *op, enum verify_verdict verdict)
{
	op->verdict = verdict;
	op->state = OP_BACK;
	queue_push(op->verify->results, &op->item);
}

static bool
same_question(const struct verify_op *a, const struct verify_op *b)
{
	return strcmp(a->hash, b->hash) == 0 &&
	       secret_eq(slice_str(a->password), slice_str(b->password));
}

/* With the lock, and before op is answered: then it may be gone. */
static void
answer_same(struct verify_pool *pool, const struct verify_op *op,
	    enum verify_verdict verdict)
{
	struct verify_op *other, *next;

	if (verdict == VERIFY_BROKEN)
		return; /* perhaps for want of memory: ask again */
	TAILQ_FOREACH_SAFE (other, &pool->queue, order, next) {
		if (!same_question(other, op))
			continue;
		TAILQ_REMOVE(&pool->queue, other, order);
		pool->queue_count--;
		answer(other, verdict);
	}
}

static void *
worker_run(void *arg)
{
	struct verify_pool *pool = arg;
	struct crypt_data *data = mem_zalloc(sizeof(*data));
	enum verify_verdict verdict;
	struct verify_op *op;

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		while (!pool->stopping && TAILQ_EMPTY(&pool->queue))
			pthread_cond_wait(&pool->work, &pool->lock);
		if (pool->stopping)
			break;
		op = TAILQ_FIRST(&pool->queue);
		TAILQ_REMOVE(&pool->queue, op, order);
		pool->queue_count--;
		op->state = OP_BUSY;
		op->verify->busy++;
		pthread_mutex_unlock(&pool->lock);
		verdict = compare(op, data);
		pthread_mutex_lock(&pool->lock);
		answer_same(pool, op, verdict);
		op->verify->busy--;
		/* Under the lock: a moment later the door may be gone. */
		answer(op, verdict);
		pthread_cond_broadcast(&pool->idle);
	}
	pthread_mutex_unlock(&pool->lock);
	free(data);
	return NULL;
}

/* Signals are the control thread's: a worker takes none. */
static int
worker_start(struct verify_pool *pool, pthread_t *thread)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(thread, NULL, worker_run, pool);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err == 0)
		pthread_setname_np(*thread, "hash");
	return err;
}

struct verify_pool *
verify_pool_create(unsigned worker_count, unsigned queue_max)
{
	struct verify_pool *pool = mem_zalloc(sizeof(*pool));

	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	pthread_cond_init(&pool->idle, NULL);
	TAILQ_INIT(&pool->queue);
	pool->queue_max = queue_max;
	pool->workers = mem_array(worker_count, sizeof(*pool->workers));
	while (pool->worker_count < worker_count &&
	       worker_start(pool, &pool->workers[pool->worker_count]) == 0)
		pool->worker_count++;
	if (pool->worker_count < worker_count)
		verify_pool_destroy(&pool);
	return pool;
}

void
verify_pool_destroy(struct verify_pool **poolp)
{
	struct verify_pool *pool = *poolp;

	*poolp = NULL;
	if (pool == NULL)
		return;
	assert(TAILQ_EMPTY(&pool->queue));
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (size_t i = 0; i < pool->worker_count; i++)
		pthread_join(pool->workers[i], NULL);
	pthread_mutex_destroy(&pool->lock);
	pthread_cond_destroy(&pool->work);
	pthread_cond_destroy(&pool->idle);
	free(pool->workers);
	free(pool);
}

static void
op_finish(struct verify_op *op, enum verify_verdict verdict)
{
	verify_done_fn *done = op->done;
	void *arg = op->arg;

	op_free(op);
	if (done != NULL)
		done(arg, verdict);
}

static void
on_result(void *arg, struct queue_item *item)
{
	/* The item is the first member. */
	struct verify_op *op = (struct verify_op *)item;

	(void)arg;
	op_finish(op, op->verdict);
}

struct verify *
verify_create(struct loop *loop, struct verify_pool *pool)
{
	struct verify *verify = mem_zalloc(sizeof(*verify));

	verify->loop = loop;
	verify->pool = pool;
	TAILQ_INIT(&verify->waiting);
	verify->results = queue_create(loop, on_result, verify);
	if (verify->results == NULL) {
		free(verify);
		return NULL;
	}
	return verify;
}

void
verify_destroy(struct verify **verifyp)
{
	struct verify *verify = *verifyp;
	struct verify_pool *pool;

	*verifyp = NULL;
	if (verify == NULL)
		return;
	assert(TAILQ_EMPTY(&verify->waiting));
	pool = verify->pool;
	pthread_mutex_lock(&pool->lock);
	while (verify->busy > 0)
		pthread_cond_wait(&pool->idle, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
	timer_cancel(&verify->retry);
	queue_destroy(&verify->results);
	free(verify);
}

/* Into the pool's queue, as many as fit. */
static void
door_submit(struct verify *verify)
{
	struct verify_pool *pool = verify->pool;
	struct verify_op *op;

	pthread_mutex_lock(&pool->lock);
	while ((op = TAILQ_FIRST(&verify->waiting)) != NULL &&
	       pool->queue_count < pool->queue_max) {
		TAILQ_REMOVE(&verify->waiting, op, order);
		TAILQ_INSERT_TAIL(&pool->queue, op, order);
		pool->queue_count++;
		op->state = OP_QUEUED;
		pthread_cond_signal(&pool->work);
	}
	pthread_mutex_unlock(&pool->lock);
}

static void
on_retry(void *arg)
{
	struct verify *verify = arg;

	verify->retry = NULL;
	door_submit(verify);
	if (!TAILQ_EMPTY(&verify->waiting))
		verify->retry =
		    timer_start(verify->loop, RETRY_MS, on_retry, verify);
}

/* True when no worker has it, and none will. */
static bool
op_withdraw(struct verify_op *op)
{
	struct verify_pool *pool = op->verify->pool;
	bool ours = true;

	pthread_mutex_lock(&pool->lock);
	switch (op->state) {
	case OP_AT_DOOR:
		TAILQ_REMOVE(&op->verify->waiting, op, order);
		break;
	case OP_QUEUED:
		TAILQ_REMOVE(&pool->queue, op, order);
		pool->queue_count--;
		break;
	case OP_BUSY:
	case OP_BACK:
		ours = false;
		break;
	}
	pthread_mutex_unlock(&pool->lock);
	return ours;
}

static void
on_deadline(void *arg)
{
	struct verify_op *op = arg;

	op->timer = NULL;
	if (op_withdraw(op))
		op_finish(op, VERIFY_EXPIRED);
}

struct verify_op *
verify_start(struct verify *verify, const struct verify_req *req,
	     verify_done_fn *done, void *arg)
{
	struct verify_op *op = mem_zalloc(sizeof(*op));

	op->verify = verify;
	op->password = mem_strndup(req->password.p, req->password.n);
	op->hash = mem_strdup(req->hash);
	op->done = done;
	op->arg = arg;
	op->timer = timer_start(verify->loop, req->wait_ms, on_deadline, op);
	TAILQ_INSERT_TAIL(&verify->waiting, op, order);
	door_submit(verify);
	if (verify->retry == NULL && !TAILQ_EMPTY(&verify->waiting))
		verify->retry =
		    timer_start(verify->loop, RETRY_MS, on_retry, verify);
	return op;
}

void
verify_cancel(struct verify_op **opp)
{
	struct verify_op *op = *opp;

	*opp = NULL;
	if (op == NULL)
		return;
	timer_cancel(&op->timer);
	if (op_withdraw(op))
		op_free(op);
	else
		op->done = NULL;
}
