#ifndef GATEWAY_CONTROL_WHEN_H
#define GATEWAY_CONTROL_WHEN_H

#include <stdint.h>

#include "gateway/base/slice.h"

/*
 * Times as an administrator types them: a span ("2h", "1h30m"), a time of day
 * ("18:00"), a date with or without one ("2026-11-22", "2026-11-22 18:00",
 * "2026-11-22T18:00:00Z"; local time but for the Z; a date alone is its
 * beginning). The same words mean what is to come behind --until, and what was
 * behind --since.
 *
 * GW_EINVAL: none of these; GW_ETIMEDOUT: on the wrong side of now.
 */
#define WHEN_MOST_S INT64_C(315360000) /* the longest span: ten years */

/* "2h" in seconds. A number without a unit could be anything: GW_EINVAL. */
int when_span(struct slice s, int64_t *seconds);
/* From now on: "2h" is in two hours, "18:00" today's or else tomorrow's. */
int when_until(struct slice s, int64_t now_wall_s, int64_t *wall_s);
/* Up to now: "2h" is two hours ago, "18:00" today's or else yesterday's. */
int when_since(struct slice s, int64_t now_wall_s, int64_t *wall_s);

#endif
