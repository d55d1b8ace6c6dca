#ifndef GATEWAY_CONTROL_METRICS_INT_H
#define GATEWAY_CONTROL_METRICS_INT_H

#include "gateway/base/json.h"
#include "gateway/control/metrics.h"

/* What the metrics*.c files share and nobody else includes. */
void metrics_head(struct buf *out, const char *name, const char *help,
		  bool counter);
/* A label's value: backslash, quote and line feed are escaped. */
void metrics_label(struct buf *out, const char *s);

/* One sample for each virus scanner: metrics_scan.c. */
void metrics_scanners_stats(const struct metrics *m, struct buf *out);
void metrics_scanners_json(const struct metrics *m, struct json *j);
void metrics_scanners_prometheus(const struct metrics *m, struct buf *out);

#endif
