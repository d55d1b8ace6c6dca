#ifndef GATEWAY_CONTROL_BLOCK_TEXT_H
#define GATEWAY_CONTROL_BLOCK_TEXT_H

#include "gateway/base/buf.h"
#include "gateway/base/json.h"
#include "policy/blocklist.h"

/* Entries of the block list for a person and for a program. */

/* The head of a table of them. */
void block_text_head(struct buf *out);
/* Two lines; width 0 cuts nothing. */
void block_text(const struct block *block, int64_t now_wall_s, size_t width,
		struct buf *out);
/* The fields, into an object that is open. */
void block_json(const struct block *block, struct json *j);

#endif
