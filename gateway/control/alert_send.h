#ifndef GATEWAY_CONTROL_ALERT_SEND_H
#define GATEWAY_CONTROL_ALERT_SEND_H

#include <stdint.h>

#include "gateway/control/alerts.h"

/*
 * How an alert reaches somebody: always a log line; a mail through our own
 * queue; a program, one at a time, told in its environment (SLUICE_ALERT_*).
 * What cannot be sent now (the disk is full) is tried again each minute.
 */
struct control;
struct alert_sender;

struct alert_sender *alert_sender_create(struct control *control);
/* Waits for the mail that is with the store; a running program goes on. */
void alert_sender_destroy(struct alert_sender **sender);

void alert_send(struct alert_sender *sender, const struct alert *alert);
void alert_cleared(struct alert_sender *sender, const struct alert *alert);
void alert_sender_tick(struct alert_sender *sender, int64_t now_ms);

#endif
