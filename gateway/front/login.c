/*
 * AUTH between the SMTP engine and gateway/auth: words in, verdict out, and
 * what the client is told. Nothing of the exchange reaches the log but the
 * name that was tried.
 *
 * The attempt has its place among the address's failures exactly while the
 * words are with gateway/auth: a client that takes its time over a challenge
 * keeps nobody else out.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/front/checks.h"
#include "policy/reply.h"

const char *
login_mechanisms(const struct session *session)
{
	const char *offered = auth_mechanisms(session->worker->auth);

	/* Dovecot is away: without AUTH in its EHLO a client asks its user for
	 * other settings; with it, it hears 454, and comes again. */
	return offered != NULL ? offered : "PLAIN LOGIN";
}

static enum binding
binding_of(const struct session *session, const char *class)
{
	const struct front_conf *conf = &session->snapshot->conf;

	for (size_t i = 0; class != NULL && i < conf->class_count; i++)
		if (strcmp(conf->classes[i].name, class) == 0 &&
		    conf->classes[i].binding >= 0)
			return (enum binding)conf->classes[i].binding;
	return conf->binding;
}

static void
logged_in(struct session *session, const struct auth_result *result)
{
	struct login *login = &session->login;

	login->cred = mem_strdup(result->cred);
	login->owner = mem_strdup(result->owner);
	login->class = mem_strdup(result->class);
	login->bulk = result->suffixed;
	login->binding = binding_of(session, result->class);
	TAILQ_REMOVE(&session->worker->lobby, session, lobby);
	session->in_lobby = false;
	stream_secrets_over(session->stream);
	COUNT(session->worker, auth_ok);
	COUNT(session->worker, sessions_authenticated);
	log_event(GW_LOG_INFO, "login", LF_STR("session", session->id_text),
		  LF_STR("cred", login->cred),
		  LF_IP("client", &session->peer.ip),
		  LF_STR("tls", stream_tls_version(session->stream)),
		  LF_STR("helo", smtp_server_helo(session->server)),
		  LF_STR("bulk", login->bulk ? "yes" : NULL),
		  LF_STR("cached", result->cached ? "yes" : NULL));
}

static void
log_failure(struct session *session, const struct auth_result *result,
	    const char *why)
{
	log_event(
	    GW_LOG_INFO, "login-failed", LF_STR("session", session->id_text),
	    LF_IP("client", &session->peer.ip), LF_STR("cred", result->cred),
	    LF_SLICE("tried", result->tried), LF_STR("why", why));
}

static void
answer(struct session *session, enum reply_id id)
{
	session_reply(session, session->login.ticket, (int)id);
}

static void
on_auth(void *arg, const struct auth_result *result)
{
	struct session *session = arg;
	struct refusal refusal;

	if (result->verdict == AUTH_CHALLENGE) {
		attempt_pause(session->login.attempt, clock_mono_us());
		smtp_server_challenge(session->server, session->login.ticket,
				      result->challenge);
		return;
	}
	session->login.op = NULL;
	if (result->verdict == AUTH_DENIED)
		attempt_fail(&session->login.attempt, clock_mono_us());
	else
		attempt_end(&session->login.attempt, clock_mono_us());
	switch (result->verdict) {
	case AUTH_OK:
		if (!checks_login(session, result, &refusal)) {
			COUNT(session->worker, auth_failed);
			log_failure(session, result, refusal.why);
			refusal_say(session, session->login.ticket, &refusal);
			return;
		}
		logged_in(session, result);
		answer(session, REPLY_AUTH_OK);
		return;
	case AUTH_CHALLENGE:
		return;
	case AUTH_DENIED:
		COUNT(session->worker, auth_failed);
		log_failure(session, result, "denied");
		answer(session, REPLY_AUTH_DENIED);
		return;
	case AUTH_BUSY:
		COUNT(session->worker, auth_busy);
		log_failure(session, result, "hash-queue-full");
		answer(session, REPLY_AUTH_BUSY);
		return;
	case AUTH_UNAVAILABLE:
		COUNT(session->worker, auth_busy);
		log_failure(session, result, "backend-away");
		answer(session, REPLY_AUTH_UNAVAILABLE);
		return;
	case AUTH_MALFORMED:
		log_failure(session, result, "malformed");
		answer(session, REPLY_AUTH_MALFORMED);
		return;
	case AUTH_NO_MECHANISM:
		log_failure(session, result, "no-mechanism");
		answer(session, REPLY_AUTH_NO_MECHANISM);
		return;
	}
}

static bool
on_right_password(void *arg, const char *cred)
{
	return checks_stealth(arg, cred);
}

void
login_auth(void *arg, uint32_t ticket, struct slice mechanism,
	   struct slice initial)
{
	struct session *session = arg;
	struct auth_req req = {
	    .mechanism = mechanism,
	    .initial = initial,
	    .client = session->peer.ip,
	    .local = session->local.ip,
	    .tls = stream_is_tls(session->stream),
	    .session = session->id_text,
	    .deny = on_right_password,
	    .suffix = session->snapshot->conf.bulk.on
			  ? session->snapshot->conf.bulk.suffix
			  : NULL,
	};
	struct refusal refusal;

	if (!checks_auth(session, &refusal)) {
		COUNT(session->worker, auth_failed);
		refusal_say(session, ticket, &refusal);
		return;
	}
	session->login.ticket = ticket;
	session->login.op =
	    auth_start(session->worker->auth, &req, on_auth, session);
}

void
login_auth_more(void *arg, uint32_t ticket, enum smtp_auth_end end,
		struct slice response)
{
	struct session *session = arg;
	struct refusal refusal;

	session->login.ticket = ticket;
	if (end == SMTP_AUTH_CANCEL) {
		auth_cancel(&session->login.op);
		attempt_end(&session->login.attempt, clock_mono_us());
		answer(session, REPLY_AUTH_CANCELLED);
		return;
	}
	if (!checks_auth_more(session, &refusal)) {
		auth_cancel(&session->login.op);
		COUNT(session->worker, auth_failed);
		refusal_say(session, ticket, &refusal);
		return;
	}
	auth_respond(session->login.op, response);
}

void
login_fini(struct session *session)
{
	if (auth_hanging_up_fails(session->login.op))
		attempt_fail(&session->login.attempt, clock_mono_us());
	else
		attempt_end(&session->login.attempt, clock_mono_us());
	auth_cancel(&session->login.op);
	free(session->login.cred);
	free(session->login.owner);
	free(session->login.class);
}
