#ifndef GATEWAY_CONTROL_CAMPAIGN_CHORES_H
#define GATEWAY_CONTROL_CAMPAIGN_CHORES_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/campaign/campaign.h"

/* What has to be done about campaigns now and then: each second's tick. */
struct control;
struct metrics;
struct campaign_chores;

struct campaign_chores *campaign_chores_create(struct control *control);
void campaign_chores_destroy(struct campaign_chores **chores);
void campaign_chores_tick(struct campaign_chores *chores, int64_t now_ms);

/* Those that nobody but a person lets go on: stopped by a rule, or waiting to
 * be confirmed; the newest ALERT_CAMPAIGNS of them. */
struct campaign_alarm {
	char name[24]; /* "C7" */
	struct campaign_view view;
};
size_t campaign_alarms(struct control *control, const struct metrics *m,
		       struct campaign_alarm *alarms);

#endif
