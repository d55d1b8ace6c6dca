/*
 * From a domain to addresses: MX, then the addresses of each host. What is
 * temporary (TARGETS_UNKNOWN) and what is final is decided here and matters:
 * final bounces mail. One host without an answer does not make the whole
 * unknown as long as another has an address that we may use; but when none
 * has, one unanswered question is enough for "unknown", also where the others
 * have only addresses that we may not use.
 *
 * SERVFAIL for MX is never taken as "no MX": the domain's own address is asked
 * for only when the resolver says that there is no MX (RFC 5321, 5.1).
 *
 * A cache stands in front of this, in dns/domain.c.
 */
#include "dns/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/hosts.h"
#include "dns/literal.h"
#include "dns/name.h"
#include "dns/route_int.h"
#include "gateway/base/mem.h"

static void
op_stop(struct dns_targets_op *op)
{
	dns_lookup_cancel(&op->mx);
	timer_cancel(&op->later);
	timer_cancel(&op->patience);
	for (uint32_t i = 0; i < op->query_count; i++)
		dns_lookup_cancel(&op->queries[i].op);
}

static void
op_free(struct dns_targets_op *op)
{
	op_stop(op);
	for (uint32_t i = 0; i < op->query_count; i++)
		free(op->queries[i].ips);
	free(op->queries);
	free(op->hosts);
	free(op->targets);
	free(op->owner);
	free(op);
}

uint32_t
targets_least_ttl(uint32_t a, uint32_t b)
{
	if (a == 0 || b == 0)
		return a + b;
	return a < b ? a : b;
}

uint32_t
targets_ttl(const struct dns_answer *answer)
{
	return answer->status == DNS_OK && answer->ttl_s == 0 ? 1
							      : answer->ttl_s;
}

/* The domain is its own host. */
static void
site_of_domain(struct dns_targets_op *op)
{
	struct targets_host host = {.preference = 0};

	memcpy(host.name, op->domain, sizeof(host.name));
	hosts_site(&host, 1, op->site);
}

void
targets_finish(struct dns_targets_op *op)
{
	bool ok = op->result.status == TARGETS_OK;

	op->result.targets = op->targets;
	op->result.text = op->text;
	if (op->site[0] == '\0') /* a literal */
		site_of_domain(op);
	op->result.site = op->site;
	op->result.ttl_s =
	    targets_least_ttl(op->ttl_s, ok ? op->good_ttl_s : op->bad_ttl_s);
	op->result.local |=
	    ok ? op->local_kept && !op->public_seen : op->local_seen;
	/* done may destroy the dns; the op's memory carries the result and
	 * goes last */
	op_stop(op);
	op->done(op->arg, &op->result);
	op_free(op);
}

void
targets_verdict(struct dns_targets_op *op, enum domain_reason reason,
		const char *what, const char *name, const char *said)
{
	op->result.reason = reason;
	(void)snprintf(op->text, sizeof(op->text), "%s %s: %s", what, name,
		       said);
	switch (reason) {
	case DOMAIN_WHY_NXDOMAIN:
	case DOMAIN_WHY_BAD_NAME:
		op->result.status = TARGETS_NO_DOMAIN;
		break;
	case DOMAIN_WHY_NULL_MX:
		op->result.status = TARGETS_NULL_MX;
		break;
	case DOMAIN_WHY_NO_RECORDS:
	case DOMAIN_WHY_NO_HOST:
	case DOMAIN_WHY_NO_ADDRESS:
	case DOMAIN_WHY_NOT_PUBLIC:
	case DOMAIN_WHY_SELF:
		op->result.status = TARGETS_NONE;
		break;
	case DOMAIN_WHY_NONE:
	case DOMAIN_WHY_MX:
	case DOMAIN_WHY_ADDRESS:
	case DOMAIN_WHY_LITERAL:
	case DOMAIN_WHY_SPECIAL_USE:
	case DOMAIN_WHY_FAILED:
	case DOMAIN_WHY_TIMEOUT:
	case DOMAIN_WHY_BUSY:
	case DOMAIN_REASONS:
		op->result.status = TARGETS_UNKNOWN;
		break;
	}
}

void
targets_verdict_ok(struct dns_targets_op *op, enum domain_reason reason)
{
	op->result.status = TARGETS_OK;
	op->result.reason = reason;
	(void)snprintf(op->text, sizeof(op->text), "%s: %u addresses",
		       op->domain, op->result.count);
}

enum domain_reason
targets_reason_unknown(enum dns_status status)
{
	if (status == DNS_TIMEOUT)
		return DOMAIN_WHY_TIMEOUT;
	return status == DNS_BUSY ? DOMAIN_WHY_BUSY : DOMAIN_WHY_FAILED;
}

bool
targets_said_servfail(const struct dns_answer *answer)
{
	return answer->status == DNS_FAIL &&
	       strcmp(answer->text, "SERVFAIL") == 0;
}

static void
on_later(void *arg)
{
	struct dns_targets_op *op = arg;

	op->later = NULL;
	targets_finish(op);
}

bool
targets_may_use(struct dns_targets_op *op, const struct ip_addr *ip,
		bool from_v6)
{
	enum reach reach = from_v6 && ip_is_v4(ip) ? REACH_NEVER : reach_of(ip);
	bool local = reach == REACH_PRIVATE || reach == REACH_LOOPBACK;
	bool may = !op->filters || reach_permits(&op->permits, reach);

	op->public_seen |= reach == REACH_PUBLIC;
	op->local_seen |= op->filters && local;
	op->local_kept |= op->filters && local && may;
	return may;
}

void
targets_add(struct dns_targets_op *op, const struct dns_target *target)
{
	uint32_t n = op->result.count;

	if (op->targets == NULL)
		op->targets =
		    mem_array(TARGETS_ADDRESS_MAX, sizeof(*op->targets));
	if (n == TARGETS_ADDRESS_MAX)
		return;
	for (uint32_t i = 0; i < n; i++) {
		if (ip_eq(&op->targets[i].ip, &target->ip))
			return; /* two names of one machine */
	}
	op->targets[n] = *target;
	op->result.count++;
}

static void
ask_own_address(struct dns_targets_op *op)
{
	op->hosts = mem_array(1, sizeof(*op->hosts));
	op->host_count = 1;
	memcpy(op->hosts[0].name, op->domain, sizeof(op->domain));
	targets_ask_addresses(op);
}

/* ---- MX ---- */

/* True: their addresses are asked for. */
static bool
hosts_choose(struct dns_targets_op *op, const struct dns_answer *answer)
{
	if (hosts_null_mx(answer)) {
		targets_verdict(op, DOMAIN_WHY_NULL_MX, "MX", op->domain,
				"null MX");
		return false;
	}
	op->hosts = hosts_take(answer, &op->host_count);
	if (op->host_count == 0) {
		targets_verdict(op, DOMAIN_WHY_NO_HOST, "MX", op->domain,
				"no host name in it");
		return false;
	}
	op->host_count = hosts_before(op->hosts, op->host_count, op->self);
	if (op->host_count == 0) {
		targets_verdict(op, DOMAIN_WHY_SELF, "MX", op->domain,
				"the best host is this one");
		op->result.local = true;
		return false;
	}
	hosts_site(op->hosts, op->host_count, op->site);
	if (op->host_count > TARGETS_HOST_MAX)
		op->host_count = TARGETS_HOST_MAX;
	return true;
}

/* No MX. True: its own address is asked for. */
static bool
own_address_counts(struct dns_targets_op *op)
{
	op->implicit = true;
	if (strcmp(op->domain, op->self) != 0)
		return true;
	targets_verdict(op, DOMAIN_WHY_SELF, "MX", op->domain,
			"none, and it is ours");
	op->result.local = true;
	return false;
}

static void
on_mx(void *arg, const struct dns_answer *answer)
{
	struct dns_targets_op *op = arg;

	op->mx = NULL;
	op->ttl_s = targets_ttl(answer);
	op->authentic = answer->authentic;
	switch (answer->status) {
	case DNS_OK:
		if (hosts_choose(op, answer)) {
			targets_ask_addresses(op);
			return;
		}
		break;
	case DNS_NODATA:
		if (own_address_counts(op)) {
			ask_own_address(op);
			return;
		}
		break;
	case DNS_NXDOMAIN:
		targets_verdict(op, DOMAIN_WHY_NXDOMAIN, "MX", op->domain,
				answer->text);
		break;
	case DNS_FAIL:
	case DNS_TIMEOUT:
	case DNS_BUSY:
		op->result.servfail = targets_said_servfail(answer);
		targets_verdict(op, targets_reason_unknown(answer->status),
				"MX", op->domain, answer->text);
		break;
	}
	targets_finish(op);
}

/* ---- Start ---- */

static void
answer_ips(struct dns_targets_op *op, const struct ip_addr *ips, uint32_t n,
	   enum domain_reason reason)
{
	for (uint32_t i = 0; i < n; i++) {
		struct dns_target target = {.ip = ips[i], .host = op->domain};

		targets_add(op, &target);
	}
	targets_verdict_ok(op, reason);
}

static void
answer_literal(struct dns_targets_op *op, const struct ip_addr *ip,
	       enum reach reach)
{
	ip_format(ip, op->domain);
	if (targets_may_use(op, ip, false) &&
	    !(op->filters && reach == REACH_NEVER))
		answer_ips(op, ip, 1, DOMAIN_WHY_LITERAL);
	else
		targets_verdict(op, DOMAIN_WHY_NOT_PUBLIC, "address",
				op->domain, "none that we deliver to");
}

/* True: answered without a question. */
static bool
answer_at_once(struct dns_targets_op *op, struct slice domain)
{
	struct ip_addr ips[TARGETS_ADDRESS_MAX];
	enum reach reach;
	uint32_t n;

	if (literal_parse(domain, &ips[0], &reach)) {
		answer_literal(op, &ips[0], reach);
		return true;
	}
	if (op->kind == TARGET_HOST && ip_parse(domain, &ips[0]) == 0) {
		answer_literal(op, &ips[0], reach_of(&ips[0]));
		return true;
	}
	if (!dns_name_key(domain, op->domain)) {
		targets_verdict(op, DOMAIN_WHY_BAD_NAME, "domain", "name",
				"not valid");
		return true;
	}
	if (op->kind == TARGET_MX)
		return false;
	n = hosts_find(dns_hosts_path(op->dns), op->domain, op->v6, ips,
		       TARGETS_ADDRESS_MAX);
	if (n > 0)
		answer_ips(op, ips, n, DOMAIN_WHY_ADDRESS);
	return n > 0;
}

struct dns_targets_op *
dns_targets_start(struct dns *dns, const struct dns_targets_req *req,
		  dns_targets_fn *done, void *arg)
{
	struct dns_targets_op *op = mem_zalloc(sizeof(*op));
	struct dns_req mx = {.name = op->domain,
			     .type = DNS_MX,
			     .second = req->second,
			     .owner = req->owner};

	op->dns = dns;
	op->kind = req->kind;
	op->v6 = req->v6;
	op->quick = req->quick;
	op->second = req->second;
	op->owner = mem_strdup(req->owner);
	op->filters = req->permits != NULL;
	if (op->filters)
		op->permits = *req->permits;
	op->authentic = true;
	op->done = done;
	op->arg = arg;
	if (req->self == NULL || !dns_name_key(slice_str(req->self), op->self))
		op->self[0] = '\0';
	if (answer_at_once(op, slice_str(req->domain)))
		op->later = timer_start(dns_loop(dns), 0, on_later, op);
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
