#ifndef DNS_DOMAIN_H
#define DNS_DOMAIN_H

#include "dns/cache.h"
#include "dns/lookup.h"
#include "dns/route.h"

/*
 * The verdict on a domain, from the cache or from DNS: MX, then addresses. An
 * op as in style 3. Equal look-ups share one, across loops too. NXDOMAIN is
 * asked a second time of another resolver, when one is configured, before a
 * domain is first called dead; if that one says otherwise, it is believed, and
 * its SERVFAIL makes the domain unknown; if it says nothing, the first is
 * believed.
 *
 * Which domains are not asked for at all is the caller's (policy/domains.h).
 */

/* True: known without a question. domain in key form, or "[192.0.2.1]". Also
 * true for what needs none: special-use names, literals, no name at all. */
bool dns_domain_known(struct dns *dns, struct slice domain, int64_t now_wall_s,
		      struct domain_fact *fact);

struct dns_domain_req {
	const char *domain; /* as above */
	const char
	    *owner;	 /* the credential whose budget it takes; NULL: none */
	bool targets;	 /* the addresses as well, always asked anew */
	bool fresh;	 /* not from the cache */
	bool exempt;	 /* a special-use name is asked for like any other:
			    somebody here said that it exists */
	int64_t wait_ms; /* then the result is UNKNOWN, TIMEOUT (or what was
			    known to be good of late), while the question
			    goes on for the cache, as it does when the op
			    is cancelled; 0: no end */
};

struct dns_domain_result {
	struct domain_fact fact;
	const struct dns_targets *targets; /* asked for and deliverable; only
					      those we may connect to */
	const char *text; /* "MX example.com: NXDOMAIN"; never NULL */
};

struct dns_domain_op;
typedef void dns_domain_fn(void *arg, const struct dns_domain_result *result);
struct dns_domain_op *dns_domain_start(struct dns *dns,
				       const struct dns_domain_req *req,
				       dns_domain_fn *done, void *arg);
void dns_domain_cancel(struct dns_domain_op **op);

#endif
