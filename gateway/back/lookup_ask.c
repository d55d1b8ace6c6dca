/*
 * What is asked of DNS for those who wait, and what its answers mean: where to
 * go on, that there is nowhere to go, or that nothing is known. What is exempt
 * is policy/domains.h's, what the client's mailer reads of it the reply
 * table's.
 *
 * An MX hop always needs an answer, because it says where to. What was known of
 * a domain is used for a day while the resolver gives nothing.
 */
#include <stdio.h>
#include <stdlib.h>

#include "gateway/back/lookup_int.h"
#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"
#include "policy/domains.h"

#define BUSY_MS 2000 /* and as much again by chance */
#define OWNER_SIZE 300

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

bool
lookup_is_known(const struct lookup *lookup)
{
	const struct relay *relay = lookup_relay(lookup);

	if (!lookup_is_mx(lookup))
		return is_fine(relay, slice_str(lookup->domain));
	/* The site's addresses may be older: another domain brought them. */
	return lookup->site && lookup->state == LOOKUP_IDLE &&
	       site_is_fresh(lookup->site) &&
	       relay_now_ms(relay) < lookup->until_ms;
}

/* --- answers -------------------------------------------------------------- */

static void
answer(struct lookup *lookup, const struct result *trouble)
{
	lookup_forget_trouble(lookup);
	if (trouble) {
		lookup->trouble = mem_zalloc(sizeof(*lookup->trouble));
		*lookup->trouble = *trouble;
		lookup->trouble->text = slice_str(slice_dup(trouble->text));
	}
	lookup_set_state(lookup, LOOKUP_ANSWERED);
}

static void
answer_none(struct lookup *lookup)
{
	struct result result;

	result_of_domain(&result, DOMAIN_UNROUTABLE, DOMAIN_WHY_NOT_PUBLIC);
	answer(lookup, &result);
}

/* The resolver gives nothing: where it was of late is good for a while. */
static void
answer_unknown(struct lookup *lookup, const char *text)
{
	struct result result;

	if (lookup->site && relay_now_ms(lookup_relay(lookup)) <
				lookup->until_ms + LOOKUP_STALE_MS) {
		site_stretch(lookup->site);
		answer(lookup, NULL);
		return;
	}
	result_set(&result, FATE_DEFERRED, "4.4.3", text);
	answer(lookup, &result);
}

static void
answer_site(struct lookup *lookup, const struct dns_targets *targets,
	    bool filter)
{
	struct site *site;

	if (!targets) {
		answer_unknown(lookup, "no addresses");
		return;
	}
	site = site_use(lookup->hop, targets, filter);
	if (!site) {
		answer_none(lookup);
		return;
	}
	site_unuse(&lookup->site);
	lookup->site = site;
	lookup->until_ms =
	    relay_now_ms(lookup_relay(lookup)) + site_hold_ms(targets->ttl_s);
	answer(lookup, NULL);
}

/* The next time somebody else pays, if somebody else waits. */
static void
wait_busy(struct lookup *lookup)
{
	struct job *job = TAILQ_FIRST(&lookup->jobs);
	uint16_t chance;

	TAILQ_REMOVE(&lookup->jobs, job, link);
	TAILQ_INSERT_TAIL(&lookup->jobs, job, link);

	secret_random(&chance, sizeof(chance));
	lookup->again_ms =
	    relay_now_ms(lookup_relay(lookup)) + BUSY_MS + chance % BUSY_MS;
	lookup_set_state(lookup, LOOKUP_BUSY);
}

static void
answer_refused(struct lookup *lookup, const struct domain_fact *fact)
{
	const struct relay *relay = lookup_relay(lookup);
	struct domains *domains = relay->domains;
	struct reply reply;
	struct result result;

	result_of_domain(&result, fact->verdict, fact->reason);
	if (domains &&
	    domains_refusal(domains, fact, slice_str(lookup->domain), &reply))
		result_set(&result, FATE_BOUNCED, reply.enhanced, reply.text);
	lookup->fact = fact->verdict == DOMAIN_DEAD &&
		       fact->reason != DOMAIN_WHY_BAD_NAME &&
		       !is_exempt(relay, slice_str(lookup->domain));
	answer(lookup, &result);
}

static void
on_targets(void *arg, const struct dns_targets *targets)
{
	struct lookup *lookup = arg;
	struct result result;

	lookup->targets_op = NULL;
	result_set(&result, FATE_DEFERRED, "4.4.3", targets->text);
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
	struct relay *relay = lookup_relay(lookup);
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
		if (lookup_is_mx(lookup))
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

/*
 * Whose budget it takes. What DNS had an answer for at RCPT is nobody's. What
 * waits here has one of its own, or a queue full of silent domains would keep
 * its login's next recipients from being looked at.
 */
static const char *
owner_of(const struct lookup *lookup, char out[OWNER_SIZE])
{
	const struct job *job = TAILQ_FIRST(&lookup->jobs);
	const char *cred = job->source->sender->cred;

	if (!job->undecided || cred[0] == '\0')
		return NULL;
	(void)snprintf(out, OWNER_SIZE, "queue of %s", cred);
	return out;
}

void
lookup_ask(struct lookup *lookup)
{
	struct relay *relay = lookup_relay(lookup);
	bool exempt = is_exempt(relay, slice_str(lookup->domain));
	char owner[OWNER_SIZE];
	struct dns_domain_req req = {
	    .domain = lookup->domain,
	    .owner = owner_of(lookup, owner),
	    .targets = lookup_is_mx(lookup),
	    .exempt = exempt,
	    .fresh = exempt, /* whatever was said before it was allowed */
	};

	lookup->fact = false;
	if (!lookup_is_mx(lookup) && (exempt || !relay->dns_cache)) {
		answer(lookup, NULL);
		return;
	}
	lookup_set_state(lookup, LOOKUP_ASKED);
	if (relay->dns_cache)
		lookup->domain_op =
		    dns_domain_start(relay->dns, &req, on_domain, lookup);
	else
		ask_targets(lookup);
}

void
lookup_stop_asking(struct lookup *lookup)
{
	dns_domain_cancel(&lookup->domain_op);
	dns_targets_cancel(&lookup->targets_op);
}
