#ifndef TESTS_BACK_WORLD_H
#define TESTS_BACK_WORLD_H

#include <pthread.h>

#include "dns/cache.h"
#include "gateway/back/back.h"
#include "gateway/net/loop.h"
#include "policy/blocklist.h"
#include "policy/domains.h"
#include "tests/back/sink.h"
#include "tests/support/turn.h"

/*
 * A spool in a directory of its own, a back, and a sink as its next hop. The
 * back runs on its thread, the sink on the test's loop.
 */
struct world {
	char dir[64];
	struct spool *spool;
	struct blocklist *blocklist; /* or NULL, from world_start on */
	struct dns_cache *dns_cache; /* the same; both by world_domains */
	struct domains *domains;
	struct scan *scan;	       /* or NULL; the test's own */
	struct quarantine *quarantine; /* by world_quarantine */
	struct campaigns *campaigns;   /* both by world_campaigns */
	struct suppress *suppress;
	_Atomic unsigned dead_count; /* facts that were told */
	char dead_last[300];	     /* "cred ip from domain" */
	struct loop *loop;
	struct sink *sink;
	struct back *back;
	pthread_mutex_t lock; /* of back, for the store thread */
	struct back_host host;
	struct back_hop hops[4];
	struct back_route routes[4];
	int64_t retry_s[2];
	const char *own_domains[2];
	struct back_conf conf;
	uint32_t delivered_hook;
};

struct letter {
	const char *cred;   /* NULL: "ann" */
	const char *ip;	    /* NULL: 192.0.2.1 */
	const char *from;   /* NULL: "ann@example.org" */
	const char *to;	    /* separated by spaces */
	const char *body;   /* NULL: a small message */
	const char *prefix; /* NULL: a Received line */
	const char *owner;
	const char *envid, *orcpt;
	uint8_t notify, ret, lane;
	uint16_t flags;
	uint32_t holds; /* of all recipients */
	int64_t age_s;	/* accepted that long ago */
	int64_t next_wall_s;
	/* Of all recipients, but for those that begin with "dead", which
	 * are NXDOMAIN, and those with "fine". */
	uint8_t domain;
	uint64_t campaign; /* by world_campaign: LANE_BULK then */
};

/* offers: NULL for the usual ones. */
void world_open(struct world *w, const char *const *offers);
void world_close(struct world *w);	/* stops, removes the directory */
void world_quarantine(struct world *w); /* before the start */
void world_start(struct world *w);
/* Before the start: domains are checked. loopback: a good target. */
void world_domains(struct world *w, bool loopback);
void world_stop(struct world *w, int64_t grace_ms);
/* Before the start: what is in the store. */
void world_campaigns(struct world *w);
/* A new one, running, that expects so many recipients. */
uint64_t world_campaign(struct world *w, const char *cred, uint32_t recipients);
/* Durable when it returns. */
void world_commit(struct world *w, const struct store_change *changes,
		  size_t count);
/* As the front does, but for the message. */
void world_join(struct world *w, const struct campaign_mail *mail,
		struct campaign_join *join);
/* Committed when it returns; 0, or campaign_order's. */
int world_order(struct world *w, const struct campaign_order *order);
struct campaign_view world_view(struct world *w, uint64_t campaign);
void world_reopen_spool(struct world *w); /* as a restart; back is stopped */
/* A rule of w->blocklist, made if there is none. Returns its id. */
uint64_t world_block(struct world *w, enum block_kind kind,
		     enum block_action action, const char *value);
void world_unblock(struct world *w, enum block_kind kind,
		   enum block_action action, const char *value);
/* Runs it to its end. */
void world_work(struct world *w, struct back_work *work);
/* Committed when it returns. */
uint64_t world_accept(struct world *w, const struct letter *letter);
void world_accept_many(struct world *w, const struct letter *letter,
		       unsigned count);
void world_maildir(struct world *w); /* the next hop: DIR/mail */

struct spool_ledger world_ledger(struct world *w);
/* Overwrites, in the spool's files, the first place that has these bytes. */
void world_alter(struct world *w, const char *bytes);

static inline struct back_status
status_of(struct world *w)
{
	struct back_status status;

	back_status_get(w->back, &status);
	return status;
}

/* Turns the sink's loop until cond holds. */
#define UNTIL(w, cond, label) TURN_UNTIL((w)->loop, cond, label)

#endif
