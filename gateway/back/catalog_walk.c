/*
 * The walk of an administrator's work over the catalog: chooses the key that
 * the fewest jobs have and filters by the others.
 *
 * Trap: between two turns jobs, and with them sources and domains, come and
 * go. The walk keeps what it would look at next at each level, and everything
 * that leaves the catalog is passed over first; what comes is put at the front
 * of its list, behind the walk. So the walk ends, and looks at nothing freed.
 */
#include "gateway/back/catalog_int.h"

#include <string.h>

static const struct ip_addr lowest_ip;

#define SUM_MAX 1024 /* addresses or domains whose jobs are summed up */

/* --- who has the keys ----------------------------------------------------- */

bool
catalog_domain_is(struct slice want, struct slice domain)
{
	size_t below = want.n;

	if (want.n == 0 || want.p[0] != '.')
		return slice_eq(want, domain);
	if (domain.n + 1 == below)
		return memcmp(want.p + 1, domain.p, domain.n) == 0;
	return domain.n > below &&
	       memcmp(domain.p + domain.n - below, want.p, below) == 0;
}

/* The place of the first of its domains that is wanted; or domain_count. */
static unsigned
first_domain(struct slice want, const struct job *job)
{
	const struct domain_ref *refs =
	    job->domain_count > 1 ? job->domain.many : &job->domain.one;
	unsigned i = 0;

	while (i < job->domain_count &&
	       !catalog_domain_is(want, refs[i].domain->name))
		i++;
	return i;
}

bool
catalog_has(const struct catalog_keys *keys, const struct job *job)
{
	const struct source *source = job->source;

	if (keys->id != 0 && job->id != keys->id)
		return false;
	if (keys->campaign != 0 && job_campaign(job) != keys->campaign)
		return false;
	if (keys->cred && strcmp(keys->cred, source->sender->cred) != 0)
		return false;
	if (keys->ip && !ip_prefix_has(keys->ip, &source->address->ip))
		return false;
	if (keys->body && job->body != catalog_body(keys->body))
		return false;
	return !keys->domain.p ||
	       first_domain(keys->domain, job) < job->domain_count;
}

/* --- one level after the other -------------------------------------------- */

static struct source *
source_in(const struct catalog_walk *walk, struct source *source)
{
	const struct ip_prefix *ip = walk->keys.ip;

	if (source && ip && !ip_prefix_has(ip, &source->address->ip))
		return NULL;
	return source;
}

static struct source *
source_after(const struct catalog_walk *walk, struct source *source)
{
	if (walk->way == WAY_ADDRESS)
		return LIST_NEXT(source, link);
	if (walk->way == WAY_CAMPAIGN)
		return LIST_NEXT(source, mailing_link);
	source = source_next(source);
	return walk->way == WAY_SENDER ? source_in(walk, source) : source;
}

static struct address *
address_in(const struct catalog_walk *walk, struct address *address)
{
	if (address && !ip_prefix_has(walk->keys.ip, &address->ip))
		return NULL;
	return address;
}

static struct domain *
domain_in(const struct catalog_walk *walk, struct domain *domain)
{
	if (domain && !catalog_domain_is(walk->keys.domain, domain->name))
		return NULL;
	return domain;
}

static struct job *
job_after(const struct catalog_walk *walk, struct job *job)
{
	switch (walk->way) {
	case WAY_ID:
		return LIST_NEXT(job, by_id);
	case WAY_BODY:
		return LIST_NEXT(job, by_body);
	case WAY_SENDER:
	case WAY_ADDRESS:
	case WAY_CAMPAIGN:
	case WAY_ALL:
		return LIST_NEXT(job, by_source);
	case WAY_NONE:
	case WAY_DOMAIN:
		break;
	}
	return NULL;
}

void
walk_pass_job(struct catalog_walk *walk, struct job *job)
{
	if (walk->job == job)
		walk->job = job_after(walk, job);
}

void
walk_pass_ref(struct catalog_walk *walk, struct domain_ref *ref)
{
	if (walk->ref == ref)
		walk->ref = LIST_NEXT(ref, link);
}

void
walk_pass_source(struct catalog_walk *walk, struct source *source)
{
	if (walk->source == source)
		walk->source = source_after(walk, source);
}

void
walk_pass_address(struct catalog_walk *walk, struct address *address)
{
	if (walk->address == address)
		walk->address = address_in(walk, address_next(address));
}

void
walk_pass_domain(struct catalog_walk *walk, struct domain *domain)
{
	if (walk->domain == domain)
		walk->domain = domain_in(walk, domain_next(domain));
}

void
walk_pass_sender(struct catalog_walk *walk, struct sender *sender)
{
	if (walk->sender == sender)
		walk->sender = sender->hh.next;
}

static struct source *
take_source(struct catalog_walk *walk)
{
	struct source *source;

	while (!walk->source && walk->address) {
		walk->source = LIST_FIRST(&walk->address->sources);
		walk_pass_address(walk, walk->address);
	}
	while (!walk->source && walk->sender) {
		walk->source = source_from(walk->sender, &lowest_ip);
		walk_pass_sender(walk, walk->sender);
	}
	source = walk->source;
	if (source)
		walk_pass_source(walk, source);
	return source;
}

/* The next of a list of jobs; NULL: the end. */
static struct job *
take_job(struct catalog_walk *walk)
{
	struct job *job;

	while (!walk->job) {
		struct source *source = take_source(walk);

		if (!source)
			return NULL;
		walk->job = LIST_FIRST(&source->list);
	}
	job = walk->job;
	walk_pass_job(walk, job);
	return job;
}

/* The same by domain. A job with several that are wanted comes once: at the
 * first of them. *other: it came, or comes, elsewhere. */
static struct job *
take_by_domain(struct catalog_walk *walk, bool *other)
{
	struct domain_ref *ref;

	while (!walk->ref) {
		if (!walk->domain)
			return NULL;
		walk->ref = LIST_FIRST(&walk->domain->list);
		walk_pass_domain(walk, walk->domain);
	}
	ref = walk->ref;
	walk_pass_ref(walk, ref);
	*other =
	    &job_domains(ref->job)[first_domain(walk->keys.domain, ref->job)] !=
	    ref;
	return ref->job;
}

struct job *
catalog_walk_next(struct catalog *catalog, uint32_t *steps)
{
	struct catalog_walk *walk = &catalog->walk;

	while (*steps > 0) {
		bool other = false;
		struct job *job = walk->way == WAY_DOMAIN
				      ? take_by_domain(walk, &other)
				      : take_job(walk);

		if (!job)
			return NULL;
		(*steps)--;
		if (!other && catalog_has(&walk->keys, job))
			return job;
	}
	return NULL;
}

/* --- the way that has the fewest ------------------------------------------ */

/* Whether n jobs are fewer than on the best way so far. */
static bool
is_fewer(uint64_t *best, uint64_t n)
{
	if (n >= *best)
		return false;
	*best = n;
	return true;
}

/* Summing stops where it cannot win any more; what has too many parts to be
 * summed up is the last choice. */
static uint64_t
sum_addresses(const struct catalog_walk *walk, uint64_t best)
{
	struct address *address = walk->address;
	uint64_t sum = 0;

	for (int i = 0; address && sum < best; i++) {
		if (i == SUM_MAX)
			return UINT64_MAX - 1;
		sum += address->jobs;
		address = address_in(walk, address_next(address));
	}
	return sum;
}

static uint64_t
sum_domains(const struct catalog_walk *walk, uint64_t best)
{
	struct domain *domain = walk->domain;
	uint64_t sum = 0;

	for (int i = 0; domain && sum < best; i++) {
		if (i == SUM_MAX)
			return UINT64_MAX - 1;
		sum += domain->jobs;
		domain = domain_in(walk, domain_next(domain));
	}
	return sum;
}

/* Where each way would begin. */
static void
find_starts(struct catalog *catalog, const struct catalog_keys *keys)
{
	struct catalog_walk *walk = &catalog->walk;
	struct slice domain = keys->domain;

	if (domain.n > 0 && domain.p[0] == '.')
		domain = slice_from(domain, 1);
	if (keys->cred)
		walk->sender = catalog_sender(catalog, keys->cred);
	if (keys->ip)
		walk->address =
		    address_in(walk, address_from(catalog, &keys->ip->addr));
	if (keys->campaign != 0) {
		struct mailing *mailing =
		    catalog_mailing(catalog, keys->campaign);

		walk->source = mailing ? LIST_FIRST(&mailing->sources) : NULL;
	}
	if (domain.p)
		walk->domain = domain_in(walk, domain_from(catalog, domain));
}

/* A key that nobody has: nothing is to be looked at. */
static bool
is_hopeless(const struct catalog_walk *walk, const struct catalog_keys *keys)
{
	return (keys->cred && !walk->sender) || (keys->ip && !walk->address) ||
	       (keys->domain.p && !walk->domain) ||
	       (keys->campaign != 0 && !walk->source);
}

static enum catalog_way
choose_way(struct catalog *catalog, const struct catalog_keys *keys)
{
	struct catalog_walk *walk = &catalog->walk;
	enum catalog_way way = WAY_ALL;
	uint64_t best = UINT64_MAX;

	find_starts(catalog, keys);
	if (is_hopeless(walk, keys))
		return WAY_NONE;
	if (keys->id != 0)
		return WAY_ID;
	if (keys->cred && is_fewer(&best, walk->sender->jobs))
		way = WAY_SENDER;
	if (keys->body &&
	    is_fewer(&best,
		     catalog_bodies(catalog, catalog_body(keys->body))->count))
		way = WAY_BODY;
	if (keys->domain.p && is_fewer(&best, sum_domains(walk, best)))
		way = WAY_DOMAIN;
	if (keys->campaign != 0 && is_fewer(&best, walk->source->mailing->jobs))
		way = WAY_CAMPAIGN;
	if (keys->ip && is_fewer(&best, sum_addresses(walk, best)))
		way = WAY_ADDRESS;
	return way;
}

void
catalog_walk_begin(struct catalog *catalog, const struct catalog_keys *keys)
{
	struct catalog_walk *walk = &catalog->walk;
	struct catalog_walk start;

	*walk = (struct catalog_walk){.keys = *keys};
	walk->way = choose_way(catalog, keys);
	start = (struct catalog_walk){.way = walk->way, .keys = *keys};
	switch (walk->way) {
	case WAY_NONE:
		break;
	case WAY_ID:
		start.job = LIST_FIRST(catalog_ids(catalog, keys->id));
		break;
	case WAY_BODY:
		start.job = LIST_FIRST(
		    &catalog_bodies(catalog, catalog_body(keys->body))->jobs);
		break;
	case WAY_SENDER:
		start.source = source_in(
		    walk, source_from(walk->sender,
				      keys->ip ? &keys->ip->addr : &lowest_ip));
		break;
	case WAY_ADDRESS:
		start.address = walk->address;
		break;
	case WAY_DOMAIN:
		start.domain = walk->domain;
		break;
	case WAY_CAMPAIGN:
		start.source = walk->source;
		break;
	case WAY_ALL:
		start.sender = catalog->senders;
		break;
	}
	*walk = start;
}

void
catalog_walk_end(struct catalog *catalog)
{
	catalog->walk = (struct catalog_walk){.way = WAY_NONE};
}
