#ifndef GATEWAY_SCAN_SCAN_INT_H
#define GATEWAY_SCAN_SCAN_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include "gateway/base/hash.h"
#include "gateway/net/queue.h"
#include "gateway/scan/scan.h"
#include "gateway/scan/server.h"
#include "gateway/scan/settings.h"
#include "gateway/scan/source.h"
#include "gateway/scan/verdicts.h"

/*
 * Within the unit. All of it is the scan thread's, but what struct scan says.
 *
 *   work      a job and what is known of it so far          work.c
 *   waiter    one part of it that waits for a content       work.c
 *   content   bytes that are being scanned, once, whoever   content.c
 *             waits for them
 *   server    its pool of connections, health, counters     server.h
 *
 * A content is in scan->contents from its first waiter to its verdict, and in
 * one list: a queue of scan's, or `asked` or `doubted` of its server.
 */
TAILQ_HEAD(waiter_list, waiter);

struct waiter {
	struct work *work;
	struct content *content;
	size_t part;
	TAILQ_ENTRY(waiter) of_content, of_work;
};

struct work {
	uint64_t id;
	struct scan *scan;
	struct scan_job *job;
	size_t next_part; /* none before it is still to be begun */
	uint32_t waiting; /* in waiters */
	struct waiter_list waiters;
	struct timer_op *deadline;
	/* Of the parts so far. */
	struct scan_verdict worst;
	size_t worst_part;
	uint32_t cached;
	bool mixed; /* clean ones under several ISTags */
	UT_hash_handle hh;
};

enum content_state {
	CONTENT_QUEUED,
	CONTENT_ASKED,	 /* op is under way at server */
	CONTENT_DOUBTED, /* called clean under a new ISTag: waits for a canary*/
	CONTENT_ENDING,	 /* in no list: its answer is being judged */
};

struct content {
	struct scan *scan;
	uint8_t digest[DIGEST_SIZE]; /* of its bytes */
	uint8_t key[DIGEST_SIZE];    /* key.h */
	uint64_t bytes;
	enum content_state state;
	bool late; /* nobody waits at a dot */
	bool counted_late;
	uint64_t tried;		    /* bits of servers that failed on it */
	struct waiter_list waiters; /* none: only the cache wants it */
	struct waiter *reader; /* whose bytes are sent; NULL: all have left */
	struct source *source;
	struct scan_server *server;
	struct icap_op *op;
	int64_t asked_ms;
	uint64_t canary;	     /* the number that it waits for */
	struct scan_verdict verdict; /* the last error, or the doubted one */
	TAILQ_ENTRY(content) link;
	UT_hash_handle hh;
};

struct scan {
	/* Set before the thread runs. */
	pthread_t thread;
	struct loop *loop;
	struct queue *queue;
	struct verdicts *verdicts;
	/* Any thread. */
	_Atomic bool on;
	_Atomic uint64_t bytes_max;
	_Atomic int64_t bypass_until_wall_s;
	_Atomic uint64_t last_id, last_test;
	_Atomic uint64_t jobs, hits, misses, shared, scanned, scanned_bytes;
	/* The list itself and status of each; up and its time. Written by the
	 * scan thread alone, which reads without it. */
	pthread_mutex_t lock;
	struct scan_server_list servers;
	bool up, unsteady;
	int64_t down_since_wall_s;
	uint64_t tested; /* the last test that has begun */
	/* Held while fn runs, so that it never runs after it was taken away. */
	pthread_mutex_t change_lock;
	scan_changed_fn *changed;
	void *changed_arg;
	/* The scan thread. */
	struct scan_settings *settings;
	struct dns *dns;
	struct timer_op *tick;
	struct work *works;	  /* by id */
	struct content *contents; /* by key */
	struct content_list queue_front, queue_late;
	bool pumping, stopping;
};

/* --- work.c --------------------------------------------------------------- */

void work_begin(struct scan *scan, struct scan_job *job);
void work_cancel(struct scan *scan, uint64_t id);
void work_cancel_all(struct scan *scan);
/* A part that waited has its verdict. May end the work, and others' scans. */
void work_part_done(struct work *work, size_t part,
		    const struct scan_verdict *verdict);
/* ERROR, with nobody's name. */
void verdict_error(struct scan_verdict *verdict, enum scan_why why);
/* The other thread's half of scan_known. */
bool work_known(struct scan *scan, struct scan_job *job);
bool work_known_virus(struct scan *scan, struct scan_job *job);

/* --- content.c ------------------------------------------------------------ */

/* A scan of these bytes is under way. */
bool content_is_known(struct scan *scan, const uint8_t key[DIGEST_SIZE]);
/* Joins it, or queues one. */
void content_join(struct scan *scan, struct waiter *waiter);
/* The waiter's work has ended: what only it wanted goes, unless it has left
 * for the server. Frees the waiter. */
void content_leave(struct waiter **waiter);
/* Of a queued one. */
void content_ask(struct content *content, struct scan_server *server);
void content_give_up(struct content *content); /* nobody can be asked */
/* Its server is not to be asked any more: elsewhere, when there is such, or
 * when `all`. */
void content_take_back(struct scan_server *server, bool all);
/* A good canary: what waited for this one, or an earlier, is believed. */
void content_believe(struct scan_server *server, uint64_t canary);
/* It is destroyed: what it had is queued again. */
void content_server_gone(struct scan_server *server);
void content_drop_all(struct scan *scan);
/* Servers are others now. */
void content_forget_tried(struct scan *scan);

/* --- dispatch.c ----------------------------------------------------------- */

/* Gives servers what they have room for; ends what nobody can be asked. Where
 * something may have changed, and never before a list is as it should be. */
void content_pump(struct scan *scan);

/* --- testing.c ------------------------------------------------------------ */

void scan_testing_begin(struct scan *scan, uint64_t number);

/* --- scan.c --------------------------------------------------------------- */

void scan_tell_changed(struct scan *scan);
/* Whether a server is up, and since when none is. */
void scan_update_up(struct scan *scan);

#endif
