#ifndef DNS_FLIGHT_H
#define DNS_FLIGHT_H

#include "dns/domain.h"
#include "dns/share.h"

/*
 * Inside of dns/domain.h: the look-ups that are under way on one loop.
 *
 * The state of a flight is told by three fields: op (it asks), follows (it
 * waits for another loop), ended (its ops are being answered, some each turn:
 * 10,000 recipients may wait for one domain).
 */
#define FLIGHT_TEXT_SIZE 400

struct member;

struct flight;

struct dns_domain_op {
	TAILQ_ENTRY(dns_domain_op) link; /* of flight->ops */
	struct flight *flight;
	struct timer_op *wait;
	dns_domain_fn *done;
	void *arg;
};

struct flight {
	UT_hash_handle hh;	  /* of member->listed */
	TAILQ_ENTRY(flight) link; /* of member->flights: all */
	struct member *member;
	TAILQ_HEAD(, dns_domain_op) ops;
	bool listed, leads, follows, ended;
	bool targets, fresh, second;
	struct cache_policy policy;
	struct dns_targets_op *op;
	struct timer_op *turn;
	char *cred;		      /* who pays, or NULL */
	bool paid;		      /* and has */
	bool aside;		      /* out of the budget of slow ones */
	struct timer_op *slow;	      /* until it moves aside */
	struct cache_finding finding; /* the first resolver's */
	struct domain_fact fact;
	char text[FLIGHT_TEXT_SIZE];
	char domain[];
};

struct member {
	struct share_member share; /* first */
	struct dns_cache *cache;
	struct dns *dns;
	struct flight *listed;
	TAILQ_HEAD(, flight) flights;
	struct flight *answering; /* a caller's done runs */
	bool left;		  /* it destroyed us: free when it returns */
};

struct flight *flight_create(struct member *member, const char *domain);
/* The one that others may join, or NULL. */
struct flight *flight_find(struct member *member, struct slice domain);
void flight_list(struct flight *flight); /* others may */
/* To the cache, and to DNS. The caller has set cred, targets, fresh. */
void flight_go(struct flight *flight);
/* With the fact in it, in a turn of its own. */
void flight_end_later(struct flight *flight);
/* Calls done; op is gone then. */
void flight_answer_op(struct dns_domain_op *op,
		      const struct dns_domain_result *result);

/* Of now, not to be kept. */
void flight_fact_set(struct domain_fact *fact, enum domain_verdict verdict,
		     enum domain_reason reason, int64_t now_wall_s);
/* UNKNOWN, unless it was known to be good of late. */
void flight_fact_busy(struct dns_cache *cache, struct slice domain,
		      enum domain_reason reason, struct domain_fact *fact);

#endif
