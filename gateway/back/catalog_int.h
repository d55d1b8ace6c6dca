#ifndef GATEWAY_BACK_CATALOG_INT_H
#define GATEWAY_BACK_CATALOG_INT_H

#include "gateway/back/catalog.h"

/* What catalog.c and catalog_walk.c share; nobody else includes it. */

/*
 * Buckets are never made anew: a million jobs make chains of four, and moving
 * them all at once would stop the loop. Pages that nobody uses take no memory.
 */
#define CATALOG_BUCKETS (UINT64_C(1) << 18)

struct body_bucket {
	struct job_chain jobs;
	uint64_t count;
};

enum catalog_way {
	WAY_NONE, /* no walk, or nothing has these keys */
	WAY_ID,
	WAY_BODY,
	WAY_SENDER,
	WAY_ADDRESS,
	WAY_DOMAIN,
	WAY_CAMPAIGN,
	WAY_ALL,
};

/* What comes next, from the innermost list to the outermost. Whoever leaves
 * the catalog and is named here is passed over first. */
struct catalog_walk {
	enum catalog_way way;
	struct catalog_keys keys;
	struct job *job;
	struct domain_ref *ref;
	struct source *source;
	struct address *address;
	struct domain *domain;
	struct sender *sender;
};

RB_HEAD(address_tree, address);
RB_HEAD(domain_tree, domain);

struct catalog {
	struct sender *senders;
	struct address_tree addresses;
	struct domain_tree domains;
	struct mailing *mailings;
	struct job_chain *ids;
	struct body_bucket *bodies;
	uint64_t jobs;
	struct catalog_walk walk;
};

struct job_chain *catalog_ids(struct catalog *catalog, uint64_t id);
struct body_bucket *catalog_bodies(struct catalog *catalog, uint64_t body);
struct sender *catalog_sender(struct catalog *catalog, const char *cred);
struct mailing *catalog_mailing(struct catalog *catalog, uint64_t campaign);

/* The first that is not below; then one after the other. */
struct address *address_from(struct catalog *catalog, const struct ip_addr *ip);
struct address *address_next(struct address *address);
struct source *source_from(struct sender *sender, const struct ip_addr *ip);
struct source *source_next(struct source *source);
/* In an order in which b and all below b stand together, b first. */
struct domain *domain_from(struct catalog *catalog, struct slice name);
struct domain *domain_next(struct domain *domain);

/* catalog_walk.c: these are about to leave. */
void walk_pass_job(struct catalog_walk *walk, struct job *job);
void walk_pass_ref(struct catalog_walk *walk, struct domain_ref *ref);
void walk_pass_source(struct catalog_walk *walk, struct source *source);
void walk_pass_address(struct catalog_walk *walk, struct address *address);
void walk_pass_domain(struct catalog_walk *walk, struct domain *domain);
void walk_pass_sender(struct catalog_walk *walk, struct sender *sender);

#endif
