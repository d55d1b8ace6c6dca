#ifndef GATEWAY_BACK_CAMPAIGN_REPORT_H
#define GATEWAY_BACK_CAMPAIGN_REPORT_H

#include "gateway/back/relay.h"

/*
 * The one summary of a campaign, to its owner: made in slices on the loop,
 * committed together with the campaign's record as it is in memory at its
 * start and with the fact that its owner is told of that state, so that a
 * campaign is told of once that it is over, also when we die in between.
 * Without an owner, or when its address is none, the record alone is committed.
 * What fails is tried again until the relay stops, and after the next start.
 */
struct campaign_reports;

/* Its state is the new one already (campaign_order, or a stop by rule); the
 * caller need not commit it. Nothing, if its owner knows or is being told. */
void campaign_report_start(struct relay *relay, uint64_t id);

struct campaign_reports *campaign_reports_create(struct relay *relay);
void campaign_reports_destroy(struct campaign_reports **reports);
/* Nothing begins any more, what is not handed in ends. */
void campaign_reports_stop(struct campaign_reports *reports);
/* Handed in and not answered yet: the end waits for them. */
uint32_t campaign_reports_busy(const struct campaign_reports *reports);

#endif
