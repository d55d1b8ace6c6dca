#ifndef TESTS_FUZZ_SMTP_ENGINE_H
#define TESTS_FUZZ_SMTP_ENGINE_H

#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/smtp/server.h"

/*
 * size: one object, included by the fuzz targets that share it.
 *
 * An owner for the whole engine. It answers by what it is asked for, so that
 * two runs over the same octets give the same, at once or late, in order or
 * from the end.
 */
struct driven {
	struct smtp_server *server;
	struct buf wire, body;
	struct {
		uint32_t ticket;
		int code;
	} asks[SMTP_TICKETS_MAX];
	size_t ask_count;
	int mode; /* 0 at once, 1 late, 2 late from the end */
	bool throttle, paused, woken, closed;
	bool blocked; /* behind a recipient that begins with 'Z' */
	unsigned auth_steps;
};

static inline void
require(bool true_always)
{
	if (!true_always)
		abort();
}

static inline void
driven_settle(struct driven *d, uint32_t ticket, int code)
{
	if (code == 334)
		smtp_server_challenge(d->server, ticket, SLICE_LIT("YQ=="));
	else
		smtp_server_reply(d->server, ticket, code, NULL, NULL);
}

static inline void
driven_answer(struct driven *d, uint32_t ticket, int code)
{
	require(!d->closed);
	if (d->mode == 0) {
		driven_settle(d, ticket, code);
		return;
	}
	require(d->ask_count < SMTP_TICKETS_MAX);
	d->asks[d->ask_count].ticket = ticket;
	d->asks[d->ask_count++].code = code;
}

static inline void
driven_write(void *arg, struct slice out)
{
	struct driven *d = arg;

	require(!d->closed);
	buf_add_slice(&d->wire, out);
}

static inline void
driven_wake(void *arg)
{
	((struct driven *)arg)->woken = true;
}

static inline void
driven_close(void *arg, const char *reason)
{
	struct driven *d = arg;

	require(!d->closed && reason != NULL);
	d->closed = true;
}

static inline bool
driven_command(void *arg, struct smtp_refusal *refusal)
{
	struct driven *d = arg;

	require(!d->closed);
	if (d->blocked)
		*refusal = (struct smtp_refusal){.code = 550,
						 .enhanced = "5.7.1",
						 .text = "blocked",
						 .goodbye = "bye",
						 .reason = "blocked",
						 .ref = 1};
	return d->blocked;
}

static inline void
driven_starttls(void *arg)
{
	struct driven *d = arg;

	smtp_server_secured(d->server, "PLAIN");
}

static inline void
driven_auth(void *arg, uint32_t ticket, struct slice mechanism,
	    struct slice initial)
{
	struct driven *d = arg;

	d->auth_steps = (unsigned)(mechanism.n + initial.n) % 3;
	driven_answer(d, ticket, d->auth_steps > 0 ? 334 : 235);
}

static inline void
driven_auth_more(void *arg, uint32_t ticket, enum smtp_auth_end end,
		 struct slice response)
{
	struct driven *d = arg;

	if (end == SMTP_AUTH_CANCEL)
		driven_answer(d, ticket, 501);
	else if (--d->auth_steps > 0)
		driven_answer(d, ticket, 334);
	else
		driven_answer(d, ticket, response.n % 2 == 0 ? 235 : 535);
}

static inline int
code_for(struct slice address)
{
	static const int codes[] = {250, 250, 250, 250, 550, 450, 250, 421};

	return codes[address.n > 0 ? (unsigned char)address.p[0] % 8 : 0];
}

static inline void
driven_mail(void *arg, uint32_t ticket, const struct smtp_mail *mail)
{
	driven_answer(arg, ticket, code_for(mail->sender));
}

static inline void
driven_rcpt(void *arg, uint32_t ticket, const struct smtp_rcpt *rcpt)
{
	struct driven *d = arg;

	require(rcpt->recipient.n > 0);
	if (rcpt->recipient.p[0] == 'Z')
		d->blocked = true;
	driven_answer(arg, ticket, code_for(rcpt->recipient));
}

static inline void
driven_data(void *arg, uint32_t ticket)
{
	struct driven *d = arg;

	driven_answer(d, ticket, d->body.n % 7 == 6 ? 451 : 354);
}

static inline bool
driven_body(void *arg, struct slice bytes)
{
	struct driven *d = arg;

	require(!d->paused && !d->closed && bytes.n > 0);
	buf_add_slice(&d->body, bytes);
	d->paused = d->throttle;
	return !d->throttle;
}

static inline void
driven_dot(void *arg, uint32_t ticket)
{
	struct driven *d = arg;

	require(!smtp_server_in_body(d->server));
	buf_add_str(&d->body, "|");
	driven_answer(d, ticket, 250);
}

static inline void
driven_reset(void *arg)
{
	struct driven *d = arg;

	require(!d->closed);
	d->paused = false;
	buf_add_str(&d->body, "!");
}

static const struct smtp_server_ops driven_ops = {
    .write = driven_write,
    .wake = driven_wake,
    .close = driven_close,
    .command = driven_command,
    .starttls = driven_starttls,
    .auth = driven_auth,
    .auth_more = driven_auth_more,
    .mail = driven_mail,
    .rcpt = driven_rcpt,
    .data = driven_data,
    .body = driven_body,
    .dot = driven_dot,
    .reset = driven_reset,
};

static inline bool
driven_move(struct driven *d)
{
	size_t count = d->ask_count, i, at;
	struct driven copy = *d;

	if (d->paused) {
		d->paused = false;
		smtp_server_resume(d->server);
		return true;
	}
	d->ask_count = 0;
	for (i = 0; i < count && !d->closed; i++) {
		at = d->mode == 2 ? count - 1 - i : i;
		driven_settle(d, copy.asks[at].ticket, copy.asks[at].code);
	}
	return count > 0;
}

static inline void
driven_run(struct driven *d, const struct smtp_server_opts *opts,
	   const char *before, struct slice in, size_t piece)
{
	struct slice part;
	size_t used;

	buf_init(&d->wire, 64 << 20);
	buf_init(&d->body, 64 << 20);
	d->server = smtp_server_create(opts, &driven_ops, d);
	smtp_server_greet(d->server, 220, NULL, NULL);
	while (before != NULL && *before != '\0') {
		used = smtp_server_input(d->server, slice_str(before));
		before += used;
		while (driven_move(d))
			;
	}
	while (in.n > 0 && !d->closed) {
		part = slice_head(in, piece);
		d->woken = false;
		used = smtp_server_input(d->server, part);
		require(used <= part.n);
		in = slice_from(in, used);
		if (used == part.n)
			continue;
		while (!d->woken && !d->closed && driven_move(d))
			;
		require(d->woken || d->closed);
	}
	while (!d->closed && driven_move(d))
		;
	require(d->closed || smtp_server_idle(d->server));
}

static inline void
driven_fini(struct driven *d)
{
	smtp_server_destroy(&d->server);
	buf_fini(&d->wire);
	buf_fini(&d->body);
}

/* The octets on the wire are reply lines, and nothing else. */
static inline void
require_replies(const struct driven *d)
{
	struct slice rest = buf_slice(&d->wire), line;

	while (slice_split(&rest, '\n', &line)) {
		require(line.n >= 5 && line.n < 512);
		require(line.p[line.n - 1] == '\r');
		require(line.p[0] >= '2' && line.p[0] <= '5');
		require(line.p[3] == ' ' || line.p[3] == '-');
	}
}

/* The same octets in two ways: one block answered at once, and pieces answered
 * late, with a body that is paused at each step. */
static inline void
driven_compare(const struct smtp_server_opts *opts, const char *before,
	       struct slice in, uint8_t how)
{
	struct driven a = {.mode = 0}, b = {.mode = 1 + (how & 1)};

	b.throttle = (how & 2) != 0;
	driven_run(&a, opts, before, in, SIZE_MAX);
	driven_run(&b, opts, before, in, 1 + (how >> 2));
	require_replies(&a);
	require(a.closed == b.closed);
	require(slice_eq(buf_slice(&a.wire), buf_slice(&b.wire)));
	require(slice_eq(buf_slice(&a.body), buf_slice(&b.body)));
	driven_fini(&a);
	driven_fini(&b);
}

#endif
