/*
 * How a connection comes to be open: pick a host, find its addresses, ask what
 * certificate it must show (DANE), connect. Who fails here is a host, never a
 * message.
 *
 * The hosts of a site are remembered by address across all sites (hostmem.c)
 * when they do not answer; what they say that is not a welcome counts for the
 * one site. A next hop's hosts are the administrator's: they only rest for a
 * second or so (hostset.c).
 *
 * DANE: a host of validated addresses is asked for its TLSA records at each
 * connect (the resolver near by has them). Where they cannot be had, or the
 * host does not do as they say, it is as good as down: mail goes to the next
 * host or waits, never in the clear (RFC 7672, 2.1.3, 2.2). The connection is
 * the whole site's, so of a certificate under DANE-TA only the host's name is
 * looked for; that of a domain would say nothing of the others.
 *
 * Times: a site's host has 30 s to take the connection, which is less than
 * RFC 5321 knows of (it speaks of the greeting: 5 minutes, as here). Hosts
 * that drop what they do not like never answer at all, and those that do
 * answer within a second or two; the message comes back all the same. When
 * many do not answer conn_slots.c gives them up sooner.
 */
#include <string.h>

#include "gateway/back/conn_int.h"
#include "gateway/back/hostmem.h"
#include "gateway/back/pacing.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define CONNECT_MS 30000
#define IPS_MIN_MS 30000
#define IPS_MAX_MS 3600000

static void next_host(struct conn *conn);
static void try_ip(struct conn *conn);

static void
set_opening(struct conn *conn, bool opening)
{
	struct dest *dest = conn->dest;

	if (conn->opening == opening)
		return;
	conn->opening = opening;
	if (opening) {
		dest->opening_count++;
		conn_slots_open_begin(dest, &conn->attempt, conn);
	} else {
		dest->opening_count--;
		conn_slots_open_end(dest, &conn->attempt);
	}
}

/* Whether what is tried is one of many, known by its address. */
static bool
is_remembered(const struct conn *conn)
{
	return conn->dest->kind == DEST_SITE;
}

void
conn_open_end(struct conn *conn)
{
	set_opening(conn, false);
	dns_targets_cancel(&conn->resolve_op);
	if ((conn->connect_op || conn->dane_op) && is_remembered(conn))
		hostmem_undecided(conn_relay(conn)->hostmem, &conn->addr);
	dns_dane_cancel(&conn->dane_op);
	smtp_connect_cancel(&conn->connect_op);
}

static void
open_failed(struct conn *conn)
{
	struct dest *dest = conn->dest;
	int64_t now_ms = relay_now_ms(conn_relay(conn));
	int64_t back_ms;

	if (is_remembered(conn))
		dest_look_at_hosts(dest);
	back_ms = hostset_back_ms(dest->hosts, now_ms);
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
	buf_init(&text, 800);
	buf_printf(&text, "%s: %s", host->name,
		   conn->by_dane && reply->err == GW_ETLS ? "DANE: " : "");
	buf_add_slice(&text, result.text);
	result.text = buf_slice(&text);
	dest_note_trouble(dest, &result);
	hop_failed(dest->hop, result.text);
	log_event(GW_LOG_WARN, "connect-failed",
		  LF_STR("hop", dest->hop->conf.name),
		  LF_STR("host", host->name),
		  LF_STR("dane", conn->by_dane ? "required" : NULL),
		  LF_I64("code", reply->code), LF_SLICE("reply", reply->text));
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
	if (is_remembered(conn))
		hostmem_worked(conn_relay(conn)->hostmem, &conn->addr);
	dest->proven = true;
	host->caps = smtp_client_caps(client);
	host->caps_known = true;
	if (dest->hop->conf.tls == BACK_TLS_OPPORTUNISTIC &&
	    host->caps & CLIENT_CAP_STARTTLS && !smtp_client_tls_text(client))
		log_event(GW_LOG_WARN, "tls-failed",
			  LF_STR("hop", dest->hop->conf.name),
			  LF_STR("host", host->name),
			  LF_STR("why", "goes on in the clear"));
	board_publish(conn_relay(conn));
	dest_up(dest);
	conn_work(conn);
}

/* It did not even answer; a reply that is no welcome is an answer. */
static bool
is_silent(int err)
{
	return err == GW_ETIMEDOUT || err == GW_EREFUSED;
}

static void
address_failed(struct conn *conn, const struct smtp_reply *reply)
{
	struct dest *dest = conn->dest;
	struct relay *relay = conn_relay(conn);
	int64_t now_ms = relay_now_ms(relay);

	note_failure(conn, reply);
	if (reply->err == 0)
		(void)pacing_hears(dest->pacing, dest, reply->code,
				   reply->enhanced, reply->text);
	if (is_remembered(conn) && is_silent(reply->err)) {
		hostmem_failed(relay->hostmem, &conn->addr, now_ms);
		next_host(conn);
		return;
	}
	if (is_remembered(conn)) {
		hostmem_undecided(relay->hostmem, &conn->addr);
		hostset_failed(dest->hosts, conn->host_at, now_ms);
		next_host(conn);
		return;
	}
	conn->ip_at++;
	try_ip(conn);
}

static void
on_connected(void *arg, struct smtp_client *client,
	     const struct smtp_reply *reply)
{
	struct conn *conn = arg;

	conn->connect_op = NULL;
	if (client)
		opened(conn, client);
	else
		address_failed(conn, reply);
}

void
conn_give_up(struct conn *conn)
{
	struct smtp_reply reply = {.err = GW_ETIMEDOUT};

	reply.text = SLICE_LIT("no answer, and others wait");
	/* The host was not asked anything yet: it is not the silent one. */
	if (conn->dane_op) {
		reply.err = GW_ETLS;
		conn->by_dane = true;
	}
	dns_dane_cancel(&conn->dane_op);
	smtp_connect_cancel(&conn->connect_op);
	address_failed(conn, &reply);
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

/* dane: what its TLSA records say, or NULL. */
static void
connect_to(struct conn *conn, const struct tls_dane *dane)
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
	    .to = conn->addr,
	    .from = conn->dest->source,
	    .helo = relay->settings->conf.hostname,
	    .tls = tls[hop->conf.tls],
	    .tls_ctx = hop->tls,
	    .tls_name = conn->dest->hosts->host[conn->host_at].name,
	    .dane = dane,
	    .user = hop->conf.user,
	    .password = hop->conf.password,
	    .timeouts = timeouts_of(&hop->conf),
	};

	conn->connect_op =
	    smtp_connect_start(relay->loop, &req, on_connected, conn);
}

static void
on_dane(void *arg, const struct dns_dane *result)
{
	struct conn *conn = arg;
	struct smtp_reply reply = {.err = GW_ETLS};

	conn->dane_op = NULL;
	conn->by_dane = result->status != DANE_NONE;
	switch (result->status) {
	case DANE_NONE:
		connect_to(conn, NULL);
		return;
	case DANE_USABLE:
		connect_to(conn, &result->dane);
		return;
	case DANE_FAILED:
		reply.text = slice_str(result->text);
		address_failed(conn, &reply);
		return;
	}
}

static bool
asks_dane(const struct conn *conn, const struct host *host)
{
	const struct hop *hop = conn->dest->hop;

	return hop->conf.dane && hop->tls && host->authentic &&
	       conn->dest->kind == DEST_SITE;
}

static void
try_address(struct conn *conn, const struct host *host)
{
	struct relay *relay = conn_relay(conn);
	struct dns_dane_req req = {.host = host->name, .port = host->port};

	conn->addr = (struct sock_addr){.ip = host->ips[conn->ip_at],
					.port = host->port};
	conn->by_dane = false;
	if (is_remembered(conn))
		hostmem_try(relay->hostmem, &conn->addr, relay_now_ms(relay));
	conn_slots_attempt(conn->dest, &conn->attempt);
	if (asks_dane(conn, host))
		conn->dane_op = dns_dane_start(relay->dns, &req, on_dane, conn);
	else
		connect_to(conn, NULL);
}

/* The next address of the host at hand, or the next host. */
static void
try_ip(struct conn *conn)
{
	struct dest *dest = conn->dest;
	struct host *host = &dest->hosts->host[conn->host_at];

	if (conn->ip_at < host->ip_count) {
		try_address(conn, host);
		return;
	}
	hostset_failed(dest->hosts, conn->host_at,
		       relay_now_ms(conn_relay(conn)));
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
		host->ips_until_ms = relay_now_ms(conn_relay(conn)) + hold_ms;
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
	struct relay *relay = conn_relay(conn);
	int64_t now_ms = relay_now_ms(relay);
	struct dns_targets_req req = {.kind = TARGET_HOST, .v6 = true};
	struct host *host;

	if (is_remembered(conn))
		dest_look_at_hosts(dest);
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
	dest->pool->conns[dest->lane]++;
	dest->hop->connections++;
	relay->connection_count++;
	relay->lane_connections[dest->lane]++;
	stat_add(&relay->stats->connections, 1);
	stat_add(&relay->stats->lane_connections[dest->lane], 1);
	relay_live(relay, dest);
	set_opening(conn, true);
	next_host(conn);
}
