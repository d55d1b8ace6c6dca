#ifndef GATEWAY_BACK_CATALOG_H
#define GATEWAY_BACK_CATALOG_H

#include <bsd/sys/tree.h>

#include "gateway/back/job.h"
#include "gateway/base/addr.h"
#include "gateway/base/hash.h"

/*
 * Where the jobs are of a login, a client address, a campaign, a recipient
 * domain, a body and a message, so that an administrator's work costs what it
 * touches: every job, whatever its state, is in here. Nothing is looked up on
 * disk.
 *
 * A source is a login at an address, for one campaign or none. Jobs stand under
 * their source, sources under their login, address and campaign: far fewer
 * links than under each.
 */
struct catalog;

RB_HEAD(source_tree, source);
LIST_HEAD(source_chain, source);
LIST_HEAD(domain_ref_chain, domain_ref);

struct sender { /* a credential while jobs of it exist */
	UT_hash_handle hh;
	struct source_tree sources; /* by address */
	uint64_t jobs;
	const struct weight *weight; /* weights.h; NULL: 1 */
	char cred[];
};

struct address {
	RB_ENTRY(address) node;
	struct ip_addr ip;
	struct source_chain sources;
	uint64_t jobs;
};

struct mailing { /* a campaign while jobs of it exist */
	UT_hash_handle hh;
	uint64_t id;
	struct source_chain sources;
	uint64_t jobs;
};

struct source {
	RB_ENTRY(source) node;	 /* of the sender */
	LIST_ENTRY(source) link; /* of the address */
	LIST_ENTRY(source) mailing_link;
	struct sender *sender;
	struct address *address;
	struct mailing *mailing; /* or NULL */
	struct job_chain list;	 /* newest first */
	uint64_t jobs;
};

struct domain {
	RB_ENTRY(domain) node;
	struct domain_ref_chain list;
	uint64_t jobs;	      /* that name it, added already or not */
	struct job *open_job; /* of the message being enqueued, for DNS */
	struct slice name;    /* key form */
};

struct catalog *catalog_create(void);
void catalog_destroy(struct catalog **catalog); /* empty by then */

/* For job_set_source; goes away with its last job. */
struct source *catalog_source(struct catalog *catalog, const char *cred,
			      const struct ip_addr *ip, uint64_t campaign);
/* For job_add_rcpt; key form. */
struct domain *catalog_domain(struct catalog *catalog, struct slice name);
struct domain *catalog_find_domain(struct catalog *catalog, struct slice name);
uint64_t catalog_body(const uint8_t digest[DIGEST_SIZE]);

/* job's id, source, body and recipients are set. */
void catalog_add(struct catalog *catalog, struct job *job);
void catalog_remove(struct catalog *catalog, struct job *job);
/* It is of this campaign from now on; walks may see it again. */
void catalog_set_campaign(struct catalog *catalog, struct job *job,
			  uint64_t campaign);
uint64_t catalog_count(const struct catalog *catalog);

/* Up to max jobs of one message; returns how many there are. */
size_t catalog_of_message(struct catalog *catalog, uint64_t id,
			  struct job **jobs, size_t max);

/* Up to max ids of a campaign's messages, each once, in any order; returns how
 * many were found, at most one more than max. Looks at each of its jobs. */
size_t catalog_messages(struct catalog *catalog, uint64_t campaign,
			uint64_t *ids, size_t max);

/* --- walks ---------------------------------------------------------------- */

struct catalog_keys { /* borrowed during the walk; what is not given: NULL, 0 */
	const char *cred;
	const struct ip_prefix *ip;
	struct slice domain; /* key form; ".b": b and below */
	const uint8_t *body; /* DIGEST_SIZE */
	uint64_t id;
	uint64_t campaign;
};

/*
 * Every job that has these keys once, by the way that has the fewest. Jobs may
 * come and go meanwhile; those that come are not seen for certain. One walk at
 * a time. A body is compared by its hash.
 */
void catalog_walk_begin(struct catalog *catalog,
			const struct catalog_keys *keys);
/* Looks at up to *steps jobs and takes from *steps. NULL: the end when *steps
 * is left, else go on later. */
struct job *catalog_walk_next(struct catalog *catalog, uint32_t *steps);
void catalog_walk_end(struct catalog *catalog); /* none: fine */

/* Whether a job has these keys; a domain: whether one of its has. */
bool catalog_has(const struct catalog_keys *keys, const struct job *job);
/* domain is want, or, when want is ".b", b or below. Both key form. */
bool catalog_domain_is(struct slice want, struct slice domain);

#endif
