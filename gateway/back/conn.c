/*
 * A connection that is open: it sends one message after the other, rests, and
 * closes. (How it comes to be open is conn_open.c.) Only what a server said
 * about a message becomes a result of it; a session that breaks is the host's.
 *
 * Trap: a server may close a connection that was idle just when we use it
 * again. A message that dies so on a reused connection, with nothing said
 * about it, goes to the front of its turn once, without an attempt counted.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/back/conn_int.h"
#include "gateway/back/pacing.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/campaign/bounce.h"

#define STARTS_MAX 32 /* jobs dealt with in one go without a wait */

struct conn *
conn_next(const struct conn *conn)
{
	return TAILQ_NEXT(conn, all_link);
}

bool
conn_is_busy(const struct conn *conn)
{
	return conn->delivery != NULL;
}

bool
conn_is_opening(const struct conn *conn)
{
	return conn->opening;
}

static void
set_idle(struct conn *conn, bool idle)
{
	if (conn->is_idle == idle)
		return;
	conn->is_idle = idle;
	if (idle)
		TAILQ_INSERT_HEAD(&conn->dest->idle, conn, idle_link);
	else
		TAILQ_REMOVE(&conn->dest->idle, conn, idle_link);
}

/* Whoever draws on the pool may open one now. */
static void
kick_pool(struct relay *relay, const struct conn_pool *pool)
{
	for (unsigned lane = 0; lane < LANES; lane++) {
		struct dest *dest = pool->dests[lane];

		if (dest && dest->ready.count > 0)
			relay_kick(relay, dest);
	}
}

void
conn_close(struct conn **connp)
{
	struct conn *conn = *connp;
	struct dest *dest;
	struct relay *relay;

	*connp = NULL;
	if (!conn)
		return;
	dest = conn->dest;
	relay = conn_relay(conn);
	set_idle(conn, false);
	conn_open_end(conn);
	if (conn->client)
		smtp_client_close(&conn->client);
	body_fini(&conn->body);
	TAILQ_REMOVE(&dest->conns, conn, all_link);
	dest->conn_count--;
	dest->pool->conns[dest->lane]--;
	dest->hop->connections--;
	relay->connection_count--;
	relay->lane_connections[dest->lane]--;
	stat_sub(&relay->stats->connections, 1);
	stat_sub(&relay->stats->lane_connections[dest->lane], 1);
	free(conn->rcpts);
	free(conn->host);
	free(conn);
	relay_live(relay, dest);
	conn_slots_freed(relay->slots);
	kick_pool(relay, dest->pool);
}

/* Nothing went out of what was begun: it counts for no pace either. */
static void
undo_sending(struct conn *conn)
{
	pacing_undone(conn->dest->pacing, conn->delivery->count);
	delivery_undo(&conn->delivery);
}

void
conn_abort(struct conn **conn)
{
	bool begun = (*conn)->send_op != NULL;

	smtp_send_cancel(&(*conn)->send_op);
	body_close(&(*conn)->body);
	if (begun)
		undo_sending(*conn);
	else if ((*conn)->delivery)
		delivery_undo(&(*conn)->delivery);
	conn_close(conn);
}

/* --- sending -------------------------------------------------------------- */

static const char *
dane_text(const struct conn *conn)
{
	if (!conn->by_dane)
		return NULL;
	return smtp_client_is_dane(conn->client) ? "verified" : "unusable";
}

static struct delivery_peer
peer_of(const struct conn *conn)
{
	uint32_t caps = smtp_client_caps(conn->client);
	struct delivery_peer peer = {
	    .host = conn->host,
	    .tls = smtp_client_tls_text(conn->client),
	    .dane = dane_text(conn),
	    .reports = (caps & CLIENT_CAP_DSN) != 0,
	};

	return peer;
}

/* What this server cannot take is known before it is asked. */
static bool
unfit(const struct conn *conn, const struct spool_msg *msg,
      struct result *result)
{
	uint32_t caps = smtp_client_caps(conn->client);
	uint64_t size_max = smtp_client_size_max(conn->client);

	if (msg->flags & MSG_UTF8 && !(caps & CLIENT_CAP_SMTPUTF8)) {
		result_set(result, FATE_BOUNCED, "5.6.7",
			   "the next hop does not take internationalised "
			   "mail (SMTPUTF8)");
		return true;
	}
	if (msg->flags & MSG_EIGHTBIT && !(caps & CLIENT_CAP_8BITMIME) &&
	    !conn->dest->hop->conf.eightbit_pass) {
		result_set(result, FATE_BOUNCED, "5.6.3",
			   "the next hop does not take 8-bit mail (8BITMIME)");
		return true;
	}
	if (size_max > 0 && msg->prefix.n + msg->body.length > size_max) {
		result_set(result, FATE_BOUNCED, "5.3.4",
			   "the message is larger than the next hop takes");
		return true;
	}
	return false;
}

static void
body_result(struct result *result, int err)
{
	if (err == GW_ECORRUPT)
		result_set(result, FATE_ALTERED, "4.3.0",
			   "the bytes on disk are not what was accepted");
	else
		result_set(result, FATE_DEFERRED, "4.3.0",
			   "the message could not be read");
}

static void
note_session(struct conn *conn, bool broke)
{
	struct dest *dest = conn->dest;
	size_t at = hostset_find(dest->hosts, conn->host, &conn->addr.ip);

	if (at == HOST_NONE)
		return;
	if (broke)
		hostset_broke(dest->hosts, at, relay_now_ms(conn_relay(conn)));
	else
		hostset_carried(dest->hosts, at);
}

/* Nothing was said about the message: the session ended under it. */
static bool
session_died(const struct smtp_reply *rcpts, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (rcpts[i].err == 0 && rcpts[i].code != 421)
			return false;
	}
	return true;
}

/* What is wrong with the body: told by the reader, or seen by the sender in a
 * line end that is none. A changed bit in a CRLF must not pass for a fault of
 * the peer's, to be tried for days. */
static int
body_error(const struct conn *conn, const struct smtp_reply *rcpts,
	   uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (rcpts[i].err == GW_ECORRUPT)
			return GW_ECORRUPT;
	}
	return conn->body.err;
}

/* True: what was said says that it is too much, and of the message nothing. */
static bool
hear_replies(struct conn *conn, const struct smtp_reply *rcpts, uint32_t count)
{
	struct dest *dest = conn->dest;

	for (uint32_t i = 0; i < count; i++) {
		if (rcpts[i].err == 0 && rcpts[i].code >= 400 &&
		    pacing_hears(dest->pacing, dest, rcpts[i].code,
				 rcpts[i].enhanced, rcpts[i].text))
			return true;
	}
	return false;
}

/* What was put off for its being too much, or not asked any more after that,
 * was not tried: the pace says when it is. */
static void
spare_attempt(struct result *results, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct result *r = &results[i];

		if (r->fate == FATE_DEFERRED &&
		    (r->code == 0 ||
		     bounce_throttle_of(r->code, r->said, r->text)))
			r->again = true;
	}
}

static void
end_replies(struct conn *conn, const struct smtp_reply *rcpts, uint32_t count,
	    bool unknown, bool throttled)
{
	struct result *results = mem_array(count, sizeof(*results));
	struct delivery_peer peer = peer_of(conn);

	peer.unknown = unknown;
	for (uint32_t i = 0; i < count; i++)
		result_of_rcpt(&results[i], &rcpts[i]);
	if (throttled && !unknown)
		spare_attempt(results, count);
	delivery_end(&conn->delivery, results, &peer);
	free(results);
}

static void
on_sent(void *arg, const struct smtp_reply *rcpts, uint32_t count, bool unknown)
{
	struct conn *conn = arg;
	bool reused = smtp_client_sent_count(conn->client) > 0;
	bool died = session_died(rcpts, count);
	int body_err = body_error(conn, rcpts, count);
	struct result result;
	struct delivery_peer peer;
	bool throttled;

	conn->send_op = NULL;
	body_close(&conn->body);
	throttled = hear_replies(conn, rcpts, count);
	if (body_err != 0) {
		peer = peer_of(conn);
		body_result(&result, body_err);
		delivery_end_all(&conn->delivery, &result, &peer);
	} else if (died && reused && !unknown && !conn->delivery->job->again) {
		conn->delivery->job->again = true;
		undo_sending(conn);
	} else {
		note_session(conn, died && !throttled);
		end_replies(conn, rcpts, count, unknown, throttled);
	}
	conn_work(conn);
}

static int64_t
read_body(void *arg, void *p, size_t n)
{
	struct conn *conn = arg;

	return body_read(&conn->body, p, n);
}

/* False: it ended here. */
static bool
start_sending(struct conn *conn)
{
	struct delivery *d = conn->delivery;
	const struct spool_msg *msg = d->msg;
	struct delivery_peer peer = peer_of(conn);
	struct smtp_send_req req;
	struct result result;
	int err;

	if (unfit(conn, msg, &result)) {
		delivery_end_all(&conn->delivery, &result, &peer);
		return false;
	}
	err = body_open(&conn->body, d->relay->spool, msg,
			conn->dest->hop->conf.tokens);
	if (err != 0) {
		body_result(&result, err);
		delivery_end_all(&conn->delivery, &result, &peer);
		return false;
	}
	if (!conn->rcpts)
		conn->rcpts = mem_array(JOB_RCPTS_MAX, sizeof(*conn->rcpts));
	for (uint32_t i = 0; i < d->count; i++)
		conn->rcpts[i] =
		    (struct smtp_send_rcpt){.address = d->rcpts[i]->address,
					    .orcpt = d->rcpts[i]->orcpt,
					    .notify = d->rcpts[i]->notify};
	req = (struct smtp_send_req){
	    .mail_from = msg->mail_from,
	    .size_bytes = body_bytes(&conn->body),
	    .eightbit = (msg->flags & MSG_EIGHTBIT) != 0,
	    .utf8 = (msg->flags & MSG_UTF8) != 0,
	    .ret = msg->ret,
	    .envid = msg->envid,
	    .rcpts = conn->rcpts,
	    .rcpt_count = d->count,
	    .read = read_body,
	};
	pacing_started(conn->dest->pacing, d->count);
	conn->send_op = smtp_send_start(conn->client, &req, on_sent, conn);
	return true;
}

static bool
worn_out(const struct conn *conn)
{
	const struct hop *hop = conn->dest->hop;

	return !smtp_client_usable(conn->client) || hop->gone ||
	       hop->relay->stopping ||
	       smtp_client_sent_count(conn->client) >= hop->conf.messages_max ||
	       pacing_is_worn(conn->dest->pacing,
			      smtp_client_sent_count(conn->client)) ||
	       dest_must_yield(conn->dest,
			       smtp_client_sent_count(conn->client));
}

static void
rest(struct conn *conn)
{
	struct relay *relay = conn_relay(conn);

	/* Connections that wait are for when there are enough. */
	if (conn->dest->hop->conf.idle_ms == 0 ||
	    (conn->dest->kind == DEST_SITE &&
	     conn_slots_are_few(relay->slots, conn->dest->lane))) {
		conn_close(&conn);
		return;
	}
	conn->idle_since_ms = relay_now_ms(relay);
	set_idle(conn, true);
}

void
conn_work(struct conn *conn)
{
	struct dest *dest = conn->dest;
	struct relay *relay = conn_relay(conn);

	set_idle(conn, false);
	if (worn_out(conn)) {
		conn_close(&conn);
		return;
	}
	for (int i = 0; i < STARTS_MAX && pacing_may_start(dest->pacing); i++) {
		struct job *job = sched_take(relay->sched, &dest->ready);

		if (!job)
			break;
		conn->delivery = delivery_begin(dest, &job);
		if (conn->delivery && start_sending(conn))
			return;
	}
	rest(conn);
	if (dest_wants(dest))
		relay_kick(relay, dest);
}

void
conn_check_idle(struct conn *conn, int64_t now_ms)
{
	int64_t idle_ms = now_ms - conn->idle_since_ms;

	if (!conn->is_idle)
		return;
	if (worn_out(conn) || idle_ms >= conn->dest->hop->conf.idle_ms)
		conn_close(&conn);
}
