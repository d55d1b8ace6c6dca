/*
 * One connection: connecting, TLS, one request after the other, and when to
 * give it up.
 *
 * A connection is kept only when it is certain where the next answer begins:
 * everything of ours has left, the answer has come to its end, not a byte
 * follows it, and nobody said close. Bytes that come while nothing was asked
 * end it: they would be read as the answer to the next file. So do bytes that
 * come before the first of a request has left.
 *
 * The verdict is often known long before the answer ends (a block page), and
 * is told then; what still comes is dropped for a moment (DRAINING), since a
 * new connection is dearer than a few KiB, and then the connection is closed.
 *
 * One timer a connection ticks for all its time limits: a request that is
 * answered in a millisecond starts none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/icap/icap_int.h"
#include "gateway/icap/verdict.h"

#define DRAIN_BYTES 262144
#define DRAIN_MS 1000
#define TICK_MAX_MS 1000
#define TICK_MIN_MS 5

static void connect_next(struct icap_conn *c);

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void on_tick(void *arg);

static void
tick_start(struct icap_conn *c)
{
	const struct icap_service *s = &c->pool->service;
	int64_t ms = least(least(s->connect_ms, s->io_ms), s->idle_ms) / 4;

	ms = least(ms, TICK_MAX_MS);
	c->tick = timer_start(c->pool->loop,
			      ms < TICK_MIN_MS ? TICK_MIN_MS : ms, on_tick, c);
}

static void
set_state(struct icap_conn *c, enum icap_conn_state state)
{
	c->state = state;
	c->since_ms = c->moved_ms = loop_now_ms(c->pool->loop);
}

void
icap_conn_close(struct icap_conn **cp)
{
	struct icap_conn *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	TAILQ_REMOVE(&c->pool->conns, c, link);
	c->pool->conn_count--;
	if (c->op != NULL)
		c->op->conn = NULL;
	connect_cancel(&c->connect);
	timer_cancel(&c->tick);
	timer_cancel(&c->pump);
	stream_destroy(&c->stream);
	digest_destroy(&c->sent);
	digest_destroy(&c->back);
	icap_answer_fini(&c->answer);
	free(c);
}

/* Takes the request off; what the result says of sending is set. */
static struct icap_op *
let_go(struct icap_conn *c)
{
	struct icap_op *op = c->op;

	c->op = NULL;
	op->conn = NULL;
	op->result.status = c->answer.status;
	op->result.sent = c->state == ICAP_BUSY && c->sending == ICAP_SEND_DONE;
	if (op->result.sent)
		memcpy(op->result.digest, c->sent_sum, DIGEST_SIZE);
	return op;
}

void
icap_conn_fail(struct icap_conn *c, enum scan_why why, const char *text)
{
	struct icap_op *op = let_go(c);

	if (!op->judged &&
	    (op->is_options ||
	     !icap_judge_broken(&c->answer, &op->result.verdict)))
		icap_op_error(op, why, text);
	icap_conn_close(&c);
	icap_op_finish(op);
}

/* A byte of it is there; a 100 is no answer. */
static bool
has_answered(const struct icap_conn *c)
{
	return c->answer.state != ANSWER_AT_HEAD ||
	       icap_head_text(&c->answer.icap).n > 0;
}

bool
icap_conn_may_retry(const struct icap_conn *c)
{
	return c->state == ICAP_BUSY && !has_answered(c) && !c->op->fresh &&
	       !c->op->released;
}

/* --- the end of an answer ----------------------------------------------- */

bool
icap_all_is_sent(const struct icap_conn *c)
{
	return (c->sending == ICAP_SEND_DONE || c->sending == ICAP_SEND_WAIT) &&
	       stream_unsent(c->stream) == 0;
}

static bool
may_keep(const struct icap_conn *c)
{
	const struct icap_answer *a = &c->answer;

	return !c->last && !a->close && icap_all_is_sent(c) &&
	       (a->encapsulated || a->status == 204 || a->status == 200) &&
	       c->pool->conn_count <= icap_pool_limit(c->pool);
}

static void
idle(struct icap_conn *c)
{
	set_state(c, ICAP_IDLE);
	TAILQ_REMOVE(&c->pool->conns, c, link);
	TAILQ_INSERT_HEAD(&c->pool->conns, c, link);
}

/* The request is through with it; the answer may go on (`ended` not set). */
static void
settle(struct icap_conn *c, bool ended, bool more)
{
	bool keep = may_keep(c) && !more;

	if (keep && ended)
		idle(c);
	else if (keep && c->pool->terms.profile->drain &&
		 c->drained_bytes <= DRAIN_BYTES)
		set_state(c, ICAP_DRAINING);
	else
		icap_conn_close(&c);
}

static void
hear_busy(struct icap_conn *c, struct slice in)
{
	enum icap_answer_step step = icap_hear(c, &in);
	struct icap_op *op = c->op;

	if (op->judged) {
		(void)let_go(c);
		if (step == ICAP_ANSWER_MORE || step == ICAP_ANSWER_END)
			settle(c, step == ICAP_ANSWER_END, in.n > 0);
		else
			icap_conn_close(&c);
		icap_op_finish(op);
		return;
	}
	switch (step) {
	case ICAP_ANSWER_CONTINUE:
		icap_conn_fail(c, SCAN_WHY_PROTOCOL,
			       "100 Continue that nobody waits for");
		return;
	case ICAP_ANSWER_BAD:
		icap_conn_fail(c, SCAN_WHY_PROTOCOL, c->answer.bad);
		return;
	case ICAP_ANSWER_MORE:
	case ICAP_ANSWER_HEADS:
	case ICAP_ANSWER_BODY:
	case ICAP_ANSWER_END: /* has judged */
		break;
	}
}

static void
hear_draining(struct icap_conn *c, struct slice in)
{
	struct icap_pool *pool = c->pool;
	enum icap_answer_step step = icap_hear(c, &in);

	if (step == ICAP_ANSWER_MORE && c->drained_bytes <= DRAIN_BYTES)
		return;
	if (step == ICAP_ANSWER_END && in.n == 0 && may_keep(c))
		idle(c);
	else
		icap_conn_close(&c);
	icap_pool_dispatch(pool);
}

/* Without an answer, or with half of one. */
static void
end_busy(struct icap_conn *c, int err)
{
	struct icap_op *op = c->op;
	char text[160];

	if (icap_conn_may_retry(c)) {
		(void)let_go(c);
		icap_conn_close(&c);
		icap_op_retry(op);
		return;
	}
	snprintf(text, sizeof(text), "%s: %s",
		 has_answered(c) ? "broke off in its answer"
				 : "closed without an answer",
		 err == GW_ETLS ? stream_tls_error(c->stream)
				: gw_err_text(err));
	icap_conn_fail(c, has_answered(c) ? SCAN_WHY_PROTOCOL : SCAN_WHY_DOWN,
		       text);
}

static size_t
on_data(void *arg, struct slice in)
{
	struct icap_conn *c = arg;
	struct icap_pool *pool = c->pool;

	switch (c->state) {
	case ICAP_BUSY:
		if (c->sending == ICAP_SEND_HEAD) {
			end_busy(c, GW_EPROTO);
			return in.n;
		}
		hear_busy(c, in);
		return in.n;
	case ICAP_DRAINING:
		hear_draining(c, in);
		return in.n;
	case ICAP_IDLE:
	case ICAP_CONNECTING:
	case ICAP_HANDSHAKE:
		break;
	}
	icap_conn_close(&c);
	icap_pool_dispatch(pool);
	return in.n;
}

static void
on_drain(void *arg)
{
	struct icap_conn *c = arg;

	if (c->state == ICAP_BUSY)
		icap_send_more(c);
}

/* --- ends --------------------------------------------------------------- */

static void
end_handshake(struct icap_conn *c, int err)
{
	char text[160];

	snprintf(text, sizeof(text), "TLS: %s",
		 err == GW_ETLS ? stream_tls_error(c->stream)
				: gw_err_text(err));
	icap_conn_fail(c, SCAN_WHY_DOWN, text);
}

static void
on_end(void *arg, int err)
{
	struct icap_conn *c = arg;
	struct icap_pool *pool = c->pool;

	switch (c->state) {
	case ICAP_BUSY:
		end_busy(c, err);
		return;
	case ICAP_HANDSHAKE:
		end_handshake(c, err);
		return;
	case ICAP_IDLE:
	case ICAP_DRAINING:
	case ICAP_CONNECTING:
		break;
	}
	icap_conn_close(&c);
	icap_pool_dispatch(pool);
}

/* True: no byte moved in io_ms. */
static bool
stands_still(struct icap_conn *c, int64_t now_ms)
{
	uint64_t moved =
	    stream_bytes_in(c->stream) + stream_bytes_out(c->stream);

	if (moved != c->moved_bytes) {
		c->moved_bytes = moved;
		c->moved_ms = now_ms;
	}
	return now_ms - c->moved_ms >= c->pool->service.io_ms;
}

static void
on_tick(void *arg)
{
	struct icap_conn *c = arg;
	struct icap_pool *pool = c->pool;
	int64_t now_ms = loop_now_ms(pool->loop);
	int64_t age_ms = now_ms - c->since_ms;
	bool over = false;

	c->tick = NULL;
	tick_start(c);
	switch (c->state) {
	case ICAP_HANDSHAKE:
		if (age_ms >= pool->service.connect_ms)
			end_handshake(c, GW_ETIMEDOUT);
		return;
	case ICAP_BUSY:
		if (stands_still(c, now_ms))
			icap_conn_fail(c, SCAN_WHY_TIMEOUT,
				       "no byte moved for too long");
		return;
	case ICAP_IDLE:
		over = age_ms >= pool->service.idle_ms;
		break;
	case ICAP_DRAINING:
		over = age_ms >= DRAIN_MS;
		break;
	case ICAP_CONNECTING: /* has a limit of its own */
		break;
	}
	if (!over)
		return;
	icap_conn_close(&c);
	icap_pool_dispatch(pool);
}

/* --- beginnings --------------------------------------------------------- */

void
icap_conn_begin(struct icap_conn *c, struct icap_op *op)
{
	op->conn = c;
	c->op = op;
	c->back_bytes = 0;
	c->drained_bytes = 0;
	icap_answer_reset(&c->answer);
	digest_reset(c->back);
	set_state(c, ICAP_BUSY);
	c->pool->request_count++;
	icap_send_begin(c);
}

static void
on_secure(void *arg)
{
	struct icap_conn *c = arg;
	int64_t expires_wall_s = stream_peer_expires_wall_s(c->stream);

	if (expires_wall_s != 0)
		c->pool->expires_wall_s = expires_wall_s;
	icap_conn_begin(c, c->op);
}

static const struct stream_ops conn_ops = {
    .on_data = on_data,
    .on_drain = on_drain,
    .on_secure = on_secure,
    .on_end = on_end,
};

static void
connect_failed(struct icap_conn *c, int err)
{
	char text[128], to[SOCK_ADDR_TEXT_SIZE];

	if (!c->other_list)
		c->tried++;
	if (c->tried < c->pool->ip_count) {
		connect_next(c);
		return;
	}
	sock_addr_format(&c->to, to);
	snprintf(text, sizeof(text), "connect to %s: %s", to, gw_err_text(err));
	icap_conn_fail(c, SCAN_WHY_DOWN, text);
}

static void
on_connect(void *arg, int err, int fd)
{
	struct icap_conn *c = arg;
	struct icap_pool *pool = c->pool;

	c->connect = NULL;
	if (err != 0) {
		connect_failed(c, err);
		return;
	}
	c->stream = stream_create(pool->loop, fd, &conn_ops, c);
	if (!c->other_list)
		pool->ip_at = (pool->ip_at + c->tried) % pool->ip_count;
	tick_start(c);
	if (pool->service.tls == NULL) {
		icap_conn_begin(c, c->op);
		return;
	}
	set_state(c, ICAP_HANDSHAKE);
	if (stream_tls_client(c->stream, pool->service.tls,
			      pool->service.host) != 0)
		icap_conn_fail(c, SCAN_WHY_DOWN,
			       "TLS: this context cannot be used");
}

static void
connect_next(struct icap_conn *c)
{
	struct icap_pool *pool = c->pool;
	struct connect_req req = {.timeout_ms = pool->service.connect_ms};

	c->to.ip = pool->ips[(pool->ip_at + c->tried) % pool->ip_count];
	c->to.port = pool->service.port;
	c->last = false;
	c->other_list = false;
	req.to = c->to;
	c->connect = connect_start(pool->loop, &req, on_connect, c);
}

void
icap_conn_open(struct icap_pool *pool, struct icap_op *op)
{
	struct icap_conn *c = mem_zalloc(sizeof(*c));

	c->pool = pool;
	c->op = op;
	op->conn = c;
	c->sent = digest_create();
	c->back = digest_create();
	icap_answer_init(&c->answer);
	TAILQ_INSERT_TAIL(&pool->conns, c, link);
	pool->conn_count++;
	pool->opened_count++;
	set_state(c, ICAP_CONNECTING);
	connect_next(c);
}
