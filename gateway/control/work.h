#ifndef GATEWAY_CONTROL_WORK_H
#define GATEWAY_CONTROL_WORK_H

#include "gateway/back/back.h"
#include "gateway/control/change.h"
#include "gateway/control/selection.h"

/*
 * Work on the queue that back does for a command. It goes on when its client
 * leaves and its end is told to the audit trail; when sluiced stops meanwhile
 * it is back's to end it.
 */
struct works;

struct works *works_create(struct control *control); /* NULL: descriptors */
void works_destroy(struct works **works);	     /* waits for nobody */

/* On the loop, unless control is gone by then; or NULL. */
typedef void work_ended_fn(void *arg, const struct back_work *work);

struct work_req { /* copied */
	enum back_verb verb;
	struct selection what;
	uint64_t rule, trash;
	int64_t trash_until_wall_s;
	struct change
	    *tell;	  /* taken: the trail, to say how it ended; or NULL */
	uint64_t call_id; /* hears of it: see call_work */
	work_ended_fn *ended;
	void *arg;
};

void work_start(struct works *works, struct work_req *req);
/* None of them is under way. */
bool works_idle(struct works *works);
/* What is in the trail about it. */
void work_effect(const struct back_work *work, struct change *change);

#endif
