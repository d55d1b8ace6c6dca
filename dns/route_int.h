#ifndef DNS_ROUTE_INT_H
#define DNS_ROUTE_INT_H

#include "dns/route.h"

/* What the files of dns/route.h share. */

#define TARGETS_TEXT_SIZE 400

struct targets_host {
	char name[DNS_NAME_SIZE];
	uint16_t preference;
	uint32_t rank; /* random, among equal preferences */
};

struct targets_query {
	struct dns_targets_op *owner;
	struct dns_op *op;
	enum dns_status status;
	enum dns_type type;
	bool servfail, authentic;
	bool refused; /* has addresses that we may not use */
	uint32_t count;
	struct ip_addr *ips; /* those that we may use */
};

struct dns_targets_op {
	struct dns *dns;
	char *owner; /* or NULL */
	enum dns_target_kind kind;
	bool v6, quick, second;
	bool filters; /* by permits */
	struct reach_policy permits;
	bool implicit; /* no MX: the domain's own address */
	bool authentic;
	struct dns_op *mx;
	struct timer_op *later, *patience;
	uint32_t host_count, query_count;
	uint32_t asked_count; /* in the order of query_nth */
	uint32_t open_count, burst;
	struct targets_host *hosts;
	struct targets_query *queries; /* AAAA, A of each host; or only A */
	uint32_t ttl_s, good_ttl_s, bad_ttl_s;
	bool public_seen;	     /* one that needs no permission */
	bool local_seen, local_kept; /* ones that do */
	struct dns_target *targets;
	struct dns_targets result;
	char domain[DNS_NAME_SIZE]; /* as asked, or text of a literal */
	char self[DNS_NAME_SIZE];
	char text[TARGETS_TEXT_SIZE];
	char site[TARGETS_SITE_SIZE];
	dns_targets_fn *done;
	void *arg;
};

/* --- route.c -------------------------------------------------------------- */

/* Calls done; op is gone then. */
void targets_finish(struct dns_targets_op *op);
/* Not OK; text: "MX example.com: NXDOMAIN". */
void targets_verdict(struct dns_targets_op *op, enum domain_reason reason,
		     const char *what, const char *name, const char *said);
void targets_verdict_ok(struct dns_targets_op *op, enum domain_reason reason);
enum domain_reason targets_reason_unknown(enum dns_status status);
uint32_t targets_least_ttl(uint32_t a, uint32_t b); /* 0: none */
/* Of records 0 is a TTL, the shortest there is. */
uint32_t targets_ttl(const struct dns_answer *answer);
bool targets_said_servfail(const struct dns_answer *answer);
/* Whether we may connect to it. from_v6: out of an AAAA record. */
bool targets_may_use(struct dns_targets_op *op, const struct ip_addr *ip,
		     bool from_v6);
void targets_add(struct dns_targets_op *op, const struct dns_target *target);

/* --- route_addr.c --------------------------------------------------------- */

/* Of op->hosts; then it finishes. */
void targets_ask_addresses(struct dns_targets_op *op);

/* --- route_hosts.c: the hosts of an MX answer ------------------------------
 */

bool hosts_null_mx(const struct dns_answer *answer);
/* Those that are host names, in the order to try; an array to be freed. */
struct targets_host *hosts_take(const struct dns_answer *answer,
				uint32_t *count);
/* What they have in common with others', hosts that are in this order. */
void hosts_site(const struct targets_host *hosts, uint32_t count,
		char site[TARGETS_SITE_SIZE]);
/* How many are better than self (RFC 5321, 5.1); "": all. */
uint32_t hosts_before(const struct targets_host *hosts, uint32_t count,
		      const char *self);

#endif
