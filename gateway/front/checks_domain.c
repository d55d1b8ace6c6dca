/*
 * The domains of recipients and senders. What is known is decided inside the
 * command, without a question; else the command waits for DNS, each one for a
 * while and all of a message for a longer while, and is then accepted
 * unverified. Which domains are asked about, and what an answer means, is
 * policy/domains.h's; in which order, recipients.c's.
 *
 * A refusal is told to the log here, where its domain and its reason are
 * known. A dead recipient domain is a fact about the login, once for each
 * domain: a typo that is tried again is one.
 */
#include <stdlib.h>
#include <string.h>

#include "dns/domain.h"
#include "gateway/base/address.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/front/checks_int.h"
#include "gateway/front/recipients.h"

#define WORTH_ASKING_MS 10 /* timers are not more exact than that */

const char *
check_domain_word(enum domain_reason reason)
{
	switch (reason) {
	case DOMAIN_WHY_NONE:
	case DOMAIN_WHY_MX:
	case DOMAIN_WHY_ADDRESS:
	case DOMAIN_WHY_LITERAL:
		break;
	case DOMAIN_WHY_NXDOMAIN:
		return "domain-nxdomain";
	case DOMAIN_WHY_NO_RECORDS:
		return "domain-no-records";
	case DOMAIN_WHY_BAD_NAME:
		return "domain-bad-name";
	case DOMAIN_WHY_NULL_MX:
		return "domain-null-mx";
	case DOMAIN_WHY_SPECIAL_USE:
		return "domain-reserved";
	case DOMAIN_WHY_NO_HOST:
		return "domain-no-host";
	case DOMAIN_WHY_NO_ADDRESS:
		return "domain-no-address";
	case DOMAIN_WHY_NOT_PUBLIC:
		return "domain-not-public";
	case DOMAIN_WHY_SELF:
		return "domain-self";
	case DOMAIN_WHY_FAILED:
		return "domain-failed";
	case DOMAIN_WHY_TIMEOUT:
		return "domain-timeout";
	case DOMAIN_WHY_BUSY:
		return "domain-busy";
	case DOMAIN_REASONS:
		break;
	}
	return "domain";
}

static struct slice
key_of(const struct domain_ask *ask)
{
	return slice_of(ask->key, ask->key_n);
}

/* --- telling -------------------------------------------------------------- */

static void
log_refusal(const struct check *check, const struct transaction *t,
	    const char *command)
{
	const struct session *session = check->session;
	const struct reply *reply = &check->answer.reply;

	log_event(
	    GW_LOG_INFO, "refuse", LF_STR("msg", t == NULL ? NULL : t->id_text),
	    LF_STR("session", session->id_text),
	    LF_STR("cred", session->login.cred),
	    LF_IP("client", &session->peer.ip), LF_STR("command", command),
	    LF_I64("code", reply->code), LF_STR("enhanced", reply->enhanced),
	    LF_STR("text", reply->text),
	    LF_SLICE("domain", key_of(&check->ask)),
	    LF_STR("reason", check_domain_word(check->ask.fact.reason)));
}

static enum step_result
refuse(struct check *check, const struct transaction *t, const char *command,
       const struct domain_decision *decision)
{
	refusal_init(&check->answer, &decision->reply);
	check->answer.ref = REFUSAL_TOLD;
	check->answer.why = "domain";
	check->refused = true;
	log_refusal(check, t, command);
	return STEP_DONE;
}

static void
note_dead(struct session *session, struct slice from, struct slice domain)
{
	const struct limit_who who = {
	    .cred = session->login.cred,
	    .class = session->login.class,
	    .ip = session->peer.ip,
	};
	struct shared *shared = session->worker->shared;
	int64_t now_wall_s = clock_wall_s();

	if (!domains_dead_is_new(shared->domains, who.cred, domain, now_wall_s))
		return;
	top_dead_domain(shared->top, who.cred, &who.ip, from, domain,
			now_wall_s);
	limits_dead_domain(shared->limits, &who, clock_mono_us());
}

/* --- asking --------------------------------------------------------------- */

/* Whether there is a verdict, or no time for one. */
static bool
know(struct check *check, bool in_time)
{
	struct domain_ask *ask = &check->ask;

	if (ask->known)
		return true;
	if (ask->op != NULL)
		return false;
	if (dns_domain_known(check->session->worker->dns, key_of(ask),
			     clock_wall_s(), &ask->fact)) {
		ask->known = true;
	} else if (!in_time) {
		ask->fact = (struct domain_fact){
		    .verdict = DOMAIN_UNKNOWN,
		    .reason = DOMAIN_WHY_TIMEOUT,
		    .since_wall_s = clock_wall_s(),
		};
		ask->known = true;
	}
	return ask->known;
}

static void
ask_dns(struct check *check, int64_t left_ms, dns_domain_fn *done, void *arg)
{
	const struct session *session = check->session;
	struct domain_ask *ask = &check->ask;
	int64_t most_ms = session->snapshot->conf.domain_wait_ms;
	char name[sizeof(ask->key) + 1];
	const struct dns_domain_req req = {
	    .domain = name,
	    .owner = session->login.cred,
	    .wait_ms = left_ms < most_ms ? left_ms : most_ms,
	};

	memcpy(name, ask->key, ask->key_n);
	name[ask->key_n] = '\0';
	ask->since_ms = loop_now_ms(session->worker->loop);
	ask->op = dns_domain_start(session->worker->dns, &req, done, arg);
}

static void
keep_fact(struct domain_ask *ask, const struct dns_domain_result *result)
{
	ask->op = NULL;
	ask->fact = result->fact;
	ask->known = true;
}

void
checks_ask_cancel(struct check *check)
{
	dns_domain_cancel(&check->ask.op);
}

/* --- MAIL ----------------------------------------------------------------- */

static bool
is_asked_sender(const struct mail_check *m)
{
	struct worker *worker = m->check.session->worker;

	return worker->dns != NULL &&
	       domains_asks_sender(worker->shared->domains,
				   key_of(&m->check.ask), clock_wall_s());
}

enum step_result
check_domain_sender(struct mail_check *m)
{
	struct check *check = &m->check;
	struct domain_ask *ask = &check->ask;
	struct domain_decision decision;

	if (!ask->known)
		ask->key_n = address_domain_fold(address_domain(m->sender),
						 ask->key, sizeof(ask->key));
	if (!is_asked_sender(m))
		return STEP_NEXT;
	if (!know(check, true))
		return STEP_WAIT;
	domains_decide_sender(check->session->worker->shared->domains,
			      &ask->fact, m->sender, &decision);
	if (decision.action != DOMAIN_REFUSE && decision.action != DOMAIN_DEFER)
		return STEP_NEXT;
	COUNT(check->session->worker, sender_dead);
	checks_count_refused(check->session, m->sender, SLICE_NONE);
	return refuse(check, NULL, "MAIL", &decision);
}

static void
on_sender_fact(void *arg, const struct dns_domain_result *result)
{
	struct mail_check *m = arg;

	keep_fact(&m->check.ask, result);
	m->waited_ms =
	    loop_now_ms(m->check.session->worker->loop) - m->check.ask.since_ms;
	transaction_mail_resume(m);
}

void
checks_mail_ask(struct mail_check *m)
{
	ask_dns(&m->check, m->check.session->snapshot->conf.domain_wait_ms,
		on_sender_fact, m);
}

/* --- RCPT ----------------------------------------------------------------- */

static bool
is_asked(const struct rcpt_check *c)
{
	struct worker *worker = c->check.session->worker;

	return worker->dns != NULL &&
	       domains_asks(worker->shared->domains, key_of(&c->check.ask),
			    clock_wall_s());
}

static bool
know_in_time(struct rcpt_check *c)
{
	return know(&c->check,
		    recipients_wait_left_ms(c->transaction) >= WORTH_ASKING_MS);
}

static enum step_result
act(struct rcpt_check *c, const struct domain_decision *decision)
{
	struct session *session = c->check.session;
	struct transaction *t = c->transaction;

	switch (decision->action) {
	case DOMAIN_ACCEPT:
		break;
	case DOMAIN_PROVISIONAL:
		c->state = RCPT_DOMAIN_UNDECIDED;
		refusal_init(&c->check.answer, &decision->reply);
		break;
	case DOMAIN_DROP:
		c->state = RCPT_DOMAIN_DEAD;
		c->why = c->check.ask.fact.reason;
		break; /* charged as nobody */
	case DOMAIN_DEFER:
	case DOMAIN_REFUSE:
		COUNT(session->worker, domain_refused);
		checks_count_refused(session, slice_str(t->mail_from),
				     key_of(&c->check.ask));
		refuse(&c->check, t, "RCPT", decision);
		c->check.answer.dead = decision->dead;
		return STEP_DONE;
	}
	return STEP_NEXT;
}

enum step_result
check_domain_rcpt(struct rcpt_check *c)
{
	struct session *session = c->check.session;
	struct domain_decision decision;

	if (!is_asked(c))
		return STEP_NEXT;
	if (!know_in_time(c))
		return STEP_WAIT;
	domains_decide(session->worker->shared->domains, session->login.class,
		       &c->check.ask.fact, key_of(&c->check.ask), c->position,
		       &decision);
	if (decision.dead)
		note_dead(session, slice_str(c->transaction->mail_from),
			  key_of(&c->check.ask));
	return act(c, &decision);
}

static void
on_rcpt_fact(void *arg, const struct dns_domain_result *result)
{
	struct rcpt_check *c = arg;

	keep_fact(&c->check.ask, result);
	recipients_asked(c->transaction);
	recipients_resume(c->check.session);
}

void
checks_rcpt_ask(struct rcpt_check *c)
{
	ask_dns(&c->check, recipients_wait_left_ms(c->transaction),
		on_rcpt_fact, c);
	recipients_asking(c->transaction);
}

void
checks_rcpt_foresee(struct rcpt_check *c)
{
	if (is_asked(c) && !know_in_time(c))
		checks_rcpt_ask(c);
}
