/*
 * Limits, asked where something is about to be used: a connection, a login, a
 * recipient, the bytes of a message. What is charged belongs to the message's
 * reservation until the store has answered; whoever goes away before gives it
 * back (transaction_destroy, commit.c).
 *
 * A rule that refuses is told to the log once a message, and its reference is
 * the same for all recipients that it refuses there. A rule in observe is told
 * once too, and changes nothing.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/units.h"
#include "gateway/front/checks_int.h"

/* --- telling -------------------------------------------------------------- */

struct about { /* whom a hit is about; NULL: not known */
	struct worker *worker;
	const struct session *session;
	const struct transaction *t;
	const struct ip_addr *ip;
};

static void
log_hit(const struct about *about, const struct limit_hit *hit, uint64_t ref)
{
	const struct session *session = about->session;
	char text[ID_TEXT_SIZE], frees[CLOCK_ISO_SIZE];

	id_format(ref, text);
	clock_iso(hit->frees_wall_s * 1000, frees);
	log_event(GW_LOG_INFO, "limit",
		  LF_STR("msg", about->t == NULL ? NULL : about->t->id_text),
		  LF_STR("session", session == NULL ? NULL : session->id_text),
		  LF_STR("cred", session == NULL ? NULL : session->login.cred),
		  LF_IP("client", about->ip), LF_STR("rule", hit->name),
		  LF_STR("counted", limit_counted_name(hit->counted)),
		  LF_U64("used", hit->used), LF_U64("limit", hit->limit),
		  LF_STR("action", limit_action_name(hit->action)),
		  LF_STR("frees", hit->frees_wall_s != 0 ? frees : NULL),
		  LF_STR("ref", ref != 0 ? text : NULL),
		  LF_STR("observed", hit->observed ? "yes" : NULL));
}

/* What rules in observe would have done. */
static void
tell_observed(const struct about *about, const struct limit_verdict *verdict)
{
	for (size_t i = 0; i < verdict->observed_count; i++) {
		COUNT(about->worker, limit_observed);
		if (about->session != NULL || worker_may_tell(about->worker))
			log_hit(about, &verdict->observed[i], 0);
	}
}

static uint64_t
decide(const struct session *session, const struct transaction *t,
       const char *stage, int code, const struct limit_hit *hit,
       struct slice detail)
{
	struct decision decision;

	checks_decision(&decision, session, t, stage, detail);
	decision.kind = DECISION_LIMIT;
	decision.code = code;
	decision.hit = *hit;
	return decisions_add(session->worker->shared->decisions, &decision);
}

/* False: the log has heard of this refusal. */
static bool
first_told(struct rcpt_charge *charge, uint64_t ref)
{
	unsigned most = sizeof(charge->told) / sizeof(charge->told[0]);

	for (unsigned i = 0; i < charge->told_count; i++)
		if (charge->told[i] == ref)
			return false;
	if (charge->told_count == most)
		return false;
	charge->told[charge->told_count++] = ref;
	return true;
}

/* --- words ---------------------------------------------------------------- */

static void
period_text(int64_t period_ms, struct buf *out)
{
	static const struct {
		int64_t ms;
		const char *word;
	} words[] = {
	    {86400000, "day"},
	    {3600000, "hour"},
	    {60000, "minute"},
	    {1000, "second"},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (period_ms == words[i].ms) {
			buf_add_str(out, words[i].word);
			return;
		}
	units_format_time(out, period_ms);
}

static void
what_text(enum limit_counted counted, struct buf *out)
{
	const char *name = limit_counted_name(counted);

	for (; *name != '\0'; name++)
		buf_add_byte(out, *name == '-' ? ' ' : *name);
}

/* When it frees; a rule that cannot say is asked again after its period. */
static void
time_text(const struct limit_hit *hit, char out[CLOCK_HUMAN_SIZE])
{
	int64_t now_wall_s = clock_wall_s(), at_s = hit->frees_wall_s;

	if (at_s == 0)
		at_s = now_wall_s + (hit->period_ms + 59999) / 1000;
	clock_human(at_s, now_wall_s, out);
}

/* The reply to a command; ref: see decide. */
static void
say(struct refusal *refusal, const struct session *session,
    const struct limit_hit *hit, uint64_t ref)
{
	struct buf n = {.cap = 32}, what = {.cap = 32}, period = {.cap = 32};
	char time[CLOCK_HUMAN_SIZE];
	char id[ID_TEXT_SIZE];

	if (hit->counted == LIMIT_BYTES)
		units_format_size(&n, hit->limit);
	else
		buf_printf(&n, "%llu", (unsigned long long)hit->limit);
	what_text(hit->counted, &what);
	period_text(hit->period_ms, &period);
	time_text(hit, time);
	id_format(ref, id);
	refusal_make(refusal, limit_hit_reply(hit),
		     (const struct reply_arg[]){
			 {"n", buf_cstr(&n)},
			 {"what", buf_cstr(&what)},
			 {"period", buf_cstr(&period)},
			 {"time", time},
			 {"contact", checks_contact(session)},
			 {"ref", id},
		     },
		     6);
	buf_fini(&n);
	buf_fini(&what);
	buf_fini(&period);
	refusal->ref = ref;
	refusal->slow = true;
}

/* The code that say will answer with. */
static int
code_of(const struct limit_hit *hit)
{
	return hit->never || hit->action == LIMIT_REJECT ? 550 : 450;
}

/* --- connections and logins ------------------------------------------------
 */

/* 421: come again. */
static void
say_connections(struct refusal *refusal, const struct limit_hit *hit,
		uint64_t ref)
{
	char time[CLOCK_HUMAN_SIZE], id[ID_TEXT_SIZE];
	const struct reply_arg args[] = {{"time", time}, {"ref", id}};

	time_text(hit, time);
	id_format(ref, id);
	refusal_make(refusal,
		     hit->counted == LIMIT_CONNECTIONS ? REPLY_LIMIT_CONNECTIONS
						       : REPLY_LIMIT_CONNECTING,
		     args, 2);
	refusal->ref = ref;
	refusal->why = "limit";
}

bool
check_limit_connect(struct worker *worker, const struct ip_addr *ip,
		    struct presence **presence, struct refusal *refusal)
{
	const struct about about = {.worker = worker, .ip = ip};
	struct decision decision = {
	    .kind = DECISION_LIMIT, .client = *ip, .code = 421};
	struct limit_verdict verdict;
	uint64_t ref;

	*presence = limits_connect(worker->shared->limits, ip, clock_mono_us(),
				   &verdict);
	tell_observed(&about, &verdict);
	if (*presence != NULL)
		return true;
	decision.wall_ms = clock_wall_ms();
	decision.session = worker_knocker(worker, ip);
	snprintf(decision.stage, sizeof(decision.stage), "connect");
	decision.hit = verdict.hit;
	ref = decisions_add(worker->shared->decisions, &decision);
	if (worker_may_tell(worker))
		log_hit(&about, &verdict.hit, ref);
	say_connections(refusal, &verdict.hit, ref);
	return false;
}

static struct about
about_session(const struct session *session, const struct transaction *t)
{
	return (struct about){.worker = session->worker,
			      .session = session,
			      .t = t,
			      .ip = &session->peer.ip};
}

bool
check_limit_auth(struct session *session, struct refusal *refusal)
{
	const struct about about = about_session(session, NULL);
	char time[CLOCK_HUMAN_SIZE];
	const struct reply_arg arg = {"time", time};
	struct limit_verdict verdict;
	struct attempt **attempt = &session->login.attempt;
	bool may;

	if (*attempt == NULL)
		*attempt = attempt_create(session->worker->shared->limits,
					  &session->peer.ip);
	may = attempt_begin(*attempt, clock_mono_us(), &verdict);
	tell_observed(&about, &verdict);
	if (may)
		return true;
	attempt_end(attempt, clock_mono_us());
	time_text(&verdict.hit, time);
	refusal_make(refusal, REPLY_AUTH_CLOSED, &arg, 1);
	refusal->ref =
	    decide(session, NULL, "AUTH", 421, &verdict.hit, SLICE_NONE);
	log_hit(&about, &verdict.hit, refusal->ref);
	COUNT(session->worker, limit_deferred);
	return false;
}

bool
check_limit_login(struct session *session, const char *cred, const char *class,
		  struct refusal *refusal)
{
	const struct about about = about_session(session, NULL);
	const struct limit_who who = {
	    .cred = cred, .class = class, .ip = session->peer.ip};
	struct limit_verdict verdict;
	uint64_t ref;
	bool may;

	if (session->guard.presence == NULL) /* a proxy's own connection */
		return true;
	may = presence_login(session->guard.presence, &who, clock_mono_us(),
			     &verdict);
	tell_observed(&about, &verdict);
	if (may)
		return true;
	ref = decide(session, NULL, "AUTH", 421, &verdict.hit, slice_str(cred));
	log_hit(&about, &verdict.hit, ref);
	say_connections(refusal, &verdict.hit, ref);
	COUNT(session->worker, limit_deferred);
	return false;
}

/* --- messages ---------------------------------------------------------------
 */

/* The domain is ours, or there is none: <postmaster>. */
static bool
is_internal(const struct front_conf *conf, const struct rcpt_check *c)
{
	struct slice key = slice_of(c->check.ask.key, c->check.ask.key_n);
	bool found = c->domain.n == 0;

	for (size_t i = 0; i < conf->internal_count && !found; i++)
		found =
		    address_domain_covers(slice_str(conf->internal[i]), key);
	return found;
}

static bool
refuse(struct transaction *t, const char *stage, struct slice detail,
       const struct limit_verdict *verdict, struct refusal *refusal)
{
	const struct limit_hit *hit = &verdict->hit;
	const struct about about = about_session(t->session, t);
	uint64_t ref = decide(t->session, t, stage, code_of(hit), hit, detail);

	if (code_of(hit) == 450)
		COUNT(t->session->worker, limit_deferred);
	else
		COUNT(t->session->worker, limit_rejected);
	if (first_told(&t->charge, ref))
		log_hit(&about, hit, ref);
	say(refusal, t->session, hit, ref);
	return false;
}

static void
reserve(const struct rcpt_check *c, struct limit_verdict *verdict)
{
	const struct front_conf *conf = &c->check.session->snapshot->conf;
	const struct rcpt_charge *charge = &c->transaction->charge;

	if (c->state == RCPT_DOMAIN_DEAD)
		reservation_nobody(charge->reservation, charge->declared_bytes,
				   clock_mono_us(), verdict);
	else
		reservation_rcpt(charge->reservation, is_internal(conf, c),
				 charge->declared_bytes, clock_mono_us(),
				 verdict);
}

bool
check_limit_rcpt(struct rcpt_check *c, struct refusal *refusal)
{
	struct transaction *t = c->transaction;
	struct session *session = t->session;
	const struct about about = about_session(session, t);
	struct limit_verdict verdict;

	reserve(c, &verdict);
	tell_observed(&about, &verdict);
	if (verdict.action >= LIMIT_DEFER) {
		checks_count_refused(session, slice_str(t->mail_from),
				     c->domain);
		return refuse(t, "RCPT", c->rcpt.recipient, &verdict, refusal);
	}
	if (c->state == RCPT_DOMAIN_DEAD)
		return true; /* reported at once; no sign of a good list */
	c->next_wall_s = verdict.not_before_wall_s;
	refusal_forgive(session);
	return true;
}

/* What was decided becomes the recipients' state. */
static void
apply(struct transaction *t, const struct limit_verdict *verdict)
{
	struct spool_msg *msg = t->msg;
	bool held = verdict->action == LIMIT_HOLD;

	if (verdict->action == LIMIT_BULK)
		msg->lane = LANE_BULK;
	if (!held && verdict->all_not_before_wall_s == 0)
		return;
	for (uint32_t i = 0; i < msg->rcpt_count; i++) {
		struct spool_rcpt *rcpt = &msg->rcpts[i];

		if (rcpt->domain == RCPT_DOMAIN_DEAD) /* told of at once */
			continue;
		if (rcpt->next_wall_s < verdict->all_not_before_wall_s)
			rcpt->next_wall_s = verdict->all_not_before_wall_s;
		if (held) {
			rcpt->state = RCPT_HELD;
			rcpt->holds |= HOLD_LIMIT;
		}
	}
}

bool
check_limit_message(struct transaction *t, struct refusal *refusal)
{
	struct session *session = t->session;
	const struct about about = about_session(session, t);
	struct rcpt_charge *charge = &t->charge;
	struct limit_verdict verdict;

	reservation_settle(charge->reservation, spool_body_bytes(t->body),
			   clock_mono_us(), &verdict);
	tell_observed(&about, &verdict);
	if (verdict.action >= LIMIT_DEFER) {
		checks_count_refused(session, slice_str(t->mail_from),
				     SLICE_NONE);
		return refuse(t, ".", SLICE_NONE, &verdict, refusal);
	}
	charge->action = verdict.action;
	charge->leaves_wall_s = verdict.not_before_wall_s;
	if (verdict.action == LIMIT_PASS)
		return true;
	charge->ref = decide(session, t, ".", 250, &verdict.hit, SLICE_NONE);
	log_hit(&about, &verdict.hit, charge->ref);
	apply(t, &verdict);
	return true;
}

bool
check_limit_reply(const struct transaction *t, struct reply *reply)
{
	static const enum reply_id ids[] = {
	    [LIMIT_PACE] = REPLY_LIMIT_PACED,
	    [LIMIT_BULK] = REPLY_LIMIT_BULK,
	    [LIMIT_HOLD] = REPLY_LIMIT_HELD,
	};
	char time[CLOCK_HUMAN_SIZE], ref[ID_TEXT_SIZE];
	const struct reply_arg args[] = {
	    {"id", t->id_text}, {"time", time}, {"ref", ref}};

	if (t->charge.action == LIMIT_PASS)
		return false;
	clock_human(t->charge.leaves_wall_s, clock_wall_s(), time);
	id_format(t->charge.ref, ref);
	reply_make(reply, ids[t->charge.action], args, 3);
	return true;
}
