#ifndef GATEWAY_FRONT_SESSION_H
#define GATEWAY_FRONT_SESSION_H

#include <bsd/sys/queue.h>

#include "gateway/base/hash.h"
#include "gateway/base/id.h"
#include "gateway/front/refusal.h"
#include "gateway/front/worker.h"
#include "gateway/net/proxy_read.h"
#include "gateway/net/stream.h"
#include "gateway/smtp/server.h"

/*
 * One client's connection. Owns its stream, its SMTP engine, its login and at
 * most one transaction; belongs to one worker for its whole life.
 */
struct transaction;
struct mail_check;

enum session_state {
	SESSION_PROXY,	   /* waiting for the PROXY header */
	SESSION_HANDSHAKE, /* implicit TLS, nothing greeted yet */
	SESSION_OPEN,
	SESSION_CLOSING, /* the last reply is written; reaped next turn */
};

struct login {
	char *cred; /* NULL: not logged in */
	char *owner;
	char *class;
	enum binding binding;
	struct auth_op *op;
	struct attempt *attempt; /* has a place while op looks */
	uint32_t ticket;
	bool bulk;    /* it was login+bulk: see front_bulk */
	bool blocked; /* the password was right, but hit says no */
	struct block_hit hit;
};

struct watchmark {	     /* what the timer compares with */
	int64_t since_ms;    /* the connection began */
	int64_t activity_ms; /* the last command ended */
	int64_t due_ms;	     /* when the timer fires */
	int64_t mark_ms;     /* the body's (or our output's) window began */
	uint64_t mark_bytes;
	bool outward; /* it is our output's */
};

struct session {
	struct worker *worker;
	struct snapshot *snapshot;
	const struct front_listener *listener; /* in the snapshot */
	uint64_t id;
	char id_text[ID_TEXT_SIZE];
	enum session_state state;
	int fd; /* until the stream has it; -1 then */
	struct sock_addr peer, local;
	bool counted; /* in the crowd, as peer */
	bool in_lobby;
	bool extended; /* EHLO */
	bool secured;  /* the handshake ended */
	struct proxy_read_op *proxy;
	struct stream *stream;
	struct smtp_server *server;
	struct login login;
	struct guard guard;
	struct mail_check *mail; /* a MAIL that waits for its domain; or NULL */
	struct transaction *transaction;
	uint32_t message_count;
	/* The message of the transaction, until its last reply is logged. */
	char msg_text[ID_TEXT_SIZE];
	struct watchmark watch;
	struct timer_op *timer, *reaper;
	const char *end_reason; /* for the log */
	TAILQ_ENTRY(session) all, lobby;
	UT_hash_handle hh;
};

/* Takes fd and presence; that is NULL while a PROXY header is to come. */
void session_accept(struct worker *worker, const struct front_listener *on,
		    int fd, const struct sock_addr *peer,
		    const struct sock_addr *local, struct presence *presence);
void session_destroy(struct session **session);
/* The same, and its descriptor is free at once. */
void session_drop(struct session **session);
/* Say the last word and close. */
void session_end(struct session *session, int code, const char *enhanced,
		 const char *text, const char *reason);
/* For a stop: 421 unless a transaction is under way and not forced. */
void session_stop(struct session *session, bool force);

/* How long it may take (session_clock.c): the timer's first time, a command
 * that has ended, a body that begins. */
void session_clock_start(struct session *session, int64_t delay_ms);
void session_clock_command(struct session *session);
void session_clock_body(struct session *session);

/* Calls of the SMTP engine that belong to the login (login.c). */
void login_auth(void *arg, uint32_t ticket, struct slice mechanism,
		struct slice initial);
void login_auth_more(void *arg, uint32_t ticket, enum smtp_auth_end end,
		     struct slice response);
void login_fini(struct session *session);
const char *login_mechanisms(const struct session *session);

/* Answer a ticket out of the reply table, without arguments. */
void session_reply(struct session *session, uint32_t ticket, int reply_id);

#endif
