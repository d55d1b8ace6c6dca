#ifndef GATEWAY_BASE_ENCODE_H
#define GATEWAY_BASE_ENCODE_H

#include "gateway/base/buf.h"

/* RFC 4648 base64 with padding, strict: no line breaks, no stray bits.
 * Decoding appends, all or nothing: GW_EINVAL, or GW_ETOOBIG over out's cap. */
void base64_encode(struct buf *out, struct slice s);
int base64_decode(struct buf *out, struct slice s);
/* Its form for names (RFC 4648, 5), without padding; strict as well. */
void base64url_encode(struct buf *out, struct slice s);
int base64url_decode(struct buf *out, struct slice s);
void hex_encode(struct buf *out, struct slice s);
int hex_decode(struct buf *out, struct slice s);

/* xtext of RFC 3461, 4; errors as above. */
void xtext_encode(struct buf *out, struct slice s);
int xtext_decode(struct buf *out, struct slice s);

#endif
