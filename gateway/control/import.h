#ifndef GATEWAY_CONTROL_IMPORT_H
#define GATEWAY_CONTROL_IMPORT_H

#include "gateway/base/json.h"
#include "gateway/control/call.h"

/*
 * A file of lines that become entries of a list. All or nothing as far as it
 * can be known beforehand: first every line is read, and one mistake anywhere
 * means that nothing is added; then they are added, some at a time, and those
 * are committed before the next ones begin. So neither the main loop nor the
 * store belongs to it for more than a few milliseconds, whatever is in the
 * file.
 *
 * When the disk fails, or the client goes, in the middle, what was added stays;
 * the trail and the log tell how far it came.
 */
struct import;

struct import_kind {
	const char *entries; /* "addresses" */
	const char *there;   /* "suppressed": what they are once added */
	uint64_t max;	     /* entries; 0: as many as there are */
	/* Of a line: 1, it is an entry; 0, nothing is to be added; GW_EINVAL
	 * with a sentence in error. */
	int (*check)(struct call *call, struct slice line);
	/* The same, and adds it; what it is on disk is added to the change. */
	int (*add)(struct call *call, struct slice line, struct change *change);
	void (*put_effect)(const struct call *call, struct change *change);
	void (*put_counts)(const struct call *call, struct json *json);
	void (*done)(struct call *call); /* all of them are added */
};

struct import { /* the first field of what the call's state points to */
	const struct import_kind *kind;
	struct json json;
	struct buf error;  /* empty before each line */
	struct slice rest; /* of the input */
	struct change *tell;
	int64_t now_s;
	uint64_t line;
	uint64_t entries; /* to be added */
	uint64_t wrong, added;
	bool applying; /* and not at its end */
};

/* Of the call's state, which is zeroed. */
void import_init(struct call *call, const struct import_kind *kind);
void import_fini(struct import *import);
/* Its first step. */
enum call_next import_begin(struct call *call);

#endif
