/*
 * How long a session may take. One timer, asleep until the nearest limit: the
 * time without a login, the time between commands, the progress of a body or
 * of our replies. A slow client is judged by its progress, never by how long a
 * message takes.
 */
#include "gateway/front/session.h"
#include "gateway/front/transaction.h"

#define PROGRESS_WINDOW_MS 60000
#define BODY_TICK_MS 15000
#define LOBBY_TICK_MS 1000

static void on_timer(void *arg);

void
session_clock_start(struct session *session, int64_t delay_ms)
{
	struct loop *loop = session->worker->loop;

	if (delay_ms < 1)
		delay_ms = 1;
	timer_cancel(&session->timer);
	session->timer = timer_start(loop, delay_ms, on_timer, session);
	session->watch.due_ms = loop_now_ms(loop) + delay_ms;
}

/* The limit became a nearer one: the timer may not sleep for longer. */
static void
wake_within(struct session *session, int64_t delay_ms, int64_t now_ms)
{
	if (session->watch.due_ms > now_ms + delay_ms)
		session_clock_start(session, delay_ms);
}

static void
timed_out(struct session *session, const char *reason)
{
	struct reply reply;

	reply_make(&reply, REPLY_TIMEOUT, NULL, 0);
	session_end(session, reply.code, reply.enhanced, reply.text, reason);
}

/* Start a window of progress at the bytes seen so far. */
static void
mark(struct session *session, bool outward, uint64_t bytes, int64_t now_ms)
{
	session->watch.mark_ms = now_ms;
	session->watch.mark_bytes = bytes;
	session->watch.outward = outward;
}

/* Bytes must flow at the least average over the window. */
static bool
too_slow(struct session *session, bool outward, uint64_t bytes, int64_t now_ms)
{
	uint64_t need = (uint64_t)session->snapshot->conf.progress_bytes_s *
			(PROGRESS_WINDOW_MS / 1000);

	if (session->watch.mark_ms == 0 || session->watch.outward != outward) {
		mark(session, outward, bytes, now_ms);
		return false;
	}
	if (now_ms - session->watch.mark_ms < PROGRESS_WINDOW_MS)
		return false;
	if (bytes - session->watch.mark_bytes < need)
		return true;
	mark(session, outward, bytes, now_ms);
	return false;
}

void
session_clock_body(struct session *session)
{
	int64_t now_ms = loop_now_ms(session->worker->loop);

	mark(session, false, stream_bytes_in(session->stream), now_ms);
	wake_within(session, PROGRESS_WINDOW_MS, now_ms);
}

void
session_clock_command(struct session *session)
{
	session->watch.activity_ms = loop_now_ms(session->worker->loop);
	if (!session->in_lobby)
		wake_within(session, session->snapshot->conf.idle_ms,
			    session->watch.activity_ms);
}

/* Until the login there is one limit, whatever the client makes of the time:
 * a body that is refused and a reply it does not read buy none. */
static void
tick_lobby(struct session *session, int64_t now_ms)
{
	int64_t left_ms = session->watch.since_ms +
			  session->snapshot->conf.preauth_ms - now_ms;

	if (left_ms > 0)
		session_clock_start(session, left_ms);
	else if (smtp_server_idle(session->server))
		timed_out(session, "idle");
	else /* its password is being looked at: that ends by itself */
		session_clock_start(session, LOBBY_TICK_MS);
}

/* The disk is behind: a client that sends nothing now was told not to. */
static bool
is_held_up(const struct session *session)
{
	return session->transaction != NULL &&
	       session->transaction->backlog != NULL;
}

static void
tick_open(struct session *session, int64_t now_ms)
{
	const struct front_conf *conf = &session->snapshot->conf;
	struct stream *stream = session->stream;
	bool waits;
	int64_t idle_ms;

	if (session->in_lobby) {
		tick_lobby(session, now_ms);
		return;
	}
	if (stream_unsent(stream) > 0) {
		if (too_slow(session, true, stream_bytes_out(stream), now_ms))
			timed_out(session, "slow-reader");
		else
			session_clock_start(session, BODY_TICK_MS);
		return;
	}
	waits = !smtp_server_idle(session->server) || is_held_up(session);
	if (smtp_server_in_body(session->server) && !waits) {
		if (too_slow(session, false, stream_bytes_in(stream), now_ms))
			timed_out(session, "slow-body");
		else
			session_clock_start(session, BODY_TICK_MS);
		return;
	}
	session->watch.mark_ms = 0;
	if (waits) { /* for us */
		session_clock_start(session, BODY_TICK_MS);
		return;
	}
	idle_ms = now_ms - session->watch.activity_ms;
	if (idle_ms >= conf->idle_ms)
		timed_out(session, "idle");
	else
		session_clock_start(session, conf->idle_ms - idle_ms);
}

static void
on_timer(void *arg)
{
	struct session *session = arg;
	int64_t now_ms = loop_now_ms(session->worker->loop);

	session->timer = NULL;
	switch (session->state) {
	case SESSION_PROXY: /* has a deadline of its own */
	case SESSION_CLOSING:
		return;
	case SESSION_HANDSHAKE: /* no place for text */
		session_end(session, 0, NULL, NULL, "handshake-timeout");
		return;
	case SESSION_OPEN:
		tick_open(session, now_ms);
		return;
	}
}
