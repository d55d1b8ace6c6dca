#ifndef DNS_LOOKUP_H
#define DNS_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/net/loop.h"

/*
 * One question to the resolver: MX, A or AAAA of one name, an op as in style
 * 3. The packet is read by us (dns/packet.h): it comes from strangers. One
 * `struct dns` a loop. The resolver is expected near by, best on loopback: all
 * questions leave from one port.
 */
struct dns;

struct dns_opts {
	const char *servers;	/* "127.0.0.1, [::1]:5353"; NULL: resolv.conf */
	int64_t timeout_ms;	/* of the first try, doubled on each; 0: 2000 */
	int tries;		/* 0: 2, which makes 6 s in all */
	uint32_t inflight_max;	/* on the wire at once; 0: 500 */
	const char *hosts_path; /* for dns/route.h; NULL: /etc/hosts */
};

/* NULL: servers is not a list of addresses, or out of descriptors. */
struct dns *dns_create(struct loop *loop, const struct dns_opts *opts);
/* Ops still open are dropped silently; their handles dangle: cancel first. */
void dns_destroy(struct dns **dns);

enum dns_type { DNS_A = 1, DNS_MX = 15, DNS_AAAA = 28 }; /* as on the wire */

enum dns_status {
	DNS_OK,	      /* at least one record */
	DNS_NXDOMAIN, /* there is no such name */
	DNS_NODATA,   /* the name is there, such a record is not */
	DNS_FAIL,     /* SERVFAIL, REFUSED, malformed, not reachable; also when
		       * too many questions wait already */
	DNS_TIMEOUT,
};

#define DNS_NAME_SIZE 256 /* text of a name, no trailing dot, NUL */
#define DNS_RECORDS_MAX 100

struct dns_record {
	struct ip_addr ip;   /* A, AAAA */
	uint16_t preference; /* MX */
	/* MX, lower case. "" is the root (null MX). NULL: not a host name
	 * (only letters, digits, '-' and '_' are let through). */
	const char *host;
};

struct dns_answer {
	enum dns_status status;
	/* OK: the smallest on the way, aliases included. NXDOMAIN, NODATA:
	 * from the SOA, 0 without one. Else 0. */
	uint32_t ttl_s;
	const struct dns_record *records;
	uint32_t count;	  /* of records; at most DNS_RECORDS_MAX */
	const char *text; /* e.g. "SERVFAIL"; never NULL */
};

struct dns_req {
	const char *name; /* ASCII; at most one trailing dot */
	enum dns_type type;
};

struct dns_op;
typedef void dns_done_fn(void *arg, const struct dns_answer *answer);
/* A name that DNS cannot carry is answered DNS_NXDOMAIN. */
struct dns_op *dns_lookup_start(struct dns *dns, const struct dns_req *req,
				dns_done_fn *done, void *arg);
void dns_lookup_cancel(struct dns_op **op);

uint32_t dns_inflight_count(const struct dns *dns);
struct loop *dns_loop(const struct dns *dns);
const char *dns_hosts_path(const struct dns *dns);

#endif
