#ifndef GATEWAY_BACK_CHORES_INT_H
#define GATEWAY_BACK_CHORES_INT_H

#include "gateway/back/chores.h"
#include "gateway/back/idset.h"
#include "policy/blocklist.h"

/*
 * One work under way, shared by chores*.c. First it walks: looks at the jobs
 * that may match and takes those it will change out of their queues, at once.
 * Then it marks: what it took is changed on disk, a slice after the other, and
 * each job goes where it belongs when the disk has answered.
 */
struct undo;

/* What BACK_RELEASE takes away. */
#define RELEASABLE (HOLD_LIMIT | HOLD_ADMIN | HOLD_UNSCANNABLE)

struct run {
	struct relay *relay;
	struct back_work *work;
	struct catalog_keys keys;
	struct buf domain;	/* what keys.domain points to */
	struct blocklist *from; /* one entry; NULL: any sender */
	uint64_t end_id;	/* what came later is not meant */
	struct idset ids;	/* messages counted */
	struct job_list taken;	/* to be marked */
	uint32_t flying;	/* on their way to the disk */
	struct undo *undo;
	bool walking, cancelled;
};

struct chores {
	struct back_work *waiting; /* the first is next */
	struct run *walk, *mark;   /* or NULL */
	struct back_work *rechecks;
	struct idset recheck_ids;
	bool letting_go;
};

/* Counts n recipients of a message as worked on. */
void run_count(struct run *run, uint64_t id, uint32_t n);
/* Takes *run. Its work's done runs. */
void run_finish(struct run **run, int err);

/* --- chores_walk.c ----------------------------------------------------------
 */

int run_walk_begin(struct run *run);  /* GW_EINVAL: the selection is none */
bool run_walk_slice(struct run *run); /* false: the end */
void run_walk_fini(struct run *run);
bool run_claims(struct run *run, struct job **job);
/* Takes the job, JOB_TAKEN and in no list, back to where it was. */
void run_put_back(struct run *run, struct job *job);

/* --- chores_mark.c ----------------------------------------------------------
 */

/* False: nothing to do until the disk answers, or it is finished: *run is NULL
 * then. */
bool run_mark_slice(struct run **run);

/* --- chores_undo.c ----------------------------------------------------------
 */

void run_undo_begin(struct run *run);
bool run_undo_slice(struct run **run); /* the same */
void run_undo_fini(struct run *run);

#endif
