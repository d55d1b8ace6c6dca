/*
 * Reads TLSA answers. Of the four usages mail knows two, DANE-TA(2) and
 * DANE-EE(3); the others speak of public authorities, that nobody agreed on
 * (RFC 7672, 3.1.3). Which of the records that are left a certificate matches,
 * and which of several digests counts, is for the TLS unit.
 *
 * What must never happen: that an answer which did not come is taken for one
 * that says there is nothing. A resolver that validates says SERVFAIL where
 * somebody removed or changed records, and that is DANE_FAILED.
 */
#include "dns/dane.h"

#include <stdio.h>
#include <stdlib.h>

#include "dns/name.h"
#include "gateway/base/mem.h"

#define TEXT_SIZE (DNS_NAME_SIZE + 100)
#define SHA256_BYTES 32
#define SHA512_BYTES 64

enum { USAGE_TA = 2, USAGE_EE = 3 };
enum { SELECTOR_CERT = 0, SELECTOR_KEY = 1 };
enum { MATCHING_FULL = 0, MATCHING_SHA256 = 1, MATCHING_SHA512 = 2 };

struct dns_dane_op {
	struct dns_op *op;
	struct timer_op *timer;
	dns_dane_fn *done;
	void *arg;
	char host[DNS_NAME_SIZE];
	char name[DNS_NAME_SIZE]; /* "" when there is none to ask for */
};

static void
op_free(struct dns_dane_op *op)
{
	dns_lookup_cancel(&op->op);
	timer_cancel(&op->timer);
	free(op);
}

static void
finish(struct dns_dane_op *op, struct dns_dane *result, const char *said)
{
	char text[TEXT_SIZE];
	struct dns_dane_op ended = *op;

	(void)snprintf(text, sizeof(text), "TLSA %s: %s", ended.name, said);
	result->text = text;
	result->dane.host = ended.host;
	op_free(op);
	ended.done(ended.arg, result);
}

static bool
data_fits(uint8_t matching, size_t n)
{
	switch (matching) {
	case MATCHING_FULL:
		return n > 0;
	case MATCHING_SHA256:
		return n == SHA256_BYTES;
	case MATCHING_SHA512:
		return n == SHA512_BYTES;
	}
	return false;
}

static bool
is_usable(const struct dns_record *r)
{
	return (r->usage == USAGE_TA || r->usage == USAGE_EE) &&
	       (r->selector == SELECTOR_CERT || r->selector == SELECTOR_KEY) &&
	       data_fits(r->matching, r->data.n);
}

static void
take_records(struct dns_dane_op *op, const struct dns_answer *answer)
{
	struct tls_dane_record records[DNS_RECORDS_MAX];
	struct dns_dane result = {.status = DANE_USABLE};
	uint32_t n = 0;

	for (uint32_t i = 0; i < answer->count && n < DNS_RECORDS_MAX; i++) {
		const struct dns_record *r = &answer->records[i];

		if (is_usable(r))
			records[n++] = (struct tls_dane_record){
			    .usage = r->usage,
			    .selector = r->selector,
			    .matching = r->matching,
			    .data = r->data,
			};
	}
	result.dane.records = records;
	result.dane.count = n;
	finish(op, &result, n > 0 ? "found" : "none that can be used");
}

static void
on_answer(void *arg, const struct dns_answer *answer)
{
	struct dns_dane_op *op = arg;
	struct dns_dane result = {.status = DANE_NONE};

	op->op = NULL;
	switch (answer->status) {
	case DNS_OK:
		if (answer->authentic) {
			take_records(op, answer);
			return;
		}
		finish(op, &result, "not validated");
		return;
	case DNS_NXDOMAIN:
	case DNS_NODATA:
		/* Not authentic: of a part of DNS that is not signed. A forged
		 * denial of what is signed would be SERVFAIL. */
		finish(op, &result, "none");
		return;
	case DNS_FAIL:
	case DNS_TIMEOUT:
	case DNS_BUSY:
		break;
	}
	result.status = DANE_FAILED;
	finish(op, &result, answer->text);
}

static void
on_timer(void *arg)
{
	struct dns_dane_op *op = arg;
	struct dns_dane result = {.status = DANE_FAILED};

	op->timer = NULL;
	if (op->op != NULL) {
		finish(op, &result, "timed out");
		return;
	}
	/* Such a name can have no records. */
	result.status = DANE_NONE;
	finish(op, &result, "no such name");
}

/* False: too long. */
static bool
name_make(struct dns_dane_op *op, const struct dns_dane_req *req)
{
	int n;

	if (!dns_name_key(slice_str(req->host), op->host)) {
		op->host[0] = '\0';
		return false;
	}
	n = snprintf(op->name, sizeof(op->name), "_%u._tcp.%s",
		     (unsigned)req->port, op->host);
	return n > 0 && n < (int)sizeof(op->name) &&
	       dns_name_ok(slice_str(op->name));
}

struct dns_dane_op *
dns_dane_start(struct dns *dns, const struct dns_dane_req *req,
	       dns_dane_fn *done, void *arg)
{
	struct dns_dane_op *op = mem_zalloc(sizeof(*op));
	struct dns_req tlsa = {.type = DNS_TLSA, .owner = req->owner};

	op->done = done;
	op->arg = arg;
	if (!name_make(op, req)) {
		op->timer = timer_start(dns_loop(dns), 0, on_timer, op);
		return op;
	}
	tlsa.name = op->name;
	op->op = dns_lookup_start(dns, &tlsa, on_answer, op);
	if (req->wait_ms > 0)
		op->timer =
		    timer_start(dns_loop(dns), req->wait_ms, on_timer, op);
	return op;
}

void
dns_dane_cancel(struct dns_dane_op **op)
{
	if (*op != NULL)
		op_free(*op);
	*op = NULL;
}
