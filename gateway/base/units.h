#ifndef GATEWAY_BASE_UNITS_H
#define GATEWAY_BASE_UNITS_H

#include <stdint.h>

#include "gateway/base/buf.h"

/* What people write in gateway.conf and on the command line. GW_EINVAL when it
 * is not one, GW_ETOOBIG when it does not fit. */
int units_size(struct slice s, uint64_t *bytes);  /* 25M, 64K, 1G, 512 */
int units_time_ms(struct slice s, int64_t *ms);	  /* 300ms, 30s, 5m, 2h, 4d;
						     "1h30m"; a bare number is
						     seconds */
int units_count(struct slice s, uint64_t *count); /* 400 */

void units_format_size(struct buf *out, uint64_t bytes); /* shortest exact */
void units_format_time(struct buf *out, int64_t ms);

#define UNITS_GROUPED_SIZE 28 /* with the NUL */
/* For people: 1,234,567. Returns out. */
const char *units_grouped(uint64_t n, char out[UNITS_GROUPED_SIZE]);

#endif
