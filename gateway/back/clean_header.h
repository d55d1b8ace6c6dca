#ifndef GATEWAY_BACK_CLEAN_HEADER_H
#define GATEWAY_BACK_CLEAN_HEADER_H

#include <stdbool.h>

#include "gateway/base/buf.h"

/* Headers of messages and parts, for clean.c alone. */

/* The next field with its continuations and line ends; the empty line that
 * ends the header is one too. */
bool clean_next_field(struct slice *rest, struct slice *field);
bool clean_is_end(struct slice field); /* that line */
/* When the first is none, there is no header. */
bool clean_is_field(struct slice field);
bool clean_has_field(struct slice header, struct slice name);

struct clean_edit {
	bool content;	     /* drop what describes the content */
	const char *subject; /* prefix, or NULL */
};

/* All fields of a header but its empty line. */
void clean_copy_fields(struct buf *out, struct slice header,
		       const struct clean_edit *edit);

#endif
