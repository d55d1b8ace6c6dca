/*
 * Hops and their destinations: when to open a connection, when to say that
 * there is no way through, and what happens to the mail then.
 *
 * A destination is down when no host can be tried now and no connection is
 * left. Then what is ready is deferred without a connect each, and parked: it
 * has its place in the schedule, and is tried as soon as one connection
 * succeeds. For that one connection is opened when a host's rest is over.
 *
 * size: a hop is little more than its destinations.
 */
#include "gateway/back/dest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/conn.h"
#include "gateway/back/delivery.h"
#include "gateway/back/maildir.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/smtp/client.h"

/* gcc does not see that uthash keeps what it is given. */
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

#define FAILS_A_TURN 32	    /* messages that go back to the schedule */
#define RELEASES_A_TURN 256 /* parked jobs that become ready */
#define OPENS_A_TURN 16

struct hop *
hop_create(struct relay *relay, const struct back_hop *conf,
	   struct tls_ctx *tls)
{
	struct hop *hop = mem_zalloc(sizeof(*hop));

	hop->relay = relay;
	hop->arena = arena_create(512);
	hop->conf = *conf;
	settings_copy_hop(hop->arena, &hop->conf);
	hop->tls = tls ? tls_ctx_share(tls) : NULL;
	hop->up = true;
	hop->since_wall_s = clock_wall_s();
	/* Whether it takes SMTPUTF8 is asked before mail comes. */
	if (conf->kind == BACK_SMTP)
		dest_get(hop, SLICE_NONE)->probe = true;
	return hop;
}

static void
dest_destroy(struct dest *dest)
{
	struct hop *hop = dest->hop;
	struct relay *relay = hop->relay;

	dns_targets_cancel(&dest->targets_op);
	if (dest->runnable)
		TAILQ_REMOVE(&relay->runnable, dest, run_link);
	if (dest->live)
		TAILQ_REMOVE(&relay->live, dest, live_link);
	HASH_DEL(hop->dests, dest);
	hostset_destroy(&dest->hosts);
	if (dest->trouble)
		free((char *)dest->trouble->text.p);
	free(dest->trouble);
	free(dest);
}

void
hop_destroy(struct hop **hopp)
{
	struct hop *hop = *hopp;
	struct dest *dest, *next;

	*hopp = NULL;
	if (!hop)
		return;
	for (dest = hop->dests; dest; dest = next) {
		next = dest->hh.next;
		dest_destroy(dest);
	}
	tls_ctx_destroy(&hop->tls);
	arena_destroy(&hop->arena);
	free(hop);
}

void
hop_worked(struct hop *hop)
{
	if (hop->up)
		return;
	hop->up = true;
	hop->since_wall_s = clock_wall_s();
	log_event(GW_LOG_INFO, "hop-up", LF_STR("hop", hop->conf.name));
}

void
hop_failed(struct hop *hop, struct slice text)
{
	(void)snprintf(hop->error, sizeof(hop->error), "%.*s", (int)text.n,
		       text.p ? text.p : "");
}

static void
hop_down(struct hop *hop)
{
	/* One of many domains says nothing about an MX hop. */
	if (!hop->up || hop->conf.kind == BACK_MX)
		return;
	hop->up = false;
	hop->since_wall_s = clock_wall_s();
	log_event(GW_LOG_WARN, "hop-down", LF_STR("hop", hop->conf.name),
		  LF_STR("reply", hop->error));
}

bool
hop_offers_utf8(const struct hop *hop)
{
	const struct hostset *hosts;
	bool known = false;

	if (hop->conf.kind != BACK_SMTP)
		return true; /* a mailbox; or each domain for itself */
	hosts = hop->dests ? hop->dests->hosts : NULL;
	for (size_t i = 0; hosts && i < hosts->count; i++) {
		if (!hosts->host[i].caps_known)
			continue;
		if (!(hosts->host[i].caps & CLIENT_CAP_SMTPUTF8))
			return false;
		known = true;
	}
	return known;
}

void
hop_leave(struct hop *hop)
{
	struct dest *dest, *next;
	struct conn *conn, *next_conn;

	hop->gone = true;
	for (dest = hop->dests; dest; dest = next) {
		next = dest->hh.next;
		dest->probe = false;
		for (conn = TAILQ_FIRST(&dest->conns); conn; conn = next_conn) {
			next_conn = conn_next(conn);
			if (!conn_is_busy(conn))
				conn_close(&conn);
		}
		dest_up(dest);
		relay_kick(hop->relay, dest);
	}
}

/* --- destinations --------------------------------------------------------- */

static struct hostset *
hosts_of_conf(const struct back_hop *conf)
{
	struct hostset *hosts = hostset_create(conf->host_count);

	for (size_t i = 0; i < conf->host_count; i++) {
		hosts->host[i].name = mem_strdup(conf->hosts[i].name);
		hosts->host[i].port = conf->hosts[i].port;
		hosts->host[i].weight = conf->hosts[i].weight;
		hosts->host[i].priority = conf->hosts[i].priority;
	}
	return hosts;
}

struct dest *
dest_get(struct hop *hop, struct slice domain)
{
	struct dest *dest;

	if (hop->conf.kind != BACK_MX || domain.p == NULL)
		domain = slice_of("", 0);
	HASH_FIND(hh, hop->dests, domain.p, domain.n, dest);
	if (dest)
		return dest;
	dest = mem_zalloc(sizeof(*dest) + domain.n + 1);
	memcpy(dest->domain, domain.p, domain.n);
	dest->hop = hop;
	ready_init(&dest->ready);
	TAILQ_INIT(&dest->parked);
	TAILQ_INIT(&dest->conns);
	TAILQ_INIT(&dest->idle);
	if (hop->conf.kind == BACK_SMTP)
		dest->hosts = hosts_of_conf(&hop->conf);
	HASH_ADD_KEYPTR(hh, hop->dests, dest->domain, domain.n, dest);
	relay_live(hop->relay, dest);
	return dest;
}

bool
dest_busy(const struct dest *dest)
{
	return dest->conn_count > 0 || dest->task_count > 0 ||
	       dest->ready.count > 0 || dest->targets_op || dest->probe ||
	       dest->trouble || dest->releasing || !TAILQ_EMPTY(&dest->parked);
}

void
dest_check_unused(struct dest *dest)
{
	/* The caller may still hold it: the next tick frees it. */
	if (dest->job_count == 0)
		relay_live(dest->hop->relay, dest);
}

void
dest_note_trouble(struct dest *dest, const struct result *trouble)
{
	if (!dest->trouble)
		dest->trouble = mem_zalloc(sizeof(*dest->trouble));
	free((char *)dest->trouble->text.p);
	*dest->trouble = *trouble;
	dest->trouble->text = slice_str(slice_dup(trouble->text));
	relay_live(dest->hop->relay, dest);
}

void
dest_down(struct dest *dest, int64_t until_ms, const struct result *trouble)
{
	if (trouble)
		dest_note_trouble(dest, trouble);
	if (!dest->trouble) {
		struct result result;

		result_set(&result, FATE_DEFERRED, "4.4.1",
			   "the next hop cannot be reached");
		dest_note_trouble(dest, &result);
	}
	dest->down_until_ms = until_ms;
	if (dest->trouble->fate != FATE_BOUNCED)
		hop_down(dest->hop);
	relay_kick(dest->hop->relay, dest);
}

static void
forget_trouble(struct dest *dest)
{
	if (dest->trouble)
		free((char *)dest->trouble->text.p);
	free(dest->trouble);
	dest->trouble = NULL;
	dest->down_until_ms = 0;
}

void
dest_up(struct dest *dest)
{
	forget_trouble(dest);
	hop_worked(dest->hop);
	if (TAILQ_EMPTY(&dest->parked))
		return;
	dest->releasing = true;
	relay_kick(dest->hop->relay, dest);
}

void
dest_forgive(struct dest *dest)
{
	if (dest->hosts)
		hostset_forgive(dest->hosts);
	forget_trouble(dest);
	relay_kick(dest->hop->relay, dest);
}

void
dest_unpark(struct job *job)
{
	if (!job->parked)
		return;
	TAILQ_REMOVE(&job->dest->parked, job, link);
	job->parked = false;
}

static void
unpark(struct dest *dest, struct job *job)
{
	struct relay *relay = dest->hop->relay;

	dest_unpark(job);
	sched_unwait(relay->sched, job);
	sched_ready(relay->sched, &dest->ready, job, false);
}

/* True: there are more. */
static bool
release_parked(struct dest *dest)
{
	struct job *job;

	if (!dest->releasing)
		return false;
	if (sched_flushing(dest->hop->relay->sched))
		return true;
	for (int i = 0; i < RELEASES_A_TURN; i++) {
		job = TAILQ_FIRST(&dest->parked);
		if (!job)
			break;
		unpark(dest, job);
	}
	dest->releasing = !TAILQ_EMPTY(&dest->parked);
	return dest->releasing;
}

static bool
is_down(const struct dest *dest)
{
	return dest->trouble && dest->conn_count == 0 &&
	       dest->down_until_ms > relay_now_ms(dest->hop->relay);
}

/* The next that is ready; *delivery is NULL when nothing of it is queued any
 * more. False: there is none. */
static bool
take_ready(struct dest *dest, struct delivery **delivery)
{
	struct job *job = sched_take(dest->hop->relay->sched, &dest->ready);

	if (!job)
		return false;
	*delivery = delivery_begin(dest, &job);
	return true;
}

/* Back to the schedule, or bounced when the trouble is for good. */
static void
fail_ready(struct dest *dest)
{
	struct delivery_peer peer = {0};
	struct delivery *delivery;

	for (int i = 0; i < FAILS_A_TURN && take_ready(dest, &delivery); i++) {
		if (!delivery)
			continue;
		peer.down = dest->trouble->fate == FATE_DEFERRED;
		delivery_end_all(&delivery, dest->trouble, &peer);
	}
}

/* What was routed by settings that are no more finds a new way. */
static void
give_back(struct dest *dest)
{
	struct delivery *delivery;

	for (int i = 0; i < FAILS_A_TURN && take_ready(dest, &delivery); i++) {
		if (delivery)
			delivery_undo(&delivery);
	}
}

static bool
maildir_wants(const struct dest *dest)
{
	return dest->task_count < MAILDIR_TASKS_MAX && dest->ready.count > 0;
}

static void
run_maildir(struct dest *dest)
{
	struct relay *relay = dest->hop->relay;

	/* Of those that a block keeps, no more than these in one turn. */
	for (int i = 0; i < MAILDIR_TASKS_MAX && maildir_wants(dest); i++) {
		struct job *job = sched_take(relay->sched, &dest->ready);
		struct delivery *delivery = delivery_begin(dest, &job);

		if (delivery)
			maildir_start(relay->maildir, &delivery);
	}
}

static bool
may_open(const struct dest *dest)
{
	const struct relay *relay = dest->hop->relay;

	return dest->conn_count < dest->hop->conf.connection_max &&
	       relay->connection_count < relay->settings->conf.connection_max &&
	       hostset_back_ms(dest->hosts, relay_now_ms(relay)) == 0;
}

static void
run_conns(struct dest *dest)
{
	int64_t back_ms;

	if (dest->hop->conf.kind == BACK_MX && !mx_ready(dest))
		return;
	back_ms = hostset_back_ms(dest->hosts, relay_now_ms(dest->hop->relay));
	if (dest->conn_count == 0 && back_ms > 0) {
		dest_down(dest, back_ms, NULL);
		return;
	}
	for (int i = 0; i < OPENS_A_TURN && dest->ready.count > 0; i++) {
		struct conn *conn = TAILQ_FIRST(&dest->idle);

		if (conn)
			conn_work(conn);
		else
			break;
	}
	for (int i = 0; i < OPENS_A_TURN; i++) {
		if (dest->ready.count <= dest->opening_count || !may_open(dest))
			break;
		conn_open(dest, 0);
	}
}

bool
dest_run(struct dest *dest)
{
	bool more = release_parked(dest);

	if (dest->hop->relay->stopping || dest->ready.count == 0)
		return more;
	if (dest->hop->gone) {
		give_back(dest);
	} else if (is_down(dest)) {
		fail_ready(dest);
	} else if (dest->hop->conf.kind == BACK_MAILDIR) {
		run_maildir(dest);
		return more || maildir_wants(dest);
	} else {
		run_conns(dest);
		return more ||
		       (dest->ready.count > 0 && !TAILQ_EMPTY(&dest->idle));
	}
	return more || dest->ready.count > 0;
}

static uint64_t
known_hosts(const struct hostset *hosts)
{
	uint64_t known = 0;

	for (size_t i = 0; i < hosts->count; i++) {
		if (hosts->host[i].caps_known)
			known |= UINT64_C(1) << i;
	}
	return known;
}

/* Ask the hosts that nobody has spoken to yet what they offer. */
static void
probe(struct dest *dest)
{
	int64_t now_ms = relay_now_ms(dest->hop->relay);
	uint64_t known = known_hosts(dest->hosts);
	bool unknown = false, ready = false;

	for (size_t i = 0; i < dest->hosts->count; i++) {
		if (known >> i & 1)
			continue;
		unknown = true;
		ready |= dest->hosts->host[i].aside_until_ms <= now_ms;
	}
	dest->probe = unknown;
	if (ready && dest->opening_count == 0 && may_open(dest))
		conn_open(dest, known);
}

/* It was down and its time is over: one goes ahead. */
static void
try_parked(struct dest *dest)
{
	if (TAILQ_EMPTY(&dest->parked) || dest->releasing || is_down(dest))
		return;
	if (dest->hop->conf.kind == BACK_MAILDIR) {
		if (dest->task_count == 0 &&
		    !sched_flushing(dest->hop->relay->sched)) {
			unpark(dest, TAILQ_FIRST(&dest->parked));
			run_maildir(dest);
		}
		return;
	}
	if (dest->hop->conf.kind == BACK_MX && !mx_ready(dest))
		return;
	/* One that is still opening says nothing yet: taken for a sign of life
	 * it would send all that waits into the next refusal. */
	if (dest->conn_count > dest->opening_count)
		dest_up(dest);
	else if (dest->opening_count == 0 && may_open(dest))
		conn_open(dest, 0);
}

void
dest_tick(struct dest *dest)
{
	struct relay *relay = dest->hop->relay;
	int64_t now_ms = relay_now_ms(relay);
	struct conn *conn, *next;

	for (conn = TAILQ_FIRST(&dest->conns); conn; conn = next) {
		next = conn_next(conn);
		conn_check_idle(conn, now_ms);
	}
	if (relay->stopping)
		return;
	if (dest->hop->conf.kind == BACK_SMTP && dest->probe)
		probe(dest);
	try_parked(dest);
	if (dest->trouble && TAILQ_EMPTY(&dest->parked) && !is_down(dest) &&
	    dest->opening_count == 0)
		forget_trouble(dest);
	if (dest->ready.count > 0)
		relay_kick(relay, dest);
	if (dest_busy(dest))
		return;
	TAILQ_REMOVE(&relay->live, dest, live_link);
	dest->live = false;
	if (dest->job_count == 0 && dest->hop->conf.kind == BACK_MX)
		dest_destroy(dest);
}
