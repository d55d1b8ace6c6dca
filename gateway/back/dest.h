#ifndef GATEWAY_BACK_DEST_H
#define GATEWAY_BACK_DEST_H

#include "dns/route.h"
#include "gateway/back/hostset.h"
#include "gateway/back/result.h"
#include "gateway/back/sched.h"
#include "gateway/back/settings.h"
#include "gateway/base/hash.h"

/*
 * A destination is what connections are pooled for and what can be down: a
 * next hop of hosts, one domain through an MX hop, or a maildir. A hop has one
 * destination, or, for MX, one a domain.
 */
struct relay;
struct conn;

struct hop {
	TAILQ_ENTRY(hop) link; /* of relay->gone_hops */
	struct relay *relay;
	struct arena *arena;  /* of conf */
	struct back_hop conf; /* a copy: it outlives its settings */
	struct tls_ctx *tls;
	struct dest *dests; /* by domain */
	bool gone;	    /* its jobs are routed anew */
	bool up;
	int64_t since_wall_s;
	char error[256];
	uint32_t connections;
	uint64_t delivered, failed;
};

TAILQ_HEAD(conn_list, conn);

struct dest {
	UT_hash_handle hh;
	TAILQ_ENTRY(dest) run_link, live_link;
	struct hop *hop;
	struct ready ready;
	struct job_list parked; /* waiting jobs to try when it is up again */
	uint64_t job_count;	/* jobs that point here, in any state */
	struct job *open_job;	/* of the message being enqueued */
	struct hostset *hosts;	/* NULL: MX not asked yet */
	struct dns_targets_op *targets_op;
	int64_t hosts_until_ms;
	struct conn_list conns, idle;
	uint32_t conn_count, opening_count, task_count;
	bool runnable, live;
	bool probe;		/* a host's offers are not known yet: ask */
	bool releasing;		/* it came up: parked jobs are being let go */
	struct result *trouble; /* why it is down; text is owned */
	int64_t down_until_ms;
	char domain[];
};

struct hop *hop_create(struct relay *relay, const struct back_hop *conf,
		       struct tls_ctx *tls);
void hop_destroy(struct hop **hop); /* no jobs, no connections */
void hop_worked(struct hop *hop);
void hop_failed(struct hop *hop, struct slice text);
/* Asked for SMTPUTF8, every host that was spoken to said yes, and one was. */
bool hop_offers_utf8(const struct hop *hop);
/* No new work; the destinations' jobs are given back to be routed. */
void hop_leave(struct hop *hop);

/* domain in key form, used for MX only. */
struct dest *dest_get(struct hop *hop, struct slice domain);
/* Frees an MX destination that nothing needs. */
void dest_check_unused(struct dest *dest);
/* Starts what can be started; true: there is more for another turn. */
bool dest_run(struct dest *dest);
/* Once in a while: idle connections, hosts that come back. */
void dest_tick(struct dest *dest);
/* What the last failure was, for dest_down. Copies the result. */
void dest_note_trouble(struct dest *dest, const struct result *trouble);
/* Nothing can be reached until then: what is ready gets the trouble as its
 * result. NULL: the one noted last. */
void dest_down(struct dest *dest, int64_t until_ms,
	       const struct result *trouble);
void dest_up(struct dest *dest);
void dest_forgive(struct dest *dest); /* an administrator says: now */
/* A waiting job leaves the parked list, if it is in it. */
void dest_unpark(struct job *job);
bool dest_busy(const struct dest *dest);

/* --- mx.c: who the hosts of an MX destination are ------------------------- */

/* True: hosts are there and fresh enough. False: asked; dest is kicked. */
bool mx_ready(struct dest *dest);

#endif
