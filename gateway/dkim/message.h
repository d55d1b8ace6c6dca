#ifndef GATEWAY_DKIM_MESSAGE_H
#define GATEWAY_DKIM_MESSAGE_H

#include <stdbool.h>

#include "gateway/base/buf.h"
#include "gateway/base/digest.h"

/*
 * What signing needs of a message, gathered as it passes: its header block as
 * it came, and the digest of its body. Nothing is decided here but whether all
 * readers see the same header.
 */
struct dkim_message;

#define DKIM_HEADER_MAX 131072 /* a larger block is not signed */

struct dkim_message *dkim_message_create(void);
void dkim_message_destroy(struct dkim_message **message);
void dkim_message_add(struct dkim_message *message, struct slice bytes);
void dkim_message_end(struct dkim_message *message); /* once */

/* Its header has ended, with an empty line. */
bool dkim_message_header_done(const struct dkim_message *message);
/* There is no header, or one that readers may read in different ways: a line
 * in it that is no field, a CR or LF alone, a NUL. It is not signed, and
 * nothing of it is kept. */
bool dkim_message_bad(const struct dkim_message *message);
/* The fields, each line with its CRLF; borrowed. */
struct slice dkim_message_header(const struct dkim_message *message);
/* The value of From behind its colon, folded as it came, without its CRLF;
 * none: there is no such field, or more than one. */
struct slice dkim_message_from(const struct dkim_message *message);
bool dkim_message_has(const struct dkim_message *message, const char *name);
/* After the end. */
const uint8_t *dkim_message_digest(const struct dkim_message *message);

/* --- for whoever walks a block of fields ------------------------------------
 */

struct dkim_field {
	struct slice name; /* without blanks before the colon */
	struct slice raw;  /* with its CRLF */
};
/* Cuts the first field off *rest; false at the end, or at what is none. */
bool dkim_field_next(struct slice *rest, struct dkim_field *field);

#endif
