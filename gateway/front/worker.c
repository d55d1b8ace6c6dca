/*
 * A front thread's life: it accepts, it hands notes of other threads to
 * sessions, and it stops cleanly. What a session does is session.c's; what
 * must hold here: everything of a worker is touched by its own thread only,
 * and the loop ends when stopping and no session, no scan and no commit is
 * left.
 */
#include "gateway/front/worker.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/hash.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/front/checks.h"
#include "gateway/front/commit.h"
#include "gateway/front/inspection.h"
#include "gateway/front/session.h"
#include "gateway/front/signing.h"

#define STOP_SWEEP_MS 50
#define LINGER_MS 2000
#define SHED_AGE_MS 1000
#define SECOND_MS 1000
#define KNOCKER_MS 60000
#define REFUSALS_TOLD 10 /* lines a second */

int *
worker_fds(const struct front_conf *conf)
{
	int *fds = mem_array(conf->listener_count + 1, sizeof(*fds));

	for (size_t i = 0; i < conf->listener_count; i++)
		fds[i] = fcntl(conf->listeners[i].fd, F_DUPFD_CLOEXEC, 3);
	return fds;
}

struct worker *
worker_create(struct shared *shared, struct snapshot *snapshot)
{
	struct worker *worker = mem_zalloc(sizeof(*worker));

	worker->shared = shared;
	worker->snapshot = snapshot_share(snapshot);
	worker->fds = worker_fds(&snapshot->conf);
	TAILQ_INIT(&worker->sessions);
	TAILQ_INIT(&worker->lobby);
	return worker;
}

/* --- accepting ---------------------------------------------------------- */

/* End the oldest session without a login. */
static bool
shed(struct worker *worker, int64_t older_than_ms, bool counted_only)
{
	struct session *oldest = TAILQ_FIRST(&worker->lobby);
	struct reply reply;

	while (counted_only && oldest != NULL && !oldest->counted)
		oldest = TAILQ_NEXT(oldest, lobby);
	if (oldest == NULL ||
	    loop_now_ms(worker->loop) - oldest->watch.since_ms < older_than_ms)
		return false;
	reply_make(&reply, REPLY_TOO_MANY_CONNECTIONS, NULL, 0);
	log_event(GW_LOG_WARN, "shed", LF_STR("session", oldest->id_text),
		  LF_IP("client", &oldest->peer.ip));
	session_end(oldest, reply.code, reply.enhanced, reply.text, "shed");
	/* its descriptor is wanted now, not when it has lingered */
	session_drop(&oldest);
	return true;
}

static void
refusals_tell(struct worker *worker)
{
	if (worker->refusals.more > 0)
		log_event(GW_LOG_WARN, "refuse", LF_STR("stage", "connect"),
			  LF_U64("more", worker->refusals.more));
	worker->refusals = (struct refusals){0};
}

static void
on_refusals_second(void *arg)
{
	refusals_tell(arg);
}

bool
worker_may_tell(struct worker *worker)
{
	struct refusals *refusals = &worker->refusals;

	if (refusals->second == NULL)
		refusals->second = timer_start(worker->loop, SECOND_MS,
					       on_refusals_second, worker);
	if (refusals->told == REFUSALS_TOLD)
		return false;
	refusals->told++;
	return true;
}

void
worker_refused(struct worker *worker, const char *session, const char *why,
	       const struct ip_addr *client, uint64_t ref)
{
	char text[ID_TEXT_SIZE];

	COUNT(worker, connections_refused);
	if (!worker_may_tell(worker)) {
		worker->refusals.more++;
		return;
	}
	id_format(ref, text);
	log_event(GW_LOG_WARN, "refuse", LF_STR("session", session),
		  LF_STR("stage", "connect"), LF_STR("why", why),
		  LF_IP("client", client),
		  LF_STR("ref", ref != 0 ? text : NULL));
}

uint64_t
worker_knocker(struct worker *worker, const struct ip_addr *ip)
{
	int64_t now_ms = loop_now_ms(worker->loop);
	struct knocker *knocker =
	    &worker->knockers[hash_bytes(ip, sizeof(*ip)) % KNOCKERS];

	if (!ip_eq(&knocker->ip, ip) || knocker->until_ms <= now_ms) {
		knocker->ip = *ip;
		knocker->session = id_next();
		knocker->until_ms = now_ms + KNOCKER_MS;
	}
	return knocker->session;
}

void
worker_turn_away(struct worker *worker, const struct front_listener *on, int fd,
		 const struct reply *reply)
{
	static const struct stream_ops none;
	struct stream *stream;
	char line[320];
	int n;

	if (on->tls == FRONT_TLS_IMPLICIT) {
		close(fd);
		return;
	}
	n = snprintf(line, sizeof(line), "%d %s %s\r\n", reply->code,
		     reply->enhanced, reply->text);
	stream = stream_create(worker->loop, fd, &none, NULL);
	stream_write(stream, slice_of(line, (size_t)n));
	stream_finish(&stream, LINGER_MS);
}

enum crowd_verdict
worker_enter(struct worker *worker, const struct ip_addr *ip)
{
	const struct front_conf *conf = &worker->snapshot->conf;
	enum crowd_verdict verdict;

	verdict = crowd_enter(worker->shared->crowd, ip, conf->connection_max,
			      conf->connection_address_max);
	if (verdict == CROWD_FULL && shed(worker, SHED_AGE_MS, true))
		verdict =
		    crowd_enter(worker->shared->crowd, ip, conf->connection_max,
				conf->connection_address_max);
	return verdict;
}

static void
on_accept(void *arg, int fd, const struct sock_addr *peer,
	  const struct sock_addr *local)
{
	struct listening *listening = arg;
	struct worker *worker = listening->worker;
	const struct front_listener *on =
	    &worker->snapshot->conf.listeners[listening->index];

	struct presence *presence = NULL;
	struct refusal refusal;

	COUNT(worker, connections_total);
	/* behind a proxy the client is known later: session.c asks */
	if (on->proxy_count == 0 &&
	    !checks_connect(worker, &peer->ip, &presence, &refusal)) {
		worker_refused(worker, NULL, refusal.why, &peer->ip,
			       refusal.ref);
		worker_turn_away(worker, on, fd, &refusal.reply);
		return;
	}
	session_accept(worker, on, fd, peer, local, presence);
}

static void
on_full(void *arg)
{
	struct listening *listening = arg;

	log_event(GW_LOG_WARN, "descriptors-gone",
		  LF_U64("sessions",
			 atomic_load(&listening->worker->counters.sessions)));
	shed(listening->worker, 0, false);
}

static void
listen_stop(struct worker *worker)
{
	size_t count = worker->snapshot->conf.listener_count;

	for (size_t i = 0; i < count; i++) {
		if (worker->listening != NULL)
			listener_destroy(&worker->listening[i].listener);
		if (worker->fds != NULL && worker->fds[i] >= 0)
			close(worker->fds[i]);
	}
	free(worker->listening);
	free(worker->fds);
	worker->listening = NULL;
	worker->fds = NULL;
}

static void
listen_start(struct worker *worker)
{
	const struct front_conf *conf = &worker->snapshot->conf;
	int fd;

	worker->listening =
	    mem_array(conf->listener_count, sizeof(*worker->listening));
	for (size_t i = 0; i < conf->listener_count; i++) {
		worker->listening[i].worker = worker;
		worker->listening[i].index = i;
		/* no descriptor for a duplicate: the owner's lasts as long as
		 * his configuration */
		fd = worker->fds[i] >= 0 ? worker->fds[i]
					 : conf->listeners[i].fd;
		worker->listening[i].listener =
		    listener_create(worker->loop, fd, on_accept, on_full,
				    &worker->listening[i]);
	}
}

/* --- stopping ----------------------------------------------------------- */

static void
on_stop_sweep(void *arg)
{
	struct worker *worker = arg;
	struct session *session, *next;
	bool force;

	force = loop_now_ms(worker->loop) >= worker->stop_at_ms;
	worker->stop_timer = NULL;
	TAILQ_FOREACH_SAFE (session, &worker->sessions, all, next)
		session_stop(session, force);
	if (TAILQ_EMPTY(&worker->sessions) && worker->commits == 0 &&
	    worker->scans == 0 && worker->signings == 0) {
		loop_stop(worker->loop);
		return;
	}
	worker->stop_timer =
	    timer_start(worker->loop, STOP_SWEEP_MS, on_stop_sweep, worker);
}

static void
stop(struct worker *worker, int64_t grace_ms)
{
	worker->stop_at_ms = loop_now_ms(worker->loop) + grace_ms;
	if (worker->stopping)
		return;
	worker->stopping = true;
	listen_stop(worker);
	on_stop_sweep(worker);
}

/* --- notes -------------------------------------------------------------- */

static struct dns_opts
dns_opts_of(const struct worker *worker)
{
	struct dns_opts opts = worker->snapshot->conf.dns;

	opts.cache = worker->shared->dns_cache;
	return opts;
}

static void
dns_follow(struct worker *worker)
{
	const struct dns_opts opts = dns_opts_of(worker);
	int err;

	if (worker->dns == NULL)
		return;
	err = dns_reconfigure(worker->dns, &opts);
	if (err != 0)
		log_event(GW_LOG_ERROR, "resolver",
			  LF_STR("servers", opts.servers), LF_ERR(err));
}

static void
on_note(void *arg, struct queue_item *item)
{
	struct worker *worker = arg;
	struct note *note = (struct note *)item;
	struct note_conf *conf;

	switch (note->kind) {
	case NOTE_COMMIT:
		worker->commits--;
		commit_done(worker, note);
		return;
	case NOTE_SCAN:
		inspection_done(note);
		return;
	case NOTE_SIGN:
		signing_done(note);
		return;
	case NOTE_CONF:
		conf = (struct note_conf *)note;
		listen_stop(worker);
		snapshot_release(&worker->snapshot);
		worker->snapshot = conf->snapshot;
		worker->fds = conf->fds;
		dns_follow(worker);
		if (worker->stopping)
			listen_stop(worker);
		else
			listen_start(worker);
		free(conf);
		return;
	case NOTE_STOP:
		stop(worker, ((struct note_stop *)note)->grace_ms);
		free(note);
		return;
	}
}

void
worker_push(struct worker *worker, struct note *note)
{
	queue_push(worker->inbox, &note->item);
}

/* --- the thread --------------------------------------------------------- */

static void *
run(void *arg)
{
	struct worker *worker = arg;

	pthread_setname_np(pthread_self(), "front");
	listen_start(worker);
	loop_run(worker->loop);
	return NULL;
}

int
worker_start(struct worker *worker)
{
	const struct dns_opts dns = dns_opts_of(worker);
	bool asks = dns.cache != NULL && worker->shared->domains != NULL;

	worker->loop = loop_create();
	if (worker->loop == NULL)
		return GW_EIO;
	worker->inbox = queue_create(worker->loop, on_note, worker);
	worker->auth = auth_create(worker->loop, worker->shared->auth);
	if (asks)
		worker->dns = dns_create(worker->loop, &dns);
	if (worker->inbox == NULL || worker->auth == NULL ||
	    (asks && worker->dns == NULL))
		return GW_EIO;
	if (pthread_create(&worker->thread, NULL, run, worker) != 0)
		return GW_EIO;
	return 0;
}

void
worker_join(struct worker *worker)
{
	pthread_join(worker->thread, NULL);
}

void
worker_destroy(struct worker **worker)
{
	struct worker *w = *worker;

	if (w == NULL)
		return;
	*worker = NULL;
	listen_stop(w);
	timer_cancel(&w->stop_timer);
	timer_cancel(&w->refusals.second);
	refusals_tell(w);
	auth_destroy(&w->auth);
	dns_destroy(&w->dns); /* no session is left to ask */
	if (w->inbox != NULL)
		queue_destroy(&w->inbox);
	loop_destroy(&w->loop);
	snapshot_release(&w->snapshot);
	free(w);
}

struct session *
worker_find(struct worker *worker, uint64_t id)
{
	struct session *session;

	HASH_FIND(hh, worker->by_id, &id, sizeof(id), session);
	return session;
}
