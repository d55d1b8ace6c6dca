/*
 * From a domain to addresses: MX, then the addresses of each host, all at
 * once. What is temporary (TARGETS_UNKNOWN) and what is final is decided here
 * and matters: final bounces mail. One host without an answer does not make
 * the whole unknown as long as another has an address; but when none has, one
 * unanswered question is enough for "unknown".
 *
 * SERVFAIL for MX is never taken as "no MX": the domain's own address is asked
 * for only when the resolver says that there is no MX (RFC 5321, 5.1).
 *
 * A later cache stands in front of dns_lookup_start and changes nothing here.
 */
#include "dns/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/hosts.h"
#include "dns/name.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"

#define TEXT_SIZE 400

struct targets_host {
	char name[DNS_NAME_SIZE];
	uint16_t preference;
	uint32_t rank; /* random, among equal preferences */
};

struct targets_query {
	struct dns_targets_op *owner;
	struct dns_op *op;
	enum dns_status status;
	uint32_t count;
	struct ip_addr ips[TARGETS_ADDRESS_MAX];
};

struct dns_targets_op {
	struct dns *dns;
	enum dns_target_kind kind;
	bool v6;
	bool implicit; /* no MX: the domain's own address */
	struct dns_op *mx;
	struct timer_op *later;
	uint32_t host_count, query_count, pending_count;
	struct targets_host *hosts;
	struct targets_query *queries; /* AAAA, A of each host; or only A */
	uint32_t ttl_s;
	struct dns_target targets[TARGETS_ADDRESS_MAX];
	uint32_t target_count;
	enum targets_status status;
	char domain[DNS_NAME_SIZE]; /* as asked, or text of a literal */
	char self[DNS_NAME_SIZE];
	char text[TEXT_SIZE];
	dns_targets_fn *done;
	void *arg;
};

static void
op_free(struct dns_targets_op *op)
{
	dns_lookup_cancel(&op->mx);
	timer_cancel(&op->later);
	for (uint32_t i = 0; i < op->query_count; i++)
		dns_lookup_cancel(&op->queries[i].op);
	free(op->queries);
	free(op->hosts);
	free(op);
}

static void
finish(struct dns_targets_op *op)
{
	struct dns_targets result = {
	    .status = op->status,
	    .targets = op->targets,
	    .count = op->target_count,
	    .ttl_s = op->ttl_s,
	    .text = op->text,
	};

	/* the op's memory carries the result: it goes last */
	op->done(op->arg, &result);
	op_free(op);
}

/* text: "MX example.com: NXDOMAIN" */
static void
verdict(struct dns_targets_op *op, enum targets_status status, const char *what,
	const char *name, const char *said)
{
	op->status = status;
	(void)snprintf(op->text, sizeof(op->text), "%s %s: %s", what, name,
		       said);
}

static void
verdict_ok(struct dns_targets_op *op)
{
	op->status = TARGETS_OK;
	(void)snprintf(op->text, sizeof(op->text), "%s: %u addresses",
		       op->domain, op->target_count);
}

static void
on_later(void *arg)
{
	struct dns_targets_op *op = arg;

	op->later = NULL;
	finish(op);
}

static void
finish_later(struct dns_targets_op *op)
{
	op->later = timer_start(dns_loop(op->dns), 0, on_later, op);
}

static void
keep_ttl(struct dns_targets_op *op, uint32_t ttl_s)
{
	if (ttl_s > 0 && (op->ttl_s == 0 || ttl_s < op->ttl_s))
		op->ttl_s = ttl_s;
}

static void
target_add(struct dns_targets_op *op, const struct ip_addr *ip,
	   uint16_t preference, const char *host)
{
	if (op->target_count == TARGETS_ADDRESS_MAX)
		return;
	for (uint32_t i = 0; i < op->target_count; i++) {
		if (ip_eq(&op->targets[i].ip, ip))
			return; /* two names of one machine */
	}
	op->targets[op->target_count].ip = *ip;
	op->targets[op->target_count].preference = preference;
	op->targets[op->target_count].host = host;
	op->target_count++;
}

/* ---- The addresses of the hosts ---- */

static const char *
status_text(enum dns_status status)
{
	switch (status) {
	case DNS_OK:
		return "found";
	case DNS_NXDOMAIN:
		return "NXDOMAIN";
	case DNS_NODATA:
		return "no such record";
	case DNS_FAIL:
	case DNS_BUSY:
		return "no usable answer";
	case DNS_TIMEOUT:
		return "timed out";
	}
	return "";
}

static uint32_t
queries_per_host(const struct dns_targets_op *op)
{
	return op->v6 ? 2 : 1;
}

static void
collect(struct dns_targets_op *op)
{
	for (uint32_t i = 0; i < op->query_count; i++) {
		const struct targets_query *q = &op->queries[i];
		const struct targets_host *h =
		    &op->hosts[i / queries_per_host(op)];

		for (uint32_t k = 0; k < q->count; k++)
			target_add(op, &q->ips[k], h->preference, h->name);
	}
}

/* No address at all: is that the last word? */
static void
judge_empty(struct dns_targets_op *op)
{
	const struct targets_query *worst = &op->queries[0];
	bool all_gone = true;
	const char *name;

	for (uint32_t i = 0; i < op->query_count; i++) {
		if (op->queries[i].status >= worst->status)
			worst = &op->queries[i];
		if (op->queries[i].status != DNS_NXDOMAIN)
			all_gone = false;
	}
	name = op->hosts[(worst - op->queries) / queries_per_host(op)].name;
	if (worst->status >= DNS_FAIL)
		verdict(op, TARGETS_UNKNOWN, "address of", name,
			status_text(worst->status));
	else if (op->kind == TARGET_HOST && all_gone)
		verdict(op, TARGETS_NO_DOMAIN, "address of", name, "NXDOMAIN");
	else if (op->implicit)
		verdict(op, TARGETS_NONE, "MX", op->domain,
			"none, and no address");
	else
		verdict(op, TARGETS_NONE, "address of", name,
			status_text(worst->status));
}

static void
all_answered(struct dns_targets_op *op)
{
	collect(op);
	if (op->target_count > 0)
		verdict_ok(op);
	else
		judge_empty(op);
	finish(op);
}

static void
on_address(void *arg, const struct dns_answer *answer)
{
	struct targets_query *q = arg;
	struct dns_targets_op *op = q->owner;

	q->op = NULL;
	q->status = answer->status;
	keep_ttl(op, answer->ttl_s);
	for (uint32_t i = 0;
	     i < answer->count && q->count < TARGETS_ADDRESS_MAX; i++)
		q->ips[q->count++] = answer->records[i].ip;
	if (--op->pending_count == 0)
		all_answered(op);
}

static void
ask_addresses(struct dns_targets_op *op)
{
	op->query_count = op->host_count * queries_per_host(op);
	op->pending_count = op->query_count;
	op->queries = mem_array(op->query_count, sizeof(*op->queries));
	for (uint32_t i = 0; i < op->query_count; i++) {
		struct targets_query *q = &op->queries[i];
		struct dns_req req = {
		    .name = op->hosts[i / queries_per_host(op)].name,
		    .type = op->v6 && i % 2 == 0 ? DNS_AAAA : DNS_A,
		};

		q->owner = op;
		q->op = dns_lookup_start(op->dns, &req, on_address, q);
	}
}

static void
ask_own_address(struct dns_targets_op *op)
{
	op->hosts = mem_array(1, sizeof(*op->hosts));
	op->host_count = 1;
	memcpy(op->hosts[0].name, op->domain, sizeof(op->domain));
	ask_addresses(op);
}

/* ---- MX ---- */

static int
host_compare(const void *a, const void *b)
{
	const struct targets_host *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return strcmp(x->name, y->name);
}

static bool
is_null_mx(const struct dns_answer *answer)
{
	return answer->count == 1 && answer->records[0].host != NULL &&
	       answer->records[0].host[0] == '\0';
}

/* The hosts that are ones, in the order to try. */
static void
hosts_take(struct dns_targets_op *op, const struct dns_answer *answer)
{
	op->hosts = mem_array(answer->count, sizeof(*op->hosts));
	for (uint32_t i = 0; i < answer->count; i++) {
		const struct dns_record *r = &answer->records[i];
		struct targets_host *h = &op->hosts[op->host_count];

		if (r->host == NULL || !dns_name_ok(slice_str(r->host)))
			continue;
		memcpy(h->name, r->host, strlen(r->host) + 1);
		h->preference = r->preference;
		secret_random(&h->rank, sizeof(h->rank));
		op->host_count++;
	}
	if (op->host_count > 1)
		qsort(op->hosts, op->host_count, sizeof(*op->hosts),
		      host_compare);
}

/* RFC 5321, 5.1: ours, and what is not better than ours, is left out. */
static void
hosts_cut_self(struct dns_targets_op *op)
{
	uint32_t n;

	if (op->self[0] == '\0')
		return;
	for (uint32_t i = 0; i < op->host_count; i++) {
		if (strcmp(op->hosts[i].name, op->self) != 0)
			continue;
		n = i;
		while (n > 0 &&
		       op->hosts[n - 1].preference == op->hosts[i].preference)
			n--;
		op->host_count = n;
		return;
	}
}

/* True: their addresses are asked for. */
static bool
hosts_choose(struct dns_targets_op *op, const struct dns_answer *answer)
{
	if (is_null_mx(answer)) {
		verdict(op, TARGETS_NULL_MX, "MX", op->domain, "null MX");
		return false;
	}
	hosts_take(op, answer);
	if (op->host_count == 0) {
		verdict(op, TARGETS_NONE, "MX", op->domain,
			"no host name in it");
		return false;
	}
	hosts_cut_self(op);
	if (op->host_count == 0) {
		verdict(op, TARGETS_NONE, "MX", op->domain,
			"the best host is this one");
		return false;
	}
	if (op->host_count > TARGETS_HOST_MAX)
		op->host_count = TARGETS_HOST_MAX;
	return true;
}

static void
on_mx(void *arg, const struct dns_answer *answer)
{
	struct dns_targets_op *op = arg;

	op->mx = NULL;
	keep_ttl(op, answer->ttl_s);
	switch (answer->status) {
	case DNS_OK:
		if (hosts_choose(op, answer)) {
			ask_addresses(op);
			return;
		}
		break;
	case DNS_NODATA:
		op->implicit = true;
		ask_own_address(op);
		return;
	case DNS_NXDOMAIN:
		verdict(op, TARGETS_NO_DOMAIN, "MX", op->domain, answer->text);
		break;
	case DNS_FAIL:
	case DNS_TIMEOUT:
	case DNS_BUSY:
		verdict(op, TARGETS_UNKNOWN, "MX", op->domain, answer->text);
		break;
	}
	finish(op);
}

/* ---- Start ---- */

/* "[192.0.2.1]", "[IPv6:...]"; for a host also without brackets. */
static bool
literal_parse(struct slice s, enum dns_target_kind kind, struct ip_addr *ip)
{
	static const struct slice tag = {"IPv6:", 5};

	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']') {
		s = slice_head(slice_from(s, 1), s.n - 2);
		if (slice_istarts(s, tag))
			s = slice_from(s, tag.n);
		return ip_parse(s, ip) == 0;
	}
	return kind == TARGET_HOST && ip_parse(s, ip) == 0;
}

/* True: answered without a question. */
static bool
answer_at_once(struct dns_targets_op *op, struct slice domain)
{
	struct ip_addr ips[TARGETS_ADDRESS_MAX];
	uint32_t n = 0;

	if (literal_parse(domain, op->kind, &ips[0])) {
		ip_format(&ips[0], op->domain);
		n = 1;
	} else if (!dns_name_key(domain, op->domain)) {
		verdict(op, TARGETS_NO_DOMAIN, "domain", "name", "not valid");
		return true;
	} else if (op->kind == TARGET_HOST) {
		n = hosts_find(dns_hosts_path(op->dns), op->domain, op->v6, ips,
			       TARGETS_ADDRESS_MAX);
	}
	for (uint32_t i = 0; i < n; i++)
		target_add(op, &ips[i], 0, op->domain);
	if (n > 0)
		verdict_ok(op);
	return n > 0;
}

struct dns_targets_op *
dns_targets_start(struct dns *dns, const struct dns_targets_req *req,
		  dns_targets_fn *done, void *arg)
{
	struct dns_targets_op *op = mem_zalloc(sizeof(*op));
	struct dns_req mx = {.name = op->domain, .type = DNS_MX};

	op->dns = dns;
	op->kind = req->kind;
	op->v6 = req->v6;
	op->done = done;
	op->arg = arg;
	if (req->self == NULL || !dns_name_key(slice_str(req->self), op->self))
		op->self[0] = '\0';
	if (answer_at_once(op, slice_str(req->domain)))
		finish_later(op);
	else if (op->kind == TARGET_HOST)
		ask_own_address(op);
	else
		op->mx = dns_lookup_start(dns, &mx, on_mx, op);
	return op;
}

void
dns_targets_cancel(struct dns_targets_op **op)
{
	if (*op != NULL)
		op_free(*op);
	*op = NULL;
}
