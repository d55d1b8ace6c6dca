#ifndef GATEWAY_CONTROL_ALERTS_INT_H
#define GATEWAY_CONTROL_ALERTS_INT_H

#include "gateway/control/alerts.h"

/* What a look at the facts says of one cause. Of the alerts*.c files alone. */
struct finding {
	int level; /* 0: well */
	char subject[160];
	char text[768];
};

/* Of the causes that are about DNS. */
void find_resolver(enum alert_cause cause, const struct alert_resolver *facts,
		   struct finding *f);

/* Of those about scanning; scanner: whom a cause with a name is about. */
void find_scan(enum alert_cause cause, const struct alert_scan *facts,
	       int64_t now_wall_s, struct finding *f);
void find_scanner(enum alert_cause cause, const struct alert_scan *facts,
		  const struct alert_scanner *scanner, int64_t now_wall_s,
		  struct finding *f);

/* Of one campaign: it goes on when a person says so. */
void find_campaign(const struct alert_campaign *campaign, struct finding *f);

#endif
