/*
 * The pool: who waits, who gets which connection, and how an operation ends.
 *
 * Requests are served in the order they came; a question for OPTIONS goes in
 * front, since how the others are sent hangs on its answer.
 *
 * A connection that closes before the answer has begun says nothing of the
 * file: a kept one was closed after so many requests, as many servers do
 * without a word; c-icap 0.5.10 drops some on which it gets megabytes over
 * TLS, in the middle of them. The request is made once more, on a fresh
 * connection, and how that ends is final.
 *
 * Deliberately absent: health, retries on another server, caches.
 */
#include "gateway/icap/icap.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/icap/icap_int.h"
#include "gateway/icap/text.h"

#define CONNECTIONS_DEFAULT 8
#define CONNECT_DEFAULT_MS 5000
#define IO_DEFAULT_MS 30000
#define IDLE_DEFAULT_MS 5000
#define IPS_MAX 16

/* --- operations --------------------------------------------------------- */

static void
op_free(struct icap_op *op)
{
	TAILQ_REMOVE(&op->pool->ops, op, link);
	timer_cancel(&op->deadline);
	timer_cancel(&op->later);
	free((char *)op->req.name);
	free((char *)op->req.type);
	free((char *)op->req.login);
	free(op);
}

void
icap_op_error(struct icap_op *op, enum scan_why why, const char *text)
{
	op->result.verdict.kind = SCAN_ERROR;
	op->result.verdict.why = why;
	icap_text_escape(op->result.error, sizeof(op->result.error),
			 slice_str(text));
}

void
icap_op_finish(struct icap_op *op)
{
	struct icap_pool *pool = op->pool;
	struct icap_result result = op->result;
	icap_done_fn *done = op->done;
	void *arg = op->arg;

	op_free(op);
	icap_pool_dispatch(pool);
	done(arg, &result);
}

static void
on_later(void *arg)
{
	struct icap_op *op = arg;

	op->later = NULL;
	icap_op_finish(op);
}

void
icap_op_finish_later(struct icap_op *op)
{
	timer_cancel(&op->deadline);
	op->later = timer_start(op->pool->loop, 0, on_later, op);
}

static void
wait_add(struct icap_op *op, bool first)
{
	struct icap_pool *pool = op->pool;

	if (first)
		TAILQ_INSERT_HEAD(&pool->waiting, op, waiting);
	else
		TAILQ_INSERT_TAIL(&pool->waiting, op, waiting);
	pool->waiting_count++;
}

static void
wait_remove(struct icap_op *op)
{
	TAILQ_REMOVE(&op->pool->waiting, op, waiting);
	op->pool->waiting_count--;
}

static bool
waits(const struct icap_op *op)
{
	return op->conn == NULL && op->later == NULL;
}

void
icap_op_retry(struct icap_op *op)
{
	op->fresh = true;
	op->result.retried = true;
	op->pool->retry_count++;
	wait_add(op, true);
	icap_pool_dispatch(op->pool);
}

static void
on_deadline(void *arg)
{
	struct icap_op *op = arg;

	op->deadline = NULL;
	if (op->conn != NULL) {
		icap_conn_fail(op->conn, SCAN_WHY_TIMEOUT,
			       op->conn->state == ICAP_BUSY
				   ? "not answered in time"
				   : "not connected in time");
		return;
	}
	wait_remove(op);
	icap_op_error(op, SCAN_WHY_TIMEOUT, "no connection was free in time");
	icap_op_finish(op);
}

static struct icap_op *
op_create(struct icap_pool *pool, int64_t timeout_ms, icap_done_fn *done,
	  void *arg)
{
	struct icap_op *op = mem_zalloc(sizeof(*op));

	op->pool = pool;
	op->done = done;
	op->arg = arg;
	memcpy(op->result.verdict.server, pool->name, sizeof(pool->name));
	TAILQ_INSERT_TAIL(&pool->ops, op, link);
	op->deadline = timer_start(pool->loop, timeout_ms, on_deadline, op);
	return op;
}

struct icap_op *
icap_scan_start(struct icap_pool *pool, const struct icap_req *req,
		icap_done_fn *done, void *arg)
{
	struct icap_op *op = op_create(pool, req->timeout_ms, done, arg);

	op->req = *req;
	op->req.name = mem_strdup(req->name == NULL ? "" : req->name);
	op->req.type = mem_strdup(req->type);
	op->req.login = mem_strdup(req->login);
	if (req->client != NULL) {
		op->client = *req->client;
		op->req.client = &op->client;
	}
	wait_add(op, false);
	icap_pool_dispatch(pool);
	return op;
}

struct icap_op *
icap_options_start(struct icap_pool *pool, int64_t timeout_ms,
		   icap_done_fn *done, void *arg)
{
	struct icap_op *op = op_create(pool, timeout_ms, done, arg);

	op->is_options = true;
	wait_add(op, true);
	icap_pool_dispatch(pool);
	return op;
}

bool
icap_scan_release(struct icap_op *op)
{
	if (op->conn == NULL || op->conn->state != ICAP_BUSY ||
	    op->conn->sending != ICAP_SEND_DONE)
		return false;
	op->released = true;
	return true;
}

void
icap_scan_cancel(struct icap_op **opp)
{
	struct icap_op *op = *opp;
	struct icap_pool *pool;

	*opp = NULL;
	if (op == NULL)
		return;
	pool = op->pool;
	if (waits(op))
		wait_remove(op);
	if (op->conn != NULL) {
		struct icap_conn *conn = op->conn;

		icap_conn_close(&conn);
	}
	op_free(op);
	icap_pool_dispatch(pool);
}

/* --- connections -------------------------------------------------------- */

uint32_t
icap_pool_limit(const struct icap_pool *pool)
{
	uint32_t own = pool->service.connection_max;
	uint32_t theirs = pool->options.connection_max;

	return theirs > 0 && theirs < own ? theirs : own;
}

static struct icap_conn *
conn_in_state(struct icap_pool *pool, enum icap_conn_state state)
{
	struct icap_conn *conn;

	TAILQ_FOREACH (conn, &pool->conns, link) {
		if (conn->state == state)
			return conn;
	}
	return NULL;
}

/* Room for a new connection, if need be in place of one without a request. */
static bool
make_room(struct icap_pool *pool)
{
	struct icap_conn *conn;

	if (pool->conn_count < icap_pool_limit(pool))
		return true;
	conn = conn_in_state(pool, ICAP_DRAINING);
	if (conn == NULL)
		conn = conn_in_state(pool, ICAP_IDLE);
	if (conn == NULL)
		return false;
	icap_conn_close(&conn);
	return pool->conn_count < icap_pool_limit(pool);
}

void
icap_pool_dispatch(struct icap_pool *pool)
{
	struct icap_conn *conn;
	struct icap_op *op;

	while ((op = TAILQ_FIRST(&pool->waiting)) != NULL) {
		if (pool->ip_count == 0) {
			wait_remove(op);
			icap_op_error(op, SCAN_WHY_DOWN,
				      "the server's name has no address");
			icap_op_finish_later(op);
			continue;
		}
		conn = op->fresh ? NULL : conn_in_state(pool, ICAP_IDLE);
		if (conn == NULL && !make_room(pool))
			return;
		wait_remove(op);
		if (conn != NULL)
			icap_conn_begin(conn, op);
		else
			icap_conn_open(pool, op);
	}
}

static bool
has_address(const struct icap_pool *pool, const struct ip_addr *ip)
{
	for (size_t i = 0; i < pool->ip_count; i++) {
		if (ip_eq(&pool->ips[i], ip))
			return true;
	}
	return false;
}

void
icap_pool_set_addresses(struct icap_pool *pool, const struct ip_addr *ips,
			size_t count)
{
	struct icap_conn *conn, *next;

	free(pool->ips);
	pool->ips = NULL;
	pool->ip_count = count < IPS_MAX ? count : IPS_MAX;
	pool->ip_at = 0;
	if (pool->ip_count > 0) {
		pool->ips = mem_array(pool->ip_count, sizeof(*ips));
		memcpy(pool->ips, ips, pool->ip_count * sizeof(*ips));
	}
	for (conn = TAILQ_FIRST(&pool->conns); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, link);
		conn->tried = 0;
		conn->other_list = true;
		conn->last = !has_address(pool, &conn->to.ip);
		if (conn->last && conn->state == ICAP_IDLE)
			icap_conn_close(&conn);
	}
	icap_pool_dispatch(pool);
}

/* --- the pool ----------------------------------------------------------- */

static int64_t
or_default(int64_t value, int64_t otherwise)
{
	return value > 0 ? value : otherwise;
}

void
icap_pool_set_io_ms(struct icap_pool *pool, int64_t io_ms)
{
	pool->service.io_ms = or_default(io_ms, IO_DEFAULT_MS);
}

static void
name_put(struct icap_pool *pool)
{
	const struct icap_service *s = &pool->service;
	struct buf b = {.cap = 1024};

	buf_printf(&b, strchr(s->host, ':') != NULL ? "[%s]:%u/%s" : "%s:%u/%s",
		   s->host, s->port, s->service);
	icap_text_escape(pool->name, sizeof(pool->name), buf_slice(&b));
	buf_fini(&b);
}

struct icap_pool *
icap_pool_create(struct loop *loop, const struct icap_service *service)
{
	struct icap_pool *pool = mem_zalloc(sizeof(*pool));
	struct icap_service *s = &pool->service;

	pool->loop = loop;
	*s = *service;
	s->host = mem_strdup(service->host);
	s->service = mem_strdup(service->service);
	s->profile = mem_strdup(service->profile);
	if (service->tls != NULL)
		s->tls = tls_ctx_share(service->tls);
	s->connection_max =
	    (uint32_t)or_default(service->connection_max, CONNECTIONS_DEFAULT);
	s->connect_ms = or_default(service->connect_ms, CONNECT_DEFAULT_MS);
	s->io_ms = or_default(service->io_ms, IO_DEFAULT_MS);
	s->idle_ms = or_default(service->idle_ms, IDLE_DEFAULT_MS);
	name_put(pool);
	icap_terms_init(&pool->terms);
	if (s->profile != NULL && icap_profile_find(s->profile) != NULL)
		pool->terms.profile = icap_profile_find(s->profile);
	pool->options.preview = -1;
	TAILQ_INIT(&pool->conns);
	TAILQ_INIT(&pool->ops);
	TAILQ_INIT(&pool->waiting);
	pool->scratch = mem_alloc(ICAP_SCRATCH_BYTES);
	return pool;
}

void
icap_pool_destroy(struct icap_pool **poolp)
{
	struct icap_pool *pool = *poolp;
	struct icap_conn *conn;
	struct icap_op *op;

	*poolp = NULL;
	if (pool == NULL)
		return;
	while ((conn = TAILQ_FIRST(&pool->conns)) != NULL)
		icap_conn_close(&conn);
	while ((op = TAILQ_FIRST(&pool->ops)) != NULL)
		op_free(op);
	icap_terms_fini(&pool->terms);
	tls_ctx_destroy(&pool->service.tls);
	free((char *)pool->service.host);
	free((char *)pool->service.service);
	free((char *)pool->service.profile);
	free(pool->ips);
	free(pool->scratch);
	free(pool);
}

const struct icap_options *
icap_pool_options(const struct icap_pool *pool)
{
	return &pool->options;
}

const char *
icap_pool_profile(const struct icap_pool *pool)
{
	return pool->terms.profile->name;
}

int64_t
icap_pool_expires_wall_s(const struct icap_pool *pool)
{
	return pool->expires_wall_s;
}

void
icap_pool_status_get(const struct icap_pool *pool,
		     struct icap_pool_status *status)
{
	const struct icap_conn *conn;

	*status = (struct icap_pool_status){
	    .connections = pool->conn_count,
	    .waiting = pool->waiting_count,
	    .requests = pool->request_count,
	    .retries = pool->retry_count,
	    .opened = pool->opened_count,
	};
	TAILQ_FOREACH (conn, &pool->conns, link)
		status->busy += conn->state != ICAP_IDLE;
}
