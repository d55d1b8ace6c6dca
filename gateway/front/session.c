/*
 * A connection from accept to close: PROXY header, TLS, the SMTP engine. How
 * long it may take is session_clock.c's, who logs in is login.c's business,
 * messages are transaction.c's.
 *
 * The engine may ask for the end inside any of its calls, so a session is
 * never freed there: it becomes CLOSING and is reaped in the next turn.
 */
#include "gateway/front/session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/front/checks.h"
#include "gateway/front/inspection.h"
#include "gateway/front/recipients.h"
#include "gateway/front/transaction.h"
#include "policy/reply.h"

#define PROXY_MS 5000
#define LINGER_MS 2000
#define UNREAD_MAX 65536

void
session_reply(struct session *session, uint32_t ticket, int reply_id)
{
	struct reply reply;

	reply_make(&reply, (enum reply_id)reply_id, NULL, 0);
	smtp_server_reply(session->server, ticket, reply.code, reply.enhanced,
			  reply.text);
}

/* --- the end ------------------------------------------------------------ */

static void
log_end(const struct session *session)
{
	log_event(GW_LOG_INFO, "disconnect",
		  LF_STR("session", session->id_text),
		  LF_STR("cred", session->login.cred),
		  LF_IP("client", &session->peer.ip),
		  LF_STR("why", session->end_reason),
		  LF_U64("messages", session->message_count),
		  LF_I64("ms", loop_now_ms(session->worker->loop) -
				   session->watch.since_ms));
}

static void
forget(struct session *session)
{
	struct worker *worker = session->worker;

	if (session->in_lobby)
		TAILQ_REMOVE(&worker->lobby, session, lobby);
	TAILQ_REMOVE(&worker->sessions, session, all);
	HASH_DEL(worker->by_id, session);
	COUNT_DOWN(worker, sessions);
	if (session->secured)
		COUNT_DOWN(worker, sessions_tls);
	if (session->login.cred != NULL)
		COUNT_DOWN(worker, sessions_authenticated);
	if (session->counted)
		crowd_leave(worker->shared->crowd, &session->peer.ip);
	presence_end(&session->guard.presence, clock_mono_us());
}

void
session_destroy(struct session **session)
{
	struct session *s = *session;

	if (s == NULL)
		return;
	*session = NULL;
	log_end(s);
	forget(s);
	timer_cancel(&s->timer);
	timer_cancel(&s->reaper);
	proxy_read_cancel(&s->proxy);
	transaction_mail_cancel(s);
	transaction_destroy(&s->transaction);
	login_fini(s);
	refusal_fini(s);
	smtp_server_destroy(&s->server);
	if (s->stream != NULL)
		stream_finish(&s->stream, LINGER_MS);
	if (s->fd >= 0)
		close(s->fd);
	snapshot_release(&s->snapshot);
	free(s);
}

void
session_drop(struct session **session)
{
	stream_destroy(&(*session)->stream);
	session_destroy(session);
}

static void
on_reap(void *arg)
{
	struct session *session = arg;

	session->reaper = NULL;
	session_destroy(&session);
}

static void
closing(struct session *session, const char *reason)
{
	if (session->state == SESSION_CLOSING)
		return;
	session->state = SESSION_CLOSING;
	session->end_reason = reason;
	proxy_read_cancel(&session->proxy);
	transaction_mail_cancel(session);
	session->reaper =
	    timer_start(session->worker->loop, 0, on_reap, session);
}

/* MAIL or RCPT waits for DNS. All before it is answered. */
static bool
is_asking(const struct session *session, uint32_t *ticket)
{
	if (session->mail != NULL)
		*ticket = session->mail->check.ticket;
	return session->mail != NULL ||
	       (session->transaction != NULL &&
		recipients_waiting(session->transaction, ticket));
}

void
session_end(struct session *session, int code, const char *enhanced,
	    const char *text, const char *reason)
{
	bool open;
	uint32_t ticket;

	refusal_hurry(session); /* else the last word would wait for them */
	open = session->state == SESSION_OPEN;
	if (open && is_asking(session, &ticket)) {
		/* the last word is the answer, and ends the transaction */
		closing(session, reason);
		smtp_server_reply(session->server, ticket, code, enhanced,
				  text);
	} else if (open) {
		smtp_server_shutdown(session->server, code, enhanced, text,
				     reason);
	}
	closing(session, reason);
}

void
session_stop(struct session *session, bool force)
{
	struct transaction *t = session->transaction;
	struct reply reply;

	if (session->state == SESSION_CLOSING)
		return;
	refusal_hurry(session);
	/* it is kept, and scanned after the start: its client has its 250 */
	if (t != NULL && t->scan.inspection != NULL) {
		inspection_hurry(t->scan.inspection);
		return;
	}
	if (session->state == SESSION_OPEN && !force &&
	    (smtp_server_in_transaction(session->server) ||
	     !smtp_server_idle(session->server)))
		return;
	/* its commit is under way: the answer first, then 421 */
	if (t != NULL && t->committing)
		return;
	reply_make(&reply, REPLY_SHUTDOWN, NULL, 0);
	session_end(session, reply.code, reply.enhanced, reply.text,
		    "shutdown");
}

/* --- the SMTP engine's calls -------------------------------------------- */

static void
on_write(void *arg, struct slice out)
{
	struct session *session = arg;

	stream_write(session->stream, out);
}

static void
on_wake(void *arg)
{
	struct session *session = arg;

	if (session->state != SESSION_CLOSING)
		stream_resume(session->stream);
}

static void
on_close(void *arg, const char *reason)
{
	closing(arg, reason);
}

static bool
on_command(void *arg, struct smtp_refusal *out)
{
	const struct refusal *refusal = checks_command(arg);
	struct reply goodbye;

	if (refusal == NULL)
		return false;
	reply_make(&goodbye, REPLY_GOODBYE, NULL, 0);
	out->code = refusal->reply.code;
	out->enhanced = refusal->reply.enhanced;
	memcpy(out->text, refusal->reply.text, sizeof(out->text));
	memcpy(out->goodbye, goodbye.text, sizeof(out->goodbye));
	out->reason = refusal->why;
	out->ref = refusal->ref;
	return true;
}

static void
on_helo(void *arg, struct slice name, bool extended)
{
	struct session *session = arg;
	struct shared *shared = session->worker->shared;

	(void)name;
	session->extended = extended;
	smtp_server_offer_utf8(session->server,
			       shared->utf8_fn != NULL &&
				   shared->utf8_fn(shared->utf8_arg));
}

static void
on_starttls(void *arg)
{
	struct session *session = arg;

	if (stream_tls_server(session->stream, session->snapshot->conf.tls) !=
	    0)
		closing(session, "starttls-pipelined");
}

/* One recipient more than a message may have. A client that sends a hundred
 * thousand of them is told each time, the log once. */
static bool
is_surplus(struct session *session, const char *cmd, int code,
	   const char *enhanced)
{
	struct transaction *t = session->transaction;

	return t != NULL && code == 452 && strcmp(cmd, "RCPT") == 0 &&
	       enhanced != NULL && strcmp(enhanced, "4.5.3") == 0 &&
	       ++t->surplus > 1;
}

static void
refused(struct session *session, const char *cmd, int code,
	const char *enhanced, const char *text, uint64_t ref)
{
	const char *msg = session->msg_text;
	char ref_text[ID_TEXT_SIZE];

	if (strcmp(cmd, "RCPT") == 0)
		COUNT(session->worker, recipients_refused);
	else if (strcmp(cmd, ".") == 0 || strcmp(cmd, "DATA") == 0 ||
		 strcmp(cmd, "BDAT") == 0)
		COUNT(session->worker, messages_refused);
	if (ref == REFUSAL_TOLD || is_surplus(session, cmd, code, enhanced))
		return;
	id_format(ref, ref_text);
	log_event(
	    GW_LOG_INFO, "refuse", LF_STR("msg", *msg != '\0' ? msg : NULL),
	    LF_STR("session", session->id_text),
	    LF_STR("cred", session->login.cred),
	    LF_IP("client", &session->peer.ip), LF_STR("command", cmd),
	    LF_I64("code", code), LF_STR("enhanced", enhanced),
	    LF_STR("text", text), LF_STR("ref", ref != 0 ? ref_text : NULL));
}

static void
on_replied(void *arg, const char *cmd, int code, const char *enhanced,
	   const char *text, uint64_t ref)
{
	struct session *session = arg;

	session_clock_command(session);
	if (code >= 400)
		refused(session, cmd, code, enhanced, text, ref);
	if (session->transaction == NULL)
		session->msg_text[0] = '\0';
}

static const struct smtp_server_ops engine_ops = {
    .write = on_write,
    .wake = on_wake,
    .close = on_close,
    .command = on_command,
    .helo = on_helo,
    .starttls = on_starttls,
    .auth = login_auth,
    .auth_more = login_auth_more,
    .mail = transaction_mail,
    .rcpt = recipients_rcpt,
    .data = transaction_data,
    .body = transaction_body,
    .dot = transaction_dot,
    .reset = transaction_reset,
    .replied = on_replied,
};

static void
engine_create(struct session *session)
{
	const struct front_conf *conf = &session->snapshot->conf;
	const struct front_listener *on = session->listener;
	bool clear = on->tls == FRONT_TLS_NONE && on->insecure_auth;
	struct smtp_server_opts opts = {
	    .hostname = conf->hostname,
	    .size_max = conf->message_size_max,
	    .rcpt_max = conf->recipient_max,
	    .line_endings = on->normalise ? LINE_NORMALISE : LINE_REFUSE,
	    .offer_starttls = on->tls == FRONT_TLS_STARTTLS,
	    .require_tls = !clear,
	    .require_auth = true,
	    .mechanisms = clear ? login_mechanisms(session) : NULL,
	};

	session->server = smtp_server_create(&opts, &engine_ops, session);
}

/* --- the stream's calls ------------------------------------------------- */

static size_t
on_data(void *arg, struct slice in)
{
	struct session *session = arg;
	size_t used;

	if (session->state != SESSION_OPEN)
		return in.n;
	/* who does not read our replies is not listened to: on_drain goes on */
	if (stream_unsent(session->stream) > UNREAD_MAX) {
		stream_pause(session->stream);
		return 0;
	}
	used = smtp_server_input(session->server, in);
	if (session->state == SESSION_CLOSING)
		return in.n;
	if (used < in.n)
		stream_pause(session->stream);
	return used;
}

static void
on_drain(void *arg)
{
	struct session *session = arg;

	if (session->watch.outward)
		session->watch.mark_ms = 0;
	if (session->state != SESSION_CLOSING)
		stream_resume(session->stream);
}

static void
on_secure(void *arg)
{
	struct session *session = arg;

	if (session->state == SESSION_CLOSING)
		return;
	session->secured = true;
	COUNT(session->worker, sessions_tls);
	log_event(GW_LOG_DEBUG, "tls", LF_STR("session", session->id_text),
		  LF_STR("version", stream_tls_version(session->stream)),
		  LF_STR("cipher", stream_tls_cipher(session->stream)));
	smtp_server_secured(session->server, login_mechanisms(session));
	if (session->state == SESSION_HANDSHAKE) {
		session->state = SESSION_OPEN;
		smtp_server_greet(session->server, 220, NULL, NULL);
	}
}

static void
on_end(void *arg, int err)
{
	struct session *session = arg;

	if (session->state != SESSION_CLOSING)
		session->end_reason = err == GW_ETLS
					  ? stream_tls_error(session->stream)
					  : gw_err_text(err);
	session_destroy(&session);
}

static const struct stream_ops stream_ops = {
    .on_data = on_data,
    .on_drain = on_drain,
    .on_secure = on_secure,
    .on_end = on_end,
};

/* --- the beginning ------------------------------------------------------ */

static void
open_stream(struct session *session)
{
	session->stream = stream_create(session->worker->loop, session->fd,
					&stream_ops, session);
	session->fd = -1;
	engine_create(session);
	session_clock_start(session, session->snapshot->conf.preauth_ms);
	if (session->listener->tls == FRONT_TLS_IMPLICIT) {
		session->state = SESSION_HANDSHAKE;
		if (stream_tls_server(session->stream,
				      session->snapshot->conf.tls) != 0)
			closing(session, "tls");
		return;
	}
	session->state = SESSION_OPEN;
	smtp_server_greet(session->server, 220, NULL, NULL);
}

static void
turn_away(struct session *session, const struct refusal *refusal)
{
	worker_refused(session->worker, session->id_text, refusal->why,
		       &session->peer.ip, refusal->ref);
	worker_turn_away(session->worker, session->listener, session->fd,
			 &refusal->reply);
	session->fd = -1;
	closing(session, refusal->why);
}

static void
proxy_refuse(struct session *session, const char *reason)
{
	struct refusal refusal;

	refusal_make(&refusal, REPLY_PROXY_EXPECTED, NULL, 0);
	refusal.why = reason;
	turn_away(session, &refusal);
}

static void
on_proxy(void *arg, const struct proxy_read_result *result)
{
	struct session *session = arg;
	struct refusal refusal;

	session->proxy = NULL;
	if (result->err != 0) {
		proxy_refuse(session, "proxy-header");
		return;
	}
	if (!result->local) {
		session->peer = result->source;
		session->local = result->destination;
		if (!checks_connect(session->worker, &session->peer.ip,
				    &session->guard.presence, &refusal)) {
			turn_away(session, &refusal);
			return;
		}
		session->counted = true;
	}
	open_stream(session);
}

static bool
proxy_listed(const struct front_listener *on, const struct ip_addr *ip)
{
	for (size_t i = 0; i < on->proxy_count; i++)
		if (ip_prefix_has(&on->proxy[i], ip))
			return true;
	return false;
}

static void
begin(struct session *session)
{
	const struct front_listener *on = session->listener;

	if (on->proxy_count == 0) {
		session->counted = true; /* by the worker */
		open_stream(session);
		return;
	}
	if (!proxy_listed(on, &session->peer.ip)) {
		proxy_refuse(session, "proxy-unlisted");
		return;
	}
	session->state = SESSION_PROXY;
	session->proxy = proxy_read_start(session->worker->loop, session->fd,
					  PROXY_MS, on_proxy, session);
}

void
session_accept(struct worker *worker, const struct front_listener *on, int fd,
	       const struct sock_addr *peer, const struct sock_addr *local,
	       struct presence *presence)
{
	struct session *session = mem_zalloc(sizeof(*session));

	session->worker = worker;
	session->snapshot = snapshot_share(worker->snapshot);
	session->listener = on;
	session->id = id_next();
	id_format(session->id, session->id_text);
	session->fd = fd;
	session->peer = *peer;
	session->local = *local;
	session->guard.presence = presence;
	session->watch.since_ms = loop_now_ms(worker->loop);
	session->watch.activity_ms = session->watch.since_ms;
	session->in_lobby = true;
	TAILQ_INSERT_TAIL(&worker->sessions, session, all);
	TAILQ_INSERT_TAIL(&worker->lobby, session, lobby);
	HASH_ADD(hh, worker->by_id, id, sizeof(session->id), session);
	COUNT(worker, sessions);
	log_event(GW_LOG_DEBUG, "connect", LF_STR("session", session->id_text),
		  LF_IP("client", &peer->ip), LF_STR("listener", on->name));
	begin(session);
}
