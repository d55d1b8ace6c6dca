#ifndef GATEWAY_SCAN_ATTACHMENTS_H
#define GATEWAY_SCAN_ATTACHMENTS_H

#include "gateway/mime/walk.h"
#include "gateway/scan/scan.h"

/*
 * What of a message is to be scanned, found while its bytes come by: at the
 * dot, when it waits behind the 250, and when it is released from quarantine.
 * That all three see the same is why there is one of it. Bounded:
 * of more than ATTACHMENTS_MAX parts the first are kept, and the message counts
 * as one that cannot be looked through.
 */
#define ATTACHMENTS_MAX 1000

struct attachments {
	struct mime_walk *walk; /* until the end */
	struct arena *arena;	/* names and types; NULL: no part yet */
	struct scan_part *parts;
	size_t count, room;
	bool texts;    /* shown ones too */
	bool too_many; /* parts */
	/* Behind the end. */
	bool whole; /* the last part is the message as it came */
	struct mime_summary summary;
};

struct attachments *attachments_create(bool texts);
void attachments_destroy(struct attachments **attachments);
void attachments_add(struct attachments *attachments, struct slice bytes);
/* The message is complete: so many bytes with this digest. Where readers may
 * differ about its structure, or it could not be followed, all of it becomes a
 * part too. */
void attachments_end(struct attachments *attachments, uint64_t bytes,
		     const uint8_t digest[DIGEST_SIZE]);
/* Why no scanner can look through it, or NONE. */
enum scan_why attachments_flaw(const struct attachments *attachments);

#endif
