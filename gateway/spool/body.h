#ifndef GATEWAY_SPOOL_BODY_H
#define GATEWAY_SPOOL_BODY_H

#include "gateway/base/digest.h"
#include "gateway/spool/spool.h"
#include "gateway/spool/writer.h"

/* The inside of a body, for the store thread. */
struct spool_body {
	struct spool *spool;
	struct digest *digest;
	char *p; /* all of it, or with a stream what is not handed over */
	size_t n, size;
	uint64_t bytes;
	struct large *stream; /* NULL: small */
	bool ended;
	uint8_t sum[DIGEST_SIZE];
};

#endif
