#ifndef GATEWAY_FRONT_CHECKS_INT_H
#define GATEWAY_FRONT_CHECKS_INT_H

#include "gateway/front/checks.h"

/*
 * The checks themselves, a file for each subject; checks.c alone says when
 * which is made. What refuses has told the ring of decisions, the counters and
 * `top`; the reply's own line in the log is session.c's.
 */

/* What every decision says of a session; t: NULL outside a message. */
void checks_decision(struct decision *decision, const struct session *session,
		     const struct transaction *t, const char *stage,
		     struct slice detail);
/* For `top`: a refused MAIL, RCPT or dot; domain: a recipient's, or none. */
void checks_count_refused(struct session *session, struct slice from,
			  struct slice domain);
const char *checks_contact(const struct session *session);
/* What the configuration says of the login's class; NULL: nothing. */
const struct front_class *checks_class(const struct session *session);

/* --- checks_block.c: the block list ------------------------------------- */

bool check_block_connect(struct worker *worker, const struct ip_addr *ip,
			 struct refusal *refusal);
const struct refusal *check_block_command(struct session *session);
/* The same for a command that is run already. */
bool check_block_again(struct session *session, struct refusal *refusal);
bool check_block_login(struct session *session, const char *cred,
		       struct refusal *refusal);
bool check_block_stealth(struct session *session, const char *cred);
bool check_block_sender(struct session *session, struct slice sender,
			struct refusal *refusal);
bool check_block_rcpt(struct transaction *t, struct slice domain,
		      struct refusal *refusal);
/* Login, address, sender and body, at the dot. */
bool check_block_message(struct transaction *t, struct refusal *refusal);

/* --- checks_limit.c: limits ----------------------------------------------- */

bool check_limit_connect(struct worker *worker, const struct ip_addr *ip,
			 struct presence **presence, struct refusal *refusal);
bool check_limit_auth(struct session *session, struct refusal *refusal);
bool check_limit_login(struct session *session, const char *cred,
		       const char *class, struct refusal *refusal);
bool check_limit_rcpt(struct rcpt_check *c, struct refusal *refusal);
bool check_limit_message(struct transaction *t, struct refusal *refusal);
/* The reply to an accepted message that a limit did something to; false: it
 * is like any other. */
bool check_limit_reply(const struct transaction *t, struct reply *reply);

/* --- checks_sender.c: FROM binding ---------------------------------------- */

bool check_sender_mail(struct session *session, struct slice sender,
		       struct refusal *refusal);
bool check_sender_header(struct transaction *t, struct refusal *refusal);

/* --- checks_domain.c: the domains of senders and recipients --------------- */

enum step_result check_domain_sender(struct mail_check *m);
enum step_result check_domain_rcpt(struct rcpt_check *c);
/* For the log: "domain-nxdomain". */
const char *check_domain_word(enum domain_reason reason);

/* --- checks_scan.c: viruses ------------------------------------------------
 */

/* WAIT: the scan thread has it. */
enum step_result check_scan_ask(struct transaction *t);
/* What follows from the verdict, where there is one. waited: for another
 * thread, and things may have changed meanwhile. */
bool check_scan_verdict(struct transaction *t, bool *waited,
			struct refusal *refusal);
/* As check_limit_reply. */
bool check_scan_reply(const struct transaction *t, struct reply *reply);

/* --- checks_token.c: tokens of our own gateways ---------------------------
 */

struct inspection;

/* True: a good one stands for a scan; the job's verdict says so. */
bool check_token(const struct transaction *t, struct inspection *inspection);
/* The scan found it clean: a token of ours goes with it, where it may. */
void check_token_sign(struct transaction *t,
		      const struct inspection *inspection);

/* --- checks_sign.c: DKIM ---------------------------------------------------
 */

/* A message begins; bytes of it, as they stream by. */
void check_sign_begin(struct transaction *t);
void check_sign_add(struct transaction *t, struct slice bytes);
/* WAIT: it is being signed. Our fields are made. */
enum step_result check_sign_ask(struct transaction *t);
void check_signed(struct transaction *t);

/* --- checks_campaign.c: mass mailings --------------------------------------
 */

void check_campaign_begin(struct transaction *t);
/* At the dot: it may become one of a campaign. */
void check_campaign(struct transaction *t);
/* The transaction ends: if it was not given to the store, it is uncounted. */
void check_campaign_fini(struct transaction *t);
/* As check_limit_reply. */
bool check_campaign_reply(const struct transaction *t, struct reply *reply);

/* --- checks_message.c: what a message gets -------------------------------- */

void check_message_trace(struct transaction *t);
void check_message_resubmission(struct transaction *t);

#endif
