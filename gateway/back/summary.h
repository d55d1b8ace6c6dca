#ifndef GATEWAY_BACK_SUMMARY_H
#define GATEWAY_BACK_SUMMARY_H

#include "gateway/back/relay.h"

/*
 * One report for all recipients of a message that are at dead domains. Who is
 * found to be at one is doomed: its outcome waits until no other of the message
 * is being asked about, for a minute at most; then all become final, and the
 * report is made, in one commit. Until then nothing was written: after a crash
 * DNS is asked again.
 */
struct summaries; /* of a relay */

#define SUMMARY_HOLD_MS 60000
#define SUMMARY_RCPTS_MAX 10000 /* in one report; more make another */

struct summaries *summaries_create(void);
void summaries_destroy(struct summaries **summaries); /* empty */

/* A job of this message is being asked about; it ends by one of the next two,
 * or by summary_passed. */
void summary_expect(struct relay *relay, uint64_t id);
void summary_passed(struct relay *relay, uint64_t id);

struct summary_doom {
	/* Borrowed. NULL: each recipient's record says why (domain_why). */
	const struct result *result;
	bool expected; /* it was told of by summary_expect */
	bool fact;     /* to be told to opts.dead_domain */
};
/* Takes the job, in no list. */
void summary_add(struct relay *relay, struct job *job,
		 const struct summary_doom *doom);
/* A doomed job leaves, JOB_ACTIVE. */
void summary_remove(struct relay *relay, struct job *job);
bool summary_slice(struct relay *relay); /* true: there are more */
void summary_tick(struct relay *relay);
/* At the end: any doomed job, JOB_ACTIVE. */
struct job *summary_drain(struct relay *relay);

#endif
