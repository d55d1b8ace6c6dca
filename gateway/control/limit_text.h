#ifndef GATEWAY_CONTROL_LIMIT_TEXT_H
#define GATEWAY_CONTROL_LIMIT_TEXT_H

#include "gateway/base/buf.h"
#include "gateway/base/json.h"
#include "policy/limits.h"

/* Rules and grants for a person and for a program. */

const char *per_name(enum limit_per per); /* "login", "address" ... */
/* "400", or "25.0 MiB" where bytes are counted. */
void amount_text(struct buf *out, enum limit_counted counted, uint64_t amount);
/* "400/h", "30/min burst 40", "10 at once" */
void rate_text(struct buf *out, const struct limit_hit *hit);
/* "recipients of each login: 400/h" */
void limit_text(struct buf *out, const struct limit_hit *hit);

void limit_table_head(struct buf *out);
/* One line of the table, and a second one when there is more to say; width 0
 * cuts nothing. */
void limit_table_line(struct buf *out, const struct limit_line *line,
		      int64_t now_wall_s);
/* The fields, into an object that is open. */
void limit_json(struct json *j, const struct limit_line *line);
void limit_hit_json(struct json *j, const struct limit_hit *hit);

#endif
