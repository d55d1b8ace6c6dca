#ifndef GATEWAY_ICAP_TEXT_H
#define GATEWAY_ICAP_TEXT_H

#include "gateway/base/buf.h"

/* Room for what icap_text_add adds a few times. */
#define ICAP_TEXT_MAX 16384

/* A server's bytes, escaped; of long ones the beginning. */
void icap_text_add(struct buf *out, struct slice s);
/* Escaped text into a field of so many bytes, NUL included: cut between two
 * characters when it does not fit. */
void icap_text_put(char *out, size_t size, struct slice text);
/* Both. */
void icap_text_escape(char *out, size_t size, struct slice s);

#endif
