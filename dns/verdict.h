#ifndef DNS_VERDICT_H
#define DNS_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * What DNS says about mail to a domain (RFC 5321, 5.1; 7505; 6761). Types
 * only: this header may be included anywhere and makes no link.
 */
enum domain_verdict {			  /* on disk: never renumber */
		      DOMAIN_UNKNOWN = 0, /* nothing is known: never "dead" */
		      DOMAIN_DELIVERABLE = 1,
		      DOMAIN_DEAD = 2,	  /* no such name; or no MX, A, AAAA */
		      DOMAIN_REFUSES = 3, /* null MX */
		      DOMAIN_RESERVED = 4,
		      DOMAIN_UNROUTABLE = 5, /* an MX, but nobody to reach */
		      DOMAIN_VERDICTS
};

enum domain_reason { /* on disk: never renumber */
		     DOMAIN_WHY_NONE = 0,
		     DOMAIN_WHY_MX = 1,	     /* deliverable */
		     DOMAIN_WHY_ADDRESS = 2, /* deliverable: no MX, but A */
		     DOMAIN_WHY_LITERAL = 3, /* deliverable: [192.0.2.1] */
		     DOMAIN_WHY_NXDOMAIN = 4,
		     DOMAIN_WHY_NO_RECORDS = 5,
		     DOMAIN_WHY_BAD_NAME = 6, /* dead: no domain name at all */
		     DOMAIN_WHY_NULL_MX = 7,
		     DOMAIN_WHY_SPECIAL_USE = 8,
		     DOMAIN_WHY_NO_HOST = 9,	 /* no host name in its MX */
		     DOMAIN_WHY_NO_ADDRESS = 10, /* no MX host has one */
		     DOMAIN_WHY_NOT_PUBLIC = 11, /* loopback, private ... */
		     DOMAIN_WHY_SELF = 12,	 /* the best MX is this host */
		     DOMAIN_WHY_FAILED = 13,	 /* SERVFAIL, REFUSED ... */
		     DOMAIN_WHY_TIMEOUT = 14,
		     DOMAIN_WHY_BUSY = 15, /* not asked: a cap of ours */
		     DOMAIN_REASONS
};

struct domain_fact {
	enum domain_verdict verdict;
	enum domain_reason reason;
	int64_t since_wall_s; /* when DNS said so */
	int64_t until_wall_s; /* asked again after it */
	bool stale; /* that time is over, but the resolver gives nothing new */
};

const char *domain_verdict_name(enum domain_verdict verdict); /* "dead" */
/* "no such domain (NXDOMAIN)": for logs, DSNs and `sluice domain show`. */
const char *domain_reason_text(enum domain_reason reason);

#endif
