#ifndef GATEWAY_BACK_OWN_TEXT_H
#define GATEWAY_BACK_OWN_TEXT_H

#include "gateway/base/buf.h"

/*
 * The words of a mail that is ours: as they are, or in base64 when they are
 * not ASCII, so that every hop takes them.
 */

/* The fields that describe the text, the empty line and the text, whose lines
 * end in CRLF and are short enough. */
void own_text_put(struct buf *out, struct slice text);

/* Lines of base64 (RFC 2045, 6.8). Of what comes in pieces each but the last
 * is a multiple of OWN_TEXT_LINE bytes. */
#define OWN_TEXT_LINE 57
void own_text_base64(struct buf *out, struct slice text);

#endif
