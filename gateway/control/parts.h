#ifndef GATEWAY_CONTROL_PARTS_H
#define GATEWAY_CONTROL_PARTS_H

#include "gateway/base/arena.h"
#include "gateway/scan/scan.h"

/*
 * What is to be scanned of a message that lies somewhere: its attachments, its
 * shown texts too if asked, and the whole of it where it reads in two ways or
 * could not be seen to its end.
 */
struct parts {
	const struct scan_part *v; /* in arena */
	size_t count;
	/* Not NONE: it is unscannable, even where all of this is clean. */
	enum scan_why why;
	uint8_t digest[DIGEST_SIZE]; /* of all bytes */
};

struct parts_source {
	/* As scan_job's. */
	int64_t (*read)(void *arg, uint64_t offset, void *p, size_t n);
	void *arg;
	uint64_t bytes;
	bool texts;
};

/* Reads all of it: a thread that may wait. 0; GW_EIO; GW_ECORRUPT: there is
 * less. */
int parts_find(const struct parts_source *source, struct arena *arena,
	       struct parts *parts);

#endif
