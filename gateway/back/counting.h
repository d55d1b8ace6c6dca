#ifndef GATEWAY_BACK_COUNTING_H
#define GATEWAY_BACK_COUNTING_H

#include "gateway/back/delivery.h"

/*
 * What became of a campaign's recipients, as counts: on disk in the commit that
 * makes them true, in memory once it is done.
 */

/* One recipient got its result. Nothing when it is of no campaign, or not
 * final. expired: nobody refused it, its time was over. */
void counting_add(struct outcome *outcome, const struct delivery *delivery,
		  uint32_t i, const struct result *result, bool expired);
/* Which of them counts a recipient that became this. */
enum campaign_count counting_of(const struct result *result, bool expired);

/* A commit is done: n more, or fewer, of these. The campaign may be stopped by
 * a rule, or over. */
void counting_done(struct relay *relay, uint64_t campaign,
		   enum campaign_count count, int64_t n);
/* The same of a job whose recipients are final, by a commit that counted them
 * for this campaign (0: for none): the job may have become another's while that
 * was on its way (adopt.c), which then counts them alone. */
void counting_settled(struct relay *relay, const struct job *job,
		      uint64_t counted, enum campaign_count count, int64_t n);
/* Counts that change alone: committed, then done. */
void counting_start(struct relay *relay, uint64_t campaign,
		    enum campaign_count count, int64_t n);

#endif
