#ifndef GATEWAY_CONTROL_TEXT_H
#define GATEWAY_CONTROL_TEXT_H

#include "gateway/base/buf.h"
#include "gateway/base/json.h"

/*
 * Text for a person at a terminal. Everything that a peer or a file may have
 * chosen goes through here, and through gateway/base/escape.h with it.
 */

/* s, escaped, in exactly width columns: cut (it ends in '~') or padded. */
void text_cell(struct buf *out, struct slice s, size_t width);
/* The last cell of a line: width 0 does not cut. Never padded. */
void text_last(struct buf *out, struct slice s, size_t width);
/* The same of what is kept escaped. */
void text_kept(struct buf *out, struct slice s, size_t width);

void text_count(struct buf *out, uint64_t n);	  /* 1,234,567 */
void text_size(struct buf *out, uint64_t bytes);  /* 512 B, 41.2 GiB */
void text_span(struct buf *out, int64_t seconds); /* 45 s, 12 min, 3 d 4 h */
void text_times(struct buf *out, uint64_t n, const char *singular); /* 2 cats */

/* "2026-11-21T23:05:29.000Z", or null for 0. */
void json_time(struct json *j, const char *key, int64_t wall_s);

#endif
