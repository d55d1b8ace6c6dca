/*
 * Asks DNS for those who wait, and sends them on. What an answer means for a
 * recipient is policy's and result.c's; here it moves jobs.
 *
 * Invariant: a lookup stands in exactly one list of struct lookups, by its
 * state; it has jobs unless it is idle. A job that waits here belongs to its
 * hop's lobby.
 *
 * A thousand domains of one message are a thousand lookups: they are kept
 * small, asked in slices, and bounded under way by dns/, which answers "busy"
 * to what is too much; then they wait here, which costs no socket.
 */
#include "gateway/back/lookup.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dns/domain.h"
#include "gateway/back/delivery.h"
#include "gateway/back/held.h"
#include "gateway/back/retry.h"
#include "gateway/back/site.h"
#include "gateway/back/summary.h"
#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"
#include "policy/domains.h"

#define ASKS_A_SLICE 100
#define PASSES_A_SLICE 500
#define FAILS_A_SLICE 32
#define PRUNES_A_TICK 1000
#define BUSY_MS 2000 /* and as much again by chance */
#define STALE_MS ((int64_t)86400000)

enum lookup_state {
	LOOKUP_IDLE,	 /* nobody waits; the site is kept */
	LOOKUP_QUEUED,	 /* to be asked */
	LOOKUP_ASKED,	 /* under way */
	LOOKUP_BUSY,	 /* a cap of ours: again later */
	LOOKUP_ANSWERED, /* to be worked off */
	LOOKUP_STATES
};

struct lookup {
	UT_hash_handle hh;
	TAILQ_ENTRY(lookup) link;
	struct hop *hop;
	struct job_list jobs;
	struct dns_domain_op *domain_op;
	struct dns_targets_op *targets_op; /* without a cache of verdicts */
	struct site *site;		   /* MX: where it was, last */
	struct result *trouble; /* ANSWERED: NULL is good; text is owned */
	int64_t until_ms;	/* site holds */
	int64_t again_ms;	/* BUSY */
	enum lookup_state state;
	bool fact; /* ANSWERED: a dead domain, as DNS says */
	char domain[];
};

TAILQ_HEAD(lookup_list, lookup);

struct lookups {
	struct lookup_list lists[LOOKUP_STATES];
	uint32_t idle_count;
};

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

static struct relay *
relay_of(const struct lookup *lookup)
{
	return lookup->hop->relay;
}

static bool
is_mx(const struct lookup *lookup)
{
	return lookup->hop->conf.kind == BACK_MX;
}

/* --- lookups -------------------------------------------------------------- */

static void
list_add(struct lookup *lookup, enum lookup_state state)
{
	struct lookups *lookups = relay_of(lookup)->lookups;

	lookup->state = state;
	TAILQ_INSERT_TAIL(&lookups->lists[state], lookup, link);
	lookups->idle_count += state == LOOKUP_IDLE;
}

static void
list_remove(struct lookup *lookup)
{
	struct lookups *lookups = relay_of(lookup)->lookups;

	TAILQ_REMOVE(&lookups->lists[lookup->state], lookup, link);
	lookups->idle_count -= lookup->state == LOOKUP_IDLE;
}

static void
set_state(struct lookup *lookup, enum lookup_state state)
{
	list_remove(lookup);
	list_add(lookup, state);
	if (state == LOOKUP_QUEUED || state == LOOKUP_ANSWERED)
		relay_fill_soon(relay_of(lookup));
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

static void
forget_trouble(struct lookup *lookup)
{
	if (lookup->trouble)
		free((char *)lookup->trouble->text.p);
	free(lookup->trouble);
	lookup->trouble = NULL;
}

static void
stop_asking(struct lookup *lookup)
{
	dns_domain_cancel(&lookup->domain_op);
	dns_targets_cancel(&lookup->targets_op);
}

static void
lookup_drop(struct lookup *lookup)
{
	stop_asking(lookup);
	list_remove(lookup);
	forget_trouble(lookup);
	site_unuse(&lookup->site);
	HASH_DEL(lookup->hop->lookups, lookup);
	free(lookup);
}

/* Nobody waits any more. Only an answer that says where to is worth keeping. */
static void
settle(struct lookup *lookup)
{
	stop_asking(lookup);
	forget_trouble(lookup);
	if (lookup->site)
		set_state(lookup, LOOKUP_IDLE);
	else
		lookup_drop(lookup);
}

/* --- jobs come and go ----------------------------------------------------- */

static void
lookup_add(struct lookup *lookup, struct job *job)
{
	struct relay *relay = relay_of(lookup);

	mail_move(relay, job, lookup->hop->lobby);
	job->state = JOB_ASKED;
	job->lookup = lookup;
	TAILQ_INSERT_TAIL(&lookup->jobs, job, link);
	stat_add(&relay->stats->undecided, job->rcpt_count);
	summary_expect(relay, job->id);
	if (lookup->state == LOOKUP_IDLE)
		set_state(lookup, LOOKUP_QUEUED);
}

/* The lookup is left to the caller. */
static void
unlink_job(struct job *job)
{
	struct lookup *lookup = job->lookup;

	TAILQ_REMOVE(&lookup->jobs, job, link);
	stat_sub(&relay_of(lookup)->stats->undecided, job->rcpt_count);
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
	struct relay *relay = relay_of(lookup);
	struct dest *dest = is_mx(lookup)
				? dest_of_site(lookup->site, job->lane)
				: dest_of_lane(lookup->hop, job->lane);

	mail_move(relay, job, dest);
	sched_ready(relay->sched, &dest->ready, job, false);
	relay_kick(relay, dest);
}

/* --- what needs no question ----------------------------------------------- */

static bool
is_exempt(const struct relay *relay, struct slice domain)
{
	return !relay->domains ||
	       !domains_asks(relay->domains, domain, clock_wall_s());
}

/* A next hop of the administrator's takes what is known to be good. */
static bool
is_fine(const struct relay *relay, struct slice domain)
{
	struct domain_fact fact;

	if (!relay->dns_cache || is_exempt(relay, domain))
		return true;
	return dns_domain_known(relay->dns, domain, clock_wall_s(), &fact) &&
	       fact.verdict == DOMAIN_DELIVERABLE;
}

static bool
has_site(const struct lookup *lookup)
{
	return lookup->site && lookup->state == LOOKUP_IDLE &&
	       relay_now_ms(relay_of(lookup)) < lookup->until_ms;
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
	if (lookup->state != LOOKUP_IDLE) {
		lookup_add(lookup, job);
	} else if (is_mx(lookup) ? has_site(lookup) : is_fine(relay, domain)) {
		pass(lookup, job);
		settle(lookup);
	} else {
		lookup_add(lookup, job);
	}
}

/* --- answers -------------------------------------------------------------- */

static void
answer(struct lookup *lookup, const struct result *trouble)
{
	forget_trouble(lookup);
	if (trouble) {
		lookup->trouble = mem_zalloc(sizeof(*lookup->trouble));
		*lookup->trouble = *trouble;
		lookup->trouble->text = slice_str(slice_dup(trouble->text));
	}
	set_state(lookup, LOOKUP_ANSWERED);
}

static void
answer_none(struct lookup *lookup)
{
	struct result result;

	result_of_domain(&result, DOMAIN_UNROUTABLE, DOMAIN_WHY_NOT_PUBLIC);
	answer(lookup, &result);
}

static void
answer_site(struct lookup *lookup, const struct dns_targets *targets,
	    bool filter)
{
	struct site *site =
	    targets ? site_use(lookup->hop, targets, filter) : NULL;

	if (!site) {
		answer_none(lookup);
		return;
	}
	site_unuse(&lookup->site);
	lookup->site = site;
	lookup->until_ms =
	    relay_now_ms(relay_of(lookup)) + site_hold_ms(targets->ttl_s);
	answer(lookup, NULL);
}

/* The resolver gives nothing: where it was of late is good for a while. */
static void
answer_unknown(struct lookup *lookup, const char *text)
{
	struct result result;

	if (lookup->site &&
	    relay_now_ms(relay_of(lookup)) < lookup->until_ms + STALE_MS) {
		site_stretch(lookup->site);
		answer(lookup, NULL);
		return;
	}
	result_set(&result, FATE_DEFERRED, "4.4.3", text);
	answer(lookup, &result);
}

static void
wait_busy(struct lookup *lookup)
{
	uint16_t chance;

	secret_random(&chance, sizeof(chance));
	lookup->again_ms =
	    relay_now_ms(relay_of(lookup)) + BUSY_MS + chance % BUSY_MS;
	set_state(lookup, LOOKUP_BUSY);
}

static void
answer_refused(struct lookup *lookup, const struct domain_fact *fact)
{
	struct domains *domains = relay_of(lookup)->domains;
	struct reply reply;
	struct result result;

	result_of_domain(&result, fact->verdict, fact->reason);
	if (domains &&
	    domains_refusal(domains, fact, slice_str(lookup->domain), &reply))
		result_set(&result, FATE_BOUNCED, reply.enhanced, reply.text);
	lookup->fact = fact->verdict != DOMAIN_UNROUTABLE;
	answer(lookup, &result);
}

static void
on_targets(void *arg, const struct dns_targets *targets)
{
	struct lookup *lookup = arg;
	struct result result;

	lookup->targets_op = NULL;
	switch (targets->status) {
	case TARGETS_OK:
		answer_site(lookup, targets, true);
		return;
	case TARGETS_UNKNOWN:
		answer_unknown(lookup, targets->text);
		return;
	case TARGETS_NO_DOMAIN:
		result_set(&result, FATE_BOUNCED, "5.1.2", targets->text);
		break;
	case TARGETS_NULL_MX:
		result_set(&result, FATE_BOUNCED, "5.1.10", targets->text);
		break;
	case TARGETS_NONE:
		result_set(&result, FATE_BOUNCED, "5.4.4", targets->text);
		break;
	}
	answer(lookup, &result);
}

/* Where to, whatever kind of name it is. */
static void
ask_targets(struct lookup *lookup)
{
	struct relay *relay = relay_of(lookup);
	struct dns_targets_req req = {
	    .domain = lookup->domain,
	    .kind = TARGET_MX,
	    .v6 = true,
	    .self = relay->settings->conf.hostname,
	};

	lookup->targets_op =
	    dns_targets_start(relay->dns, &req, on_targets, lookup);
}

static void
on_domain(void *arg, const struct dns_domain_result *result)
{
	struct lookup *lookup = arg;
	const struct domain_fact *fact = &result->fact;

	lookup->domain_op = NULL;
	switch (fact->verdict) {
	case DOMAIN_DELIVERABLE:
		if (is_mx(lookup))
			answer_site(lookup, result->targets, false);
		else
			answer(lookup, NULL);
		return;
	case DOMAIN_DEAD:
	case DOMAIN_REFUSES:
	case DOMAIN_RESERVED:
	case DOMAIN_UNROUTABLE:
		answer_refused(lookup, fact);
		return;
	case DOMAIN_UNKNOWN:
	case DOMAIN_VERDICTS:
		break;
	}
	if (fact->reason == DOMAIN_WHY_BUSY)
		wait_busy(lookup);
	else
		answer_unknown(lookup, result->text);
}

/* Whose budget it takes. What DNS had an answer for at RCPT is nobody's. */
static const char *
owner_of(const struct lookup *lookup)
{
	const struct job *job = TAILQ_FIRST(&lookup->jobs);
	const char *cred = job->source->sender->cred;

	return job->undecided && cred[0] != '\0' ? cred : NULL;
}

static void
ask(struct lookup *lookup)
{
	struct relay *relay = relay_of(lookup);
	bool exempt = is_exempt(relay, slice_str(lookup->domain));
	struct dns_domain_req req = {
	    .domain = lookup->domain,
	    .owner = owner_of(lookup),
	    .targets = is_mx(lookup),
	    .exempt = exempt,
	    .fresh = exempt, /* whatever was said before it was allowed */
	};

	lookup->fact = false;
	if (!is_mx(lookup) && (exempt || !relay->dns_cache)) {
		answer(lookup, NULL);
		return;
	}
	set_state(lookup, LOOKUP_ASKED);
	if (relay->dns_cache)
		lookup->domain_op =
		    dns_domain_start(relay->dns, &req, on_domain, lookup);
	else
		ask_targets(lookup);
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
	struct relay *relay = relay_of(lookup);
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
	    retry_expired(&relay->settings->conf, job->accepted_wall_s,
			  clock_wall_s())) {
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

bool
lookup_slice(struct relay *relay)
{
	struct lookups *lookups = relay->lookups;
	struct lookup_list *queued = &lookups->lists[LOOKUP_QUEUED];
	bool more = work_off_slice(lookups);

	for (int i = 0; i < ASKS_A_SLICE && !TAILQ_EMPTY(queued); i++)
		ask(TAILQ_FIRST(queued));
	return more || !TAILQ_EMPTY(queued) ||
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
				now_ms < lookup->until_ms + STALE_MS))
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
			set_state(lookup, LOOKUP_QUEUED);
	}
	prune(relay);
}

/* --- from outside --------------------------------------------------------- */

/* What is under way is asked anew: it may be allowed by now. */
static void
flush_one(struct lookup *lookup)
{
	if (lookup->state == LOOKUP_ASKED || lookup->state == LOOKUP_BUSY) {
		stop_asking(lookup);
		set_state(lookup, LOOKUP_QUEUED);
	} else if (lookup->state == LOOKUP_IDLE) {
		lookup_drop(lookup);
	}
}

static void
flush_hop(struct hop *hop, struct slice domain)
{
	struct lookup *lookup, *next;

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
