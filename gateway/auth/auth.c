/*
 * The pool, the doors, and the life of an op: which backend, what a failure
 * costs, when the caller hears.
 *
 * `done` runs from the op's timer only, never under a call of the caller's and
 * never under a callback of a backend; so it may destroy what it likes.
 *
 * An answer that denies waits until a time after the client's last line that
 * depends on the address's failures alone; hashing hides inside it.
 *
 * Whether the address is closed is asked twice: before the password is looked
 * at, and when it was found right. Between the two, other attempts of that
 * address may have closed it: without the second question a hundred parallel
 * connections would have a hundred guesses rather than fail_max.
 */
#include "gateway/auth/auth.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/auth/auth_op.h"
#include "gateway/base/error.h"
#include "gateway/base/hash.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"

#define SECOND_MS ((int64_t)1000)
#define MINUTE_MS (60 * SECOND_MS)
#define DAY_MS (24 * 60 * MINUTE_MS)
#define CACHE_MAX_MS (60 * SECOND_MS)
#define CACHE_MAX_COUNT 65536
#define WRONG_MS (30 * SECOND_MS)
#define WRONG_MAX_COUNT 8192
#define TABLE_MAX_COUNT 65536
#define NAME_CAP 1024
#define CHALLENGE_CAP 65536
#define RESPONSE_MAX 12288 /* RFC 4954, 4 */

static int64_t
or_default(int64_t value, int64_t otherwise)
{
	return value == 0 ? otherwise : value < 0 ? 0 : value;
}

static struct penalty *
penalty_make(const struct auth_opts *opts)
{
	const struct penalty_opts limits = {
	    .fail_max = opts->fail_max == 0 ? 10 : opts->fail_max,
	    .window_ms = or_default(opts->fail_window_ms, 10 * MINUTE_MS),
	    .block_ms = or_default(opts->fail_block_ms, 15 * MINUTE_MS),
	    .block_max_ms = DAY_MS,
	    .known_ms = DAY_MS,
	    .address_max = TABLE_MAX_COUNT,
	    .known_max = TABLE_MAX_COUNT,
	};

	return penalty_create(&limits);
}

static int
local_make(struct auth_pool *pool, const struct auth_opts *opts, char *error,
	   size_t error_size)
{
	int64_t cache_ms = or_default(opts->cache_ms, CACHE_MAX_MS);
	char nobody[16];
	int err;

	if (opts->store == NULL) {
		snprintf(error, error_size, "local logins need a store");
		return GW_EINVAL;
	}
	if (cache_ms > CACHE_MAX_MS)
		cache_ms = CACHE_MAX_MS;
	pool->positive = positive_create(cache_ms, CACHE_MAX_COUNT);
	pool->negative = negative_create(WRONG_MS, WRONG_MAX_COUNT);
	/* A password nobody knows; NULs would end it early. */
	secret_random(nobody, sizeof(nobody));
	for (size_t i = 0; i < sizeof(nobody); i++)
		nobody[i] = (char)(nobody[i] | 0x40);
	err = user_hash(slice_of(nobody, sizeof(nobody)), &pool->dummy_hash);
	secret_wipe(nobody, sizeof(nobody));
	if (err != 0) {
		snprintf(error, error_size, "yescrypt: %s", gw_err_text(err));
		return err;
	}
	pool->hashes =
	    verify_pool_create(opts->worker_count == 0 ? 2 : opts->worker_count,
			       opts->queue_max == 0 ? 256 : opts->queue_max);
	if (pool->hashes == NULL) {
		snprintf(error, error_size, "no threads for hashing");
		return GW_ENOMEM;
	}
	return 0;
}

int
auth_pool_create(struct auth_pool **poolp, const struct auth_opts *opts,
		 char *error, size_t error_size)
{
	struct auth_pool *pool = mem_zalloc(sizeof(*pool));
	int err = 0;

	pool->backend = opts->backend;
	pool->store = opts->store;
	pool->domain = mem_strdup(opts->domain);
	pool->dovecot_socket = mem_strdup(opts->dovecot_socket);
	pool->queue_wait_ms = or_default(opts->queue_wait_ms, 10 * SECOND_MS);
	pool->fail_delay_ms = or_default(opts->fail_delay_ms, 2 * SECOND_MS);
	pool->fail_max = opts->fail_max == 0 ? 10 : opts->fail_max;
	pool->penalty = penalty_make(opts);
	pthread_mutex_init(&pool->lock, NULL);
	switch (opts->backend) {
	case AUTH_LOCAL:
		err = local_make(pool, opts, error, error_size);
		break;
	case AUTH_DOVECOT:
		if (opts->dovecot_socket != NULL)
			break;
		snprintf(error, error_size, "no path of Dovecot's socket");
		err = GW_EINVAL;
		break;
	}
	if (err != 0)
		auth_pool_destroy(&pool);
	*poolp = pool;
	return err;
}

void
auth_pool_destroy(struct auth_pool **poolp)
{
	struct auth_pool *pool = *poolp;

	*poolp = NULL;
	if (pool == NULL)
		return;
	verify_pool_destroy(&pool->hashes);
	positive_destroy(&pool->positive);
	negative_destroy(&pool->negative);
	penalty_destroy(&pool->penalty);
	pthread_mutex_destroy(&pool->lock);
	free(pool->dummy_hash);
	free(pool->domain);
	free(pool->dovecot_socket);
	free(pool);
}

void
auth_pool_forget(struct auth_pool *pool, struct slice cred)
{
	if (cred.n == 0)
		return;
	if (pool->positive != NULL)
		positive_forget(pool->positive, cred);
	if (pool->negative != NULL)
		negative_forget(pool->negative, cred);
}

struct auth *
auth_create(struct loop *loop, struct auth_pool *pool)
{
	struct auth *auth = mem_zalloc(sizeof(*auth));

	auth->loop = loop;
	auth->pool = pool;
	switch (pool->backend) {
	case AUTH_LOCAL:
		auth->verify = verify_create(loop, pool->hashes);
		if (auth->verify == NULL) {
			free(auth);
			return NULL;
		}
		break;
	case AUTH_DOVECOT:
		auth->dovecot = dovecot_create(loop, pool->dovecot_socket);
		break;
	}
	return auth;
}

void
auth_destroy(struct auth **authp)
{
	struct auth *auth = *authp;

	*authp = NULL;
	if (auth == NULL)
		return;
	assert(auth->op_count == 0);
	verify_destroy(&auth->verify);
	dovecot_destroy(&auth->dovecot);
	free(auth);
}

const char *
auth_mechanisms(struct auth *auth)
{
	if (auth->dovecot != NULL)
		return dovecot_mechanisms(auth->dovecot);
	return "PLAIN LOGIN";
}

static int64_t
closed_ms(struct auth_pool *pool, const struct ip_addr *client,
	  struct slice cred, int64_t now_ms)
{
	int64_t until_ms;

	pthread_mutex_lock(&pool->lock);
	until_ms = penalty_closed_ms(pool->penalty, client, cred, now_ms);
	pthread_mutex_unlock(&pool->lock);
	return until_ms;
}

int64_t
auth_address_closed(struct auth *auth, const struct ip_addr *client,
		    int64_t now_ms, int64_t now_wall_s)
{
	int64_t until_ms = closed_ms(auth->pool, client, SLICE_NONE, now_ms);

	if (until_ms == 0)
		return 0;
	return now_wall_s + (until_ms - now_ms + SECOND_MS - 1) / SECOND_MS;
}

static void
op_stop(struct auth_op *op)
{
	timer_cancel(&op->timer);
	switch (op->auth->pool->backend) {
	case AUTH_LOCAL:
		auth_local_stop(op);
		break;
	case AUTH_DOVECOT:
		auth_dovecot_stop(op);
		break;
	}
	op->auth->op_count--;
}

static void
op_free(struct auth_op *op)
{
	buf_fini(&op->challenge);
	buf_fini(&op->name);
	buf_fini(&op->tried_name);
	auth_plus_fini(&op->plus);
	free(op->owner);
	free(op->class);
	free(op);
}

static void
on_answer(void *arg)
{
	struct auth_op *op = arg;
	struct auth_result result = {
	    .verdict = op->verdict,
	    .cached = op->cached,
	    .suffixed = op->plus.found,
	};

	op->timer = NULL;
	if (op->verdict == AUTH_CHALLENGE) {
		result.challenge = buf_slice(&op->challenge);
		op->awaiting = true;
		op->done(op->arg, &result);
		return; /* op may be gone */
	}
	if (op->verdict == AUTH_OK) {
		result.cred = buf_cstr(&op->name);
		result.owner = op->owner;
		result.class = op->class;
	} else if (op->verdict == AUTH_DENIED && op->tried_name.n != 0) {
		result.tried = buf_slice(&op->tried_name);
	}
	op_stop(op);
	op->done(op->arg, &result);
	op_free(op);
}

static void
answer(struct auth_op *op, enum auth_verdict verdict, int64_t at_ms)
{
	int64_t delay_ms = at_ms - loop_now_ms(op->auth->loop);

	assert(op->timer == NULL);
	op->verdict = verdict;
	op->timer = timer_start(op->auth->loop, delay_ms < 0 ? 0 : delay_ms,
				on_answer, op);
}

void
auth_op_challenge(struct auth_op *op, struct slice challenge)
{
	buf_clear(&op->challenge);
	buf_add_slice(&op->challenge, challenge);
	if (op->challenge.overflow)
		answer(op, AUTH_UNAVAILABLE, 0);
	else
		answer(op, AUTH_CHALLENGE, 0);
}

bool
auth_op_closed(struct auth_op *op)
{
	return closed_ms(op->auth->pool, &op->client, buf_slice(&op->name),
			 loop_now_ms(op->auth->loop)) != 0;
}

/* The name is shown in the log, as with a wrong password. */
static bool
denied(struct auth_op *op)
{
	if (op->deny == NULL || auth_op_closed(op) ||
	    !op->deny(op->arg, buf_cstr(&op->name)))
		return false;
	if (op->tried_name.n == 0)
		buf_add_slice(&op->tried_name, buf_slice(&op->name));
	return true;
}

void
auth_op_accept(struct auth_op *op)
{
	struct auth_pool *pool = op->auth->pool;
	int64_t now_ms = loop_now_ms(op->auth->loop);
	struct slice cred = buf_slice(&op->name);
	bool welcome;

	if (denied(op)) {
		auth_op_deny(op, true);
		return;
	}
	pthread_mutex_lock(&pool->lock);
	welcome =
	    penalty_closed_ms(pool->penalty, &op->client, cred, now_ms) == 0;
	if (welcome)
		penalty_success(pool->penalty, &op->client, cred, now_ms);
	pthread_mutex_unlock(&pool->lock);
	if (welcome)
		answer(op, AUTH_OK, 0);
	else
		auth_op_deny(op, false);
}

/* From fail_delay_ms at the first failure to 5/2 of it at the last. */
static int64_t
fail_delay_ms(const struct auth_pool *pool, unsigned failures)
{
	unsigned steps = pool->fail_max > 1 ? pool->fail_max - 1 : 1;
	unsigned past = failures > 1 ? failures - 1 : 0;

	if (past > steps)
		past = steps;
	return pool->fail_delay_ms +
	       pool->fail_delay_ms * 3 * (int64_t)past / (2 * (int64_t)steps);
}

static void
count_failure(struct auth_op *op)
{
	struct auth_pool *pool = op->auth->pool;

	pthread_mutex_lock(&pool->lock);
	penalty_fail(pool->penalty, &op->client,
		     op->name.n != 0 ? buf_slice(&op->name) : SLICE_NONE,
		     op->tried, loop_now_ms(op->auth->loop));
	pthread_mutex_unlock(&pool->lock);
}

void
auth_op_deny(struct auth_op *op, bool counted)
{
	struct auth_pool *pool = op->auth->pool;
	unsigned failures;

	if (counted)
		count_failure(op);
	pthread_mutex_lock(&pool->lock);
	failures = penalty_failures(pool->penalty, &op->client,
				    loop_now_ms(op->auth->loop));
	pthread_mutex_unlock(&pool->lock);
	answer(op, AUTH_DENIED, op->step_ms + fail_delay_ms(pool, failures));
}

void
auth_op_fail(struct auth_op *op, enum auth_verdict verdict)
{
	answer(op, verdict, 0);
}

struct auth_op *
auth_start(struct auth *auth, const struct auth_req *req, auth_done_fn *done,
	   void *arg)
{
	struct auth_op *op = mem_zalloc(sizeof(*op));
	struct auth_req plain = *req;

	op->auth = auth;
	op->done = done;
	op->deny = req->deny;
	op->arg = arg;
	op->client = req->client;
	op->step_ms = loop_now_ms(auth->loop);
	buf_init(&op->challenge, CHALLENGE_CAP);
	buf_init(&op->name, NAME_CAP);
	buf_init(&op->tried_name, NAME_CAP);
	auth_plus_init(&op->plus, req->mechanism, req->suffix);
	auth->op_count++;
	if (req->initial.n > RESPONSE_MAX) {
		auth_op_fail(op, AUTH_MALFORMED);
		return op;
	}
	plain.initial = auth_plus_take(&op->plus, req->initial);
	switch (auth->pool->backend) {
	case AUTH_LOCAL:
		auth_local_start(op, &plain);
		break;
	case AUTH_DOVECOT:
		auth_dovecot_start(op, &plain);
		break;
	}
	return op;
}

void
auth_respond(struct auth_op *op, struct slice response)
{
	assert(op->awaiting);
	op->awaiting = false;
	op->step_ms = loop_now_ms(op->auth->loop);
	if (response.p == NULL)
		response = SLICE_LIT("");
	if (response.n > RESPONSE_MAX) {
		auth_op_fail(op, AUTH_MALFORMED);
		return;
	}
	response = auth_plus_take(&op->plus, response);
	switch (op->auth->pool->backend) {
	case AUTH_LOCAL:
		auth_local_respond(op, response);
		break;
	case AUTH_DOVECOT:
		auth_dovecot_respond(op, response);
		break;
	}
}

bool
auth_hanging_up_fails(const struct auth_op *op)
{
	if (op == NULL || op->awaiting)
		return false;
	return op->timer == NULL || op->verdict == AUTH_DENIED;
}

void
auth_cancel(struct auth_op **opp)
{
	struct auth_op *op = *opp;

	*opp = NULL;
	if (op == NULL)
		return;
	/* Hanging up while the password is looked at must not be free; under
	 * the hash not even with the same one again, for its outcome is not
	 * remembered, and the next time it is hashed again. */
	if (op->verify != NULL)
		op->tried = 0;
	if (op->timer == NULL && !op->awaiting)
		count_failure(op);
	op_stop(op);
	op_free(op);
}
