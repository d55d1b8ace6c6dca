#ifndef GATEWAY_BACK_PREFLIGHT_INT_H
#define GATEWAY_BACK_PREFLIGHT_INT_H

#include "gateway/back/idset.h"
#include "gateway/back/preflight.h"
#include "gateway/back/preflight_text.h"

/* What preflight*.c share; nobody else includes it. */

#define PREFLIGHT_MESSAGES 1000 /* of one campaign, that are looked at */
#define PREFLIGHT_RCPTS 200000	/* of these */
#define PREFLIGHT_POLICIES 8	/* names that are asked for a DMARC record */
#define PREFLIGHT_HEADER_MAX 131072 /* as what is signed */

enum preflight_stage {
	PREFLIGHT_LOOKS, /* at its messages */
	PREFLIGHT_ASKS,	 /* has looked; waits for DNS */
	PREFLIGHT_ENDS,	 /* its order is given, and goes to the store */
};

struct preflight_question {
	struct preflight *of;
	struct dns_op *op; /* NULL: not asked, or answered */
};

struct preflight {
	TAILQ_ENTRY(preflight) link;
	struct preflights *all;
	uint64_t id;
	enum preflight_stage stage;
	struct timer_op *step, *deadline;
	int64_t began_ms;
	struct preflight_found found;
	/* Its messages, and where among their recipients it is. */
	uint64_t ids[PREFLIGHT_MESSAGES];
	size_t id_count, id_at;
	struct spool_cursor at;
	uint32_t seen_count;
	struct idset seen;
	/* DNS. keys: of which domain is one. */
	struct dkim_keys *keys;
	const struct dkim_domain *domain;
	struct preflight_question keys_asked[DKIM_SELECTORS_MAX];
	struct preflight_question policy_asked, spf_asked;
	const char *policy_name; /* a tail of found.from */
	unsigned policies;	 /* asked for */
	char cred[256];		 /* whose share of the slots it takes */
	/* At the store. */
	struct inbound in;
	struct spool_change op;
	struct store_change change;
	struct arena *arena;
};

struct preflights {
	struct relay *relay;
	TAILQ_HEAD(, preflight) list;
	struct preflight *looking; /* one at a time */
};

/* --- preflight_look.c ------------------------------------------------------
 */

/* Its messages are found; the first one's header is read. False: there are
 * none. */
bool preflight_look(struct preflight *p);
/* Some of its recipients. True: there are more. */
bool preflight_look_slice(struct preflight *p);

/* --- preflight_dns.c -------------------------------------------------------
 */

/* found.from, found.sender are set. */
void preflight_ask(struct preflight *p);
bool preflight_asks(const struct preflight *p); /* still */
void preflight_ask_end(struct preflight *p);	/* what is open goes */

/* preflight.c: an answer came. */
void preflight_answered(struct preflight *p);

#endif
