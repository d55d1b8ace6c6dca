/*
 * Flights: one walk from MX to addresses (dns/route.h) for all ops of this loop
 * that want the same domain. A flight leads, and its end fills the cache and
 * wakes the loops that follow; or it follows another loop's. It goes on to its
 * end when nobody waits for it any more, since its answer is wanted by the
 * next message.
 *
 * Whoever wants the addresses (targets) has a flight of its own, that no other
 * op joins: a verdict ends with the first address, a list with the last.
 *
 * A credential pays for the flights that lead because of it, until they end;
 * what takes long moves aside, or is given up when too many of its flights did.
 */
#include "dns/flight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"

#define SLICE 256 /* ops that are answered in a turn */

struct flight *
flight_create(struct member *member, const char *domain)
{
	size_t n = strlen(domain);
	struct flight *flight = mem_zalloc(sizeof(*flight) + n + 1);

	memcpy(flight->domain, domain, n);
	flight->member = member;
	TAILQ_INIT(&flight->ops);
	TAILQ_INSERT_TAIL(&member->flights, flight, link);
	return flight;
}

void
flight_list(struct flight *flight)
{
	flight->listed = true;
	HASH_ADD_KEYPTR(hh, flight->member->listed, flight->domain,
			strlen(flight->domain), flight);
}

static void
flight_unlist(struct flight *flight)
{
	if (flight->listed)
		HASH_DEL(flight->member->listed, flight);
	flight->listed = false;
}

static void
flight_pay_back(struct flight *flight)
{
	if (flight->paid)
		share_cred_give(flight->member->cache, flight->cred,
				flight->aside);
	flight->paid = flight->aside = false;
	timer_cancel(&flight->slow);
}

static void
flight_free(struct flight *flight)
{
	struct dns_domain_op *op;

	flight_unlist(flight);
	flight_pay_back(flight);
	dns_targets_cancel(&flight->op);
	timer_cancel(&flight->turn);
	while ((op = TAILQ_FIRST(&flight->ops)) != NULL) {
		TAILQ_REMOVE(&flight->ops, op, link);
		timer_cancel(&op->wait);
		free(op);
	}
	TAILQ_REMOVE(&flight->member->flights, flight, link);
	free(flight->cred);
	free(flight);
}

static struct slice
domain_of(const struct flight *flight)
{
	return slice_str(flight->domain);
}

/* ---- Answers ---- */

void
flight_fact_set(struct domain_fact *fact, enum domain_verdict verdict,
		enum domain_reason reason, int64_t now_wall_s)
{
	*fact = (struct domain_fact){.verdict = verdict,
				     .reason = reason,
				     .since_wall_s = now_wall_s,
				     .until_wall_s = now_wall_s};
}

static void on_turn(void *arg);

void
flight_answer_op(struct dns_domain_op *op,
		 const struct dns_domain_result *result)
{
	TAILQ_REMOVE(&op->flight->ops, op, link);
	timer_cancel(&op->wait);
	op->done(op->arg, result);
	free(op);
}

/* Some of those that wait; the flight, or all, may be gone then. */
static void
flight_answer(struct flight *flight, const struct dns_targets *targets)
{
	struct member *member = flight->member;
	struct dns_domain_result result = {
	    .fact = flight->fact, .targets = targets, .text = flight->text};
	struct dns_domain_op *op;

	member->answering = flight;
	for (int i = 0; i < SLICE && !member->left &&
			(op = TAILQ_FIRST(&flight->ops)) != NULL;
	     i++)
		flight_answer_op(op, &result);
	member->answering = NULL;
	if (member->left || TAILQ_EMPTY(&flight->ops))
		flight_free(flight);
	else
		flight->turn =
		    timer_start(dns_loop(member->dns), 0, on_turn, flight);
	if (member->left)
		free(member);
}

static void
on_turn(void *arg)
{
	struct flight *flight = arg;

	flight->turn = NULL;
	flight_answer(flight, NULL);
}

/* flight->fact is the answer; what comes next is another flight's. */
static void
flight_end(struct flight *flight, const char *text)
{
	if (text != flight->text)
		(void)snprintf(flight->text, sizeof(flight->text), "%s", text);
	flight_unlist(flight);
	flight_pay_back(flight);
	flight->leads = flight->follows = false;
	flight->ended = true;
}

void
flight_end_later(struct flight *flight)
{
	flight_end(flight, domain_reason_text(flight->fact.reason));
	flight->turn =
	    timer_start(dns_loop(flight->member->dns), 0, on_turn, flight);
}

/* UNKNOWN, unless it was known to be good of late. Not kept. */
void
flight_fact_busy(struct dns_cache *cache, struct slice domain,
		 enum domain_reason reason, struct domain_fact *fact)
{
	struct cache_finding finding = {.verdict = DOMAIN_UNKNOWN,
					.reason = DOMAIN_WHY_BUSY};

	share_settle(cache, domain, false, &finding, clock_wall_s(), fact);
	if (fact->verdict == DOMAIN_UNKNOWN)
		fact->reason = reason;
}

/* ---- Asking ---- */

static void
finding_of(const struct dns_targets *targets, uint32_t epoch,
	   struct cache_finding *finding)
{
	*finding = (struct cache_finding){.reason = targets->reason,
					  .ttl_s = targets->ttl_s,
					  .local = targets->local,
					  .epoch = epoch};
	switch (targets->status) {
	case TARGETS_OK:
		finding->verdict = DOMAIN_DELIVERABLE;
		break;
	case TARGETS_NO_DOMAIN:
		finding->verdict = DOMAIN_DEAD;
		break;
	case TARGETS_NULL_MX:
		finding->verdict = DOMAIN_REFUSES;
		break;
	case TARGETS_NONE:
		finding->verdict = targets->reason == DOMAIN_WHY_NO_RECORDS
				       ? DOMAIN_DEAD
				       : DOMAIN_UNROUTABLE;
		break;
	case TARGETS_UNKNOWN:
		finding->verdict = DOMAIN_UNKNOWN;
		break;
	}
}

static void flight_ask(struct flight *flight);

/* NXDOMAIN for the first time: what does another resolver say? */
static bool
wants_second(const struct flight *flight, const struct cache_finding *finding)
{
	struct member *member = flight->member;
	struct domain_fact before;

	return !flight->second && finding->reason == DOMAIN_WHY_NXDOMAIN &&
	       dns_has_second(member->dns) &&
	       !(dns_cache_look(member->cache, domain_of(flight), &before) &&
		 before.verdict == DOMAIN_DEAD);
}

/* The second resolver is believed, unless it says nothing at all: a time-out,
 * or that it does not answer us. SERVFAIL is what a validating one says of a
 * name for which the first was lied to; and what a cap of ours cut short is
 * nobody's silence. */
static bool
second_is_silent(const struct flight *flight, const struct dns_targets *targets)
{
	return flight->second && targets->status == TARGETS_UNKNOWN &&
	       !targets->servfail && targets->reason != DOMAIN_WHY_BUSY;
}

/* A literal says itself what it is: the cache has none. */
static void
settle(struct flight *flight, const struct cache_finding *finding)
{
	int64_t now_wall_s = clock_wall_s();

	if (flight->domain[0] == '[')
		flight_fact_set(&flight->fact, finding->verdict,
				finding->reason, now_wall_s);
	else
		share_settle(flight->member->cache, domain_of(flight),
			     flight->leads, finding, now_wall_s, &flight->fact);
}

static void
on_targets(void *arg, const struct dns_targets *targets)
{
	struct flight *flight = arg;
	struct cache_finding finding;
	bool usable;

	flight->op = NULL;
	finding_of(targets, flight->policy.epoch, &finding);
	if (wants_second(flight, &finding)) {
		(void)snprintf(flight->text, sizeof(flight->text), "%s",
			       targets->text);
		flight->finding = finding;
		flight->second = true;
		flight_ask(flight);
		return;
	}
	if (second_is_silent(flight, targets))
		finding = flight->finding;
	settle(flight, &finding);
	usable = flight->targets && targets->status == TARGETS_OK;
	if (flight->targets && !usable &&
	    flight->fact.verdict == DOMAIN_DELIVERABLE)
		flight_fact_set(&flight->fact, DOMAIN_UNKNOWN, finding.reason,
				clock_wall_s());
	flight_end(flight, second_is_silent(flight, targets) ? flight->text
							     : targets->text);
	flight_answer(flight, usable ? targets : NULL);
}

static void
flight_ask(struct flight *flight)
{
	struct dns_targets_req req = {
	    .domain = flight->domain,
	    .kind = TARGET_MX,
	    .v6 = true,
	    .self = flight->policy.self,
	    .permits = &flight->policy.permits,
	    .quick = !flight->targets,
	    .second = flight->second,
	    .owner = flight->cred,
	};

	flight->op =
	    dns_targets_start(flight->member->dns, &req, on_targets, flight);
}

/* A cap of ours: others are not to wait for what this one may not ask, and
 * from the cache no addresses come. */
static void
flight_busy(struct flight *flight)
{
	struct dns_cache *cache = flight->member->cache;

	if (flight->leads)
		share_abandon(cache, domain_of(flight));
	if (flight->targets)
		flight_fact_set(&flight->fact, DOMAIN_UNKNOWN, DOMAIN_WHY_BUSY,
				clock_wall_s());
	else
		flight_fact_busy(cache, domain_of(flight), DOMAIN_WHY_BUSY,
				 &flight->fact);
	flight_end_later(flight);
}

static void
on_slow(void *arg)
{
	struct flight *flight = arg;

	flight->slow = NULL;
	flight->aside = share_cred_move(flight->member->cache, flight->cred);
	if (flight->aside)
		return;
	dns_targets_cancel(&flight->op);
	flight_busy(flight);
}

static void
flight_lead(struct flight *flight)
{
	struct dns_cache *cache = flight->member->cache;

	if (flight->cred != NULL && !share_cred_take(cache, flight->cred)) {
		flight_busy(flight);
		return;
	}
	flight->paid = flight->cred != NULL;
	if (flight->paid)
		flight->slow =
		    timer_start(dns_loop(flight->member->dns),
				atomic_load(&cache->slow_ms), on_slow, flight);
	cache_policy_get(cache, &flight->policy);
	flight_ask(flight);
}

void
flight_go(struct flight *flight)
{
	struct member *member = flight->member;

	flight->follows = false;
	if (flight->targets || member->share.index < 0) {
		flight_lead(flight);
		return;
	}
	switch (share_ask(member->cache, &member->share, domain_of(flight),
			  flight->fresh, clock_wall_s(), &flight->fact)) {
	case SHARE_HAVE:
		flight_end_later(flight);
		break;
	case SHARE_LEAD:
		flight->leads = true;
		flight_lead(flight);
		break;
	case SHARE_FOLLOW:
		flight->follows = true;
		break;
	}
}

struct flight *
flight_find(struct member *member, struct slice domain)
{
	struct flight *flight;

	HASH_FIND(hh, member->listed, domain.p, domain.n, flight);
	return flight;
}

/* From another loop. Answers wait for a turn of their own: done may destroy
 * the queue that this comes from. */
static void
on_wake(void *arg, struct slice domain, const struct domain_fact *fact)
{
	struct flight *flight = flight_find(arg, domain);

	if (flight == NULL || !flight->follows)
		return;
	if (fact == NULL) {
		flight_go(flight);
		return;
	}
	flight->fact = *fact;
	flight_end_later(flight);
}

/* ---- Loops come and go ---- */

int
dns_cache_join(struct dns_cache *cache, struct dns *dns)
{
	struct member *member = mem_zalloc(sizeof(*member));
	int err;

	member->cache = cache;
	member->dns = dns;
	TAILQ_INIT(&member->flights);
	member->share.dns = dns;
	member->share.wake = on_wake;
	member->share.arg = member;
	err = share_join(cache, dns_loop(dns), &member->share);
	if (err != 0)
		free(member);
	return err;
}

static void
flight_leave(struct flight *flight)
{
	if (flight->leads)
		share_abandon(flight->member->cache, domain_of(flight));
	flight->leads = false;
	/* the one whose done runs is freed when that returns */
	if (flight != flight->member->answering)
		flight_free(flight);
}

void
dns_cache_leave(struct dns_cache *cache, struct dns *dns)
{
	struct member *member = (struct member *)share_find(cache, dns);
	struct flight *flight, *next;

	if (member == NULL)
		return;
	share_leave(cache, &member->share);
	for (flight = TAILQ_FIRST(&member->flights); flight != NULL;
	     flight = next) {
		next = TAILQ_NEXT(flight, link);
		flight_leave(flight);
	}
	if (member->answering != NULL)
		member->left = true;
	else
		free(member);
}
