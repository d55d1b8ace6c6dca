#ifndef GATEWAY_CONTROL_CANCELS_H
#define GATEWAY_CONTROL_CANCELS_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/control/change.h"

/*
 * What is left of canceled campaigns, on its way to the trash or back: a
 * million recipients take the disk half a minute. It goes on when its client
 * leaves; what a stop of sluiced interrupts is there for the next start.
 */
struct call;
struct cancels;
struct control;

struct cancels *cancels_create(struct control *control);
/* When the works and the changes are gone. */
void cancels_destroy(struct cancels **cancels);

struct cancels_req { /* copied */
	uint64_t campaign, recipients;
	struct change *change; /* the order; taken */
	uint64_t trash;	       /* of a purge: where it goes, until then */
	int64_t trash_until_wall_s;
};

/*
 * Commit the order, then begin. Return CALL_WAIT after them: the call's step
 * runs when it has begun (call->commit_err says whether), or when it has ended
 * and call->work has the figures: true, of a few while nothing else is done.
 */
bool cancels_purge(struct cancels *cancels, struct call *call,
		   const struct cancels_req *req);
bool cancels_undo(struct cancels *cancels, struct call *call,
		  const struct cancels_req *req);

/* More of one that is canceled already goes into the trash (0: goes away). */
void cancels_sweep(struct cancels *cancels, uint64_t campaign, uint64_t trash,
		   int64_t trash_until_wall_s);

bool cancels_purging(const struct cancels *cancels, uint64_t campaign);
bool cancels_undoing(const struct cancels *cancels, uint64_t campaign);

#endif
