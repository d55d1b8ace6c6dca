#ifndef GATEWAY_MIME_HEAD_H
#define GATEWAY_MIME_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/mime/walk.h"

/*
 * One entity's header, line by line: keeps the three fields that say what its
 * content is, and tells what readers may differ on.
 */
enum mime_field {
	MIME_FIELD_OTHER,
	MIME_FIELD_TYPE,
	MIME_FIELD_DISPOSITION,
	MIME_FIELD_ENCODING,
};

struct mime_head {
	struct buf type, disposition; /* values, unfolded */
	bool has_type, has_disposition, has_encoding;
	enum mime_encoding encoding;
	bool encoding_unknown; /* its word */
	bool repeated;	       /* one of the three: what it is, is not known */
	bool headless;	       /* the first line is no field */
	uint32_t lines;	       /* so far */
	const char *odd; /* of the line, or the end, given last; or NULL */
	/* internal */
	enum mime_field current; /* that a folded line belongs to */
	struct buf value;
};

void mime_head_init(struct mime_head *head, size_t field_max);
void mime_head_fini(struct mime_head *head);
void mime_head_clear(struct mime_head *head); /* for the next one */
/* line: not the empty one, without its line end. */
void mime_head_line(struct mime_head *head, struct slice line);
void mime_head_end(struct mime_head *head);

#endif
