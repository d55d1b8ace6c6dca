#ifndef GATEWAY_CONTROL_PARTS_H
#define GATEWAY_CONTROL_PARTS_H

#include "gateway/scan/attachments.h"

/* What is to be scanned of a message that lies somewhere. */
struct parts {
	struct attachments *attachments; /* the caller's to destroy */
	uint8_t digest[DIGEST_SIZE];	 /* of all bytes */
};

struct parts_source {
	/* As scan_job's. */
	int64_t (*read)(void *arg, uint64_t offset, void *p, size_t n);
	void *arg;
	uint64_t bytes;
	bool texts;
};

/* Reads all of it: a thread that may wait. 0; GW_EIO; GW_ECORRUPT: there is
 * less. Then there are none. */
int parts_find(const struct parts_source *source, struct parts *parts);

#endif
