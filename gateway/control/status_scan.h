#ifndef GATEWAY_CONTROL_STATUS_SCAN_H
#define GATEWAY_CONTROL_STATUS_SCAN_H

#include "gateway/base/json.h"
#include "gateway/control/metrics.h"

/* How scanning goes: a part of `sluice status`, and all of `sluice scan
 * status`. columns 0: no terminal, and no colour. */
void status_scan_text(const struct metrics *m, size_t columns, struct buf *out);
void status_scan_full(const struct metrics *m, size_t columns, struct buf *out);
/* Into the open object. */
void status_scan_json(const struct metrics *m, struct json *j);

#endif
