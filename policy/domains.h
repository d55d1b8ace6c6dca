#ifndef POLICY_DOMAINS_H
#define POLICY_DOMAINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/verdict.h"
#include "gateway/base/slice.h"
#include "gateway/store/change.h"
#include "gateway/store/env.h"
#include "policy/reply.h"

/*
 * What a verdict on a recipient's (or sender's) domain means: which domains
 * are not asked about at all, what the client hears, what administrators
 * allowed. Any thread; time is an argument. Domains are in key form.
 */
struct domains;

enum domain_unverified {		    /* DNS gives no answer */
			 UNVERIFIED_ACCEPT, /* decided before delivery */
			 UNVERIFIED_DEFER,  /* 451: for programs that retry */
};

struct domains_class {
	const char *name;
	int32_t refuse_first; /* -1: as in domains_conf */
	int unverified;	      /* enum domain_unverified; -1: the same */
};

struct domains_conf { /* borrowed for the call */
	bool check;   /* `dns { check off; }`: nothing is asked */
	bool check_sender;
	/* Of a message's first recipients (refused ones count) those at dead
	 * domains are refused, of the later ones they are dropped and told of
	 * in one report. */
	uint32_t refuse_first;
	enum domain_unverified unverified;
	const struct domains_class *classes;
	size_t class_count;
	/* `internal` and what a route names, in key form; ".b": all below b
	 * (address_domain_covers). Plain ones are hints, too. */
	const char *const *exempt;
	size_t exempt_count;
};

struct domains *domains_create(const struct domains_conf *conf);
void domains_destroy(struct domains **domains);
void domains_reload(struct domains *domains, const struct domains_conf *conf);

/* False: not asked about, because of the configuration or an allow. No domain
 * at all (<postmaster>) is not asked about either. */
bool domains_asks(struct domains *domains, struct slice domain,
		  int64_t now_wall_s);
bool domains_asks_sender(struct domains *domains, struct slice domain,
			 int64_t now_wall_s);

enum domain_action {
	DOMAIN_ACCEPT,
	DOMAIN_PROVISIONAL, /* accepted, decided before delivery */
	DOMAIN_DROP,	    /* accepted; goes into the summary */
	DOMAIN_DEFER,
	DOMAIN_REFUSE,
};
struct domain_decision {
	enum domain_action action;
	struct reply reply; /* not of ACCEPT */
	bool dead;	    /* a fact about the credential: it counts */
};
/* position: how many RCPTs of this message came before. */
void domains_decide(struct domains *domains, const char *class,
		    const struct domain_fact *fact, struct slice domain,
		    uint32_t position, struct domain_decision *decision);
/* The same without a session: what a report says of a recipient that was
 * dropped or found out later. False: fact is no reason to return mail. */
bool domains_refusal(struct domains *domains, const struct domain_fact *fact,
		     struct slice domain, struct reply *reply);
/* MAIL FROM: only a name that does not exist is refused (550 5.1.8). */
void domains_decide_sender(struct domains *domains,
			   const struct domain_fact *fact, struct slice address,
			   struct domain_decision *decision);

/* True: for 24 h the first time that this credential meets this dead domain;
 * one typo, repeated, is one fact. Bounded memory. */
bool domains_dead_is_new(struct domains *domains, const char *cred,
			 struct slice domain, int64_t now_wall_s);

/* --- what administrators allow (`sluice domain allow`) -------------------- */

struct domain_allow {
	char domain[256];     /* ".b": b and below, as in the block list */
	int64_t until_wall_s; /* 0: until it is taken away */
	int64_t since_wall_s;
	char by[64], why[128];
};
#define DOMAIN_ALLOWS_MAX 10000
/* Reads STORE_DOMAIN. GW_EIO. A record that cannot be read is logged and passed
 * over. */
int domains_load(struct domains *domains, struct store_env *store);
/* In force at once, and replaces what stood under the name, in any spelling;
 * *change (in memory that domain_change_free takes) is to be committed, in the
 * order of the calls. GW_EINVAL: no domain, or no time; GW_ENOENT: del of none;
 * GW_ETOOBIG: too many. */
struct domain_change;
int domains_allow_add(struct domains *domains, const struct domain_allow *allow,
		      struct domain_change **change);
int domains_allow_del(struct domains *domains, struct slice domain,
		      struct domain_change **change);
/* Those whose time is over (they allow nothing already) are taken out, up to a
 * hundred; NULL: there are none, which costs nothing to find. Each second. */
struct domain_change *domains_allow_expire(struct domains *domains,
					   int64_t now_wall_s);
const struct store_change *domain_change_changes(const struct domain_change *c,
						 size_t *count);
void domain_change_free(struct domain_change **change);
/* In order of the name; fn must not call here. Some may be over. */
typedef bool domain_allow_fn(void *arg, const struct domain_allow *allow);
void domains_allow_each(struct domains *domains, domain_allow_fn *fn,
			void *arg);
/* The one in force that domain falls under: why it is not asked. */
bool domains_allow_find(struct domains *domains, struct slice domain,
			int64_t now_wall_s, struct domain_allow *allow);

#endif
