#ifndef GATEWAY_MIME_CHARSET_H
#define GATEWAY_MIME_CHARSET_H

#include "gateway/base/buf.h"

/*
 * Text of a header in the character set it names, as UTF-8. What is no
 * character becomes '?'. False, and only the ASCII of it, for a set that we do
 * not take: the name comes from a peer, and iconv loads modules by it.
 */
bool mime_charset_decode(struct slice charset, struct slice in,
			 struct buf *out);

/* Octets of the UTF-8 character at the start of s, 1 to 4; 0: none. */
size_t mime_utf8_measure(struct slice s, uint32_t *point);

#endif
