/*
 * Look-ups of domains: what is known costs no op, the cache's answer is given
 * in the next turn, the rest is a flight (dns/flight.h), joined if there is
 * one. A name that needs no question never reaches the cache.
 */
#include "dns/domain.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dns/flight.h"
#include "dns/literal.h"
#include "dns/name.h"
#include "gateway/base/clock.h"
#include "gateway/base/mem.h"

/* ---- What is known ---- */

static void
literal_fact(struct dns_cache *cache, struct slice domain, int64_t now_wall_s,
	     struct domain_fact *fact)
{
	struct reach_policy permits;
	struct ip_addr ip;
	enum reach reach;

	cache_reach_get(cache, &permits);
	if (!literal_parse(domain, &ip, &reach))
		flight_fact_set(fact, DOMAIN_DEAD, DOMAIN_WHY_BAD_NAME,
				now_wall_s);
	else if (reach_permits(&permits, reach))
		flight_fact_set(fact, DOMAIN_DELIVERABLE, DOMAIN_WHY_LITERAL,
				now_wall_s);
	else
		flight_fact_set(fact, DOMAIN_UNROUTABLE, DOMAIN_WHY_NOT_PUBLIC,
				now_wall_s);
}

static bool
name_ok(struct slice domain)
{
	struct ip_addr ip;

	return dns_name_ok(domain) && ip_parse(domain, &ip) != 0;
}

/* Without the cache. */
static bool
known_of_itself(struct dns_cache *cache, struct slice domain, bool exempt,
		int64_t now_wall_s, struct domain_fact *fact)
{
	if (domain.n > 0 && domain.p[0] == '[')
		literal_fact(cache, domain, now_wall_s, fact);
	else if (!name_ok(domain))
		flight_fact_set(fact, DOMAIN_DEAD, DOMAIN_WHY_BAD_NAME,
				now_wall_s);
	else if (!exempt && cache_reserved(cache, domain))
		flight_fact_set(fact, DOMAIN_RESERVED, DOMAIN_WHY_SPECIAL_USE,
				now_wall_s);
	else
		return false;
	return true;
}

bool
dns_domain_known(struct dns *dns, struct slice domain, int64_t now_wall_s,
		 struct domain_fact *fact)
{
	struct dns_cache *cache = dns_cache_of(dns);

	/* Special names are not in the cache, unless somebody asked for one as
	 * exempt: so the cache is not the first to be asked. */
	if (domain.n > 0 && domain.p[0] != '[' &&
	    !cache_reserved(cache, domain) &&
	    dns_cache_get(cache, domain, now_wall_s, fact))
		return true;
	return known_of_itself(cache, domain, false, now_wall_s, fact);
}

/* ---- Ops ---- */

static void
on_wait(void *arg)
{
	struct dns_domain_op *op = arg;
	struct flight *flight = op->flight;
	struct dns_domain_result result = {.text = "no answer in time"};

	op->wait = NULL;
	if (flight->ended) {
		result.fact = flight->fact; /* its turn was to come */
		result.text = flight->text;
	} else if (flight->targets) {
		flight_fact_set(&result.fact, DOMAIN_UNKNOWN,
				DOMAIN_WHY_TIMEOUT, clock_wall_s());
	} else {
		flight_fact_busy(flight->member->cache,
				 slice_str(flight->domain), DOMAIN_WHY_TIMEOUT,
				 &result.fact);
	}
	flight_answer_op(op, &result);
}

/* The text of a literal, or a name in key form. False: neither. */
static bool
key_of(const char *domain, char key[DNS_NAME_SIZE])
{
	size_t n = strlen(domain);

	if (domain[0] != '[' || n >= DNS_NAME_SIZE)
		return dns_name_key(slice_str(domain), key);
	memcpy(key, domain, n + 1);
	return true;
}

static bool
known_at_once(struct member *member, const struct dns_domain_req *req,
	      const char *key, struct domain_fact *fact)
{
	int64_t now_wall_s = clock_wall_s();
	struct slice domain = slice_str(key);

	/* of a literal the addresses may be wanted: route.c knows it */
	if (req->targets && domain.n > 0 && domain.p[0] == '[')
		return false;
	if (known_of_itself(member->cache, domain, req->exempt, now_wall_s,
			    fact))
		return true;
	return !req->targets && !req->fresh &&
	       dns_cache_get(member->cache, domain, now_wall_s, fact);
}

static struct flight *
flight_for(struct member *member, const struct dns_domain_req *req)
{
	char key[DNS_NAME_SIZE];
	struct domain_fact fact;
	struct flight *flight;

	if (!key_of(req->domain, key))
		key[0] = '\0';
	if (known_at_once(member, req, key, &fact)) {
		flight = flight_create(member, key);
		flight->fact = fact;
		flight_end_later(flight);
		return flight;
	}
	flight = req->targets ? NULL : flight_find(member, slice_str(key));
	if (flight != NULL) {
		share_count(member->cache, slice_str(key));
		return flight;
	}
	flight = flight_create(member, key);
	flight->targets = req->targets;
	flight->fresh = req->fresh;
	flight->cred = mem_strdup(req->owner);
	if (!req->targets)
		flight_list(flight);
	flight_go(flight);
	return flight;
}

struct dns_domain_op *
dns_domain_start(struct dns *dns, const struct dns_domain_req *req,
		 dns_domain_fn *done, void *arg)
{
	struct dns_cache *cache = dns_cache_of(dns);
	struct dns_domain_op *op = mem_zalloc(sizeof(*op));
	struct member *member;

	assert(cache != NULL);
	member = (struct member *)share_find(cache, dns);
	assert(member != NULL);
	op->done = done;
	op->arg = arg;
	op->flight = flight_for(member, req);
	TAILQ_INSERT_TAIL(&op->flight->ops, op, link);
	if (req->wait_ms > 0)
		op->wait =
		    timer_start(dns_loop(dns), req->wait_ms, on_wait, op);
	return op;
}

void
dns_domain_cancel(struct dns_domain_op **opp)
{
	struct dns_domain_op *op = *opp;

	*opp = NULL;
	if (op == NULL)
		return;
	TAILQ_REMOVE(&op->flight->ops, op, link);
	timer_cancel(&op->wait);
	free(op);
}
