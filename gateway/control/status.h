#ifndef GATEWAY_CONTROL_STATUS_H
#define GATEWAY_CONTROL_STATUS_H

#include "gateway/control/alerts.h"
#include "gateway/control/metrics.h"

/*
 * `sluice status`: one screen of 80 columns, and its JSON; and what /healthz
 * says. All of it is made of the metrics and the alerts.
 */
struct status_input {
	const struct metrics *metrics;
	const struct alerts *alerts;
	const char *hostname;
	size_t columns; /* 0: no terminal */
};

void status_text(const struct status_input *in, struct buf *out);
void status_json(const struct status_input *in, struct buf *out);

/* 200, or 503 with the reasons: mail cannot be accepted. Busy is not dead. */
int status_health(const struct metrics *m, struct buf *out);

#endif
