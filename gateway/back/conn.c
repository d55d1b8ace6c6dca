/*
 * A connection's life: pick a host, find its addresses, connect, then send.
 * Who fails here is a host or a session, never a message: only what a server
 * said about a message becomes a result of it.
 *
 * Trap: a server may close a connection that was idle just when we use it
 * again. A message that dies so on a reused connection, with nothing said
 * about it, goes to the front of its turn once, without an attempt counted.
 *
 * size: opening and sending share the one struct and end in each other; parted,
 * each would have to show the other all of it.
 */
#include "gateway/back/conn.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/back/body.h"
#include "gateway/back/delivery.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/smtp/client.h"

#define CONNECT_MS 30000
#define IPS_MIN_MS 30000
#define IPS_MAX_MS 3600000
#define STARTS_MAX 32 /* jobs dealt with in one go without a wait */

struct conn {
	TAILQ_ENTRY(conn) all_link, idle_link;
	struct dest *dest;
	/* while it opens */
	struct dns_targets_op *resolve_op;
	struct smtp_connect_op *connect_op;
	uint64_t tried;
	size_t host_at;
	uint32_t ip_at;
	bool opening;
	/* once it is open */
	char *host;
	struct sock_addr addr;
	struct smtp_client *client;
	struct smtp_send_op *send_op;
	struct delivery *delivery;
	struct smtp_send_rcpt *rcpts;
	struct body body;
	int64_t idle_since_ms;
	bool is_idle;
};

static void next_host(struct conn *conn);
static void try_ip(struct conn *conn);

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

static struct relay *
relay_of(const struct conn *conn)
{
	return conn->dest->hop->relay;
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

static void
set_opening(struct conn *conn, bool opening)
{
	if (conn->opening == opening)
		return;
	conn->opening = opening;
	if (opening)
		conn->dest->opening_count++;
	else
		conn->dest->opening_count--;
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
	relay = relay_of(conn);
	set_idle(conn, false);
	set_opening(conn, false);
	dns_targets_cancel(&conn->resolve_op);
	smtp_connect_cancel(&conn->connect_op);
	if (conn->client)
		smtp_client_close(&conn->client);
	body_fini(&conn->body);
	TAILQ_REMOVE(&dest->conns, conn, all_link);
	dest->conn_count--;
	dest->hop->connections--;
	relay->connection_count--;
	stat_sub(&relay->stats->connections, 1);
	free(conn->rcpts);
	free(conn->host);
	free(conn);
	relay_live(relay, dest);
	if (dest->ready.count > 0)
		relay_kick(relay, dest);
}

void
conn_abort(struct conn **conn)
{
	smtp_send_cancel(&(*conn)->send_op);
	body_close(&(*conn)->body);
	if ((*conn)->delivery)
		delivery_undo(&(*conn)->delivery);
	conn_close(conn);
}

/* --- opening -------------------------------------------------------------- */

static void
open_failed(struct conn *conn)
{
	struct dest *dest = conn->dest;
	int64_t now_ms = relay_now_ms(relay_of(conn));
	int64_t back_ms = hostset_back_ms(dest->hosts, now_ms);

	conn_close(&conn);
	/* As long as other connections carry mail it is not down. */
	if (dest->conn_count == 0 && back_ms > 0)
		dest_down(dest, back_ms, NULL);
}

/* Why the host did not let us in: kept as the destination's trouble. */
static void
note_failure(struct conn *conn, const struct smtp_reply *reply)
{
	struct dest *dest = conn->dest;
	const struct host *host = &dest->hosts->host[conn->host_at];
	struct result result;
	struct buf text;

	result_of_reply(&result, reply);
	result.fate = FATE_DEFERRED;
	if (result.enhanced[1] == 0) {
		result.enhanced[1] = 4;
		result.enhanced[2] = 1;
	}
	result.enhanced[0] = 4;
	buf_init(&text, 700);
	buf_printf(&text, "%s: ", host->name);
	buf_add_slice(&text, result.text);
	result.text = buf_slice(&text);
	dest_note_trouble(dest, &result);
	hop_failed(dest->hop, result.text);
	log_event(GW_LOG_WARN, "connect-failed",
		  LF_STR("hop", dest->hop->conf.name),
		  LF_STR("host", host->name), LF_I64("code", reply->code),
		  LF_SLICE("reply", reply->text));
	buf_fini(&text);
}

static void
opened(struct conn *conn, struct smtp_client *client)
{
	struct dest *dest = conn->dest;
	struct host *host = &dest->hosts->host[conn->host_at];

	conn->client = client;
	conn->host = mem_strdup(host->name);
	set_opening(conn, false);
	hostset_worked(dest->hosts, conn->host_at);
	host->caps = smtp_client_caps(client);
	host->caps_known = true;
	if (dest->hop->conf.tls == BACK_TLS_OPPORTUNISTIC &&
	    host->caps & CLIENT_CAP_STARTTLS && !smtp_client_tls_text(client))
		log_event(GW_LOG_WARN, "tls-failed",
			  LF_STR("hop", dest->hop->conf.name),
			  LF_STR("host", host->name),
			  LF_STR("why", "goes on in the clear"));
	board_publish(relay_of(conn));
	dest_up(dest);
	conn_work(conn);
}

static void
on_connected(void *arg, struct smtp_client *client,
	     const struct smtp_reply *reply)
{
	struct conn *conn = arg;

	conn->connect_op = NULL;
	if (client) {
		opened(conn, client);
		return;
	}
	note_failure(conn, reply);
	conn->ip_at++;
	try_ip(conn);
}

static struct smtp_client_timeouts
timeouts_of(const struct back_hop *hop)
{
	int64_t t = hop->timeout_ms;
	struct smtp_client_timeouts timeouts = {
	    .connect_ms = t > 0 && t < CONNECT_MS ? t : CONNECT_MS,
	    .greeting_ms = t,
	    .command_ms = t,
	    .data_block_ms = t,
	    .dot_ms = t,
	};

	return timeouts;
}

static void
connect_to(struct conn *conn, const struct host *host)
{
	static const enum smtp_client_tls tls[] = {
	    [BACK_TLS_NONE] = CLIENT_TLS_NONE,
	    [BACK_TLS_OPPORTUNISTIC] = CLIENT_TLS_OPPORTUNISTIC,
	    [BACK_TLS_REQUIRED] = CLIENT_TLS_REQUIRED,
	    [BACK_TLS_IMPLICIT] = CLIENT_TLS_IMPLICIT,
	};
	const struct hop *hop = conn->dest->hop;
	struct relay *relay = hop->relay;
	struct smtp_client_req req = {
	    .to = {.ip = host->ips[conn->ip_at], .port = host->port},
	    .from = hop->conf.source,
	    .helo = relay->settings->conf.hostname,
	    .tls = tls[hop->conf.tls],
	    .tls_ctx = hop->tls,
	    .tls_name = host->name,
	    .user = hop->conf.user,
	    .password = hop->conf.password,
	    .timeouts = timeouts_of(&hop->conf),
	};

	conn->addr = req.to;
	conn->connect_op =
	    smtp_connect_start(relay->loop, &req, on_connected, conn);
}

/* The next address of the host at hand, or the next host. */
static void
try_ip(struct conn *conn)
{
	struct dest *dest = conn->dest;
	struct host *host = &dest->hosts->host[conn->host_at];

	if (conn->ip_at < host->ip_count) {
		connect_to(conn, host);
		return;
	}
	hostset_failed(dest->hosts, conn->host_at,
		       relay_now_ms(relay_of(conn)));
	next_host(conn);
}

static void
resolve_failed(struct conn *conn, const struct dns_targets *targets)
{
	struct smtp_reply reply = {.err = GW_EREFUSED};

	reply.text = slice_str(targets->text);
	note_failure(conn, &reply);
}

static void
on_resolved(void *arg, const struct dns_targets *targets)
{
	struct conn *conn = arg;
	struct host *host = &conn->dest->hosts->host[conn->host_at];
	int64_t hold_ms = (int64_t)targets->ttl_s * 1000;

	conn->resolve_op = NULL;
	if (targets->status == TARGETS_OK) {
		host->ip_count = targets->count < HOST_IPS_MAX ? targets->count
							       : HOST_IPS_MAX;
		for (uint32_t i = 0; i < host->ip_count; i++)
			host->ips[i] = targets->targets[i].ip;
		if (hold_ms < IPS_MIN_MS)
			hold_ms = IPS_MIN_MS;
		if (hold_ms > IPS_MAX_MS)
			hold_ms = IPS_MAX_MS;
		host->ips_until_ms = relay_now_ms(relay_of(conn)) + hold_ms;
	} else {
		/* The addresses it had are as good as any, if it had some. */
		resolve_failed(conn, targets);
	}
	try_ip(conn);
}

static void
next_host(struct conn *conn)
{
	struct dest *dest = conn->dest;
	struct relay *relay = relay_of(conn);
	int64_t now_ms = relay_now_ms(relay);
	struct dns_targets_req req = {.kind = TARGET_HOST, .v6 = true};
	struct host *host;

	conn->host_at = hostset_pick(dest->hosts, now_ms, conn->tried);
	if (conn->host_at == HOST_NONE) {
		open_failed(conn);
		return;
	}
	conn->tried |= UINT64_C(1) << conn->host_at;
	conn->ip_at = 0;
	host = &dest->hosts->host[conn->host_at];
	if (host->ips_until_ms > now_ms) {
		try_ip(conn);
		return;
	}
	req.domain = host->name;
	conn->resolve_op =
	    dns_targets_start(relay->dns, &req, on_resolved, conn);
}

void
conn_open(struct dest *dest, uint64_t skip)
{
	struct conn *conn = mem_zalloc(sizeof(*conn));
	struct relay *relay = dest->hop->relay;

	conn->dest = dest;
	conn->tried = skip;
	body_init(&conn->body);
	TAILQ_INSERT_TAIL(&dest->conns, conn, all_link);
	dest->conn_count++;
	dest->hop->connections++;
	relay->connection_count++;
	stat_add(&relay->stats->connections, 1);
	set_opening(conn, true);
	relay_live(relay, dest);
	next_host(conn);
}

void
conn_forget_dns(struct conn *conn)
{
	if (!conn->resolve_op)
		return;
	dns_targets_cancel(&conn->resolve_op);
	conn_close(&conn);
}

/* --- sending -------------------------------------------------------------- */

static struct delivery_peer
peer_of(const struct conn *conn)
{
	uint32_t caps = smtp_client_caps(conn->client);
	struct delivery_peer peer = {
	    .host = conn->host,
	    .tls = smtp_client_tls_text(conn->client),
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
		hostset_broke(dest->hosts, at, relay_now_ms(relay_of(conn)));
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

static void
end_replies(struct conn *conn, const struct smtp_reply *rcpts, uint32_t count,
	    bool unknown)
{
	struct result *results = mem_array(count, sizeof(*results));
	struct delivery_peer peer = peer_of(conn);

	peer.unknown = unknown;
	for (uint32_t i = 0; i < count; i++)
		result_of_rcpt(&results[i], &rcpts[i]);
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

	conn->send_op = NULL;
	body_close(&conn->body);
	if (body_err != 0) {
		peer = peer_of(conn);
		body_result(&result, body_err);
		delivery_end_all(&conn->delivery, &result, &peer);
	} else if (died && reused && !unknown && !conn->delivery->job->again) {
		conn->delivery->job->again = true;
		delivery_undo(&conn->delivery);
	} else {
		note_session(conn, died);
		end_replies(conn, rcpts, count, unknown);
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
	err = body_open(&conn->body, d->relay->spool, msg);
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
	    .size_bytes = msg->prefix.n + msg->body.length,
	    .eightbit = (msg->flags & MSG_EIGHTBIT) != 0,
	    .utf8 = (msg->flags & MSG_UTF8) != 0,
	    .ret = msg->ret,
	    .envid = msg->envid,
	    .rcpts = conn->rcpts,
	    .rcpt_count = d->count,
	    .read = read_body,
	};
	conn->send_op = smtp_send_start(conn->client, &req, on_sent, conn);
	return true;
}

static bool
worn_out(const struct conn *conn)
{
	const struct hop *hop = conn->dest->hop;

	return !smtp_client_usable(conn->client) || hop->gone ||
	       hop->relay->stopping ||
	       smtp_client_sent_count(conn->client) >= hop->conf.messages_max;
}

static void
rest(struct conn *conn)
{
	struct relay *relay = relay_of(conn);
	uint32_t max = relay->settings->conf.connection_max;

	/* Connections that wait are for whoever has few of them. */
	if (conn->dest->hop->conf.idle_ms == 0 ||
	    (conn->dest->hop->conf.kind == BACK_MX &&
	     relay->connection_count > max / 2)) {
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
	struct relay *relay = relay_of(conn);

	set_idle(conn, false);
	if (worn_out(conn)) {
		conn_close(&conn);
		return;
	}
	for (int i = 0; i < STARTS_MAX; i++) {
		struct job *job = sched_take(relay->sched, &dest->ready);

		if (!job)
			break;
		conn->delivery = delivery_begin(dest, &job);
		if (conn->delivery && start_sending(conn))
			return;
	}
	rest(conn);
	if (dest->ready.count > 0)
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
