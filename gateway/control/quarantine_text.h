#ifndef GATEWAY_CONTROL_QUARANTINE_TEXT_H
#define GATEWAY_CONTROL_QUARANTINE_TEXT_H

#include "gateway/base/json.h"
#include "gateway/control/call.h"
#include "gateway/scan/quarantine.h"

/* False after a sentence, all: there is no quarantine; ID is none, or of
 * nothing that is in it. */
bool quarantine_there(struct call *call);
bool quarantine_id(struct call *call, uint64_t *id);
bool quarantine_find(struct call *call, struct arena *arena,
		     struct quarantine_entry *entry);
/* The command's ID is in it. */
bool quarantine_has(struct call *call);
/* What quarantine_get did not find, in words. */
void quarantine_failed(struct call *call, int err);

/* Into the open object; without the recipients. */
void quarantine_json(struct json *j, const struct quarantine_entry *entry);

#endif
