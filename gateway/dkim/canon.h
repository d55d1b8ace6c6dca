#ifndef GATEWAY_DKIM_CANON_H
#define GATEWAY_DKIM_CANON_H

#include <stdbool.h>

#include "gateway/base/buf.h"
#include "gateway/base/digest.h"

/*
 * The form in which a message is hashed (RFC 6376, 3.4: "relaxed" for both
 * halves), so that what hops do to blanks and line breaks does not matter.
 * Pure.
 */

/* A field with its CRLF, folded or not: "name:value" and CRLF are added. */
void dkim_canon_field(struct buf *out, struct slice field);

/* The digest of a body that comes in pieces of any size. */
struct dkim_body {
	struct digest *digest;
	uint64_t blank_lines; /* not hashed yet: they may be the last */
	bool space, cr;	      /* the same of these */
	bool line;	      /* something of this line is hashed */
	size_t n;
	char out[4096];
};

void dkim_body_init(struct dkim_body *body);
void dkim_body_fini(struct dkim_body *body);
void dkim_body_add(struct dkim_body *body, struct slice bytes);
void dkim_body_end(struct dkim_body *body, uint8_t digest[DIGEST_SIZE]);

#endif
