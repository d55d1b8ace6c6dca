#ifndef TESTS_SMTP_DIALOGUE_H
#define TESTS_SMTP_DIALOGUE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/smtp/server.h"

/*
 * size: one object, included by the two programs that share it.
 *
 * An owner of the engine that decides by what the addresses say, and a client
 * that sends a script in pieces. What went to the client and what the owner
 * was told are two transcripts; both must be the same however the script was
 * cut and whenever the owner answered.
 *
 * Local parts: "no..." is refused with 550, "later..." with 450, "bye..." with
 * 421; "nodata" as sender refuses DATA, "infected" the message. AUTH: an
 * initial response or an answer "ok" is right, anything else wrong.
 */

enum { ANSWER_NOW, ANSWER_FIFO, ANSWER_LIFO };

struct ask {
	uint32_t ticket;
	int code;
	const char *enhanced, *text;
};

struct owner {
	struct smtp_server *server;
	struct buf wire; /* to the client */
	struct buf log;	 /* what the owner was told */
	struct ask asks[SMTP_TICKETS_MAX];
	size_t ask_count;
	int answer;    /* ANSWER_* */
	bool throttle; /* body says false each time */
	bool paused, woken, closed, tls;
	char sender[512];
	char mechanism[32];
	unsigned auth_steps;
	size_t replied_count, body_bytes;
	bool quiet;   /* no body in the log */
	bool blocked; /* commands are refused */
	uint64_t ref; /* of the last reply */
};

static inline void
owner_settle(struct owner *o, struct ask *ask)
{
	if (ask->code == 334)
		smtp_server_challenge(o->server, ask->ticket,
				      SLICE_LIT("YXNr"));
	else
		smtp_server_reply(o->server, ask->ticket, ask->code,
				  ask->enhanced, ask->text);
}

static inline void
owner_answer(struct owner *o, uint32_t ticket, int code, const char *enhanced,
	     const char *text)
{
	struct ask ask = {ticket, code, enhanced, text};

	if (o->answer == ANSWER_NOW) {
		owner_settle(o, &ask);
		return;
	}
	ck_assert_uint_lt(o->ask_count, SMTP_TICKETS_MAX);
	o->asks[o->ask_count++] = ask;
}

static inline void
owner_write(void *arg, struct slice out)
{
	struct owner *o = arg;

	ck_assert(!o->closed);
	buf_add_slice(&o->wire, out);
}

static inline void
owner_wake(void *arg)
{
	struct owner *o = arg;

	ck_assert(!o->closed);
	o->woken = true;
}

static inline void
owner_close(void *arg, const char *reason)
{
	struct owner *o = arg;

	ck_assert(!o->closed);
	buf_printf(&o->log, "close %s\n", reason);
	o->closed = true;
}

static inline bool
owner_command(void *arg, struct smtp_refusal *refusal)
{
	struct owner *o = arg;

	ck_assert(!o->closed);
	if (!o->blocked)
		return false;
	*refusal = (struct smtp_refusal){
	    .code = 550,
	    .enhanced = "5.7.1",
	    .text = "Blocked",
	    .goodbye = "Bye now",
	    .reason = "blocked",
	    .ref = 77,
	};
	return true;
}

static inline void
owner_helo(void *arg, struct slice name, bool extended)
{
	struct owner *o = arg;

	buf_printf(&o->log, "%s %.*s\n", extended ? "ehlo" : "helo",
		   (int)name.n, name.p);
}

static inline void
owner_starttls(void *arg)
{
	struct owner *o = arg;

	o->tls = true;
	buf_add_str(&o->log, "starttls\n");
}

static inline void
owner_auth_end(struct owner *o, uint32_t ticket, struct slice response)
{
	if (slice_eq(response, SLICE_LIT("ok")))
		owner_answer(o, ticket, 235, "2.7.0", "Welcome");
	else
		owner_answer(o, ticket, 535, "5.7.8",
			     "Authentication credentials invalid");
}

static inline void
owner_auth(void *arg, uint32_t ticket, struct slice mechanism,
	   struct slice initial)
{
	struct owner *o = arg;

	buf_printf(&o->log, "auth %.*s%s%.*s\n", (int)mechanism.n, mechanism.p,
		   initial.p != NULL ? " " : "", (int)initial.n,
		   initial.p != NULL ? initial.p : "");
	o->auth_steps = slice_ieq(mechanism, SLICE_LIT("LOGIN")) ? 2 : 1;
	if (initial.p != NULL && --o->auth_steps == 0)
		owner_auth_end(o, ticket, initial);
	else
		owner_answer(o, ticket, 334, NULL, NULL);
}

static inline void
owner_auth_more(void *arg, uint32_t ticket, enum smtp_auth_end end,
		struct slice response)
{
	struct owner *o = arg;

	if (end == SMTP_AUTH_CANCEL) {
		buf_add_str(&o->log, "auth cancel\n");
		owner_answer(o, ticket, 501, "5.7.0", "Cancelled");
		return;
	}
	buf_printf(&o->log, "auth more %.*s\n", (int)response.n, response.p);
	if (--o->auth_steps == 0)
		owner_auth_end(o, ticket, response);
	else
		owner_answer(o, ticket, 334, NULL, NULL);
}

static inline void
owner_mail(void *arg, uint32_t ticket, const struct smtp_mail *mail)
{
	struct owner *o = arg;

	buf_printf(&o->log, "mail %.*s\n", (int)mail->sender.n, mail->sender.p);
	snprintf(o->sender, sizeof(o->sender), "%.*s", (int)mail->sender.n,
		 mail->sender.p);
	if (slice_starts(mail->sender, SLICE_LIT("no@")))
		owner_answer(o, ticket, 550, "5.7.1", "Not you");
	else
		owner_answer(o, ticket, 250, "2.1.0", NULL);
}

static inline void
owner_rcpt(void *arg, uint32_t ticket, const struct smtp_rcpt *rcpt)
{
	struct owner *o = arg;

	if (!o->quiet)
		buf_printf(&o->log, "rcpt %.*s\n", (int)rcpt->recipient.n,
			   rcpt->recipient.p);
	if (slice_starts(rcpt->recipient, SLICE_LIT("no")))
		owner_answer(o, ticket, 550, "5.1.2", "No such domain");
	else if (slice_starts(rcpt->recipient, SLICE_LIT("later")))
		owner_answer(o, ticket, 450, "4.7.1", "Later");
	else if (slice_starts(rcpt->recipient, SLICE_LIT("bye")))
		owner_answer(o, ticket, 421, "4.7.0", "Go away");
	else
		owner_answer(o, ticket, 250, "2.1.5", NULL);
}

static inline void
owner_data(void *arg, uint32_t ticket)
{
	struct owner *o = arg;

	buf_add_str(&o->log, "data\n");
	if (strncmp(o->sender, "nodata", 6) == 0)
		owner_answer(o, ticket, 451, "4.3.0", "No data now");
	else
		owner_answer(o, ticket, 354, NULL, NULL);
}

static inline bool
owner_body(void *arg, struct slice bytes)
{
	struct owner *o = arg;

	ck_assert(!o->paused);
	ck_assert_uint_gt(bytes.n, 0);
	o->body_bytes += bytes.n;
	if (!o->quiet)
		buf_add_slice(&o->log, bytes);
	o->paused = o->throttle;
	return !o->throttle;
}

static inline void
owner_dot(void *arg, uint32_t ticket)
{
	struct owner *o = arg;

	/* what was paused has all of the message before it is asked */
	ck_assert(!o->paused);
	buf_add_str(&o->log, "dot\n");
	if (strncmp(o->sender, "infected", 8) == 0)
		owner_answer(o, ticket, 550, "5.7.0", "Infected");
	else
		owner_answer(o, ticket, 250, "2.0.0", "Queued");
}

static inline void
owner_reset(void *arg)
{
	struct owner *o = arg;

	buf_add_str(&o->log, "reset\n");
}

static inline void
owner_replied(void *arg, const char *cmd, int code, const char *enhanced,
	      const char *text, uint64_t ref)
{
	struct owner *o = arg;

	(void)enhanced;
	o->ref = ref;
	ck_assert_ptr_nonnull(cmd);
	ck_assert_int_ge(code, 200);
	ck_assert_ptr_null(strpbrk(text, "\r\n"));
	o->replied_count++;
}

static const struct smtp_server_ops owner_ops = {
    .write = owner_write,
    .wake = owner_wake,
    .close = owner_close,
    .command = owner_command,
    .helo = owner_helo,
    .starttls = owner_starttls,
    .auth = owner_auth,
    .auth_more = owner_auth_more,
    .mail = owner_mail,
    .rcpt = owner_rcpt,
    .data = owner_data,
    .body = owner_body,
    .dot = owner_dot,
    .reset = owner_reset,
    .replied = owner_replied,
};

static inline void
owner_init(struct owner *o, const struct smtp_server_opts *opts, int answer,
	   bool throttle)
{
	memset(o, 0, sizeof(*o));
	buf_init(&o->wire, 16 << 20);
	buf_init(&o->log, 16 << 20);
	o->answer = answer;
	o->throttle = throttle;
	o->server = smtp_server_create(opts, &owner_ops, o);
	smtp_server_greet(o->server, 220, NULL, NULL);
}

static inline void
owner_fini(struct owner *o)
{
	smtp_server_destroy(&o->server);
	buf_fini(&o->wire);
	buf_fini(&o->log);
}

/* What waits is answered and what is paused goes on; false: nothing was. */
static inline bool
owner_move(struct owner *o)
{
	struct ask asks[SMTP_TICKETS_MAX];
	size_t count = o->ask_count, i;

	if (o->paused) {
		o->paused = false;
		smtp_server_resume(o->server);
		return true;
	}
	memcpy(asks, o->asks, sizeof(asks));
	o->ask_count = 0;
	for (i = 0; i < count; i++)
		owner_settle(
		    o, &asks[o->answer == ANSWER_LIFO ? count - 1 - i : i]);
	return count > 0;
}

/*
 * Gives n octets, as a copy of exactly that size, until all are used. An
 * engine that left something over must call wake once it can go on.
 */
static inline void
owner_give(struct owner *o, const char *p, size_t n)
{
	size_t used;
	char *copy;

	while (n > 0 && !o->closed) {
		copy = malloc(n);
		memcpy(copy, p, n);
		o->woken = false;
		used = smtp_server_input(o->server, slice_of(copy, n));
		free(copy);
		ck_assert_uint_le(used, n);
		p += used;
		n -= used;
		if (n == 0)
			break;
		while (!o->woken && !o->closed && owner_move(o))
			;
		ck_assert_msg(o->woken || o->closed, "stuck before: %.*s",
			      (int)n, p);
	}
}

/* The end of the script: everything still open is answered. */
static inline void
owner_settle_all(struct owner *o)
{
	while (!o->closed && owner_move(o))
		;
}

/* cut 0: whole; over n: octet by octet; else in two. */
static inline void
owner_play(struct owner *o, const char *script, size_t n, size_t cut)
{
	size_t i;

	if (cut > n) {
		for (i = 0; i < n; i++)
			owner_give(o, script + i, 1);
	} else {
		owner_give(o, script, cut);
		owner_give(o, script + cut, n - cut);
	}
	owner_settle_all(o);
}

#endif
