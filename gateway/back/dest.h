#ifndef GATEWAY_BACK_DEST_H
#define GATEWAY_BACK_DEST_H

#include "dns/route.h"
#include "gateway/back/hostset.h"
#include "gateway/back/result.h"
#include "gateway/back/sched.h"
#include "gateway/back/settings.h"
#include "gateway/base/hash.h"

/*
 * A destination is what connections are pooled for and what can be down: for
 * one lane, a next hop of hosts, or a site of an MX hop; or a maildir. Each hop
 * has two more that send nothing: where jobs belong while DNS is asked about
 * their domain, and where those of dead domains do.
 */
struct relay;
struct conn;
struct lookup;
struct pacing;
struct site;

/* The connections to one hop, or site, from one source address: all lanes
 * together have so many (conf.connection_max), and each lane its share. */
struct conn_pool {
	uint32_t conns[LANES];
	struct dest *dests[LANES]; /* who draws on it, or NULL */
};

#define CONN_POOLS (LANES + 1) /* no source of its lane's own, or one's */

struct hop {
	TAILQ_ENTRY(hop) link; /* of relay->gone_hops */
	struct relay *relay;
	struct arena *arena;  /* of conf */
	struct back_hop conf; /* a copy: it outlives its settings */
	struct tls_ctx *tls;
	struct dest *dests;
	struct dest *lobby, *grave;
	struct lookup *lookups; /* by domain */
	struct site *sites;
	struct conn_pool pools[CONN_POOLS];
	bool gone; /* its jobs are routed anew */
	bool up;
	int64_t since_wall_s;
	char error[256];
	uint32_t connections;
	uint64_t delivered, failed;
};

TAILQ_HEAD(conn_list, conn);

enum dest_kind {
	DEST_SMTP, /* the hosts of the hop */
	DEST_MAILDIR,
	DEST_SITE,
	DEST_LOBBY, /* of who must be looked up first */
	DEST_GRAVE, /* of who is at a dead domain: only to be told of */
};

#define DEST_KEY_SIZE 80

struct dest {
	UT_hash_handle hh;
	TAILQ_ENTRY(dest) run_link, live_link, slot_link;
	struct hop *hop;
	enum dest_kind kind;
	const struct ip_addr *source; /* of the hop's conf, or NULL */
	uint8_t lane;
	struct conn_pool *pool; /* SMTP, SITE */
	struct site *site;	/* DEST_SITE */
	uint32_t site_version;	/* of its hosts that these are */
	struct ready ready;
	struct job_list parked; /* waiting jobs to try when it is up again */
	uint64_t job_count;	/* jobs that point here, in any state */
	struct job *open_job;	/* of the message being enqueued */
	struct hostset *hosts;
	struct conn_list conns, idle;
	uint32_t conn_count, opening_count, task_count;
	uint8_t slot_state; /* conn_slots.c */
	uint16_t slot_queue;
	struct pacing *pacing; /* of the bulk lane; NULL: none */
	bool runnable, live;
	bool probe;		/* a host's offers are not known yet: ask */
	bool releasing;		/* it came up: parked jobs are being let go */
	bool proven;		/* the last that opened was let in */
	struct result *trouble; /* why it is down; text is owned */
	int64_t down_until_ms;
	char key[DEST_KEY_SIZE];
};

/* --- hop.c ---------------------------------------------------------------- */

struct hop *hop_create(struct relay *relay, const struct back_hop *conf,
		       struct tls_ctx *tls);
void hop_destroy(struct hop **hop); /* no jobs, no connections */
void hop_worked(struct hop *hop);
void hop_failed(struct hop *hop, struct slice text);
void hop_down(struct hop *hop);
/* Asked for SMTPUTF8, every host that was spoken to said yes, and one was. */
bool hop_offers_utf8(const struct hop *hop);
/* No new work; the destinations' jobs are given back to be routed. */
void hop_leave(struct hop *hop);
bool hop_unused(const struct hop *hop); /* it may be destroyed */

/* --- dest.c --------------------------------------------------------------- */

/* Where mail of a lane goes; not of an MX hop. */
struct dest *dest_of_lane(struct hop *hop, unsigned lane);
struct dest *dest_of_site(struct site *site, unsigned lane);
struct dest *dest_create(struct hop *hop, enum dest_kind kind,
			 const char *key); /* for the two that send nothing */
void dest_destroy(struct dest *dest);
/* Frees a site's that nothing needs. */
void dest_check_unused(struct dest *dest);
/* Starts what can be started; true: there is more for another turn. */
bool dest_run(struct dest *dest);
/* Once in a while: idle connections, hosts that come back. */
void dest_tick(struct dest *dest);
/* A waiting job leaves the parked list, if it is in it. */
void dest_unpark(struct job *job);
bool dest_busy(const struct dest *dest);
/* Something is ready, and the pace lets it start. */
bool dest_wants(struct dest *dest);
/* A connection of it ended its message: another lane of the pool waits for a
 * connection that is its due, and this one is to be closed for it. served: by
 * this connection, so far. */
bool dest_must_yield(const struct dest *dest, uint64_t served);
/* A site's hosts: who must not be tried yet, as hostmem.c says now. */
void dest_look_at_hosts(struct dest *dest);

/* --- trouble.c: what is down, and what waits for it to be up -------------- */

/* What the last failure was, for dest_down. Copies the result. */
void dest_note_trouble(struct dest *dest, const struct result *trouble);
void dest_forget_trouble(struct dest *dest);
/* Nothing can be reached until then: what is ready gets the trouble as its
 * result. NULL: the one noted last. */
void dest_down(struct dest *dest, int64_t until_ms,
	       const struct result *trouble);
void dest_up(struct dest *dest);
void dest_forgive(struct dest *dest); /* an administrator says: now */
bool dest_is_down(const struct dest *dest);
/* One parked job becomes ready; not while a flush is under way. */
void dest_unpark_first(struct dest *dest);
/* Of those parked, some become ready. True: there are more. */
bool dest_release_parked(struct dest *dest);

#endif
