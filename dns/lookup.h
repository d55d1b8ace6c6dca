#ifndef DNS_LOOKUP_H
#define DNS_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/net/loop.h"

/*
 * One question to the resolver: MX, A, AAAA, TXT or TLSA of one name, an op as
 * in style 3. The packet is read by us (dns/packet.h): it comes from strangers.
 * One `struct dns` a loop; equal questions of a loop are asked once. The
 * resolver is expected near by, best on loopback: see dns/channel.c on what
 * protects answers from farther away, and dns/slots.h on who is asked for
 * when there are many.
 */
struct dns;

struct dns_cache;

struct dns_opts {
	const char *servers;	/* "127.0.0.1, [::1]:5353"; NULL: resolv.conf,
				 * whose changes are noticed */
	const char *second;	/* other resolvers, for a second opinion on
				 * NXDOMAIN; NULL: none */
	int64_t timeout_ms;	/* of the first try, doubled on each; 0: 2000 */
	int tries;		/* 0: 2, which makes 6 s in all */
	uint32_t inflight_max;	/* on the wire at once; 0: 500. What is not
				 * answered after 300 ms leaves these for the
				 * slow pool, of twice as many; when that is
				 * full, the oldest in it fails at once */
	const char *hosts_path; /* for dns/route.h; NULL: /etc/hosts */
	const char *resolv_path; /* NULL: /etc/resolv.conf */
	struct dns_cache *cache; /* shared by the loops, outlives them; NULL:
				  * no verdicts can be asked for */
};

/* NULL: servers is not a list of addresses, or out of descriptors. */
struct dns *dns_create(struct loop *loop, const struct dns_opts *opts);
/* Other servers, time-outs, caps; questions under way end as they began.
 * GW_EINVAL, GW_EIO: as above, and nothing changed. */
int dns_reconfigure(struct dns *dns, const struct dns_opts *opts);
/* Ops still open are dropped silently; their handles dangle: cancel first. */
void dns_destroy(struct dns **dns);

enum dns_type { /* as on the wire */
		DNS_A = 1,
		DNS_MX = 15,
		DNS_TXT = 16,
		DNS_AAAA = 28,
		DNS_TLSA = 52, /* RFC 6698 */
};

enum dns_status {
	DNS_OK,	      /* at least one record */
	DNS_NXDOMAIN, /* there is no such name */
	DNS_NODATA,   /* the name is there, such a record is not */
	DNS_FAIL,     /* SERVFAIL, REFUSED, malformed, not reachable */
	DNS_TIMEOUT,
	DNS_BUSY, /* not asked, or given up early: a cap of ours */
};

#define DNS_NAME_SIZE 256 /* text of a name, no trailing dot, NUL */
#define DNS_RECORDS_MAX 100
#define DNS_TXT_MAX 4096 /* of one record, joined */

struct dns_record {
	struct ip_addr ip;   /* A, AAAA */
	uint16_t preference; /* MX */
	/* MX, lower case. "" is the root (null MX). NULL: not a host name
	 * (only letters, digits, '-' and '_' are let through). */
	const char *host;
	/* TLSA: as in RFC 6698, 2.1 */
	uint8_t usage, selector, matching;
	/* TXT: its strings, joined without a blank (RFC 7208, 3.3; 6376,
	 * 3.6.2.2), any bytes; none: over DNS_TXT_MAX. */
	struct slice data;
};

struct dns_answer {
	enum dns_status status;
	/* The resolver validated it (AD), and is on loopback, so that its word
	 * was not changed on the way. */
	bool authentic;
	/* OK: the smallest on the way, aliases included. NXDOMAIN, NODATA:
	 * from the SOA, 0 without one. Else 0. */
	uint32_t ttl_s;
	const struct dns_record *records;
	uint32_t count;	  /* of records; at most DNS_RECORDS_MAX */
	const char *text; /* e.g. "SERVFAIL"; never NULL */
};

struct dns_req {
	const char *name; /* ASCII; at most one trailing dot; of TLSA and TXT
			   * with its underscore labels */
	enum dns_type type;
	bool second; /* of the second resolvers; DNS_FAIL without any */
	/* Whose share of the slots it takes (dns/slots.h), so that nobody's
	 * questions stop the others'; NULL: one share for all such. */
	const char *owner;
};

struct dns_op;
typedef void dns_done_fn(void *arg, const struct dns_answer *answer);
/* A name that DNS cannot carry is answered DNS_NXDOMAIN. */
struct dns_op *dns_lookup_start(struct dns *dns, const struct dns_req *req,
				dns_done_fn *done, void *arg);
void dns_lookup_cancel(struct dns_op **op);

uint32_t dns_inflight_count(const struct dns *dns);
struct dns_cache *dns_cache_of(const struct dns *dns); /* or NULL */
bool dns_has_second(const struct dns *dns);

/* The resolvers in use, for status and warnings. */
struct dns_servers {
	char text[256]; /* "127.0.0.1, 192.0.2.53" */
	bool all_loopback;
	bool from_file; /* resolv.conf */
};
void dns_servers_get(const struct dns *dns, struct dns_servers *servers);
struct loop *dns_loop(const struct dns *dns);
const char *dns_hosts_path(const struct dns *dns);

#endif
