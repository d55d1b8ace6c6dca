#ifndef GATEWAY_FRONT_TRANSACTION_H
#define GATEWAY_FRONT_TRANSACTION_H

#include "gateway/front/session.h"
#include "gateway/smtp/header.h"

/*
 * One message on its way in: from MAIL to the answer to the dot, or to RSET.
 */
struct rcpt_key { /* recipients seen, to store each once */
	const char *address;
	UT_hash_handle hh;
};

struct rcpt_charge {			 /* what limits did to a message */
	struct reservation *reservation; /* until the store works */
	uint64_t declared_bytes;
	enum limit_action action; /* PASS, PACE, BULK or HOLD */
	uint64_t ref;		  /* of the decision */
	int64_t leaves_wall_s;	  /* PACE: when the last recipient may */
	uint64_t told[8];	  /* refusals that the log has heard of */
	unsigned told_count;
};

STAILQ_HEAD(rcpt_checks, rcpt_check);

struct rcpt_line {		    /* recipients that wait (recipients.c) */
	struct rcpt_checks waiting; /* in the order of their commands */
	uint32_t position;	    /* of the next RCPT */
	uint32_t asking;	    /* of the waiting ones */
	int64_t since_ms;	    /* some are */
	int64_t waited_ms;	    /* the message, before that */
};

struct domain_tally { /* what domains did to a message, for its log */
	uint32_t dropped, unverified;
	char *first; /* the domain of the first of them */
	enum domain_reason why;
};

struct attachments;
struct dkim_message;
struct inspection;
struct signing;

struct scan_watch {			 /* what is known of its viruses */
	struct attachments *attachments; /* NULL: nobody looks for any */
	struct inspection *inspection;	 /* from the dot to the verdict */
	uint32_t hold;			 /* HOLD_SCAN, HOLD_UNSCANNABLE or 0 */
	bool pending;			 /* held because there was no verdict */
	uint64_t ref;			 /* of the decision */
	const char *token; /* the field that says it is clean, or NULL */
};

struct sign_watch {			/* what is known for its signature */
	struct dkim_message *message;	/* NULL: it gets none */
	const struct dkim_domain *from; /* of its From, in the snapshot; or
					   NULL: not known yet */
	struct signing *signing;	/* under way */
	const char *domain;		/* it is signed for; or NULL */
};

struct campaign_watch {		   /* the mass mailing that it may be of */
	struct shape *shape;	   /* NULL: nobody looks */
	bool joined;		   /* join wants its end, from here */
	struct campaign_join join; /* id 0: personal mail */
	struct arena *arena;	   /* of its changes */
};

struct transaction {
	struct session *session;
	struct spool_msg *msg; /* until the store takes it */
	uint64_t id;
	char id_text[ID_TEXT_SIZE];
	char *mail_from;
	struct spool_body *body;
	struct header_scan *header;
	struct rcpt_key *seen;
	struct rcpt_line line;
	struct domain_tally tally;
	struct rcpt_charge charge;
	struct scan_watch scan;
	struct sign_watch sign;
	struct campaign_watch campaign;
	uint8_t digest[DIGEST_SIZE]; /* of the body, at the dot */
	bool committing;
	uint32_t dot_ticket;
	int64_t dot_us;
	size_t step; /* of the checks under way */
	struct timer_op *backlog;
	uint64_t surplus; /* recipients over the cap of a message */
	/* facts for the last step */
	enum spool_answer answer;
	uint64_t first_id;
};

/* Calls of the SMTP engine. */
void transaction_mail(void *arg, uint32_t ticket, const struct smtp_mail *mail);
void transaction_data(void *arg, uint32_t ticket);
bool transaction_body(void *arg, struct slice bytes);
void transaction_dot(void *arg, uint32_t ticket);
void transaction_reset(void *arg);

/* A MAIL that waited has its answer (checks_mail_ask). */
void transaction_mail_resume(struct mail_check *check);
/* The session ends: session->mail waits no more. */
void transaction_mail_cancel(struct session *session);

struct rcpt_check;
/* An accepted recipient, once; borrowed. */
void transaction_add(struct transaction *transaction,
		     const struct rcpt_check *check);
/* The address stands in the message already. */
bool transaction_has(const struct transaction *transaction,
		     struct slice address);
void transaction_destroy(struct transaction **transaction);

#endif
