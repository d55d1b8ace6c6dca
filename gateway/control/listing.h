#ifndef GATEWAY_CONTROL_LISTING_H
#define GATEWAY_CONTROL_LISTING_H

#include "gateway/base/json.h"
#include "gateway/control/call.h"

/* What the lists have in common: how long they are, and how they end. */

/* Of a list without --limit; 0: all of it, for a program. */
uint64_t listing_usual_limit(const struct call *call);
/* --limit, where it is given; false after a sentence. */
bool listing_limit(struct call *call, uint64_t *limit);

/* Closes the array, or tells a person what is not to be seen: nothing is the
 * sentence when none was given, or NULL; full: there are more. */
enum call_next listing_end(struct call *call, struct json *json, uint64_t given,
			   bool full, const char *nothing);

#endif
