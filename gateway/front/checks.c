/*
 * THE order of checks, from accept to the final dot. Whoever adds a check adds
 * a step to a list here and nowhere else; a step decides one thing. What a
 * step looks at is in checks_block.c, checks_campaign.c, checks_domain.c,
 * checks_limit.c, checks_message.c, checks_scan.c, checks_sender.c,
 * checks_sign.c and checks_token.c.
 *
 * A step of the dot that must wait starts an operation and returns WAIT; its
 * done function stores one fact and calls checks_resume, and the driver goes
 * on with the next step. A step of MAIL or RCPT that must wait is run again
 * when its fact is there.
 *
 * The block list stands first everywhere: who is blocked is charged nothing,
 * and learns nothing else; it is asked again behind every wait. Limits stand
 * last, where all others have agreed, so that what is refused is not charged.
 *
 * A message is scanned when all that is decided in a moment was, and before
 * limits: what a scan refuses leaves no trace there, and what waited for its
 * verdict is measured by the time at which it goes on, not by the one at which
 * the wait began. It is committed behind the scan, so that an infected one
 * leaves nothing on disk. Whether it is one of a mass mailing is asked behind
 * limits, since one of them may send it there. The signature comes last, over
 * all the fields that we add.
 */
#include "gateway/front/checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/front/checks_int.h"
#include "gateway/front/commit.h"

typedef enum step_result step_fn(struct transaction *t);

#define CONTACT "your administrator"

/* --- what all checks share ------------------------------------------------ */

const char *
checks_contact(const struct session *session)
{
	const char *contact = session->snapshot->conf.contact;

	return contact != NULL ? contact : CONTACT;
}

const struct front_class *
checks_class(const struct session *session)
{
	const struct front_conf *conf = &session->snapshot->conf;
	const char *name = session->login.class;

	for (size_t i = 0; name != NULL && i < conf->class_count; i++)
		if (strcmp(conf->classes[i].name, name) == 0)
			return &conf->classes[i];
	return NULL;
}

static void
cut_into(char *out, size_t size, struct slice s)
{
	s = slice_head(s, size - 1);
	if (s.n > 0)
		memcpy(out, s.p, s.n);
	out[s.n] = '\0';
}

void
checks_decision(struct decision *decision, const struct session *session,
		const struct transaction *t, const char *stage,
		struct slice detail)
{
	memset(decision, 0, sizeof(*decision));
	decision->wall_ms = clock_wall_ms();
	decision->client = session->peer.ip;
	decision->session = session->id;
	decision->msg = t != NULL ? t->id : 0;
	cut_into(decision->cred, sizeof(decision->cred),
		 slice_str(session->login.cred));
	cut_into(decision->stage, sizeof(decision->stage), slice_str(stage));
	cut_into(decision->detail, sizeof(decision->detail), detail);
}

void
checks_count_refused(struct session *session, struct slice from,
		     struct slice domain)
{
	const char *cred = session->login.cred;

	top_refused(session->worker->shared->top, cred != NULL ? cred : "",
		    &session->peer.ip, from, domain, clock_wall_s());
}

/* --- connect, commands, AUTH ---------------------------------------------- */

static bool
check_crowd(struct worker *worker, const struct ip_addr *ip,
	    struct refusal *refusal)
{
	if (worker_enter(worker, ip) == CROWD_IN)
		return true;
	refusal_make(refusal, REPLY_TOO_MANY_CONNECTIONS, NULL, 0);
	refusal->why = "too-many-connections";
	return false;
}

bool
checks_connect(struct worker *worker, const struct ip_addr *ip,
	       struct presence **presence, struct refusal *refusal)
{
	*presence = NULL;
	if (!check_block_connect(worker, ip, refusal) ||
	    !check_crowd(worker, ip, refusal))
		return false;
	if (check_limit_connect(worker, ip, presence, refusal))
		return true;
	crowd_leave(worker->shared->crowd, ip);
	return false;
}

const struct refusal *
checks_command(struct session *session)
{
	return check_block_command(session);
}

/* Failures of the address, as gateway/auth counts them. */
static bool
check_address_open(struct session *session, struct refusal *refusal)
{
	struct worker *worker = session->worker;
	int64_t now_wall_s = clock_wall_s(), until_wall_s;
	char time[CLOCK_HUMAN_SIZE];
	const struct reply_arg arg = {"time", time};

	until_wall_s =
	    auth_address_closed(worker->auth, &session->peer.ip,
				loop_now_ms(worker->loop), now_wall_s);
	if (until_wall_s == 0)
		return true;
	clock_human(until_wall_s, now_wall_s, time);
	refusal_make(refusal, REPLY_AUTH_CLOSED, &arg, 1);
	return false;
}

bool
checks_auth(struct session *session, struct refusal *refusal)
{
	return check_address_open(session, refusal) &&
	       check_limit_auth(session, refusal);
}

bool
checks_auth_more(struct session *session, struct refusal *refusal)
{
	return check_limit_auth(session, refusal);
}

bool
checks_stealth(struct session *session, const char *cred)
{
	return check_block_stealth(session, cred);
}

bool
checks_login(struct session *session, const struct auth_result *result,
	     struct refusal *refusal)
{
	return check_block_login(session, result->cred, refusal) &&
	       check_limit_login(session, result->cred, result->class, refusal);
}

/* --- MAIL and RCPT ------------------------------------------------------ */

/* A full disk is told before a long upload, not after it. */
static bool
check_space(struct session *session, struct refusal *refusal)
{
	struct worker *worker = session->worker;

	if (loop_now_ms(worker->loop) >= worker->full_until_ms)
		return true;
	refusal_make(refusal, REPLY_NO_SPACE, NULL, 0);
	return false;
}

static enum step_result
said(struct check *check, bool may)
{
	check->refused = !may;
	return may ? STEP_NEXT : STEP_DONE;
}

static enum step_result
mail_block(struct mail_check *m)
{
	struct check *c = &m->check;

	return said(c,
		    check_block_again(c->session, &c->answer) &&
			check_block_sender(c->session, m->sender, &c->answer));
}

static enum step_result
mail_binding(struct mail_check *m)
{
	struct check *c = &m->check;

	return said(c, check_sender_mail(c->session, m->sender, &c->answer));
}

static enum step_result
mail_space(struct mail_check *m)
{
	return said(&m->check, check_space(m->check.session, &m->check.answer));
}

typedef enum step_result mail_step_fn(struct mail_check *m);

static mail_step_fn *const mail_steps[] = {
    mail_block,
    mail_binding,
    check_domain_sender,
    mail_space,
};

enum step_result
checks_mail(struct mail_check *m)
{
	size_t count = sizeof(mail_steps) / sizeof(mail_steps[0]);
	struct check *c = &m->check;
	enum step_result result;

	if (c->step > 0 && mail_block(m) == STEP_DONE)
		return STEP_DONE;
	for (; c->step < count; c->step++) {
		result = mail_steps[c->step](m);
		if (result != STEP_NEXT)
			return result;
	}
	refusal_make(&c->answer, REPLY_SENDER_OK, NULL, 0);
	return STEP_DONE;
}

static enum step_result
rcpt_block(struct rcpt_check *r)
{
	struct check *c = &r->check;

	return said(
	    c, check_block_again(c->session, &c->answer) &&
		   check_block_rcpt(r->transaction, r->domain, &c->answer));
}

/* It stands already, and is charged once. */
static enum step_result
rcpt_repeated(struct rcpt_check *r)
{
	r->repeated = transaction_has(r->transaction, r->rcpt.recipient);
	if (!r->repeated)
		return STEP_NEXT;
	refusal_make(&r->check.answer, REPLY_RECIPIENT_OK, NULL, 0);
	return STEP_DONE;
}

static enum step_result
rcpt_limits(struct rcpt_check *r)
{
	return said(&r->check, check_limit_rcpt(r, &r->check.answer));
}

typedef enum step_result rcpt_step_fn(struct rcpt_check *r);

static rcpt_step_fn *const rcpt_steps[] = {
    rcpt_block,
    rcpt_repeated,
    check_domain_rcpt,
    rcpt_limits,
};

enum step_result
checks_rcpt(struct rcpt_check *r)
{
	size_t count = sizeof(rcpt_steps) / sizeof(rcpt_steps[0]);
	struct check *c = &r->check;
	enum step_result result;

	if (c->step > 0 && rcpt_block(r) == STEP_DONE)
		return STEP_DONE;
	for (; c->step < count; c->step++) {
		result = rcpt_steps[c->step](r);
		if (result != STEP_NEXT)
			return result;
	}
	if (r->state != RCPT_DOMAIN_UNDECIDED) /* that one has its words */
		refusal_make(&c->answer, REPLY_RECIPIENT_OK, NULL, 0);
	return STEP_DONE;
}

void
checks_answer(const struct check *c)
{
	const struct reply *reply = &c->answer.reply;

	if (c->refused)
		refusal_say(c->session, c->ticket, &c->answer);
	else
		smtp_server_reply(c->session->server, c->ticket, reply->code,
				  reply->enhanced, reply->text);
}

/* --- the dot ------------------------------------------------------------ */

/* Answers the dot and ends the transaction's work. */
static enum step_result
refuse(struct transaction *t, const struct refusal *refusal)
{
	struct session *session = t->session;
	uint32_t ticket = t->dot_ticket;

	transaction_destroy(&session->transaction);
	refusal_say(session, ticket, refusal);
	return STEP_DONE;
}

static enum step_result
answer(struct transaction *t, enum reply_id id, const struct reply_arg *arg)
{
	struct refusal refusal;

	refusal_make(&refusal, id, arg, arg == NULL ? 0 : 1);
	return refuse(t, &refusal);
}

static enum step_result
step_header(struct transaction *t)
{
	struct reply_arg arg = {"what", header_scan_what(t->header)};
	char number[16];

	switch (header_scan_verdict(t->header)) {
	case HEADER_FINE:
		return STEP_NEXT;
	case HEADER_TOO_BIG:
		snprintf(number, sizeof(number), "%d", HEADER_BLOCK_MAX);
		arg = (struct reply_arg){"n", number};
		return answer(t, REPLY_HEADER_TOO_BIG, &arg);
	case HEADER_REPEATED:
		return answer(t, REPLY_HEADER_REPEATED, &arg);
	case HEADER_LOOP:
		return answer(t, REPLY_LOOP, NULL);
	}
	return STEP_NEXT;
}

static enum step_result
step_trace(struct transaction *t)
{
	check_message_trace(t);
	return STEP_NEXT;
}

static enum step_result
step_digest(struct transaction *t)
{
	spool_body_end(t->body, t->digest);
	return STEP_NEXT;
}

static enum step_result
step_block(struct transaction *t)
{
	struct refusal refusal;

	return check_block_message(t, &refusal) ? STEP_NEXT
						: refuse(t, &refusal);
}

static enum step_result
step_sender(struct transaction *t)
{
	struct refusal refusal;

	return check_sender_header(t, &refusal) ? STEP_NEXT
						: refuse(t, &refusal);
}

static enum step_result
step_scan(struct transaction *t)
{
	return check_scan_ask(t);
}

static enum step_result
step_verdict(struct transaction *t)
{
	struct refusal refusal;
	bool waited = false;

	if (!check_scan_verdict(t, &waited, &refusal) ||
	    (waited && !check_block_message(t, &refusal)))
		return refuse(t, &refusal);
	return STEP_NEXT;
}

static enum step_result
step_limits(struct transaction *t)
{
	struct refusal refusal;

	return check_limit_message(t, &refusal) ? STEP_NEXT
						: refuse(t, &refusal);
}

static enum step_result
step_campaign(struct transaction *t)
{
	check_campaign(t);
	return STEP_NEXT;
}

static enum step_result
step_sign(struct transaction *t)
{
	return check_sign_ask(t);
}

static enum step_result
step_signed(struct transaction *t)
{
	check_signed(t);
	return STEP_NEXT;
}

static enum step_result
step_resubmission(struct transaction *t)
{
	check_message_resubmission(t);
	return STEP_NEXT;
}

static enum step_result
step_commit(struct transaction *t)
{
	commit_start(t);
	return STEP_WAIT;
}

static enum step_result
answer_accepted(struct transaction *t)
{
	struct session *session = t->session;
	struct reply_arg arg = {"id", t->id_text};
	uint32_t ticket = t->dot_ticket;
	struct reply reply;

	if (!check_scan_reply(t, &reply) && !check_campaign_reply(t, &reply) &&
	    !check_limit_reply(t, &reply))
		reply_make(&reply, REPLY_ACCEPTED, &arg, 1);
	session->message_count++;
	refusal_forgive(session);
	transaction_destroy(&session->transaction);
	smtp_server_reply(session->server, ticket, reply.code, reply.enhanced,
			  reply.text);
	return STEP_DONE;
}

static enum step_result
step_answer(struct transaction *t)
{
	char first[ID_TEXT_SIZE];
	struct reply_arg arg = {"id", first};
	struct refusal refusal;

	switch (t->answer) {
	case SPOOL_ACCEPTED:
		return answer_accepted(t);
	case SPOOL_DUPLICATE:
		id_format(t->first_id, first);
		return answer(t, REPLY_DUPLICATE, &arg);
	case SPOOL_FULL:
		return answer(t, REPLY_NO_SPACE, NULL);
	case SPOOL_FAILED:
		return answer(t, REPLY_FAILED, NULL);
	case SPOOL_VETOED:
		/* in words, unless the block has gone again meanwhile */
		if (!check_block_message(t, &refusal))
			return refuse(t, &refusal);
		return answer(t, REPLY_BLOCKED, NULL);
	}
	return STEP_DONE;
}

static step_fn *const dot_steps[] = {
    step_header,  step_digest,	     step_block,    step_sender, step_scan,
    step_verdict, step_limits,	     step_campaign, step_trace,	 step_sign,
    step_signed,  step_resubmission, step_commit,   step_answer,
};

void
checks_resume(struct transaction *t)
{
	enum step_result result;

	do {
		/* the answer frees t: nothing may look at it afterwards */
		result = dot_steps[t->step++](t);
	} while (result == STEP_NEXT);
}

void
checks_dot(struct transaction *t)
{
	t->step = 0;
	checks_resume(t);
}
