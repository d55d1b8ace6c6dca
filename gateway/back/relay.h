#ifndef GATEWAY_BACK_RELAY_H
#define GATEWAY_BACK_RELAY_H

#include <pthread.h>

#include "dns/route.h"
#include "gateway/back/board.h"
#include "gateway/back/catalog.h"
#include "gateway/back/dest.h"
#include "gateway/back/idset.h"
#include "gateway/back/result.h"
#include "gateway/back/sched.h"
#include "gateway/back/settings.h"
#include "gateway/back/stat.h"
#include "gateway/net/queue.h"

/*
 * What lives on the relay thread, shared by this unit's files. back.c makes it
 * and is the only one that other threads speak to.
 */
struct held;
struct hostmem;
struct lookups;
struct disk;
struct feeder;
struct maildir_worker;
struct outcome;
struct rebuild;
struct scanning;
struct bulk;
struct campaign_reports;
struct days;
struct preflights;
struct chores;
struct domains;
struct conn_slots;
struct summaries;
struct weights;

/* What another thread sends to the relay. */
struct inbound {
	struct queue_item item; /* first: the queue gives it back */
	void (*take)(struct relay *relay, struct inbound *in); /* frees in */
};

TAILQ_HEAD(dest_list, dest);
TAILQ_HEAD(hop_list, hop);
TAILQ_HEAD(outcome_list, outcome);

struct relay {
	struct loop *loop;
	struct queue *queue;
	struct spool *spool;
	struct blocklist *blocklist; /* or NULL */
	struct dns_cache *dns_cache; /* or NULL */
	struct domains *domains;     /* or NULL */
	struct scan *scan;	     /* or NULL, both */
	struct quarantine *quarantine;
	struct dkim_pool *signer;    /* or NULL */
	struct campaigns *campaigns; /* or NULL */
	struct suppress *suppress;   /* or NULL */
	struct campaign_reports *reports;
	struct preflights *preflights;
	struct bulk *bulk;
	struct days *days;
	back_dead_domain_fn *dead_domain;
	void *dead_domain_arg;
	struct dns *dns;
	struct settings *settings;
	struct sched *sched;
	struct catalog *catalog; /* every job */
	struct held *held;
	struct chores *chores;
	struct lookups *lookups;
	struct summaries *summaries;
	struct weights *weights;
	struct hostmem *hostmem;
	struct conn_slots *slots;
	struct hop **hops;	   /* by index of settings->conf.hops */
	struct hop_list gone_hops; /* of earlier settings, being emptied */
	struct dest_list runnable; /* dests with something to do */
	struct dest_list live;	   /* dests the tick looks at */
	struct timer_op *run_op, *tick_op, *fill_op;
	struct timer_op *stop_op, *check_op;
	struct maildir_worker *maildir;
	struct scanning *scanning;
	struct feeder *feeder;
	struct disk *disk;		     /* or NULL: nobody needs it */
	struct outcome_list failed_outcomes; /* to be committed again */
	uint32_t outcome_count;		     /* not freed yet */
	uint32_t active_count;		     /* jobs under way */
	struct rebuild *rebuild;	     /* NULL: the queue is complete */
	struct flush_item *flushes;	     /* waiting their turn */
	size_t mail_count, mail_bytes;	     /* in memory */
	uint32_t connection_count;
	uint32_t lane_connections[LANES]; /* of these */
	/* Messages whose delay was told of lately: [0], then [1] before it. The
	 * mark on disk says it for good, but other jobs of the message were
	 * read before it got there. */
	struct idset delays[2];
	uint16_t generation;
	uint64_t first_new_id; /* smaller ones: the rebuild has them */
	bool stopping, quitting, stopped;
	struct board *board;
	struct stats *stats;
	struct age *age;
};

#define RELAY_MAILS_MAX 20000
#define RELAY_MAIL_BYTES_MAX ((size_t)64 << 20)

/* --- mail.c: messages in memory, jobs in and out of the queue ------------ */

/* Takes *msg. Jobs for what is queued of it; ready or waiting. */
void mail_enqueue(struct relay *relay, struct spool_msg **msg, bool loaded);
/* These recipients of a message once more, after wait_s. 0, or what keeps the
 * message from being read. */
int mail_enqueue_again(struct relay *relay, uint64_t id,
		       const uint32_t *indexes, uint32_t count, int64_t wait_s);
/* job->mail is there afterwards. GW_ENOENT: nothing of it is queued. */
int mail_load(struct relay *relay, struct job *job);
/* The same for many of one message, as far as they can be read; they share
 * it. */
void mail_load_together(struct relay *relay, struct job *const *jobs,
			size_t count);
/* NULL: none, or it is not queued. */
struct spool_rcpt *mail_rcpt(const struct mail *mail, uint32_t index);
/* The job lets go of its message; the last one frees it. */
void mail_release(struct relay *relay, struct job *job);
/* The same of any state. */
struct spool_rcpt *mail_find_rcpt(const struct spool_msg *msg, uint32_t index);
/* These of its recipients (in order, not all) as a job of their own, in no list
 * yet. */
struct job *mail_split(struct relay *relay, struct job *job,
		       const struct spool_msg *msg, const uint32_t *indexes,
		       uint32_t count);
/* Ready, or waiting when its time has not come. */
void mail_schedule(struct relay *relay, struct job *job, int64_t now_wall_s);
/* The same at once. The job is in no list. */
void mail_place(struct relay *relay, struct job *job);
/* The same once its campaign lets it in. */
void mail_let_in(struct relay *relay, struct job *job);
/* Ready at its destination. */
void mail_ready(struct relay *relay, struct job *job);
/* Its destination is another. */
void mail_move(struct relay *relay, struct job *job, struct dest *dest);
/* The job was routed by earlier settings: route its recipients again. Takes
 * it; its mail is loaded. */
void mail_reroute(struct relay *relay, struct job **job);
/* Ends a job; its recipients are final, gone or in other jobs. */
void mail_job_end(struct relay *relay, struct job **job);
/* counted: recipients that leave the queue. */
void mail_uncount(struct relay *relay, const struct job *job, uint32_t count);
/* Recipients that join it. */
void mail_recount(struct relay *relay, const struct job *job, uint32_t count);

/* --- relay.c: turns ------------------------------------------------------- */

void relay_kick(struct relay *relay, struct dest *dest);
void relay_live(struct relay *relay, struct dest *dest);
void relay_run_soon(struct relay *relay);
int64_t relay_now_ms(const struct relay *relay);
int relay_start(struct relay *relay);
/* What is done in slices has something to do. */
void relay_fill_soon(struct relay *relay);
void relay_flush(struct relay *relay, const struct back_flush *what);
/* Takes *settings. */
void relay_apply(struct relay *relay, struct settings **settings);
void relay_drop_flushes(struct relay *relay);

/* --- stop.c: the end ------------------------------------------------------ */

void relay_stop(struct relay *relay, int64_t grace_ms);
void relay_check_stopped(struct relay *relay); /* something ended */
void relay_fini(struct relay *relay);

#endif
