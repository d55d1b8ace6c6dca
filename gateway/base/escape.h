#ifndef GATEWAY_BASE_ESCAPE_H
#define GATEWAY_BASE_ESCAPE_H

#include "gateway/base/buf.h"

/*
 * Bytes of a peer on their way to a person. Printable ASCII and well-formed
 * UTF-8 (without C1 controls, bidirectional controls, line separators and
 * invisible characters) pass; everything else becomes \xNN. Over the cap of
 * the buffer the output is cut, and overflow says so.
 */

/* For a terminal: additionally the backslash is doubled. No quotes added. */
void escape_text(struct buf *out, struct slice s);

/* The same of what is escaped already, and is to be as it was: the backslash
 * passes. */
void escape_again(struct buf *out, struct slice s);

/* For `key=value`: bare when it is a plain word, else "quoted" with \" and \\.
 */
void escape_logfmt(struct buf *out, struct slice s);

/* A JSON string with its quotes; ill-formed UTF-8 bytes become \u00NN. */
void escape_json(struct buf *out, struct slice s);

/* For an SMTP reply or a header we write: printable ASCII, others '?'. */
void escape_reply(struct buf *out, struct slice s);

#endif
