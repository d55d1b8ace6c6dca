/*
 * What the block list says, where it bites: at connect, at the login, at the
 * next command of a live session, at MAIL and RCPT, and at the dot. The store
 * asks once more inside the commit, and back asks at dispatch.
 *
 * A session remembers the list's generation of its last answer, so a command
 * costs one atomic read while the list does not change. The generation is read
 * before the list is: a change in between is seen by the next command.
 *
 * A login or an address that is blocked ends the session. A sender, a domain
 * or a body is refused and no more: the login may have other mail.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/front/checks_int.h"

#define SHOWN_MAX 100 /* of an address, in a reply */

/* True: a refusal applies. */
static bool
find(struct worker *worker, const struct block_facts *facts,
     struct block_hit *hit)
{
	struct blocklist *list = worker->shared->blocklist;

	return !blocklist_is_empty(list) &&
	       blocklist_find(list, facts, false, clock_wall_s(), hit);
}

static void
cut(char out[SHOWN_MAX + 1], struct slice s)
{
	s = slice_head(s, SHOWN_MAX);
	if (s.n > 0)
		memcpy(out, s.p, s.n);
	out[s.n] = '\0';
}

/* What is common to all: the reference is the block's own id. */
static void
refuse(struct refusal *refusal, enum reply_id id, const struct block_hit *hit,
       const char *name, const char *value)
{
	char ref[ID_TEXT_SIZE];
	const struct reply_arg args[] = {{"ref", ref}, {name, value}};

	id_format(hit->id, ref);
	refusal_make(refusal, id, args, 2);
	refusal->ref = hit->id;
	refusal->why = "blocked";
	refusal->slow = true;
	refusal->last = hit->kind == BLOCK_CRED || hit->kind == BLOCK_IP;
}

static void
decide(struct session *session, const struct transaction *t, const char *stage,
       const struct block_hit *hit, const struct refusal *refusal,
       struct slice detail)
{
	struct decision decision;

	COUNT(session->worker, blocked);
	checks_decision(&decision, session, t, stage, detail);
	decision.kind = DECISION_BLOCK;
	decision.code = refusal->reply.code;
	decision.block = hit->id;
	decisions_add(session->worker->shared->decisions, &decision);
}

bool
check_block_connect(struct worker *worker, const struct ip_addr *ip,
		    struct refusal *refusal)
{
	const struct block_facts facts = {.ip = ip};
	struct decision decision = {.kind = DECISION_BLOCK, .client = *ip};
	char text[IP_TEXT_SIZE], time[CLOCK_HUMAN_SIZE], ref[ID_TEXT_SIZE];
	const struct reply_arg args[] = {
	    {"ip", text}, {"time", time}, {"ref", ref}};
	struct block_hit hit;

	if (!find(worker, &facts, &hit))
		return true;
	COUNT(worker, blocked);
	ip_format(ip, text);
	id_format(hit.id, ref);
	clock_human(hit.until_wall_s, clock_wall_s(), time);
	refusal_make(refusal,
		     hit.until_wall_s != 0 ? REPLY_ADDRESS_BLOCKED_FOR
					   : REPLY_ADDRESS_BLOCKED,
		     args, 3);
	refusal->ref = hit.id;
	refusal->why = "blocked";
	decision.wall_ms = clock_wall_ms();
	decision.session = worker_knocker(worker, ip);
	snprintf(decision.stage, sizeof(decision.stage), "connect");
	decision.code = refusal->reply.code;
	decision.block = hit.id;
	decisions_add(worker->shared->decisions, &decision);
	return false;
}

/* The login, which may not be known yet, and the address of a session. */
static bool
find_session(struct session *session, const char *cred, struct block_hit *hit)
{
	const struct block_facts facts = {
	    .cred = cred,
	    .ip = &session->peer.ip,
	};

	return find(session->worker, &facts, hit);
}

static void
refuse_session(struct session *session, const struct transaction *t,
	       const char *stage, const struct block_hit *hit,
	       struct refusal *refusal)
{
	char ip[IP_TEXT_SIZE];

	ip_format(&session->peer.ip, ip);
	if (hit->kind == BLOCK_IP)
		refuse(refusal, REPLY_ADDRESS_BLOCKED_NOW, hit, "ip", ip);
	else
		refuse(refusal, REPLY_CRED_BLOCKED, hit, "contact",
		       checks_contact(session));
	decide(session, t, stage, hit, refusal, SLICE_NONE);
}

const struct refusal *
check_block_command(struct session *session)
{
	struct guard *guard = &session->guard;
	uint64_t generation =
	    blocklist_generation(session->worker->shared->blocklist);
	struct block_hit hit;

	if (generation == guard->generation)
		return guard->blocked;
	guard->generation = generation;
	free(guard->blocked);
	guard->blocked = NULL;
	if (find_session(session, session->login.cred, &hit)) {
		guard->blocked = mem_zalloc(sizeof(*guard->blocked));
		refuse_session(session, NULL, "command", &hit, guard->blocked);
	}
	return guard->blocked;
}

bool
check_block_again(struct session *session, struct refusal *refusal)
{
	const struct refusal *blocked = check_block_command(session);

	if (blocked != NULL)
		*refusal = *blocked;
	return blocked == NULL;
}

/* Asked when the password is found right, a moment before it is answered:
 * check_block_login says what was found. */
bool
check_block_stealth(struct session *session, const char *cred)
{
	struct login *login = &session->login;
	struct refusal refusal;
	char ref[ID_TEXT_SIZE];

	session->guard.generation =
	    blocklist_generation(session->worker->shared->blocklist);
	login->blocked = find_session(session, cred, &login->hit);
	if (!login->blocked || login->hit.kind != BLOCK_CRED ||
	    (login->hit.flags & BLOCK_STEALTH) == 0)
		return false;
	login->blocked = false;
	refusal_make(&refusal, REPLY_AUTH_DENIED, NULL, 0);
	decide(session, NULL, "AUTH", &login->hit, &refusal, slice_str(cred));
	id_format(login->hit.id, ref);
	log_event(GW_LOG_INFO, "login-blocked",
		  LF_STR("session", session->id_text), LF_STR("cred", cred),
		  LF_IP("client", &session->peer.ip), LF_STR("shown", "denied"),
		  LF_STR("ref", ref));
	return true;
}

bool
check_block_login(struct session *session, const char *cred,
		  struct refusal *refusal)
{
	struct login *login = &session->login;

	if (!login->blocked)
		return true;
	login->blocked = false;
	if (login->hit.kind == BLOCK_IP) {
		refuse_session(session, NULL, "AUTH", &login->hit, refusal);
		return false;
	}
	session->guard.generation = 0; /* with another login all may be well */
	refuse(refusal, REPLY_CRED_BLOCKED_AUTH, &login->hit, "contact",
	       checks_contact(session));
	refusal->last = false;
	decide(session, NULL, "AUTH", &login->hit, refusal, slice_str(cred));
	return false;
}

bool
check_block_sender(struct session *session, struct slice sender,
		   struct refusal *refusal)
{
	const struct block_facts facts = {.from = sender};
	char address[SHOWN_MAX + 1];
	struct block_hit hit;

	if (!find(session->worker, &facts, &hit))
		return true;
	cut(address, sender);
	refuse(refusal, REPLY_FROM_BLOCKED, &hit, "address", address);
	decide(session, NULL, "MAIL", &hit, refusal, sender);
	checks_count_refused(session, sender, SLICE_NONE);
	return false;
}

bool
check_block_rcpt(struct transaction *t, struct slice domain,
		 struct refusal *refusal)
{
	const struct block_facts facts = {.domain = domain};
	struct session *session = t->session;
	char name[SHOWN_MAX + 1];
	struct block_hit hit;

	if (domain.n == 0 || !find(session->worker, &facts, &hit))
		return true;
	cut(name, domain);
	refuse(refusal, REPLY_DOMAIN_BLOCKED, &hit, "domain", name);
	decide(session, t, "RCPT", &hit, refusal, domain);
	checks_count_refused(session, slice_str(t->msg->mail_from), domain);
	return false;
}

bool
check_block_message(struct transaction *t, struct refusal *refusal)
{
	struct session *session = t->session;
	struct slice from = slice_str(t->mail_from);
	const struct block_facts facts = {
	    .cred = session->login.cred,
	    .ip = &session->peer.ip,
	    .from = from,
	    .body = t->digest,
	};
	char address[SHOWN_MAX + 1];
	struct block_hit hit;

	if (!find(session->worker, &facts, &hit))
		return true;
	checks_count_refused(session, from, SLICE_NONE);
	if (hit.kind == BLOCK_CRED || hit.kind == BLOCK_IP) {
		refuse_session(session, t, ".", &hit, refusal);
		return false;
	}
	cut(address, from);
	if (hit.kind == BLOCK_FROM)
		refuse(refusal, REPLY_FROM_BLOCKED, &hit, "address", address);
	else
		refuse(refusal, REPLY_BODY_BLOCKED, &hit, "body", "");
	decide(session, t, ".", &hit, refusal, from);
	return false;
}
