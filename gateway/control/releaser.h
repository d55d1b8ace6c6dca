#ifndef GATEWAY_CONTROL_RELEASER_H
#define GATEWAY_CONTROL_RELEASER_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/scan/verdict.h"

/*
 * Quarantined messages on their way out: released after a new look at them, or
 * deleted. One after the other, on a thread of its own: it waits for the disk,
 * for the scanner and for the store. Two commands about one message cannot
 * meet, so it is released once at most.
 */
struct control;
struct change;
struct releaser;

enum release_verb { RELEASE_SEND, RELEASE_DELETE };

enum release_end {
	RELEASE_DONE,
	RELEASE_NOT_CLEAN, /* verdict says why; nothing was changed */
	RELEASE_BLOCKED,   /* by the block list */
	RELEASE_FAILED,	   /* err */
};

struct release_result {
	enum release_verb verb;
	enum release_end end;
	int err;	 /* GW_ENOENT: it is not there */
	uint64_t new_id; /* of the message that goes out */
	uint32_t rcpt_count;
	struct scan_verdict verdict; /* of the new look */
	char part[256];		     /* the part that it is about, or "" */
};

struct release_req {
	enum release_verb verb;
	uint64_t id;
	bool anyway;	     /* whatever the scanner says */
	struct change *tell; /* taken: the trail's entry, in the same commit */
	uint64_t call_id;    /* call->released gets the result */
};

/* NULL: out of descriptors or threads. */
struct releaser *releaser_create(struct control *control);
/* What waits is given up; what is with the store ends. */
void releaser_destroy(struct releaser **releaser);
void releaser_start(struct releaser *releaser, struct release_req *req);

#endif
