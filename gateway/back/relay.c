/*
 * The relay thread's turns: destinations that have something to do, jobs that
 * become due, the queue that is read back at start, flushes, settings that
 * change. (The end is stop.c.) Everything that can be long is done in slices,
 * so that the sockets get their turn in between.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/back/bulk.h"
#include "gateway/back/campaign_report.h"
#include "gateway/back/chores.h"
#include "gateway/back/conn_slots.h"
#include "gateway/back/days.h"
#include "gateway/back/delivery.h"
#include "gateway/back/feeder.h"
#include "gateway/back/held.h"
#include "gateway/back/hostmem.h"
#include "gateway/back/lookup.h"
#include "gateway/back/maildir.h"
#include "gateway/back/preflight.h"
#include "gateway/back/rebuild.h"
#include "gateway/back/relay.h"
#include "gateway/back/scanning.h"
#include "gateway/back/summary.h"
#include "gateway/back/weights.h"
#include "gateway/base/address.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define TICK_MS 200
#define DUE_A_TURN 1000
#define FLUSH_A_TURN 20000

struct flush_item {
	struct flush_item *next;
	uint64_t id;
	char *hop;
	struct slice domain;	    /* owned; key form */
	const struct domain *found; /* the same in the catalog, for a slice */
};

static void on_fill(void *arg);

int64_t
relay_now_ms(const struct relay *relay)
{
	return loop_now_ms(relay->loop);
}

/* --- destinations --------------------------------------------------------- */

static void
on_run(void *arg)
{
	struct relay *relay = arg;
	struct dest_list now;
	struct dest *dest;

	relay->run_op = NULL;
	TAILQ_INIT(&now);
	TAILQ_CONCAT(&now, &relay->runnable, run_link);
	while ((dest = TAILQ_FIRST(&now)) != NULL) {
		TAILQ_REMOVE(&now, dest, run_link);
		dest->runnable = false;
		if (dest_run(dest))
			relay_kick(relay, dest);
	}
	conn_slots_serve(relay->slots);
}

void
relay_run_soon(struct relay *relay)
{
	if (!relay->run_op)
		relay->run_op = timer_start(relay->loop, 0, on_run, relay);
}

void
relay_kick(struct relay *relay, struct dest *dest)
{
	relay_live(relay, dest);
	if (!dest->runnable) {
		dest->runnable = true;
		TAILQ_INSERT_TAIL(&relay->runnable, dest, run_link);
	}
	relay_run_soon(relay);
}

void
relay_live(struct relay *relay, struct dest *dest)
{
	if (dest->live)
		return;
	dest->live = true;
	TAILQ_INSERT_TAIL(&relay->live, dest, live_link);
}

/* --- jobs that become due, flushes, the queue at start -------------------- */

static void
job_due(struct relay *relay, struct job *job)
{
	dest_unpark(job);
	mail_place(relay, job);
}

/* True: there are more. */
static bool
take_due(struct relay *relay)
{
	int64_t now_wall_s = clock_wall_s();

	for (int i = 0; i < DUE_A_TURN; i++) {
		struct job *job = sched_due(relay->sched, now_wall_s);

		if (!job)
			return false;
		job_due(relay, job);
	}
	return true;
}

static bool
flush_match(const void *arg, const struct job *job)
{
	const struct flush_item *flush = arg;

	if (flush->id != 0 && job->id != flush->id)
		return false;
	if (flush->hop && strcmp(flush->hop, job->dest->hop->conf.name) != 0)
		return false;
	return !flush->domain.p || job_has_domain(job, flush->found);
}

static void
flush_free(struct flush_item *flush)
{
	free(flush->hop);
	free((char *)flush->domain.p);
	free(flush);
}

static bool
do_flush(struct relay *relay)
{
	struct flush_item *flush = relay->flushes;

	if (!flush)
		return false;
	if (!sched_flushing(relay->sched))
		sched_flush_begin(relay->sched);
	flush->found = catalog_find_domain(relay->catalog, flush->domain);
	if (!sched_flush_slice(relay->sched, FLUSH_A_TURN, clock_wall_s(),
			       flush_match, flush)) {
		relay->flushes = flush->next;
		flush_free(flush);
	}
	return true;
}

void
relay_fill_soon(struct relay *relay)
{
	/* At the end nobody would free it. */
	if (!relay->fill_op && !relay->stopping)
		relay->fill_op = timer_start(relay->loop, 0, on_fill, relay);
}

static void
on_fill(void *arg)
{
	struct relay *relay = arg;
	bool more;

	relay->fill_op = NULL;
	if (relay->stopping)
		return;
	more = do_flush(relay);
	more |= take_due(relay);
	more |= rebuild_slice(relay);
	more |= lookup_slice(relay);
	more |= summary_slice(relay);
	more |= feeder_slice(relay);
	more |= chores_slice(relay);
	more |= scanning_slice(relay);
	if (more)
		relay_fill_soon(relay);
}

void
relay_flush(struct relay *relay, const struct back_flush *what)
{
	struct flush_item *flush = mem_zalloc(sizeof(*flush));
	struct flush_item **last = &relay->flushes;
	struct dest *dest;
	struct buf key;

	flush->id = what->id;
	flush->hop = mem_strdup(what->hop);
	if (what->domain) {
		buf_init(&key, 1024);
		address_domain_key(&key, slice_str(what->domain));
		flush->domain = slice_of(slice_dup(buf_slice(&key)), key.n);
		buf_fini(&key);
	}
	while (*last)
		last = &(*last)->next;
	*last = flush;
	for (dest = TAILQ_FIRST(&relay->live); dest;
	     dest = TAILQ_NEXT(dest, live_link)) {
		if (!flush->hop ||
		    strcmp(flush->hop, dest->hop->conf.name) == 0)
			dest_forgive(dest);
	}
	hostmem_forgive(relay->hostmem);
	lookup_flush(relay, flush->domain);
	relay_fill_soon(relay);
}

void
relay_drop_flushes(struct relay *relay)
{
	while (relay->flushes) {
		struct flush_item *flush = relay->flushes;

		relay->flushes = flush->next;
		flush_free(flush);
	}
}

/* --- the tick ------------------------------------------------------------- */

static void
bury_hops(struct relay *relay)
{
	struct hop *hop, *next;

	for (hop = TAILQ_FIRST(&relay->gone_hops); hop; hop = next) {
		next = TAILQ_NEXT(hop, link);
		if (!hop_unused(hop))
			continue;
		TAILQ_REMOVE(&relay->gone_hops, hop, link);
		hop_destroy(&hop);
	}
}

static void
on_tick(void *arg)
{
	struct relay *relay = arg;
	struct dest *dest, *next;

	relay->tick_op = timer_start(relay->loop, TICK_MS, on_tick, relay);
	for (dest = TAILQ_FIRST(&relay->live); dest; dest = next) {
		next = TAILQ_NEXT(dest, live_link);
		dest_tick(dest);
	}
	if (!relay->stopping) {
		lookup_tick(relay);
		summary_tick(relay);
		feeder_tick(relay);
		conn_slots_tick(relay->slots);
		scanning_tick(relay);
		days_tick(relay->days, clock_wall_s());
	}
	bury_hops(relay);
	outcome_tick(relay);
	stat_rotate(relay->stats, relay_now_ms(relay));
	atomic_store(&relay->stats->oldest_wall_s,
		     age_oldest_wall_s(relay->age));
	board_publish(relay);
	if (!relay->stopping &&
	    (take_due(relay) || relay->flushes || relay->rebuild))
		relay_fill_soon(relay);
}

/* --- settings ------------------------------------------------------------- */

static struct hop *
find_hop(struct relay *relay, size_t count, const struct back_hop *conf)
{
	for (size_t i = 0; i < count; i++) {
		struct hop *hop = relay->hops[i];

		if (hop && settings_hop_same(&hop->conf, conf)) {
			relay->hops[i] = NULL;
			return hop;
		}
	}
	return NULL;
}

static void
make_hops(struct relay *relay, size_t old_count)
{
	const struct settings *settings = relay->settings;
	size_t count = settings->conf.hop_count;
	struct hop **hops = mem_array(count + 1, sizeof(struct hop *));

	for (size_t i = 0; i < count; i++) {
		hops[i] = find_hop(relay, old_count, &settings->conf.hops[i]);
		if (!hops[i])
			hops[i] = hop_create(relay, &settings->conf.hops[i],
					     settings->tls[i]);
	}
	for (size_t i = 0; i < old_count; i++) {
		if (!relay->hops[i])
			continue;
		TAILQ_INSERT_TAIL(&relay->gone_hops, relay->hops[i], link);
		hop_leave(relay->hops[i]);
	}
	free(relay->hops);
	relay->hops = hops;
}

static struct dns_opts
dns_opts_of(const struct relay *relay)
{
	struct dns_opts opts = relay->settings->conf.dns;

	opts.cache = relay->dns_cache;
	return opts;
}

void
relay_apply(struct relay *relay, struct settings **settings)
{
	struct settings *old = relay->settings;
	struct dns_opts dns;
	int err;

	relay->settings = *settings;
	*settings = NULL;
	relay->generation++;
	dns = dns_opts_of(relay);
	err = dns_reconfigure(relay->dns, &dns);
	if (err != 0)
		log_event(GW_LOG_ERROR, "dns", LF_ERR(err));
	make_hops(relay, old->conf.hop_count);
	weights_apply(relay->weights, &relay->settings->conf);
	settings_destroy(&old);
	board_publish(relay);
}

/* --- the beginning -------------------------------------------------------- */

int
relay_start(struct relay *relay)
{
	struct dns_opts dns = dns_opts_of(relay);

	TAILQ_INIT(&relay->gone_hops);
	TAILQ_INIT(&relay->runnable);
	TAILQ_INIT(&relay->live);
	TAILQ_INIT(&relay->failed_outcomes);
	relay->sched = sched_create();
	relay->catalog = catalog_create();
	relay->held = held_create();
	relay->feeder = feeder_create(relay);
	relay->chores = chores_create();
	relay->scanning = scanning_create(relay);
	relay->age = mem_zalloc(sizeof(*relay->age));
	relay->lookups = lookups_create();
	relay->summaries = summaries_create();
	relay->reports = campaign_reports_create(relay);
	relay->preflights = preflights_create(relay);
	relay->bulk = bulk_create();
	relay->days = days_create(relay, clock_wall_s());
	relay->weights = weights_create();
	weights_apply(relay->weights, &relay->settings->conf);
	relay->hostmem = hostmem_create(0);
	relay->slots = conn_slots_create(relay);
	relay->dns = dns_create(relay->loop, &dns);
	if (!relay->dns)
		return GW_EINVAL;
	relay->maildir = maildir_create(relay);
	make_hops(relay, 0);
	rebuild_begin(relay);
	relay->tick_op = timer_start(relay->loop, 0, on_tick, relay);
	relay_fill_soon(relay);
	board_publish(relay);
	return 0;
}
