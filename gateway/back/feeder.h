#ifndef GATEWAY_BACK_FEEDER_H
#define GATEWAY_BACK_FEEDER_H

#include "gateway/back/relay.h"

/*
 * Campaigns let their jobs into the queue a few at a time. What may not go now
 * stands in its campaign's own lists (JOB_STANDS), without its message, however
 * many they are: pausing one is not to feed it, and resuming to feed it again.
 * Whoever may go comes in by turns, of the credentials and then of their
 * campaigns, as far as the campaign's window and rate have room:
 *
 *   campaign's list -> look-up, if it needs one -> turn of its destination
 *
 * A job that was let in is `fed` until it leaves the way: it is final, waits
 * for another attempt, or is held. At a destination that is slow no more than a
 * few of a campaign are ready; the others stand there, aside, so that the
 * campaign goes on elsewhere.
 *
 * Everything that starts passes feeder_passes (by gate_pass): what became ready
 * before its campaign was paused goes back to stand.
 */
struct feeder;

struct feeder *feeder_create(struct relay *relay);
void feeder_destroy(struct feeder **feeder); /* empty */

/* The job has nothing to wait for but its campaign, and is in no list. True:
 * it was taken and stands. False: it is of none. */
bool feeder_takes(struct relay *relay, struct job *job);
/* Where a look-up sends it. True: it was taken, and stands there, aside. */
bool feeder_takes_aside(struct relay *relay, struct job *job);
/* It is about to start. False: its campaign may not go; it was taken. */
bool feeder_passes(struct relay *relay, struct job **job);
/* It leaves the way, or stands no more: before it is put into another list, or
 * ends. Of one that was not fed: fine. */
void feeder_out(struct relay *relay, struct job *job);
/* The same, and it counts as not tried: its rate is given back. Not of what
 * finds its hop down, or no answer from DNS: a whole campaign would be put off
 * at the disk's pace. */
void feeder_untried(struct relay *relay, struct job *job);
/* Of one under way so many recipients leave that were not tried. */
void feeder_cut(struct relay *relay, const struct job *job, uint32_t rcpts);
/* Its destination is about to be another. */
void feeder_moves(struct relay *relay, struct job *job);
/* A standing job out of its list, JOB_ACTIVE. */
void feeder_remove(struct relay *relay, struct job *job);

/* A message of it came, before its jobs are placed. */
void feeder_came(struct relay *relay, uint64_t campaign);
/* Its terms changed: looks again. */
void feeder_refresh(struct relay *relay, uint64_t campaign);
/* What is left of it changed. */
void feeder_check_done(struct relay *relay, uint64_t campaign);
/* The queue is complete: campaigns of which nothing is left may be done. */
void feeder_rebuilt(struct relay *relay);
bool feeder_slice(struct relay *relay); /* true: there is more to do now */
void feeder_tick(struct relay *relay);
/* The end is near: what the disk did not take is tried once more; and then
 * not any more. */
void feeder_last_try(struct relay *relay);
void feeder_drop_failed(struct relay *relay);
/* Any standing job, out of its list: to empty it at the end. */
struct job *feeder_drain(struct relay *relay);

#endif
