#ifndef GATEWAY_FRONT_CHECKS_H
#define GATEWAY_FRONT_CHECKS_H

#include "gateway/front/refusal.h"
#include "gateway/front/transaction.h"

/*
 * THE order of checks, from accept to the final dot. Each stage is a list of
 * named steps, and each step looks at one thing.
 *
 * The stages before MAIL are decided at once: they return true, or false with
 * the refusal that the client is to hear. From MAIL on a step returns NEXT,
 * WAIT (its fact comes later, then the stage is asked again), or DONE (it is
 * decided; at the dot: it answered the client and the transaction is gone).
 *
 * size: one contract: the stages, and what MAIL and RCPT carry through theirs.
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

/* --- MAIL and RCPT -------------------------------------------------------- */

enum step_result { STEP_NEXT, STEP_WAIT, STEP_DONE };

/* What is known of a domain, or is being asked. */
struct domain_ask {
	struct dns_domain_op *op; /* NULL: not under way */
	int64_t since_ms;	  /* asked; 0: it was not */
	bool known;
	struct domain_fact fact;
	char key[256]; /* of the domain */
	size_t key_n;  /* 0: there is none */
};

/* A command on its way through its checks. It lies on the stack of who got it;
 * one that has to wait is copied to where it stays, and only then asks. */
struct check {
	struct session *session;
	uint32_t ticket;
	size_t step;
	struct domain_ask ask;
	/* DONE */
	bool refused;
	struct refusal answer;
};

struct mail_check {
	struct check check;
	struct smtp_mail mail;
	struct slice sender; /* never none */
	int64_t waited_ms;
	char bytes[]; /* of a copy */
};

struct rcpt_check {
	struct check check;
	struct transaction *transaction;
	struct smtp_rcpt rcpt;
	struct slice domain; /* as written; none: <postmaster> */
	uint32_t position;   /* RCPTs of the message before it */
	/* DONE and not refused */
	bool repeated; /* stands in the message already */
	enum rcpt_domain state;
	enum domain_reason why;
	int64_t next_wall_s;
	STAILQ_ENTRY(rcpt_check) next;
	char bytes[]; /* of a copy */
};

/* WAIT: nothing is asked yet; see the next ones. */
enum step_result checks_mail(struct mail_check *check);
enum step_result checks_rcpt(struct rcpt_check *check);
/* It has to wait: the question leaves. With the answer transaction_mail_resume
 * or recipients_resume is called. */
void checks_mail_ask(struct mail_check *check);
void checks_rcpt_ask(struct rcpt_check *check);
/* The same before it is its turn, and only if it would have to wait then. */
void checks_rcpt_foresee(struct rcpt_check *check);
/* No answer any more; for who is not DONE. */
void checks_ask_cancel(struct check *check);
/* DONE: tells the client. The transaction may be gone afterwards. */
void checks_answer(const struct check *check);

/* The final dot. The last step answers transaction->dot_ticket. */
void checks_dot(struct transaction *transaction);
void checks_resume(struct transaction *transaction);

#endif
