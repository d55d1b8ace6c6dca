#ifndef GATEWAY_FRONT_CHECKS_H
#define GATEWAY_FRONT_CHECKS_H

#include "gateway/front/refusal.h"
#include "gateway/front/transaction.h"

/*
 * THE order of checks, from accept to the final dot. Each stage is a list of
 * named steps, and each step looks at one thing.
 *
 * The stages before the dot are decided at once: they return true, or false
 * with the refusal that the client is to hear. At the dot a step returns NEXT,
 * WAIT (its fact comes later, then checks_resume), or DONE (it answered the
 * client and the transaction is gone).
 */

/* A connection, when its client's address is known. */
bool checks_connect(struct worker *worker, const struct ip_addr *ip,
		    struct presence **presence, struct refusal *refusal);
/* Any command, before it is run. The refusal is the session's: NULL, or what
 * it is sent away with, again and again. */
const struct refusal *checks_command(struct session *session);
/* AUTH, before the password is looked at. */
bool checks_auth(struct session *session, struct refusal *refusal);
/* The same before each further word of the exchange. */
bool checks_auth_more(struct session *session, struct refusal *refusal);
/* The password is right. */
bool checks_login(struct session *session, const struct auth_result *result,
		  struct refusal *refusal);
/* True: a right password of cred is to look like a wrong one. */
bool checks_stealth(struct session *session, const char *cred);

bool checks_mail(struct session *session, const struct smtp_mail *mail,
		 struct refusal *refusal);

struct rcpt_facts {
	/* in */
	const struct smtp_rcpt *rcpt;
	struct slice domain; /* as written; none: <postmaster> */
	/* out, when it is accepted */
	bool repeated; /* stands in the message already */
	int64_t next_wall_s;
};
bool checks_rcpt(struct transaction *transaction, struct rcpt_facts *facts,
		 struct refusal *refusal);

/* The final dot. The last step answers transaction->dot_ticket. */
void checks_dot(struct transaction *transaction);
void checks_resume(struct transaction *transaction);

#endif
