#ifndef GATEWAY_BACK_SITE_H
#define GATEWAY_BACK_SITE_H

#include "gateway/back/dest.h"

/*
 * A site is the set of hosts that a domain's MX records name, with their
 * ports and their order: ten thousand domains at one provider are one site,
 * and share its connections. DNS says which is whose (dns/route.h); what their
 * addresses are is renewed by the lookups of its domains.
 *
 * It lives as long as a lookup or a destination (one for each lane) uses it.
 */
#define SITE_KEY_SIZE (TARGETS_SITE_SIZE + 1)

struct site {
	UT_hash_handle hh; /* of hop->sites */
	struct hop *hop;
	struct hostset *hosts; /* as DNS gave them, the better ones first */
	uint32_t version;      /* of hosts */
	uint32_t users;
	struct conn_pool pools[CONN_POOLS]; /* by source address */
	int64_t until_ms;    /* opens no connection after it: ask again */
	int64_t next_ask_ms; /* one question at a time */
	char key[SITE_KEY_SIZE];
};

/* The site of a deliverable domain, one user more. filter: addresses that the
 * hop may not connect to are left out. NULL: no address is left. */
struct site *site_use(struct hop *hop, const struct dns_targets *targets,
		      bool filter);
void site_unuse(struct site **site);
/* What DNS knew last goes on for a while. */
void site_stretch(struct site *site);
/* What is known of it is not believed any more: the next answer counts. */
void site_expire(struct site *site);
bool site_is_fresh(const struct site *site);
/* How long an answer holds: its time to live, within bounds. */
int64_t site_hold_ms(uint32_t ttl_s);

#endif
