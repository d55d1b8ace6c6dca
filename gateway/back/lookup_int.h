#ifndef GATEWAY_BACK_LOOKUP_INT_H
#define GATEWAY_BACK_LOOKUP_INT_H

#include "dns/domain.h"
#include "gateway/back/lookup.h"
#include "gateway/back/site.h"

/* What lookup.c and lookup_ask.c share; nobody else includes it. */
#define LOOKUP_STALE_MS ((int64_t)86400000)

enum lookup_state {
	LOOKUP_IDLE,	 /* nobody waits; the site is kept */
	LOOKUP_QUEUED,	 /* to be asked */
	LOOKUP_BEHIND,	 /* the same, for the bulk lane alone */
	LOOKUP_ASKED,	 /* under way */
	LOOKUP_BUSY,	 /* a cap of ours: again later */
	LOOKUP_ANSWERED, /* to be worked off */
	LOOKUP_STATES
};

struct lookup {
	UT_hash_handle hh;
	TAILQ_ENTRY(lookup) link;
	struct hop *hop;
	struct job_list jobs;
	struct dns_domain_op *domain_op;
	struct dns_targets_op *targets_op; /* without a cache of verdicts */
	struct site *site;		   /* MX: where it was, last */
	struct result *trouble; /* ANSWERED: NULL is good; text is owned */
	int64_t until_ms;	/* site holds */
	int64_t again_ms;	/* BUSY */
	enum lookup_state state;
	bool bulk;    /* nobody waits but the bulk lane */
	bool counted; /* in bulk_asked */
	bool fact; /* ANSWERED: a dead domain, by a fault of who sends there */
	char domain[];
};

TAILQ_HEAD(lookup_list, lookup);

struct lookups {
	struct lookup_list lists[LOOKUP_STATES];
	uint32_t idle_count;
	uint32_t bulk_asked; /* at most conf.bulk.lookups */
};

static inline struct relay *
lookup_relay(const struct lookup *lookup)
{
	return lookup->hop->relay;
}

static inline bool
lookup_is_mx(const struct lookup *lookup)
{
	return lookup->hop->conf.kind == BACK_MX;
}

/* --- lookup.c ------------------------------------------------------------- */

void lookup_set_state(struct lookup *lookup, enum lookup_state state);
void lookup_forget_trouble(struct lookup *lookup);

/* --- lookup_ask.c --------------------------------------------------------- */

/* QUEUED or BEHIND; later it is BUSY or ANSWERED. */
void lookup_ask(struct lookup *lookup);
void lookup_stop_asking(struct lookup *lookup);
/* Without a question: DNS is not asked, or an answer is there that holds. */
bool lookup_is_known(const struct lookup *lookup);

#endif
