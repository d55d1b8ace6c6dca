#ifndef GATEWAY_FRONT_WORKER_H
#define GATEWAY_FRONT_WORKER_H

#include <bsd/sys/queue.h>
#include <pthread.h>

#include "gateway/base/histogram.h"
#include "gateway/front/front.h"
#include "gateway/front/snapshot.h"
#include "gateway/net/listen.h"
#include "gateway/net/queue.h"
#include "policy/reply.h"
#include "ratelimit/crowd.h"

/*
 * One front thread: its loop, its listeners, its sessions. Other threads reach
 * it through its inbox only.
 */
struct session;

/* Read by any thread, written by this one. */
struct counters {
	_Atomic uint64_t sessions, sessions_tls, sessions_authenticated;
	_Atomic uint64_t connections_total, connections_refused;
	_Atomic uint64_t auth_ok, auth_failed, auth_busy;
	_Atomic uint64_t messages_accepted, messages_refused;
	_Atomic uint64_t messages_duplicate;
	_Atomic uint64_t recipients_accepted, recipients_refused;
	_Atomic uint64_t bytes_accepted;
	_Atomic uint64_t limit_paced, limit_held, limit_bulk;
	_Atomic uint64_t limit_deferred, limit_rejected, limit_observed;
	_Atomic uint64_t blocked, sender_refused, sender_observed;
	_Atomic uint64_t sender_dead;
	_Atomic uint64_t domain_refused, domain_dropped, domain_unverified;
	_Atomic uint64_t scan_clean, scan_infected, scan_unscannable;
	_Atomic uint64_t scan_pending, scan_open, scan_token;
	_Atomic uint64_t dkim_signed, dkim_failed;
};

#define COUNT(worker, what) COUNT_ADD(worker, what, 1)
#define COUNT_ADD(worker, what, n)                               \
	atomic_fetch_add_explicit(&(worker)->counters.what, (n), \
				  memory_order_relaxed)
#define COUNT_DOWN(worker, what)                               \
	atomic_fetch_sub_explicit(&(worker)->counters.what, 1, \
				  memory_order_relaxed)

/* What all workers share; constant but for what locks itself. */
struct shared {
	struct spool *spool;
	struct auth_pool *auth;
	struct limits *limits;
	struct blocklist *blocklist;
	struct accounts *accounts;
	struct decisions *decisions;
	struct top *top;
	struct crowd *crowd;
	struct dns_cache *dns_cache; /* NULL, both: no domain is asked */
	struct domains *domains;     /* about */
	struct scan *scan;	     /* NULL: nothing is scanned */
	struct dkim_pool *signer;    /* NULL: nothing is signed */
	struct campaigns *campaigns; /* NULL: there are none */
	bool (*utf8_fn)(void *arg);
	void *utf8_arg;
};

enum note_kind { NOTE_COMMIT, NOTE_SCAN, NOTE_SIGN, NOTE_CONF, NOTE_STOP };

/* First member of everything that is pushed to an inbox. */
struct note {
	struct queue_item item;
	enum note_kind kind;
};

struct note_conf { /* NOTE_CONF; freed by the worker */
	struct note note;
	struct snapshot *snapshot;
	int *fds; /* worker_fds of it */
};

struct note_stop { /* NOTE_STOP; freed by the worker */
	struct note note;
	int64_t grace_ms;
};

struct listening {
	struct listener *listener;
	struct worker *worker;
	size_t index; /* in the snapshot it was made of */
};

struct refusals { /* of one second, for the log */
	struct timer_op *second;
	unsigned told;
	uint64_t more;
};

/* An address whose connections were refused a moment ago: what it goes on to
 * be refused for the same is one decision, under the id of the first. */
#define KNOCKERS 64
struct knocker {
	struct ip_addr ip;
	uint64_t session;
	int64_t until_ms;
};

TAILQ_HEAD(session_list, session);

struct worker {
	struct shared *shared;
	pthread_t thread;
	struct loop *loop;
	struct queue *inbox;
	struct auth *auth;
	struct dns *dns; /* NULL: no domain is asked about */
	struct snapshot *snapshot;
	int *fds; /* our own duplicates of the listening sockets */
	struct listening *listening;  /* one a listener of the snapshot */
	struct session_list sessions; /* all */
	struct session_list lobby;    /* without a login, oldest first */
	struct session *by_id;
	unsigned commits;      /* under way in the store */
	unsigned scans;	       /* and on the scan thread */
	unsigned signings;     /* and being signed */
	int64_t full_until_ms; /* the store said full: refuse MAIL until */
	bool stopping;
	int64_t stop_at_ms; /* end even what is in a transaction */
	struct timer_op *stop_timer;
	struct refusals refusals;
	struct knocker knockers[KNOCKERS];
	struct counters counters;
	struct histogram dot_latency, rcpt_wait, scan_wait;
};

/* Duplicates of the configuration's sockets, so that the owner may close its
 * own as soon as a reload was pushed. Freed with the worker or its next
 * configuration. */
int *worker_fds(const struct front_conf *conf);

struct worker *worker_create(struct shared *shared, struct snapshot *snapshot);
int worker_start(struct worker *worker); /* GW_EIO: no thread, no resolver */
void worker_push(struct worker *worker, struct note *note); /* any thread */
void worker_join(struct worker *worker);
void worker_destroy(struct worker **worker); /* after worker_join */

/* The crowd's answer to ip; when the house is full the oldest session without
 * a login makes room (never one that the crowd does not count). */
enum crowd_verdict worker_enter(struct worker *worker,
				const struct ip_addr *ip);
/* A connection is refused: counted, and told in the log unless there were too
 * many in this second; those are told as a number. session: or NULL; ref 0:
 * none. */
void worker_refused(struct worker *worker, const char *session, const char *why,
		    const struct ip_addr *client, uint64_t ref);
/* One line more about connections in this second; false: no more. */
bool worker_may_tell(struct worker *worker);
/* The id under which refusals of this address are one decision. */
uint64_t worker_knocker(struct worker *worker, const struct ip_addr *ip);
/* Takes fd: a last word, where text can be read, and the end. */
void worker_turn_away(struct worker *worker, const struct front_listener *on,
		      int fd, const struct reply *reply);
struct session *worker_find(struct worker *worker, uint64_t id);

#endif
