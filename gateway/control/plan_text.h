#ifndef GATEWAY_CONTROL_PLAN_TEXT_H
#define GATEWAY_CONTROL_PLAN_TEXT_H

#include "gateway/base/json.h"
#include "gateway/control/call.h"

/* What hold, release and purge would touch: how much, and a sample. */

/* "login bob, since 14:00: 12 messages ...", and the sample. */
void plan_text(struct call *call, const struct selection *what,
	       const struct back_work *count);
/* "matched" and "sample", into an object that is open. */
void plan_json(struct call *call, struct json *j,
	       const struct back_work *count);
/* "12 messages, 30 recipients" */
void amounts_text(struct buf *out, const struct back_work *work);

#endif
