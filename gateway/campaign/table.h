#ifndef GATEWAY_CAMPAIGN_TABLE_H
#define GATEWAY_CAMPAIGN_TABLE_H

#include "gateway/base/buf.h"
#include "gateway/campaign/campaign.h"

/*
 * The recipients that did not get it as a table (CSV, RFC 4180): in the mail to
 * the owner, and for 'campaign report --csv'. What is in it is a peer's: each
 * cell stands in quotes, without control characters, and what a spreadsheet
 * would take for a formula gets an apostrophe in front.
 */
void campaign_table_head(struct buf *csv);
void campaign_table_row(struct buf *csv,
			const struct campaign_failure *failure);

#endif
