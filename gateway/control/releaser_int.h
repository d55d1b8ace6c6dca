#ifndef GATEWAY_CONTROL_RELEASER_INT_H
#define GATEWAY_CONTROL_RELEASER_INT_H

#include <bsd/sys/queue.h>
#include <pthread.h>

#include "gateway/control/releaser.h"
#include "gateway/net/queue.h"
#include "gateway/scan/quarantine.h"
#include "gateway/scan/scan.h"
#include "gateway/spool/spool.h"

/* What releaser.c, the thread, and release.c, what it does, share. */
struct releaser_job {
	struct queue_item item; /* first: from the thread back to the loop */
	STAILQ_ENTRY(releaser_job) link;
	struct releaser *releaser;
	struct release_req req;
	bool texts; /* as configured when it was asked for */
	struct release_result result;
	/* of the one under way */
	struct arena *arena;
	struct quarantine_entry entry;
	struct quarantine_reader *reader;
	struct spool_accept accept;
	struct spool_change change;
	struct store_change rows[2]; /* the quarantine's, the trail's */
};

struct releaser {
	struct control *control;
	struct queue *done;
	pthread_t thread;
	pthread_mutex_t lock; /* all below */
	pthread_cond_t changed;
	STAILQ_HEAD(, releaser_job) jobs;
	struct scan_job *scanning; /* under way */
	bool waits; /* the thread does: for a scan, the store, the disk */
	bool stop;
};

/* Until the job's result is there; on the thread. */
void release_run(struct releaser_job *job);

#endif
