#ifndef GATEWAY_FRONT_CHECKS_H
#define GATEWAY_FRONT_CHECKS_H

#include "gateway/front/transaction.h"

/*
 * THE order of checks of a message. Each stage is a list of named steps; a
 * step looks at one thing and returns NEXT, WAIT (its fact comes later, then
 * checks_resume), or DONE (it answered the client).
 */

/* MAIL: the reply id to answer with (REPLY_SENDER_OK: go on). */
int checks_mail(struct session *session, const struct smtp_mail *mail);
/* RCPT: likewise (REPLY_RECIPIENT_OK). */
int checks_rcpt(struct transaction *transaction, const struct smtp_rcpt *rcpt);

/* The final dot. The last step answers transaction->dot_ticket. */
void checks_dot(struct transaction *transaction);
void checks_resume(struct transaction *transaction);

#endif
