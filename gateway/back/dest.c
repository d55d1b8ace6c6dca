/*
 * Destinations: when to open a connection, when to say that there is no way
 * through, and what happens to the mail then (trouble.c).
 *
 * A site that has not let us in of late gets one connection until it does:
 * then as many as its mail wants, up to the cap. Whether there is a slot for
 * one is conn_slots.c's to say.
 */
#include "gateway/back/dest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/conn.h"
#include "gateway/back/conn_slots.h"
#include "gateway/back/delivery.h"
#include "gateway/back/hostmem.h"
#include "gateway/back/lookup.h"
#include "gateway/back/maildir.h"
#include "gateway/back/pacing.h"
#include "gateway/back/site.h"
#include "gateway/base/mem.h"

#define FAILS_A_TURN 32 /* messages that go back to the schedule */
#define OPENS_A_TURN 16
#define YIELD_SERVED 10	  /* messages by the one connection that lanes share */
#define STALE_ASK_MS 1000 /* a site's addresses are asked for this often */

/* --- which there are ------------------------------------------------------ */

/* Lanes that leave from one address share its number of connections. */
static unsigned
source_of_lane(const struct back_hop *conf, unsigned lane,
	       const struct ip_addr **source)
{
	*source = conf->lane_source[lane];
	for (unsigned i = 0; *source && i < lane; i++) {
		if (conf->lane_source[i] &&
		    ip_eq(conf->lane_source[i], *source))
			return i + 1;
	}
	if (*source)
		return lane + 1;
	*source = conf->source;
	return 0;
}

static void
join_pool(struct dest *dest, struct conn_pool *pools, unsigned lane)
{
	dest->lane = (uint8_t)lane;
	dest->pool =
	    &pools[source_of_lane(&dest->hop->conf, lane, &dest->source)];
	dest->pool->dests[lane] = dest;
	if (lane == LANE_BULK && dest->kind != DEST_MAILDIR)
		dest->pacing = pacing_create(dest);
}

static struct dest *
find(struct hop *hop, const char *key)
{
	struct dest *dest;

	HASH_FIND(hh, hop->dests, key, strlen(key), dest);
	return dest;
}

struct dest *
dest_create(struct hop *hop, enum dest_kind kind, const char *key)
{
	struct dest *dest = mem_zalloc(sizeof(*dest));

	(void)snprintf(dest->key, sizeof(dest->key), "%s", key);
	dest->hop = hop;
	dest->kind = kind;
	ready_init(&dest->ready);
	TAILQ_INIT(&dest->parked);
	TAILQ_INIT(&dest->conns);
	TAILQ_INIT(&dest->idle);
	HASH_ADD_KEYPTR(hh, hop->dests, dest->key, strlen(dest->key), dest);
	return dest;
}

void
dest_destroy(struct dest *dest)
{
	struct hop *hop = dest->hop;
	struct relay *relay = hop->relay;

	conn_slots_leave(dest);
	if (dest->runnable)
		TAILQ_REMOVE(&relay->runnable, dest, run_link);
	if (dest->live)
		TAILQ_REMOVE(&relay->live, dest, live_link);
	HASH_DEL(hop->dests, dest);
	if (dest->pool)
		dest->pool->dests[dest->lane] = NULL;
	hostset_destroy(&dest->hosts);
	pacing_destroy(&dest->pacing);
	dest_forget_trouble(dest);
	site_unuse(&dest->site);
	free(dest);
}

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
dest_of_lane(struct hop *hop, unsigned lane)
{
	/* By hand: each recipient of the queue comes by here. */
	const char key[] = {'/', (char)('0' + lane), '\0'};
	struct dest *dest = find(hop, key);

	_Static_assert(LANES < 10, "one digit");
	if (dest)
		return dest;
	if (hop->conf.kind == BACK_MAILDIR) {
		dest = dest_create(hop, DEST_MAILDIR, key);
	} else {
		dest = dest_create(hop, DEST_SMTP, key);
		dest->hosts = hosts_of_conf(&hop->conf);
	}
	join_pool(dest, hop->pools, lane);
	relay_live(hop->relay, dest);
	return dest;
}

struct dest *
dest_of_site(struct site *site, unsigned lane)
{
	char key[DEST_KEY_SIZE];
	struct dest *dest;

	(void)snprintf(key, sizeof(key), "%s/%u", site->key, lane);
	dest = find(site->hop, key);
	if (dest)
		return dest;
	dest = dest_create(site->hop, DEST_SITE, key);
	join_pool(dest, site->pools, lane);
	dest->site = site;
	site->users++;
	relay_live(site->hop->relay, dest);
	return dest;
}

bool
dest_busy(const struct dest *dest)
{
	return dest->conn_count > 0 || dest->task_count > 0 ||
	       dest->ready.count > 0 || dest->probe || dest->trouble ||
	       dest->releasing || !TAILQ_EMPTY(&dest->parked);
}

bool
dest_wants(struct dest *dest)
{
	return dest->ready.count > 0 && pacing_may_start(dest->pacing);
}

void
dest_check_unused(struct dest *dest)
{
	/* The caller may still hold it: the next tick frees it. */
	if (dest->job_count == 0 && dest->kind == DEST_SITE)
		relay_live(dest->hop->relay, dest);
}

/* --- hosts ---------------------------------------------------------------- */

/* A connection that opens is at an address that may be no more: it begins
 * anew. Those that are open stay. */
static void
close_opening(struct dest *dest)
{
	struct conn *conn, *next;

	for (conn = TAILQ_FIRST(&dest->conns); conn; conn = next) {
		next = conn_next(conn);
		if (conn_is_opening(conn))
			conn_close(&conn);
	}
}

static void
take_site_hosts(struct dest *dest)
{
	struct hostset *hosts;

	if (dest->hosts && dest->site_version == dest->site->version)
		return;
	close_opening(dest);
	hosts = hostset_copy(dest->site->hosts);
	if (dest->hosts)
		hostset_inherit(hosts, dest->hosts);
	hostset_destroy(&dest->hosts);
	dest->hosts = hosts;
	dest->site_version = dest->site->version;
}

/* When the first host may be tried; 0: now. */
static int64_t
hosts_back_ms(struct dest *dest)
{
	struct relay *relay = dest->hop->relay;
	int64_t now_ms = relay_now_ms(relay);

	if (dest->kind == DEST_SITE) {
		take_site_hosts(dest);
		dest_look_at_hosts(dest);
	}
	return hostset_back_ms(dest->hosts, now_ms);
}

void
dest_look_at_hosts(struct dest *dest)
{
	struct relay *relay = dest->hop->relay;
	int64_t now_ms = relay_now_ms(relay);

	for (size_t i = 0; i < dest->hosts->count; i++) {
		struct host *host = &dest->hosts->host[i];
		struct sock_addr addr = {.ip = host->ips[0],
					 .port = host->port};

		host->rest_until_ms =
		    hostmem_rest_ms(relay->hostmem, &addr, now_ms);
	}
}

/* --- what is ready -------------------------------------------------------- */

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

/* Back to the schedule. */
static void
fail_ready(struct dest *dest)
{
	struct delivery_peer peer = {.down = true};
	struct delivery *delivery;

	for (int i = 0; i < FAILS_A_TURN && take_ready(dest, &delivery); i++) {
		if (delivery)
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

/* --- connections ---------------------------------------------------------- */

/* A site whose addresses are old: one of its domains is asked about again,
 * and brings them along, or finds that it is elsewhere now. */
static void
ask_again(struct dest *dest)
{
	struct relay *relay = dest->hop->relay;
	int64_t now_ms = relay_now_ms(relay);
	struct job *job;

	if (now_ms < dest->site->next_ask_ms)
		return;
	dest->site->next_ask_ms = now_ms + STALE_ASK_MS;
	job = sched_take(relay->sched, &dest->ready);
	if (job)
		lookup_put(relay, job);
}

static uint32_t
pool_sum(const struct conn_pool *pool)
{
	return pool->conns[LANE_PERSONAL] + pool->conns[LANE_BULK] +
	       pool->conns[LANE_DSN];
}

/* Personal mail takes what the others leave; they have their share together,
 * and each of them one. */
static bool
has_share(const struct dest *dest)
{
	const struct conn_pool *pool = dest->pool;
	uint32_t max = dest->hop->conf.connection_max;

	return dest->lane == LANE_PERSONAL || pool->conns[dest->lane] == 0 ||
	       pool->conns[LANE_BULK] + pool->conns[LANE_DSN] <
		   settings_share(dest->hop->relay->settings, max);
}

/* Whether a lane of the pool has something to send and has less than is its
 * due. */
static bool
is_short(const struct conn_pool *pool, unsigned lane)
{
	const struct dest *dest = pool->dests[lane];
	uint32_t max;

	if (!dest || dest->ready.count == 0 || dest->opening_count > 0 ||
	    dest_is_down(dest))
		return false;
	if (lane != LANE_PERSONAL)
		return pool->conns[lane] == 0;
	max = dest->hop->conf.connection_max;
	return pool->conns[lane] == 0 ||
	       pool->conns[lane] +
		       settings_share(dest->hop->relay->settings, max) <
		   max;
}

bool
dest_must_yield(const struct dest *dest, uint64_t served)
{
	const struct conn_pool *pool = dest->pool;
	uint32_t max = dest->hop->conf.connection_max;

	if (pool_sum(pool) < max)
		return false;
	for (unsigned lane = 0; lane < LANES; lane++) {
		if (lane == dest->lane || !is_short(pool, lane))
			continue;
		if (pool->conns[dest->lane] > 1)
			return true;
		/* The last one of a lane is for all only where it must be. */
		if (lane == LANE_PERSONAL ? max == 1 : served >= YIELD_SERVED)
			return true;
	}
	return false;
}

/* A connection that another lane only keeps in case goes. */
static void
make_room(struct dest *dest)
{
	struct conn_pool *pool = dest->pool;

	if (pool_sum(pool) < dest->hop->conf.connection_max ||
	    !is_short(pool, dest->lane))
		return;
	for (unsigned lane = 0; lane < LANES; lane++) {
		struct conn *idle;

		if (lane == dest->lane || !pool->dests[lane])
			continue;
		idle = TAILQ_FIRST(&pool->dests[lane]->idle);
		if (!idle)
			continue;
		conn_close(&idle);
		return;
	}
}

static bool
may_open(const struct dest *dest)
{
	if (pool_sum(dest->pool) >= dest->hop->conf.connection_max ||
	    !has_share(dest) ||
	    !pacing_may_open(dest->pacing, dest->conn_count))
		return false;
	return dest->kind != DEST_SITE || dest->proven ||
	       dest->opening_count == 0;
}

static void
open_conns(struct dest *dest)
{
	make_room(dest);
	for (int i = 0; i < OPENS_A_TURN; i++) {
		if (dest->ready.count <= dest->opening_count ||
		    !dest_wants(dest) || !may_open(dest) ||
		    hosts_back_ms(dest) > 0 || !conn_slots_take(dest))
			break;
		conn_open(dest, 0);
	}
}

static void
run_conns(struct dest *dest)
{
	int64_t back_ms = hosts_back_ms(dest);

	if (dest->conn_count == 0 && back_ms > 0) {
		dest_down(dest, back_ms, NULL);
		return;
	}
	for (int i = 0; i < OPENS_A_TURN && dest_wants(dest); i++) {
		struct conn *conn = TAILQ_FIRST(&dest->idle);

		if (conn)
			conn_work(conn);
		else
			break;
	}
	if (dest->site && !site_is_fresh(dest->site))
		ask_again(dest);
	else
		open_conns(dest);
}

bool
dest_run(struct dest *dest)
{
	bool more = dest_release_parked(dest);

	if (dest->hop->relay->stopping || dest->ready.count == 0)
		return more;
	if (dest->hop->gone) {
		give_back(dest);
	} else if (!pacing_may_start(dest->pacing)) {
		return more; /* the tick comes back to it */
	} else if (dest_is_down(dest)) {
		fail_ready(dest);
	} else if (dest->kind == DEST_MAILDIR) {
		run_maildir(dest);
		return more || maildir_wants(dest);
	} else {
		run_conns(dest);
		return more || (dest_wants(dest) && !TAILQ_EMPTY(&dest->idle));
	}
	return more || dest->ready.count > 0;
}

/* --- once in a while ------------------------------------------------------ */

static bool
may_open_now(struct dest *dest)
{
	const struct relay *relay = dest->hop->relay;

	make_room(dest);
	return may_open(dest) && hosts_back_ms(dest) == 0 &&
	       conn_slots_has_room(relay->slots, dest->lane);
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
	if (ready && dest->opening_count == 0 && may_open_now(dest))
		conn_open(dest, known);
}

/* One that is still opening says nothing yet: taken for a sign of life it
 * would send all that waits into the next refusal. */
static bool
try_conns(struct dest *dest)
{
	if (dest->conn_count > dest->opening_count) {
		dest_up(dest);
		return true;
	}
	return dest->opening_count > 0;
}

/* It was down and its time is over: one goes ahead. */
static void
try_parked(struct dest *dest)
{
	if (TAILQ_EMPTY(&dest->parked) || dest->releasing ||
	    dest_is_down(dest) || !pacing_may_start(dest->pacing))
		return;
	switch (dest->kind) {
	case DEST_MAILDIR:
		if (dest->task_count == 0) {
			dest_unpark_first(dest);
			run_maildir(dest);
		}
		break;
	case DEST_SMTP:
		if (!try_conns(dest) && may_open_now(dest))
			conn_open(dest, 0);
		break;
	case DEST_SITE:
		/* The message itself: it waits for a slot as all do. */
		if (!try_conns(dest) && dest->ready.count == 0)
			dest_unpark_first(dest);
		break;
	case DEST_LOBBY:
	case DEST_GRAVE:
		break;
	}
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
	if (dest->kind == DEST_SMTP && dest->probe)
		probe(dest);
	try_parked(dest);
	if (dest->trouble && TAILQ_EMPTY(&dest->parked) &&
	    !dest_is_down(dest) && dest->opening_count == 0)
		dest_forget_trouble(dest);
	if (dest->ready.count > 0)
		relay_kick(relay, dest);
	if (dest_busy(dest) || pacing_matters(dest->pacing))
		return;
	TAILQ_REMOVE(&relay->live, dest, live_link);
	dest->live = false;
	if (dest->job_count == 0 && dest->kind == DEST_SITE)
		dest_destroy(dest);
}
