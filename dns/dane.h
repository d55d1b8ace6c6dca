#ifndef DNS_DANE_H
#define DNS_DANE_H

#include "dns/lookup.h"
#include "gateway/net/tls.h"

/*
 * What a host's TLSA records ask of a connection to it (RFC 6698, 7671, and
 * 7672 for mail). To be asked only when the MX and the address were validated
 * (dns_target.authentic): without that nothing would tie the host to the
 * domain, and name servers that choke on TLSA would hold up mail for nothing
 * (RFC 7672, 2.2.2).
 *
 * Asked for is the name of the MX as it stands. One that is an alias (which
 * RFC 5321, 5.1 does not permit) is not followed to the name behind it.
 */
enum dane_status {
	/* Nothing is asked: there are no records, validated or in a part of
	 * DNS that is not signed; or records that are not. */
	DANE_NONE,
	DANE_USABLE, /* TLS, as dane says */
	/* It cannot be known: who hides the records must not get the mail in
	 * the clear. The host is not to be used now. */
	DANE_FAILED,
};

struct dns_dane_req {
	const char *host; /* a name, A-labels or UTF-8, no IP address */
	uint16_t port;
	int64_t wait_ms;   /* then it is DANE_FAILED; 0: as dns_opts say */
	const char *owner; /* as in dns_req */
};

struct dns_dane {
	enum dane_status status;
	/* USABLE: host is its name. count is 0 when all records are such as
	 * nobody can use: TLS is a must then, with any certificate (2.2). */
	struct tls_dane dane;
	const char *text; /* "TLSA _25._tcp.mx.example: SERVFAIL" */
};

struct dns_dane_op;
typedef void dns_dane_fn(void *arg, const struct dns_dane *result);
struct dns_dane_op *dns_dane_start(struct dns *dns,
				   const struct dns_dane_req *req,
				   dns_dane_fn *done, void *arg);
void dns_dane_cancel(struct dns_dane_op **op);

#endif
