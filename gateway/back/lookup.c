/*
 * Who waits for what DNS says, and what becomes of them when it has spoken.
 * The question and the answer are lookup_ask.c's; here jobs are moved.
 *
 * Invariant: a lookup stands in exactly one list of struct lookups, by its
 * state; it has jobs unless it is idle. A job that waits here belongs to its
 * hop's lobby.
 *
 * A thousand domains of one message are a thousand lookups: they are kept
 * small, asked in slices, and bounded under way by dns/, which answers "busy"
 * to what is too much; then they wait here, which costs no socket.
 */
#include "gateway/back/lookup_int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/delivery.h"
#include "gateway/back/feeder.h"
#include "gateway/back/held.h"
#include "gateway/back/retry.h"
#include "gateway/back/summary.h"
#include "gateway/base/clock.h"
#include "gateway/base/mem.h"

#define ASKS_A_SLICE 100
#define PASSES_A_SLICE 500
#define FAILS_A_SLICE 32
#define PRUNES_A_TICK 1000

struct lookups *
lookups_create(void)
{
	struct lookups *lookups = mem_zalloc(sizeof(*lookups));

	for (int i = 0; i < LOOKUP_STATES; i++)
		TAILQ_INIT(&lookups->lists[i]);
	return lookups;
}

void
lookups_destroy(struct lookups **lookups)
{
	if (!*lookups)
		return;
	for (int i = 0; i < LOOKUP_STATES; i++)
		assert(TAILQ_EMPTY(&(*lookups)->lists[i]));
	free(*lookups);
	*lookups = NULL;
}

/* --- lookups -------------------------------------------------------------- */

static void
list_add(struct lookup *lookup, enum lookup_state state)
{
	struct lookups *lookups = lookup_relay(lookup)->lookups;

	lookup->state = state;
	TAILQ_INSERT_TAIL(&lookups->lists[state], lookup, link);
	lookups->idle_count += state == LOOKUP_IDLE;
	lookup->counted = state == LOOKUP_ASKED && lookup->bulk;
	lookups->bulk_asked += lookup->counted;
}

static void
list_remove(struct lookup *lookup)
{
	struct lookups *lookups = lookup_relay(lookup)->lookups;

	TAILQ_REMOVE(&lookups->lists[lookup->state], lookup, link);
	lookups->idle_count -= lookup->state == LOOKUP_IDLE;
	lookups->bulk_asked -= lookup->counted;
	if (lookup->counted && !TAILQ_EMPTY(&lookups->lists[LOOKUP_BEHIND]))
		relay_fill_soon(lookup_relay(lookup));
	lookup->counted = false;
}

void
lookup_set_state(struct lookup *lookup, enum lookup_state state)
{
	list_remove(lookup);
	list_add(lookup, state);
	if (state == LOOKUP_QUEUED || state == LOOKUP_BEHIND ||
	    state == LOOKUP_ANSWERED)
		relay_fill_soon(lookup_relay(lookup));
}

/* A campaign's domains are asked about behind those of everybody else, and a
 * few at once. */
static void
queue_up(struct lookup *lookup)
{
	lookup_set_state(lookup, lookup->bulk ? LOOKUP_BEHIND : LOOKUP_QUEUED);
}

static struct lookup *
lookup_get(struct hop *hop, struct slice domain)
{
	struct lookup *lookup;

	HASH_FIND(hh, hop->lookups, domain.p, domain.n, lookup);
	if (lookup)
		return lookup;
	lookup = mem_zalloc(sizeof(*lookup) + domain.n + 1);
	if (domain.n > 0)
		memcpy(lookup->domain, domain.p, domain.n);
	lookup->hop = hop;
	TAILQ_INIT(&lookup->jobs);
	HASH_ADD_KEYPTR(hh, hop->lookups, lookup->domain, domain.n, lookup);
	list_add(lookup, LOOKUP_IDLE);
	return lookup;
}

void
lookup_forget_trouble(struct lookup *lookup)
{
	if (lookup->trouble)
		free((char *)lookup->trouble->text.p);
	free(lookup->trouble);
	lookup->trouble = NULL;
}

static void
lookup_drop(struct lookup *lookup)
{
	lookup_stop_asking(lookup);
	list_remove(lookup);
	lookup_forget_trouble(lookup);
	site_unuse(&lookup->site);
	HASH_DEL(lookup->hop->lookups, lookup);
	free(lookup);
}

/* Nobody waits any more. Only an answer that says where to is worth keeping. */
static void
settle(struct lookup *lookup)
{
	lookup_stop_asking(lookup);
	lookup_forget_trouble(lookup);
	if (lookup->site)
		lookup_set_state(lookup, LOOKUP_IDLE);
	else
		lookup_drop(lookup);
}

/* --- jobs come and go ----------------------------------------------------- */

/* The first job's login pays for the question: what waits because of one that
 * asks too much is asked at once in the name of another who comes. */
static void
ask_for_newcomer(struct lookup *lookup, struct job *job)
{
	const struct job *first = TAILQ_FIRST(&lookup->jobs);

	if (lookup->state != LOOKUP_BUSY ||
	    first->source->sender == job->source->sender)
		return;
	TAILQ_REMOVE(&lookup->jobs, job, link);
	TAILQ_INSERT_HEAD(&lookup->jobs, job, link);
	queue_up(lookup);
}

static void
lookup_add(struct lookup *lookup, struct job *job)
{
	struct relay *relay = lookup_relay(lookup);

	mail_move(relay, job, lookup->hop->lobby);
	job->state = JOB_ASKED;
	job->lookup = lookup;
	TAILQ_INSERT_TAIL(&lookup->jobs, job, link);
	stat_add(&relay->stats->undecided, job->rcpt_count);
	summary_expect(relay, job->id);
	if (lookup->state == LOOKUP_IDLE)
		lookup->bulk = true;
	lookup->bulk &= job->lane == LANE_BULK;
	if (lookup->state == LOOKUP_IDLE ||
	    (lookup->state == LOOKUP_BEHIND && !lookup->bulk))
		queue_up(lookup);
	ask_for_newcomer(lookup, job);
}

/* The lookup is left to the caller. */
static void
unlink_job(struct job *job)
{
	struct lookup *lookup = job->lookup;

	TAILQ_REMOVE(&lookup->jobs, job, link);
	stat_sub(&lookup_relay(lookup)->stats->undecided, job->rcpt_count);
	job->state = JOB_ACTIVE;
	job->due_wall_s = 0;
}

void
lookup_remove(struct relay *relay, struct job *job)
{
	struct lookup *lookup = job->lookup;

	unlink_job(job);
	summary_passed(relay, job->id);
	if (TAILQ_EMPTY(&lookup->jobs))
		settle(lookup);
}

static void
pass(struct lookup *lookup, struct job *job)
{
	struct relay *relay = lookup_relay(lookup);
	struct dest *dest = lookup_is_mx(lookup)
				? dest_of_site(lookup->site, job->lane)
				: dest_of_lane(lookup->hop, job->lane);

	mail_move(relay, job, dest);
	if (!feeder_takes_aside(relay, job))
		mail_ready(relay, job);
}

/* The hop is no more: by way of its lobby the job is routed anew. */
static void
give_back(struct hop *hop, struct job *job)
{
	struct relay *relay = hop->relay;

	mail_move(relay, job, hop->lobby);
	sched_ready(relay->sched, &hop->lobby->ready, job, false);
	relay_kick(relay, hop->lobby);
}

void
lookup_put(struct relay *relay, struct job *job)
{
	struct hop *hop = job->dest->hop;
	struct slice domain = job_domains(job)[0].domain->name;
	struct lookup *lookup;

	assert(job->domain_count == 1);
	if (hop->gone) {
		give_back(hop, job);
		return;
	}
	/* Nobody asks for what is not to be sent anyway. */
	if (!gate_pass(relay, &job, NULL))
		return;
	lookup = lookup_get(hop, domain);
	if (lookup->state == LOOKUP_IDLE && lookup_is_known(lookup)) {
		pass(lookup, job);
		settle(lookup);
	} else {
		lookup_add(lookup, job);
	}
}

/* --- working off ---------------------------------------------------------- */

static void
defer(struct lookup *lookup, struct job *job)
{
	struct dest *lobby = lookup->hop->lobby;
	struct delivery_peer peer = {0};
	uint64_t id = job->id;
	struct delivery *delivery = delivery_begin(lobby, &job);

	if (delivery)
		delivery_end_all(&delivery, lookup->trouble, &peer);
	summary_passed(lobby->hop->relay, id);
}

/* Returns what it took of a slice's budget. */
static uint32_t
work_off(struct lookup *lookup, struct job *job)
{
	struct relay *relay = lookup_relay(lookup);
	struct summary_doom doom = {
	    .result = lookup->trouble, .expected = true, .fact = lookup->fact};

	unlink_job(job);
	if (!lookup->trouble) {
		summary_passed(relay, job->id);
		pass(lookup, job);
		return 1;
	}
	/* Who expires bounces too: no report for each. */
	if (lookup->trouble->fate == FATE_BOUNCED ||
	    retry_expired(settings_lane(relay->settings, job->lane),
			  job->accepted_wall_s, clock_wall_s())) {
		summary_add(relay, job, &doom);
		return 1;
	}
	defer(lookup, job);
	return PASSES_A_SLICE / FAILS_A_SLICE;
}

static bool
work_off_slice(struct lookups *lookups)
{
	struct lookup_list *list = &lookups->lists[LOOKUP_ANSWERED];
	struct lookup *lookup;
	uint32_t spent = 0;

	while ((lookup = TAILQ_FIRST(list)) != NULL) {
		struct job *job = TAILQ_FIRST(&lookup->jobs);

		if (!job) {
			settle(lookup);
			continue;
		}
		if (spent >= PASSES_A_SLICE)
			return true;
		spent += work_off(lookup, job);
	}
	return false;
}

static bool
may_ask_behind(const struct relay *relay)
{
	const struct lookups *lookups = relay->lookups;

	return !TAILQ_EMPTY(&lookups->lists[LOOKUP_BEHIND]) &&
	       lookups->bulk_asked < relay->settings->conf.bulk.lookups;
}

bool
lookup_slice(struct relay *relay)
{
	struct lookups *lookups = relay->lookups;
	struct lookup_list *queued = &lookups->lists[LOOKUP_QUEUED];
	bool more = work_off_slice(lookups);

	for (int i = 0; i < ASKS_A_SLICE && !TAILQ_EMPTY(queued); i++)
		lookup_ask(TAILQ_FIRST(queued));
	for (int i = 0; i < ASKS_A_SLICE && may_ask_behind(relay); i++)
		lookup_ask(TAILQ_FIRST(&lookups->lists[LOOKUP_BEHIND]));
	return more || !TAILQ_EMPTY(queued) || may_ask_behind(relay) ||
	       !TAILQ_EMPTY(&lookups->lists[LOOKUP_ANSWERED]);
}

/* --- once in a while ------------------------------------------------------ */

/* Who was used least of late goes; those whose time is over a day later. */
static void
prune(struct relay *relay)
{
	struct lookups *lookups = relay->lookups;
	int64_t now_ms = relay_now_ms(relay);

	for (int i = 0; i < PRUNES_A_TICK; i++) {
		struct lookup *lookup =
		    TAILQ_FIRST(&lookups->lists[LOOKUP_IDLE]);

		if (!lookup || (lookups->idle_count <= LOOKUP_IDLE_MAX &&
				now_ms < lookup->until_ms + LOOKUP_STALE_MS))
			return;
		lookup_drop(lookup);
	}
}

void
lookup_tick(struct relay *relay)
{
	int64_t now_ms = relay_now_ms(relay);
	struct lookup *lookup, *next;

	for (lookup = TAILQ_FIRST(&relay->lookups->lists[LOOKUP_BUSY]); lookup;
	     lookup = next) {
		next = TAILQ_NEXT(lookup, link);
		if (lookup->again_ms <= now_ms)
			queue_up(lookup);
	}
	prune(relay);
}

/* --- from outside --------------------------------------------------------- */

/* What is under way is asked anew: it may be allowed by now. A host may have
 * another address. */
static void
flush_one(struct lookup *lookup)
{
	if (lookup->site)
		site_expire(lookup->site);
	if (lookup->state == LOOKUP_ASKED || lookup->state == LOOKUP_BUSY) {
		lookup_stop_asking(lookup);
		queue_up(lookup);
	} else if (lookup->state == LOOKUP_IDLE) {
		lookup_drop(lookup);
	}
}

static void
flush_hop(struct hop *hop, struct slice domain)
{
	struct lookup *lookup, *next;
	struct site *site;

	if (domain.p) {
		HASH_FIND(hh, hop->lookups, domain.p, domain.n, lookup);
		if (lookup)
			flush_one(lookup);
		return;
	}
	for (lookup = hop->lookups; lookup; lookup = next) {
		next = lookup->hh.next;
		flush_one(lookup);
	}
	for (site = hop->sites; site; site = site->hh.next)
		site_expire(site);
}

void
lookup_flush(struct relay *relay, struct slice domain)
{
	for (size_t i = 0; i < relay->settings->conf.hop_count; i++)
		flush_hop(relay->hops[i], domain);
}

struct job *
lookup_drain(struct hop *hop)
{
	while (hop->lookups) {
		struct job *job = TAILQ_FIRST(&hop->lookups->jobs);

		if (job) {
			lookup_remove(hop->relay, job);
			return job;
		}
		lookup_drop(hop->lookups);
	}
	return NULL;
}

void
lookup_drop_all(struct hop *hop)
{
	while (hop->lookups)
		lookup_drop(hop->lookups);
}

void
lookup_leave(struct hop *hop)
{
	struct relay *relay = hop->relay;
	struct lookup *lookup, *next;

	for (lookup = hop->lookups; lookup; lookup = next) {
		struct job *job;

		next = lookup->hh.next;
		while ((job = TAILQ_FIRST(&lookup->jobs)) != NULL) {
			unlink_job(job);
			summary_passed(relay, job->id);
			give_back(hop, job);
		}
		lookup_drop(lookup);
	}
}
