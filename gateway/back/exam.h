#ifndef GATEWAY_BACK_EXAM_H
#define GATEWAY_BACK_EXAM_H

#include "gateway/back/disk.h"
#include "gateway/scan/attachments.h"

/*
 * One message being examined, shared by exam*.c and scanning.c: walked on the
 * disk's thread, scanned on the scan thread, then what the verdict asks for is
 * done to its jobs. At any moment it is in one place only, and it comes back
 * to the relay thread by task.in.take.
 */

struct pending; /* of scanning.c */

enum exam_act {
	ACT_RELEASE, /* clean, or let go: HOLD_SCAN goes */
	ACT_HOLD,    /* HOLD_UNSCANNABLE instead */
	ACT_ALTERED, /* HOLD_ALTERED instead */
	ACT_BOUNCE,  /* unscannable */
	ACT_QUARANTINE,
	ACT_CLEAN,
	ACT_DISCARD,
	ACT_GONE, /* the spool does not know it any more */
};

/* What was said of a part. */
struct exam_place {
	bool infected;
	char threat[SCAN_THREAT_SIZE]; /* when infected */
};

/* What of the settings the disk's thread needs; in the arena. */
struct exam_words {
	const char *hostname, *postmaster;
	const char *replacement, *subject;
	int64_t quarantine_s;
};

struct exam {
	struct disk_task task; /* first */
	TAILQ_ENTRY(exam) link;
	struct relay *relay;
	struct pending *pending;
	uint64_t id;
	struct arena *arena;
	int err;
	bool scanning;	/* on the scan thread */
	bool cancelled; /* no verdict is waited for any more */
	bool settled;	/* it has one */
	bool again;	/* it failed before */

	/* walked: */
	struct spool_msg *msg; /* some of its recipients */
	struct spool_reader *reader;
	struct attachments *found;
	struct exam_place *places;	  /* one for each part of these */
	const char *subject, *message_id; /* or "" */

	/* scanned: */
	struct scan_job job;
	struct scan_part *rest; /* of those not known to be infected */
	size_t *rest_at;
	struct scan_verdict verdict; /* settled */
	size_t part;		     /* of it; part_count: no part's */
	size_t infected_count;
	int64_t began_ms;
	bool known;    /* nobody was asked */
	bool bypassed; /* nor is to be */
	bool virus;    /* is known to be in it, bypassed or not */

	/* acted on: */
	enum exam_act act;
	bool notice; /* to the owner */
	struct exam_words words;
	struct job_list jobs;  /* JOB_ACTIVE, to come */
	struct job_list slice; /* the same, being done */
	uint32_t slice_rcpts;
	uint32_t *indexes;	 /* of these */
	struct spool_msg *whole; /* with these */
	struct spool_outcome op;
	struct spool_outcome_rcpt *rcpts;
	struct store_change changes[2]; /* the record's, a campaign's */
	uint64_t campaign;		/* that they are settled for; 0: none */
	bool stored;	  /* the quarantine has a file that is not named yet */
	uint64_t kept_id; /* its name there; 0: none, or a record has it */
	uint64_t clean_id, notice_id; /* made for this slice; 0: none */
	bool acted;		      /* something was committed */
	bool copied; /* a copy is of the campaign in their place */
};

/* --- exam.c: from the walk to the verdict, on the relay thread ------------ */

struct exam *exam_create(struct relay *relay, struct pending *pending,
			 uint64_t id);
void exam_free(struct exam *exam);
void exam_start(struct exam *exam);
/* Comes back soon. */
void exam_cancel(struct exam *exam);
/* Of the part that the verdict is about, or "". */
const char *exam_part_name(const struct exam *exam);

/* --- exam_walk.c: on the disk's thread -------------------------------------
 */

/* exam->err; known: all of it is known to be clean; virus, when bypassed. */
void exam_walk(struct disk_task *task);
int64_t exam_read(void *exam, uint64_t offset, void *p, size_t n);

/* --- exam_act.c: what is done, on the relay thread --------------------------
 */

/* exam->act is set. Ends in exam_end. */
void exam_act(struct exam *exam);

/* --- exam_bounce.c ----------------------------------------------------------
 */

/* To whole's recipients; into exam->op. */
void exam_add_report(struct exam *exam);

/* --- exam_store.c: what is written for it, on the disk's thread -------------
 */

/* The recipients of the slice; file, copy and notice for the outcome. */
void exam_store(struct disk_task *task);
void exam_unstore(struct disk_task *task);

/* --- scanning.c --------------------------------------------------------------
 */

enum exam_end {
	EXAM_DONE,  /* nothing is left, or what is has another hold */
	EXAM_AGAIN, /* as soon as its turn comes */
	EXAM_DOWN,  /* nobody answers */
	EXAM_LATER, /* it failed: after a while */
};
/* Takes *exam. */
void exam_end(struct exam **exam, enum exam_end how);
/* Its verdict is there: another may be examined. */
void exam_settled(struct exam *exam);
/* The jobs that are held pending-scan now, into exam->jobs, JOB_ACTIVE. */
void exam_take_jobs(struct exam *exam);
/* May this owner be told once more? */
bool scanning_may_tell(struct relay *relay, const char *owner);

#endif
