#ifndef GATEWAY_BACK_JOB_H
#define GATEWAY_BACK_JOB_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stdint.h>

#include "gateway/spool/message.h"

/*
 * A job is one delivery to come: some recipients of one message that share a
 * destination and a due time. A million may wait, so it is compact: the
 * message is in memory (mail) only when it is fresh or under way.
 *
 * A recipient that is not final belongs to exactly one job from the moment it
 * is queued until its last outcome. That is what keeps an entry under way from
 * being started twice: nothing is looked up on disk to decide what to start.
 */
struct dest;
struct sender;

#define JOB_RCPTS_MAX 100 /* RFC 5321, 4.5.3.1.8: each server takes so many */

enum job_state {
	JOB_READY,   /* in a turn of its destination */
	JOB_WAITING, /* in the heap; perhaps in its destination's parked list */
	JOB_ACTIVE,  /* somebody is sending it */
};

enum {			    /* job flags */
       JOB_PARKED = 1 << 0, /* its destination was down: try when it is up */
       JOB_AGAIN = 1 << 1,  /* a reused connection died under it once */
};

/* A message in memory and how many jobs still use it. */
struct mail {
	struct spool_msg *msg;
	uint32_t jobs;
	bool loaded; /* from the spool: rcpts may lack final ones */
};

struct job {
	TAILQ_ENTRY(job) link; /* of a turn, or of the parked list */
	uint64_t id;
	struct dest *dest;
	struct sender *sender;
	struct mail *mail; /* NULL: load it when due */
	union {
		uint32_t one; /* rcpt_count 1 */
		uint32_t *many;
	} rcpt; /* recipient indexes in the message */
	uint32_t rcpt_count;
	uint32_t heap_at;
	int64_t due_wall_s;
	uint32_t domains; /* a bloom filter of its recipients' domains */
	uint16_t attempts;
	uint16_t generation; /* of the settings it was routed by */
	uint8_t lane;
	uint8_t state;
	uint8_t flags;
};

TAILQ_HEAD(job_list, job);

struct job *job_create(uint64_t id);
void job_destroy(struct job **job);
void job_add_rcpt(struct job *job, uint32_t index, struct slice domain);
const uint32_t *job_rcpts(const struct job *job);
/* Keep only these of its recipients (in order). */
void job_keep(struct job *job, const uint32_t *indexes, uint32_t count);
/* May answer true for a domain it has not; never false for one it has. */
bool job_may_have(const struct job *job, struct slice domain);

#endif
