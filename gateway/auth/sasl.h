#ifndef GATEWAY_AUTH_SASL_H
#define GATEWAY_AUTH_SASL_H

#include "gateway/base/buf.h"

/*
 * The server's side of SASL PLAIN (RFC 4616) and LOGIN (an expired draft that
 * every mail client speaks): bytes in, names out; whether they are right is
 * somebody else's.
 */
enum sasl_mechanism { SASL_UNKNOWN, SASL_PLAIN, SASL_LOGIN };

enum sasl_step {
	SASL_CHALLENGE, /* send it, feed the answer */
	SASL_READY,	/* authzid, authcid and password are set */
	SASL_MALFORMED	/* base64 or grammar; over */
};

/* The longest line RFC 4954 wants, in base64. */
#define SASL_RESPONSE_MAX 12288

struct sasl {
	enum sasl_mechanism mechanism;
	bool has_name;
	struct buf raw; /* owns what the slices borrow; LOGIN: the name */
	struct buf secret;
	struct slice authzid; /* empty: none */
	struct slice authcid; /* may be empty; no NUL in any of the three */
	struct slice password;
};

enum sasl_mechanism sasl_mechanism(struct slice name);

void sasl_init(struct sasl *sasl, enum sasl_mechanism mechanism);
void sasl_fini(struct sasl *sasl); /* wipes */

/* response is base64; p NULL: the client sent no initial response. challenge
 * is base64, static, for SASL_CHALLENGE only. */
enum sasl_step sasl_step(struct sasl *sasl, struct slice response,
			 struct slice *challenge);

#endif
