#ifndef GATEWAY_SCAN_SOURCE_H
#define GATEWAY_SCAN_SOURCE_H

#include <stdint.h>

#include "gateway/scan/scan.h"

/* The decoded bytes of one part, in order, from the message's own; as many as
 * the walker counted, or it is an error. */
struct source;

/* part, and what read needs, outlive it or its last read. */
struct source *source_create(const struct scan_part *part,
			     int64_t (*read)(void *arg, uint64_t offset,
					     void *p, size_t n),
			     void *read_arg);
void source_destroy(struct source **source);
/* As icap_req.read; offset goes on where the last ended, or is 0 again. */
int64_t source_read(void *source, uint64_t offset, void *p, size_t n);

#endif
