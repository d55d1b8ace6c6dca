#ifndef GATEWAY_FRONT_INSPECTION_H
#define GATEWAY_FRONT_INSPECTION_H

#include "gateway/front/transaction.h"
#include "gateway/scan/attachments.h"

/*
 * A message on its way through the scan thread. It owns what that thread reads
 * as long as it may read: a transaction that goes away leaves its body here.
 */
struct inspection {
	struct note note; /* NOTE_SCAN */
	struct scan_job job;
	struct worker *worker;
	struct transaction *transaction; /* NULL: nobody waits any more */
	struct attachments *attachments; /* the job's parts */
	struct spool_body *body; /* the transaction's, until it has gone */
	char *login;
	struct timer_op *timer;
	int64_t since_ms, ms;
	const char *token; /* the key of the one that stood for a scan; the
			      snapshot's; or NULL */
	bool waited;	   /* for the scan thread, ms long */
	bool under_way;	   /* job belongs to the scan thread */
	bool given_up;	   /* canceled */
	bool stopping;	   /* for the front's own sake */
};

/* Takes the transaction's attachments and makes a job of them; the caller may
 * ask scan_known. Nothing is under way yet. */
struct inspection *inspection_create(struct transaction *transaction);
/* The verdict comes through checks_resume, at the latest a moment after the
 * time that the configuration has for it. */
void inspection_start(struct inspection *inspection);
/* The front stops: what verdict there is comes soon. */
void inspection_hurry(struct inspection *inspection);
/* One that is under way is given up and ends by itself; it takes the
 * transaction's body. */
void inspection_destroy(struct inspection **inspection);

/* NOTE_SCAN: takes the note. */
void inspection_done(struct note *note);

#endif
