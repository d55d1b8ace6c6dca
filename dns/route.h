#ifndef DNS_ROUTE_H
#define DNS_ROUTE_H

#include <stdbool.h>

#include "dns/lookup.h"
#include "dns/reach.h"
#include "dns/verdict.h"

/*
 * Where mail for a domain goes (RFC 5321, 5; RFC 7505): the addresses to try,
 * in this order.
 */
enum dns_target_kind {
	TARGET_MX,   /* a mail domain: MX, or the domain's own address */
	TARGET_HOST, /* a host: its addresses, an IP address as text, or a name
		      * of the hosts file */
};

struct dns_targets_req {
	/* A-labels or UTF-8, one trailing dot allowed; "[192.0.2.1]" and
	 * "[IPv6:2001:db8::1]" are address literals. */
	const char *domain;
	enum dns_target_kind kind;
	bool v6; /* want IPv6 too; of a host they come first */
	/* Our own name, or NULL: the MX that bears it and all that are not
	 * better are left out, or mail would come back to us. */
	const char *self;
	/* The addresses we may connect to; with it host names are checked
	 * too: localhost and what is below it are none. NULL: every address,
	 * as befits a host that the administrator named. */
	const struct reach_policy *permits;
	/* One address is enough: hosts are asked one after the other, and more
	 * at once as time goes by without an answer that can be used. */
	bool quick;
	bool second;	   /* of the second resolvers */
	const char *owner; /* as in dns_req */
};

enum targets_status {
	TARGETS_OK,	   /* at least one address */
	TARGETS_NO_DOMAIN, /* NXDOMAIN, or no domain name at all */
	TARGETS_NULL_MX,   /* takes no mail, RFC 7505 */
	TARGETS_NONE,	   /* it exists, but nothing to connect to: NO_RECORDS,
			    * NO_HOST, NO_ADDRESS, NOT_PUBLIC, SELF */
	TARGETS_UNKNOWN,   /* temporary: time-out, SERVFAIL */
};

#define TARGETS_HOST_MAX 20
#define TARGETS_ADDRESS_MAX 50

struct dns_target {
	struct ip_addr ip;
	uint16_t preference; /* 0 without MX */
	const char *host;    /* A-labels: for SNI and the certificate check; the
			      * text of the address for a literal */
	bool authentic; /* MX and address are validated: DANE is possible */
};

struct dns_targets {
	enum targets_status status;
	enum domain_reason reason; /* more closely */
	/* Would `permits` or self say otherwise, the status could be another.
	 */
	bool local;
	bool servfail; /* UNKNOWN, and that is what the resolver said */
	const struct dns_target *targets; /* in the order to try */
	uint32_t count;
	uint32_t ttl_s;	  /* how long this holds; 0: not known */
	const char *text; /* what was asked and answered, for log and DSN:
			   * "MX example.com: NXDOMAIN"; never NULL */
	/* OK: names the hosts, whether all have an address now or not, and
	 * their order: domains of one provider have the same. */
	const char *site;
};

#define TARGETS_SITE_SIZE 65 /* a digest in hex */

struct dns_targets_op;
typedef void dns_targets_fn(void *arg, const struct dns_targets *result);
struct dns_targets_op *dns_targets_start(struct dns *dns,
					 const struct dns_targets_req *req,
					 dns_targets_fn *done, void *arg);
void dns_targets_cancel(struct dns_targets_op **op);

#endif
