#ifndef GATEWAY_SMTP_SERVER_H
#define GATEWAY_SMTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/slice.h"
#include "gateway/smtp/lines.h"
#include "gateway/smtp/param.h"

/*
 * The server side of SMTP (RFC 5321, 6409, 4954, 3030, 3461, 6531) as a
 * machine without sockets, clocks or policy: bytes in, calls to the owner,
 * reply bytes out. It parses, keeps the order of commands and of replies,
 * applies the line-ending policy and counts errors; who may do what is the
 * owner's answer.
 *
 * Each question to the owner carries a ticket. The owner answers each ticket
 * once with smtp_server_reply, inside the call or any time later. Replies
 * leave in the order of the commands. Pipelined RCPTs are asked together, up
 * to SMTP_TICKETS_MAX; every other command waits until all earlier tickets are
 * answered. While it waits it uses no input: smtp_server_input returns less
 * than it was given, and ops->wake says when to give the rest again.
 */
struct smtp_server;

#define SMTP_TICKETS_MAX 64

struct smtp_mail {
	struct slice sender; /* without <>; empty: the null sender */
	uint64_t size;	     /* SIZE=, 0: not given */
	bool has_size;
	bool eightbit;	    /* BODY=8BITMIME */
	bool utf8;	    /* SMTPUTF8 */
	uint8_t ret;	    /* RET_* of smtp/param.h */
	struct slice envid; /* as given, xtext; none: not given */
	struct slice auth;  /* AUTH=, as given; none: not given */
};

struct smtp_rcpt {
	struct slice recipient; /* without <> */
	uint8_t notify;		/* NOTIFY_* of smtp/param.h; 0: not given */
	struct slice orcpt;	/* as given; none: not given */
};

/* How a client is sent away: this to what it has just said, then 421. */
struct smtp_refusal {
	int code; /* 4xx, 5xx */
	const char *enhanced;
	char text[256];
	char goodbye[256];  /* of the 421 4.7.0 */
	const char *reason; /* static; for close */
	uint64_t ref;	    /* as in smtp_server_reply_ref */
};

enum smtp_auth_end { SMTP_AUTH_LINE, SMTP_AUTH_CANCEL };

/*
 * All slices are borrowed for the call. command, helo and replied may be NULL.
 * The engine must not be destroyed inside one of these, wake excepted: that is
 * always the last thing it does.
 */
struct smtp_server_ops {
	/* Reply bytes for the client. */
	void (*write)(void *arg, struct slice out);
	/* Input that was not used may be given again (never called inside
	 * smtp_server_input). */
	void (*wake)(void *arg);
	/* The engine has written its last reply (QUIT, 421, 521): send and
	 * close. Nothing is called any more. reason: for the log, e.g.
	 * "quit", "bare-lf", "too-many-errors". */
	void (*close)(void *arg, const char *reason);

	/* A line is about to be run, whatever it says: a verb, known or not, a
	 * BDAT (its octets are read before the refusal leaves), the answer to
	 * a challenge. True: *refusal instead of it. May be asked again about
	 * a line that has to wait. The lines of a message are not commands:
	 * the owner looks in dot. */
	bool (*command)(void *arg, struct smtp_refusal *refusal);
	/* HELO, EHLO: informs; the reply is the engine's. name: what is not a
	 * letter, digit or one of ".-_:[]" has become '?'. */
	void (*helo)(void *arg, struct slice name, bool extended);
	/* STARTTLS was answered 220; all input given so far ended with the
	 * line (octets of the same read that were not given are the owner's to
	 * refuse). The engine forgot everything (RFC 3207, 4.2). Start TLS. */
	void (*starttls)(void *arg);
	/* initial.p NULL: no initial response; "=" arrives as an empty one
	 * with p set. Answer with smtp_server_challenge or smtp_server_reply.
	 */
	void (*auth)(void *arg, uint32_t ticket, struct slice mechanism,
		     struct slice initial);
	/* The answer to a challenge, still base64; "*" arrives as CANCEL. */
	void (*auth_more)(void *arg, uint32_t ticket, enum smtp_auth_end end,
			  struct slice response);
	void (*mail)(void *arg, uint32_t ticket, const struct smtp_mail *mail);
	void (*rcpt)(void *arg, uint32_t ticket, const struct smtp_rcpt *rcpt);
	/* DATA or the first BDAT, at least one recipient stands. Reply 354 to
	 * go on (BDAT sends no 354 to the client), or refuse. */
	void (*data)(void *arg, uint32_t ticket);
	/* Message bytes: decoded, CRLF lines, dots unstuffed. False: stop
	 * giving input until smtp_server_resume. */
	bool (*body)(void *arg, struct slice bytes);
	/* The message is complete and well-formed. The reply ends the
	 * transaction whatever it is. */
	void (*dot)(void *arg, uint32_t ticket);
	/* The transaction ended without dot: RSET, EHLO, refused DATA, a
	 * malformed or oversized body (its reply is the engine's), QUIT. */
	void (*reset)(void *arg);
	/* A reply went out: for the log. cmd is the verb ("RCPT", "."), ref
	 * what the owner gave with the answer, 0 for the engine's own. */
	void (*replied)(void *arg, const char *cmd, int code,
			const char *enhanced, const char *text, uint64_t ref);
};

struct smtp_server_opts {
	const char *hostname; /* in greetings; borrowed for the life */
	uint64_t size_max;    /* bytes of a message; announced */
	uint32_t rcpt_max;    /* accepted recipients a message */
	uint32_t error_max;   /* refused commands until 421; 0: 20 */
	enum line_ending_policy line_endings;
	bool offer_starttls;	/* STARTTLS is possible (not while in TLS) */
	bool require_tls;	/* AUTH and MAIL only inside TLS */
	bool require_auth;	/* MAIL only after AUTH */
	const char *mechanisms; /* "PLAIN LOGIN"; NULL: no AUTH offered now */
	bool offer_utf8;
	/* Extra text lines limits of RFC 5321 are the engine's. */
};

/* ops are borrowed for the life; mechanisms are copied. */
struct smtp_server *smtp_server_create(const struct smtp_server_opts *opts,
				       const struct smtp_server_ops *ops,
				       void *arg);
void smtp_server_destroy(struct smtp_server **server);

/* The first reply: 220 with NULL text, or e.g. 554/421 and close. */
void smtp_server_greet(struct smtp_server *server, int code,
		       const char *enhanced, const char *text);

/* The number of bytes used. */
size_t smtp_server_input(struct smtp_server *server, struct slice in);

/*
 * Answer a ticket. enhanced like "2.1.0" or NULL; text is one line, escaped
 * here to printable ASCII (UTF-8 inside an SMTPUTF8 transaction stays) and cut
 * to 512 octets in all. 2xx to rcpt accepts the recipient, 2xx to auth sets
 * the session authenticated, 421 closes after it went out.
 */
void smtp_server_reply(struct smtp_server *server, uint32_t ticket, int code,
		       const char *enhanced, const char *text);
/* The same; ref comes back in replied when the answer leaves. */
void smtp_server_reply_ref(struct smtp_server *server, uint32_t ticket,
			   int code, const char *enhanced, const char *text,
			   uint64_t ref);
/* 334; text is already base64, may be empty. The next line of the client
 * comes as auth_more with a new ticket. */
void smtp_server_challenge(struct smtp_server *server, uint32_t ticket,
			   struct slice text);

/* Out of turn: 421 (shutdown, time-out) after what is under way, then close.
 * Inside a body it goes at once. */
void smtp_server_shutdown(struct smtp_server *server, int code,
			  const char *enhanced, const char *text,
			  const char *reason);

void smtp_server_resume(struct smtp_server *server); /* after body false */

/* TLS is up: EHLO starts again. mechanisms may now be offered. */
void smtp_server_secured(struct smtp_server *server, const char *mechanisms);
/* What the next EHLO offers. */
void smtp_server_offer_utf8(struct smtp_server *server, bool on);

bool smtp_server_in_transaction(const struct smtp_server *server);
bool smtp_server_in_body(const struct smtp_server *server);
/* Octets over 127 in the message so far; asked in dot, or before. */
bool smtp_server_eightbit_seen(const struct smtp_server *server);
bool smtp_server_authenticated(const struct smtp_server *server);
/* The client's EHLO name, escaped; "" before it. */
const char *smtp_server_helo(const struct smtp_server *server);
bool smtp_server_idle(const struct smtp_server *server); /* no ticket open */

#endif
