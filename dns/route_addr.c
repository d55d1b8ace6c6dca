/*
 * The addresses of a mail domain's hosts: which questions, when, and what their
 * answers come to.
 *
 * Who wants one address only (quick) mostly gets it with one question, A of
 * the best host. A host that is silent must not hold up the verdict, so each
 * PATIENCE_MS without an answer that can be used more questions follow, twice
 * as many as the time before.
 */
#include <stdlib.h>

#include "dns/route_int.h"
#include "dns/special.h"
#include "gateway/base/mem.h"

#define PATIENCE_MS 250

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

static const struct targets_host *
host_of(const struct dns_targets_op *op, const struct targets_query *q)
{
	return &op->hosts[(q - op->queries) / queries_per_host(op)];
}

/* They lie as they are wanted, AAAA before A; they are asked A first. */
static struct targets_query *
query_nth(const struct dns_targets_op *op, uint32_t n)
{
	return &op->queries[op->v6 ? n ^ 1 : n];
}

static void
collect(struct dns_targets_op *op)
{
	for (uint32_t i = 0; i < op->query_count; i++) {
		const struct targets_query *q = &op->queries[i];
		const struct targets_host *h = host_of(op, q);
		struct dns_target target = {
		    .preference = h->preference,
		    .host = h->name,
		    .authentic = op->authentic && q->authentic,
		};

		for (uint32_t k = 0; k < q->count; k++) {
			target.ip = q->ips[k];
			targets_add(op, &target);
		}
	}
}

/* No address that can be used: is that the last word? */
static void
judge_empty(struct dns_targets_op *op)
{
	const struct targets_query *worst = &op->queries[0];
	bool all_gone = true, refused = false;
	const char *name;

	for (uint32_t i = 0; i < op->query_count; i++) {
		const struct targets_query *q = &op->queries[i];

		if (q->status >= worst->status)
			worst = q;
		all_gone &= q->status == DNS_NXDOMAIN;
		refused |= q->refused;
	}
	name = host_of(op, worst)->name;
	if (worst->status >= DNS_FAIL) {
		op->result.servfail = worst->servfail;
		targets_verdict(op, targets_reason_unknown(worst->status),
				"address of", name, status_text(worst->status));
	} else if (refused) {
		targets_verdict(op, DOMAIN_WHY_NOT_PUBLIC, "addresses of",
				op->domain, "none that we deliver to");
	} else if (op->kind == TARGET_HOST && all_gone) {
		targets_verdict(op, DOMAIN_WHY_NXDOMAIN, "address of", name,
				"NXDOMAIN");
	} else if (op->implicit) {
		targets_verdict(op, DOMAIN_WHY_NO_RECORDS, "MX", op->domain,
				"none, and no address");
	} else {
		targets_verdict(op, DOMAIN_WHY_NO_ADDRESS, "address of", name,
				status_text(worst->status));
	}
}

static void
all_answered(struct dns_targets_op *op)
{
	collect(op);
	if (op->result.count > 0)
		targets_verdict_ok(op, op->implicit ? DOMAIN_WHY_ADDRESS
						    : DOMAIN_WHY_MX);
	else
		judge_empty(op);
	targets_finish(op);
}

static void on_address(void *arg, const struct dns_answer *answer);

/* False: there is nothing to ask. */
static bool
query_start(struct dns_targets_op *op, uint32_t n)
{
	struct targets_query *q = query_nth(op, n);
	const struct targets_host *host = host_of(op, q);
	struct dns_req req = {.name = host->name,
			      .type = q->type,
			      .second = op->second,
			      .owner = op->owner};

	if (op->filters && op->kind == TARGET_MX &&
	    special_localhost(slice_str(host->name))) {
		q->status = DNS_OK;
		q->refused = true;
		return false;
	}
	/* no A because there is no such name at all */
	if (n % 2 == 1 && op->v6 &&
	    query_nth(op, n - 1)->status == DNS_NXDOMAIN &&
	    query_nth(op, n - 1)->op == NULL) {
		q->status = DNS_NXDOMAIN;
		return false;
	}
	q->op = dns_lookup_start(op->dns, &req, on_address, q);
	return true;
}

/* Up to so many more questions. */
static void
ask_more(struct dns_targets_op *op, uint32_t most)
{
	while (most > 0 && op->asked_count < op->query_count) {
		if (query_start(op, op->asked_count++)) {
			op->open_count++;
			most--;
		}
	}
}

static void
on_patience(void *arg)
{
	struct dns_targets_op *op = arg;

	op->patience = NULL;
	op->burst *= 2;
	ask_more(op, op->burst);
	if (op->asked_count < op->query_count)
		op->patience = timer_start(dns_loop(op->dns), PATIENCE_MS,
					   on_patience, op);
}

static void
keep_addresses(struct dns_targets_op *op, struct targets_query *q,
	       const struct dns_answer *answer)
{
	for (uint32_t i = 0;
	     i < answer->count && q->count < TARGETS_ADDRESS_MAX; i++) {
		const struct ip_addr *ip = &answer->records[i].ip;

		if (!targets_may_use(op, ip, q->type == DNS_AAAA)) {
			q->refused = true;
			continue;
		}
		if (q->ips == NULL)
			q->ips = mem_array(answer->count, sizeof(*q->ips));
		q->ips[q->count++] = *ip;
	}
	if (q->count > 0)
		op->good_ttl_s =
		    targets_least_ttl(op->good_ttl_s, targets_ttl(answer));
	else
		op->bad_ttl_s =
		    targets_least_ttl(op->bad_ttl_s, targets_ttl(answer));
}

static void
on_address(void *arg, const struct dns_answer *answer)
{
	struct targets_query *q = arg;
	struct dns_targets_op *op = q->owner;

	q->op = NULL;
	q->status = answer->status;
	q->servfail = targets_said_servfail(answer);
	q->authentic = answer->authentic;
	keep_addresses(op, q, answer);
	op->open_count--;
	if (op->quick && q->count > 0) {
		all_answered(op);
		return;
	}
	if (op->open_count == 0)
		ask_more(op, 1);
	if (op->open_count == 0)
		all_answered(op);
}

static void
on_nothing_asked(void *arg)
{
	struct dns_targets_op *op = arg;

	op->later = NULL;
	all_answered(op);
}

void
targets_ask_addresses(struct dns_targets_op *op)
{
	op->query_count = op->host_count * queries_per_host(op);
	op->queries = mem_array(op->query_count, sizeof(*op->queries));
	for (uint32_t i = 0; i < op->query_count; i++) {
		op->queries[i].owner = op;
		op->queries[i].type = op->v6 && i % 2 == 0 ? DNS_AAAA : DNS_A;
	}
	op->burst = 1;
	ask_more(op, op->quick ? 1 : op->query_count);
	if (op->open_count == 0)
		op->later =
		    timer_start(dns_loop(op->dns), 0, on_nothing_asked, op);
	else if (op->asked_count < op->query_count)
		op->patience = timer_start(dns_loop(op->dns), PATIENCE_MS,
					   on_patience, op);
}
