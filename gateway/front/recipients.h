#ifndef GATEWAY_FRONT_RECIPIENTS_H
#define GATEWAY_FRONT_RECIPIENTS_H

#include "gateway/front/checks.h"

/*
 * The recipients of a message on their way in. Their domains are asked about
 * together as the commands arrive; they are worked off one after the other in
 * the order of the commands, so that charges and answers have that order too.
 */
void recipients_init(struct transaction *transaction, int64_t waited_ms);
/* Nothing waits any more, nobody is answered. */
void recipients_fini(struct transaction *transaction);

/* A call of the SMTP engine: RCPT. */
void recipients_rcpt(void *arg, uint32_t ticket, const struct smtp_rcpt *rcpt);
/* A fact has come: whose turn it is goes on, and those behind it. */
void recipients_resume(struct session *session);

/* True: *ticket is the first that waits; all before it are answered. */
bool recipients_waiting(const struct transaction *transaction,
			uint32_t *ticket);

/* The time a message may wait: what is left of it now, and the questions that
 * take it. */
int64_t recipients_wait_left_ms(const struct transaction *transaction);
void recipients_asking(struct transaction *transaction);
void recipients_asked(struct transaction *transaction);

#endif
