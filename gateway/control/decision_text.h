#ifndef GATEWAY_CONTROL_DECISION_TEXT_H
#define GATEWAY_CONTROL_DECISION_TEXT_H

#include "gateway/base/buf.h"
#include "gateway/base/json.h"
#include "policy/decisions.h"

/* A decision against somebody, for a person and for a program. */

/* All there is to say, and what can be done about it. */
void decision_text(struct buf *out, const struct decision *d,
		   int64_t now_wall_s);
/* One of a list. */
void decision_line(struct buf *out, const struct decision *d,
		   int64_t now_wall_s, size_t width);
/* The fields, into an object that is open. */
void decision_json(struct json *j, const struct decision *d);

#endif
