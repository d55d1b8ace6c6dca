#ifndef POLICY_REPLY_H
#define POLICY_REPLY_H

#include <stddef.h>

/*
 * The reply table: what a client is told about a decision. The only place
 * where a verdict becomes text; replies about the grammar of SMTP are
 * gateway/smtp's. A text is one line of plain words, at most 200 characters,
 * with {name} where an argument goes.
 */
enum reply_id {
	/* logins */
	REPLY_AUTH_OK,
	REPLY_AUTH_DENIED,
	REPLY_AUTH_MALFORMED,
	REPLY_AUTH_NO_MECHANISM,
	REPLY_AUTH_UNAVAILABLE,
	REPLY_AUTH_BUSY,
	REPLY_AUTH_CANCELLED,
	REPLY_AUTH_CLOSED, /* {time} */
	/* connections */
	REPLY_TOO_MANY_CONNECTIONS,
	REPLY_TIMEOUT,
	REPLY_SHUTDOWN,
	REPLY_PROXY_EXPECTED,
	/* envelopes */
	REPLY_SENDER_OK,
	REPLY_RECIPIENT_OK,
	REPLY_DATA,
	REPLY_NO_SPACE,
	/* messages */
	REPLY_ACCEPTED,	 /* {id} */
	REPLY_DUPLICATE, /* {id} */
	REPLY_FAILED,
	REPLY_HEADER_TOO_BIG,  /* {n} */
	REPLY_HEADER_REPEATED, /* {what} */
	REPLY_LOOP,
	/* limits; {contact} is whom to ask, {ref} what `sluice why` resolves */
	REPLY_LIMIT_PACED,   /* {id} {time} {ref} */
	REPLY_LIMIT_HELD,    /* {id} {ref} */
	REPLY_LIMIT_BULK,    /* {id} {ref} */
	REPLY_LIMIT_DEFER,   /* {n} {what} {period} {time} {ref} */
	REPLY_LIMIT_REJECT,  /* {n} {what} {period} {time} {contact} {ref} */
	REPLY_LIMIT_NEVER,   /* {n} {what} {period} {contact} {ref} */
	REPLY_LIMIT_SUSPECT, /* {contact} {ref}: too many dead domains */
	REPLY_LIMIT_CONNECTIONS, /* {ref} */
	REPLY_LIMIT_CONNECTING,	 /* {time} {ref} */
	/* mass mailings; {n}: "2,140 recipients", of all of it */
	REPLY_CAMPAIGN,		/* {campaign} {n} */
	REPLY_CAMPAIGN_TIME,	/* {campaign} {n} {time} */
	REPLY_CAMPAIGN_WAITING, /* {campaign} {n} */
	REPLY_CAMPAIGN_PAUSED,	/* {campaign} {n} */
	/* the block list */
	REPLY_CRED_BLOCKED_AUTH,   /* {contact} {ref} */
	REPLY_CRED_BLOCKED,	   /* {contact} {ref} */
	REPLY_ADDRESS_BLOCKED,	   /* {ip} {ref} */
	REPLY_ADDRESS_BLOCKED_FOR, /* {ip} {time} {ref} */
	REPLY_ADDRESS_BLOCKED_NOW, /* {ip} {ref}: in a live session */
	REPLY_FROM_BLOCKED,	   /* {address} {ref} */
	REPLY_DOMAIN_BLOCKED,	   /* {domain} {ref} */
	REPLY_BODY_BLOCKED,	   /* {ref} */
	REPLY_BLOCKED,		   /* by something, at the last moment */
	REPLY_GOODBYE,		   /* 421 behind one of these */
	/* FROM binding */
	REPLY_SENDER_DENIED,	 /* {login} {address} {ref} */
	REPLY_SENDER_UNREADABLE, /* {what} {ref} */
	/* domains */
	REPLY_DOMAIN_MISSING,	      /* {domain}: NXDOMAIN */
	REPLY_DOMAIN_MISSING_HINT,    /* {domain} {hint} */
	REPLY_DOMAIN_NO_MAIL,	      /* {domain}: no MX, A, AAAA */
	REPLY_DOMAIN_BAD_NAME,	      /* {domain} */
	REPLY_DOMAIN_REFUSES,	      /* {domain}: null MX */
	REPLY_DOMAIN_RESERVED,	      /* {domain} */
	REPLY_DOMAIN_UNROUTABLE,      /* {domain} */
	REPLY_DOMAIN_UNVERIFIED,      /* 250 2.1.5 */
	REPLY_DOMAIN_UNVERIFIED_WAIT, /* 451 4.4.3 {domain} */
	REPLY_SENDER_DOMAIN_MISSING,  /* {address}: 550 5.1.8 */
	/* viruses; {what}: "Attachment x.zip", "The message" */
	REPLY_INFECTED,		/* {what} {threat} {ref} */
	REPLY_UNSCANNABLE,	/* {what} {why} {contact} {ref} */
	REPLY_UNSCANNABLE_HELD, /* {id} {ref} */
	REPLY_SCAN_PENDING,	/* {id} {ref} */
	REPLY_SCAN_DOWN,	/* 451 4.3.2 {ref} */
	REPLY_IDS
};

struct reply {
	int code;
	const char *enhanced; /* "2.1.0" */
	char text[256];
};

struct reply_arg {
	const char *name;
	const char *value;
};

/* A name without an argument stays as it is: tests look for braces. */
void reply_make(struct reply *reply, enum reply_id id,
		const struct reply_arg *args, size_t count);

#endif
