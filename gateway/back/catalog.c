/*
 * The tables of the catalog. Addresses and domains are ordered, so that those
 * of a prefix, or below a domain, stand together; logins, bodies and messages
 * are hashed with the process's key.
 *
 * Invariant: a source, sender, address or domain is there exactly as long as a
 * job names it. What goes is told to the walk first (walk_pass_*).
 */
#include "gateway/back/catalog_int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/idset.h"
#include "gateway/base/mem.h"

static int
compare_ips(const struct ip_addr *a, const struct ip_addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

static int
compare_addresses(const struct address *a, const struct address *b)
{
	return compare_ips(&a->ip, &b->ip);
}

static uint64_t
campaign_of(const struct source *source)
{
	return source->mailing ? source->mailing->id : 0;
}

/* Those of one address stand together. */
static int
compare_sources(const struct source *a, const struct source *b)
{
	int order = compare_ips(&a->address->ip, &b->address->ip);
	uint64_t x = campaign_of(a), y = campaign_of(b);

	return order != 0 ? order : (x > y) - (x < y);
}

/* A dot before everything else: nothing stands between b and x.b but what is
 * below b too. */
static int
rank_of(char c)
{
	return c == '.' ? 0 : (unsigned char)c + 1;
}

/* From the end, so that what is below a domain follows it. */
static int
compare_domains(const struct domain *a, const struct domain *b)
{
	const char *p = a->name.p, *q = b->name.p;
	size_t i = a->name.n, k = b->name.n;

	/* Most have their end in common. */
	while (i >= 8 && k >= 8 && memcmp(p + i - 8, q + k - 8, 8) == 0) {
		i -= 8;
		k -= 8;
	}
	while (i > 0 && k > 0) {
		int order = rank_of(p[--i]) - rank_of(q[--k]);

		if (order != 0)
			return order;
	}
	return (i > 0) - (k > 0);
}

RB_PROTOTYPE(address_tree, address, node, compare_addresses)
RB_PROTOTYPE(source_tree, source, node, compare_sources)
RB_PROTOTYPE(domain_tree, domain, node, compare_domains)
RB_GENERATE(address_tree, address, node, compare_addresses)
RB_GENERATE(source_tree, source, node, compare_sources)
RB_GENERATE(domain_tree, domain, node, compare_domains)

struct catalog *
catalog_create(void)
{
	struct catalog *catalog = mem_zalloc(sizeof(*catalog));

	RB_INIT(&catalog->addresses);
	RB_INIT(&catalog->domains);
	catalog->ids = mem_array(CATALOG_BUCKETS, sizeof(*catalog->ids));
	catalog->bodies = mem_array(CATALOG_BUCKETS, sizeof(*catalog->bodies));
	return catalog;
}

void
catalog_destroy(struct catalog **catalog)
{
	if (!*catalog)
		return;
	assert((*catalog)->jobs == 0 && !(*catalog)->senders);
	free((*catalog)->ids);
	free((*catalog)->bodies);
	free(*catalog);
	*catalog = NULL;
}

struct job_chain *
catalog_ids(struct catalog *catalog, uint64_t id)
{
	return &catalog
		    ->ids[hash_bytes(&id, sizeof(id)) & (CATALOG_BUCKETS - 1)];
}

struct body_bucket *
catalog_bodies(struct catalog *catalog, uint64_t body)
{
	return &catalog->bodies[body & (CATALOG_BUCKETS - 1)];
}

uint64_t
catalog_body(const uint8_t digest[DIGEST_SIZE])
{
	return hash_bytes(digest, DIGEST_SIZE);
}

/* --- logins and addresses ------------------------------------------------- */

struct sender *
catalog_sender(struct catalog *catalog, const char *cred)
{
	struct sender *sender;

	HASH_FIND(hh, catalog->senders, cred, strlen(cred), sender);
	return sender;
}

static struct sender *
sender_get(struct catalog *catalog, const char *cred)
{
	struct sender *sender = catalog_sender(catalog, cred);
	size_t n = strlen(cred);

	if (sender)
		return sender;
	sender = mem_zalloc(sizeof(*sender) + n + 1);
	memcpy(sender->cred, cred, n + 1);
	RB_INIT(&sender->sources);
	HASH_ADD_KEYPTR(hh, catalog->senders, sender->cred, n, sender);
	return sender;
}

struct address *
address_from(struct catalog *catalog, const struct ip_addr *ip)
{
	struct address key = {.ip = *ip};

	return RB_NFIND(address_tree, &catalog->addresses, &key);
}

struct address *
address_next(struct address *address)
{
	return RB_NEXT(address_tree, , address);
}

static struct address *
address_get(struct catalog *catalog, const struct ip_addr *ip)
{
	struct address key = {.ip = *ip};
	struct address *address;

	address = RB_FIND(address_tree, &catalog->addresses, &key);
	if (address)
		return address;
	address = mem_zalloc(sizeof(*address));
	address->ip = *ip;
	LIST_INIT(&address->sources);
	RB_INSERT(address_tree, &catalog->addresses, address);
	return address;
}

struct source *
source_from(struct sender *sender, const struct ip_addr *ip)
{
	struct address address = {.ip = *ip};
	struct source key = {.address = &address};

	return RB_NFIND(source_tree, &sender->sources, &key);
}

struct source *
source_next(struct source *source)
{
	return RB_NEXT(source_tree, , source);
}

struct mailing *
catalog_mailing(struct catalog *catalog, uint64_t campaign)
{
	struct mailing *mailing;

	HASH_FIND(hh, catalog->mailings, &campaign, sizeof(campaign), mailing);
	return mailing;
}

static struct mailing *
mailing_get(struct catalog *catalog, uint64_t campaign)
{
	struct mailing *mailing;

	if (campaign == 0)
		return NULL;
	mailing = catalog_mailing(catalog, campaign);
	if (mailing)
		return mailing;
	mailing = mem_zalloc(sizeof(*mailing));
	mailing->id = campaign;
	LIST_INIT(&mailing->sources);
	HASH_ADD(hh, catalog->mailings, id, sizeof(mailing->id), mailing);
	return mailing;
}

static struct source *
source_find(struct sender *sender, const struct ip_addr *ip, uint64_t campaign)
{
	struct address address = {.ip = *ip};
	struct mailing mailing = {.id = campaign};
	struct source key = {.address = &address,
			     .mailing = campaign != 0 ? &mailing : NULL};

	return RB_FIND(source_tree, &sender->sources, &key);
}

struct source *
catalog_source(struct catalog *catalog, const char *cred,
	       const struct ip_addr *ip, uint64_t campaign)
{
	struct sender *sender = sender_get(catalog, cred);
	struct source *source = source_find(sender, ip, campaign);

	if (source)
		return source;
	source = mem_zalloc(sizeof(*source));
	source->sender = sender;
	source->address = address_get(catalog, ip);
	source->mailing = mailing_get(catalog, campaign);
	LIST_INIT(&source->list);
	RB_INSERT(source_tree, &sender->sources, source);
	LIST_INSERT_HEAD(&source->address->sources, source, link);
	if (source->mailing)
		LIST_INSERT_HEAD(&source->mailing->sources, source,
				 mailing_link);
	return source;
}

static void
mailing_drop(struct catalog *catalog, struct source *source)
{
	struct mailing *mailing = source->mailing;

	if (!mailing)
		return;
	LIST_REMOVE(source, mailing_link);
	if (!LIST_EMPTY(&mailing->sources))
		return;
	HASH_DEL(catalog->mailings, mailing);
	free(mailing);
}

/* It has no job any more. */
static void
source_drop(struct catalog *catalog, struct source *source)
{
	struct address *address = source->address;
	struct sender *sender = source->sender;

	walk_pass_source(&catalog->walk, source);
	RB_REMOVE(source_tree, &sender->sources, source);
	LIST_REMOVE(source, link);
	mailing_drop(catalog, source);
	free(source);
	if (LIST_EMPTY(&address->sources)) {
		walk_pass_address(&catalog->walk, address);
		RB_REMOVE(address_tree, &catalog->addresses, address);
		free(address);
	}
	if (RB_EMPTY(&sender->sources)) {
		walk_pass_sender(&catalog->walk, sender);
		HASH_DEL(catalog->senders, sender);
		free(sender);
	}
}

/* --- domains -------------------------------------------------------------- */

struct domain *
domain_from(struct catalog *catalog, struct slice name)
{
	struct domain key = {.name = name};

	return RB_NFIND(domain_tree, &catalog->domains, &key);
}

struct domain *
domain_next(struct domain *domain)
{
	return RB_NEXT(domain_tree, , domain);
}

struct domain *
catalog_find_domain(struct catalog *catalog, struct slice name)
{
	struct domain key = {.name = name};

	return RB_FIND(domain_tree, &catalog->domains, &key);
}

struct domain *
catalog_domain(struct catalog *catalog, struct slice name)
{
	struct domain *domain = catalog_find_domain(catalog, name);
	char *p;

	if (domain)
		return domain;
	domain = mem_zalloc(sizeof(*domain) + name.n + 1);
	p = (char *)(domain + 1);
	if (name.n > 0)
		memcpy(p, name.p, name.n);
	domain->name = slice_of(p, name.n);
	LIST_INIT(&domain->list);
	RB_INSERT(domain_tree, &catalog->domains, domain);
	return domain;
}

static void
domain_drop(struct catalog *catalog, struct domain *domain)
{
	walk_pass_domain(&catalog->walk, domain);
	RB_REMOVE(domain_tree, &catalog->domains, domain);
	free(domain);
}

/* --- jobs ----------------------------------------------------------------- */

void
catalog_add(struct catalog *catalog, struct job *job)
{
	struct body_bucket *bodies = catalog_bodies(catalog, job->body);
	struct domain_ref *refs = job_domains(job);

	LIST_INSERT_HEAD(&job->source->list, job, by_source);
	LIST_INSERT_HEAD(&bodies->jobs, job, by_body);
	bodies->count++;
	LIST_INSERT_HEAD(catalog_ids(catalog, job->id), job, by_id);
	for (unsigned i = 0; i < job->domain_count; i++)
		LIST_INSERT_HEAD(&refs[i].domain->list, &refs[i], link);
	catalog->jobs++;
}

static void
leave_source(struct catalog *catalog, struct job *job)
{
	struct source *source = job->source;

	LIST_REMOVE(job, by_source);
	source->sender->jobs--;
	source->address->jobs--;
	if (source->mailing)
		source->mailing->jobs--;
	if (--source->jobs == 0)
		source_drop(catalog, source);
	job->source = NULL;
}

void
catalog_remove(struct catalog *catalog, struct job *job)
{
	struct domain_ref *refs = job_domains(job);

	walk_pass_job(&catalog->walk, job);
	LIST_REMOVE(job, by_body);
	LIST_REMOVE(job, by_id);
	catalog_bodies(catalog, job->body)->count--;
	for (unsigned i = 0; i < job->domain_count; i++) {
		walk_pass_ref(&catalog->walk, &refs[i]);
		LIST_REMOVE(&refs[i], link);
		if (--refs[i].domain->jobs == 0)
			domain_drop(catalog, refs[i].domain);
	}
	catalog->jobs--;
	leave_source(catalog, job);
}

size_t
catalog_messages(struct catalog *catalog, uint64_t campaign, uint64_t *ids,
		 size_t max)
{
	struct mailing *mailing = catalog_mailing(catalog, campaign);
	struct idset seen = {.size = 0};
	struct source *source;
	struct job *job;
	size_t n = 0;

	if (!mailing)
		return 0;
	LIST_FOREACH (source, &mailing->sources, mailing_link) {
		LIST_FOREACH (job, &source->list, by_source) {
			if (n > max || !idset_add(&seen, job->id))
				continue;
			if (n < max)
				ids[n] = job->id;
			n++;
		}
	}
	idset_fini(&seen);
	return n;
}

void
catalog_set_campaign(struct catalog *catalog, struct job *job,
		     uint64_t campaign)
{
	struct source *old = job->source;
	struct source *source = catalog_source(catalog, old->sender->cred,
					       &old->address->ip, campaign);

	if (source == old)
		return;
	walk_pass_job(&catalog->walk, job);
	leave_source(catalog, job);
	job_set_source(job, source);
	LIST_INSERT_HEAD(&source->list, job, by_source);
}

size_t
catalog_of_message(struct catalog *catalog, uint64_t id, struct job **jobs,
		   size_t max)
{
	struct job *job;
	size_t n = 0;

	LIST_FOREACH (job, catalog_ids(catalog, id), by_id) {
		if (job->id != id)
			continue;
		if (n < max)
			jobs[n] = job;
		n++;
	}
	return n;
}

uint64_t
catalog_count(const struct catalog *catalog)
{
	return catalog->jobs;
}
