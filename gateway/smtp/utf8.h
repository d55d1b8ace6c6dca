#ifndef GATEWAY_SMTP_UTF8_H
#define GATEWAY_SMTP_UTF8_H

#include "gateway/base/slice.h"

/*
 * UTF-8 as RFC 6531 lets it into envelopes: RFC 3629 without the C1 controls,
 * the line and paragraph separators and the bidirectional overrides, which
 * have no place in an address and lie to whoever reads a log.
 */

/* Octets of the character at the start of s, 1 to 4; 0: ill-formed, cut off
 * or not wanted. ASCII, controls included, is 1. */
size_t utf8_measure(struct slice s);
bool utf8_valid(struct slice s);
bool utf8_is_ascii(struct slice s);

#endif
