#ifndef GATEWAY_BACK_CLEAN_H
#define GATEWAY_BACK_CLEAN_H

#include <stdint.h>

#include "gateway/base/slice.h"
#include "gateway/mime/walk.h"

/*
 * A copy of a message in which a text stands where infected parts were. All
 * else stays byte for byte: other parts, boundaries, the fields of the header
 * that do not describe what is gone. Pure, but for its two functions.
 */
struct clean_part {
	uint64_t head, begin, end; /* as in struct mime_part */
	enum mime_encoding encoding;
	const char *name;   /* or "" */
	const char *threat; /* or "" */
};

struct clean_req {
	const struct clean_part *parts; /* in order of place */
	size_t count;			/* >= 1 */
	uint64_t length;		/* of the message */
	const char *hostname;
	/* The text; {name}, {threat}, {hostname} are filled in. NULL or "":
	 * our own. */
	const char *replacement;
	const char *subject; /* prefix; NULL or "": none */
	/* n bytes, fewer at the end alone, or an error. */
	int64_t (*read)(void *arg, uint64_t offset, void *p, size_t n);
	void *read_arg;
	void (*write)(void *arg, struct slice bytes);
	void *write_arg;
};

/* GW_EINVAL: these parts cannot be cut out (they overlap, or their place is
 * not what it seems). Else read's error. What was written is no copy then. */
int clean_copy(const struct clean_req *req);

#endif
