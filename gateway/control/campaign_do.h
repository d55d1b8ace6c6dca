#ifndef GATEWAY_CONTROL_CAMPAIGN_DO_H
#define GATEWAY_CONTROL_CAMPAIGN_DO_H

#include "gateway/campaign/campaign.h"
#include "gateway/control/call.h"

/* What the commands that change a campaign share. */

/* The order, in force; its row is added to the change. 0, or a gw_err after a
 * sentence. view: as it was. */
int campaign_do(struct call *call, struct campaign_order *order,
		const struct campaign_view *view, struct change *change);

#endif
