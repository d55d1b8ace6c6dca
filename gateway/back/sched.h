#ifndef GATEWAY_BACK_SCHED_H
#define GATEWAY_BACK_SCHED_H

#include "gateway/back/turns.h"

/*
 * Which job next. Ready jobs take turns (turns.h); jobs for later stand in a
 * heap by due time. Time is an argument; nothing here sends or reads anything.
 */
struct sched;

struct sched *sched_create(void);
void sched_destroy(struct sched **sched); /* empty by then */

/* Behind the others of its credential; first: before them, it was not sent. */
void sched_ready(struct sched *sched, struct ready *ready, struct job *job,
		 bool first);
/* The next by turns, now JOB_ACTIVE; NULL when there is none. */
struct job *sched_take(struct sched *sched, struct ready *ready);
/* Take a ready job out, JOB_ACTIVE. */
void sched_unready(struct sched *sched, struct ready *ready, struct job *job);

void sched_wait(struct sched *sched, struct job *job, int64_t due_wall_s);
/* Take a waiting job out. */
void sched_unwait(struct sched *sched, struct job *job);
/* A job that is due by now, out of the heap; NULL when there is none. */
struct job *sched_due(struct sched *sched, int64_t now_wall_s);
uint64_t sched_waiting(const struct sched *sched);

/*
 * Make waiting jobs that match due now: a flush goes over the heap in slices.
 * While one is under way sched_due gives nothing and sched_unwait may not be
 * called (sched_flushing).
 */
typedef bool sched_match_fn(const void *arg, const struct job *job);
void sched_flush_begin(struct sched *sched);
/* Looks at up to max jobs; true: there are more. */
bool sched_flush_slice(struct sched *sched, size_t max, int64_t now_wall_s,
		       sched_match_fn *match, const void *arg);
bool sched_flushing(const struct sched *sched);
/* Any waiting job, out of the heap: to empty it at the end. */
struct job *sched_drain(struct sched *sched);

#endif
