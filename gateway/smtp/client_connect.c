/*
 * From an address to a client that is ready for MAIL: connect, greeting, EHLO
 * (HELO for those who do not know it), STARTTLS, EHLO again, AUTH PLAIN.
 *
 * Decides what a failure of TLS means. Required and implicit: the end; required
 * it is too where TLSA records say what the certificate must match.
 * Opportunistic: a refused STARTTLS goes on in the clear; a handshake that
 * fails has used up the connection, so it is made once more without. What is
 * never forgiven is bytes behind the 220 to STARTTLS: somebody in between put
 * them there to be read as if they had come inside TLS (CVE-2021-38371), and a
 * second try in the clear is what he wants.
 *
 * The password leaves inside TLS or to a loopback address, and is overwritten
 * as soon as it is written.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/net/connect.h"
#include "gateway/smtp/client_int.h"

#define COMMAND_MAX 512 /* octets with CRLF */

enum connect_step {
	STEP_CONNECT,
	STEP_TLS, /* the handshake */
	STEP_GREETING,
	STEP_EHLO,
	STEP_HELO,
	STEP_STARTTLS,
	STEP_STARTTLS_GO, /* 220 is there; not a byte may follow */
	STEP_AUTH,
};

struct smtp_connect_op {
	struct loop *loop;
	struct sock_addr to;
	struct ip_addr from;
	bool has_from;
	bool secured;	/* this connection is inside TLS */
	bool clear;	/* opportunistic TLS failed once: go without */
	bool auth_sent; /* the response has left */
	enum smtp_client_tls tls;
	struct tls_ctx *tls_ctx;
	struct tls_dane *dane; /* or NULL */
	char *tls_name;
	char *helo;
	struct buf auth; /* base64 of the PLAIN response; empty: no AUTH */
	struct smtp_client_timeouts timeouts;
	enum connect_step step;
	uint32_t ehlo_lines;
	struct connect_op *tcp;
	struct timer_op *later;
	struct smtp_client *client;
	smtp_connect_fn *done;
	void *arg;
};

static const char *
step_text(enum connect_step step)
{
	switch (step) {
	case STEP_CONNECT:
		return "connect";
	case STEP_TLS:
		return "TLS";
	case STEP_GREETING:
		return "greeting";
	case STEP_EHLO:
		return "EHLO";
	case STEP_HELO:
		return "HELO";
	case STEP_STARTTLS:
	case STEP_STARTTLS_GO:
		return "STARTTLS";
	case STEP_AUTH:
		return "AUTH";
	}
	return "";
}

static void
op_free(struct smtp_connect_op *op)
{
	connect_cancel(&op->tcp);
	timer_cancel(&op->later);
	client_destroy(&op->client);
	tls_ctx_destroy(&op->tls_ctx);
	buf_wipe(&op->auth);
	free(op->dane);
	free(op->tls_name);
	free(op->helo);
	free(op);
}

static void
finish(struct smtp_connect_op *op, const struct smtp_reply *reply)
{
	smtp_connect_fn *done = op->done;
	void *arg = op->arg;

	op_free(op);
	done(arg, NULL, reply);
}

/* why is ours, or text from the network that is escaped already. */
static void
fail(struct smtp_connect_op *op, int err, const char *why)
{
	struct smtp_reply reply = {.err = err};
	char text[REPLY_TEXT_MAX];
	int n =
	    snprintf(text, sizeof(text), "%s: %s", step_text(op->step), why);

	if (n >= (int)sizeof(text))
		n = (int)sizeof(text) - 1;
	reply.text = slice_of(text, n > 0 ? (size_t)n : 0);
	finish(op, &reply);
}

/* "STARTTLS: 454 4.7.0 text" */
static size_t
reply_describe(char out[REPLY_TEXT_MAX], enum connect_step step,
	       const struct smtp_reply *reply)
{
	char head[64];
	size_t n = 0;

	if (reply->enhanced[0] != 0)
		(void)snprintf(head, sizeof(head), "%s: %d %u.%u.%u ",
			       step_text(step), reply->code, reply->enhanced[0],
			       reply->enhanced[1], reply->enhanced[2]);
	else
		(void)snprintf(head, sizeof(head), "%s: %d ", step_text(step),
			       reply->code);
	(void)reply_text_add(out, &n, slice_str(head));
	n += reply_text_copy(out + n, REPLY_TEXT_MAX - n, reply->text);
	return n;
}

/* The server said no; err is 0 when its reply is the result. */
static void
refused(struct smtp_connect_op *op, int err, const struct smtp_reply *reply)
{
	struct smtp_reply said = *reply;
	char text[REPLY_TEXT_MAX];

	said.text = slice_of(text, reply_describe(text, op->step, reply));
	if (err != 0) {
		said.err = err;
		said.code = 0;
	}
	if (op->client->stream != NULL && reply->code != 421)
		client_write(op->client, SLICE_LIT("QUIT\r\n"));
	client_drop(op->client, true);
	finish(op, &said);
}

static void
command(struct smtp_connect_op *op, enum connect_step step, const char *verb,
	const char *what)
{
	struct buf *out = &op->client->out;

	op->step = step;
	buf_clear(out);
	buf_add_str(out, verb);
	buf_add_str(out, what);
	buf_add_str(out, "\r\n");
	client_write(op->client, buf_slice(out));
	client_deadline(op->client, op->client->timeouts.command_ms);
}

static void
ehlo(struct smtp_connect_op *op)
{
	op->client->caps = 0;
	op->client->size_max = 0;
	op->ehlo_lines = 0;
	command(op, STEP_EHLO, "EHLO ", op->helo);
}

static void
ready(struct smtp_connect_op *op, const struct smtp_reply *reply)
{
	struct smtp_client *client = op->client;
	smtp_connect_fn *done = op->done;
	struct smtp_reply last = *reply;
	void *arg = op->arg;

	op->client = NULL;
	client_release(client);
	op_free(op);
	done(arg, client, &last);
}

static void
handshake(struct smtp_connect_op *op)
{
	struct stream *stream = op->client->stream;
	int err;

	op->step = STEP_TLS;
	client_deadline(op->client, op->client->timeouts.command_ms);
	if (op->dane != NULL)
		err = stream_tls_dane(stream, op->tls_ctx, op->dane);
	else
		err = stream_tls_client(stream, op->tls_ctx, op->tls_name);
	if (err == 0)
		return;
	if (err == GW_EPROTO)
		fail(op, err, "bytes in the clear before the handshake");
	else
		fail(op, err, "this TLS context cannot be used here");
}

static void
on_starttls_go(void *arg)
{
	struct smtp_connect_op *op = arg;

	op->later = NULL;
	handshake(op);
}

static void
auth(struct smtp_connect_op *op)
{
	struct buf line = {.cap = CLIENT_AUTH_MAX + 64};

	op->step = STEP_AUTH;
	if (!op->secured && !ip_is_loopback(&op->to.ip)) {
		fail(op, GW_ETLS, "no TLS, the password was not sent");
		return;
	}
	if (!(op->client->caps & CLIENT_CAP_AUTH_PLAIN)) {
		fail(op, GW_ENOTSUP, "PLAIN is not offered");
		return;
	}
	buf_add_str(&line, "AUTH PLAIN");
	/* RFC 4954, 4: what is too long for a command waits for the 334 */
	op->auth_sent = op->auth.n + line.n + 3 <= COMMAND_MAX;
	if (op->auth_sent) {
		buf_add_byte(&line, ' ');
		buf_add_slice(&line, buf_slice(&op->auth));
		buf_wipe(&op->auth);
	}
	buf_add_str(&line, "\r\n");
	client_write(op->client, buf_slice(&line));
	client_deadline(op->client, op->client->timeouts.command_ms);
	buf_wipe(&line);
}

static void
on_auth_reply(struct smtp_connect_op *op, const struct smtp_reply *reply)
{
	if (reply->code == 334 && !op->auth_sent) {
		op->auth_sent = true;
		buf_add_str(&op->auth, "\r\n");
		client_write(op->client, buf_slice(&op->auth));
		client_deadline(op->client, op->client->timeouts.command_ms);
		buf_wipe(&op->auth);
		return;
	}
	if (reply->code / 100 == 2)
		ready(op, reply);
	else
		refused(op, reply->code / 100 == 3 ? GW_EPROTO : 0, reply);
}

/* EHLO is answered: what next? */
static void
greeted(struct smtp_connect_op *op, const struct smtp_reply *reply)
{
	uint32_t caps = op->client->caps;
	bool wants = op->tls == CLIENT_TLS_OPPORTUNISTIC ||
		     op->tls == CLIENT_TLS_REQUIRED;

	if (wants && !op->secured && !op->clear) {
		if (caps & CLIENT_CAP_STARTTLS) {
			command(op, STEP_STARTTLS, "STARTTLS", "");
			return;
		}
		if (op->tls == CLIENT_TLS_REQUIRED) {
			op->step = STEP_STARTTLS;
			fail(op, GW_ETLS, "not offered");
			return;
		}
	}
	if (op->auth.n > 0)
		auth(op);
	else
		ready(op, reply);
}

static void
on_starttls_reply(struct smtp_connect_op *op, const struct smtp_reply *reply,
		  bool more)
{
	if (reply->code == 220) {
		op->step = STEP_STARTTLS_GO;
		if (more)
			fail(op, GW_EPROTO,
			     "bytes in the clear after the reply");
		else /* the stream has to see that nothing was left over */
			op->later =
			    timer_start(op->loop, 0, on_starttls_go, op);
		return;
	}
	if (op->tls == CLIENT_TLS_REQUIRED) {
		refused(op, GW_ETLS, reply);
		return;
	}
	op->clear = true;
	greeted(op, reply);
}

static void
on_ehlo_reply(struct smtp_connect_op *op, const struct smtp_reply *reply)
{
	if (reply->code / 100 == 2)
		greeted(op, reply);
	else if (reply->code / 100 == 5 && op->step == STEP_EHLO)
		command(op, STEP_HELO, "HELO ", op->helo);
	else
		refused(op, 0, reply);
}

static void
on_reply(void *arg, const struct smtp_reply *reply, bool more)
{
	struct smtp_connect_op *op = arg;

	if (reply->code == 421) {
		refused(op, 0, reply);
		return;
	}
	/* nothing is pipelined here, so it cannot be an answer of ours */
	if (more && op->step != STEP_STARTTLS) {
		fail(op, GW_EPROTO, "bytes that nobody asked for");
		return;
	}
	switch (op->step) {
	case STEP_GREETING:
		if (reply->code / 100 == 2)
			ehlo(op);
		else
			refused(op, reply->code / 100 == 3 ? GW_EPROTO : 0,
				reply);
		return;
	case STEP_EHLO:
	case STEP_HELO:
		on_ehlo_reply(op, reply);
		return;
	case STEP_STARTTLS:
		on_starttls_reply(op, reply, more);
		return;
	case STEP_STARTTLS_GO:
		fail(op, GW_EPROTO, "bytes in the clear after the reply");
		return;
	case STEP_AUTH:
		on_auth_reply(op, reply);
		return;
	case STEP_CONNECT:
	case STEP_TLS:
		break;
	}
	fail(op, GW_EPROTO, "a reply that nobody asked for");
}

static void
on_line(void *arg, struct slice line)
{
	struct smtp_connect_op *op = arg;

	/* the first line is the server's name and a greeting */
	if (op->step == STEP_EHLO && op->ehlo_lines++ > 0 &&
	    op->client->reply.code == 250)
		client_ehlo_keyword(op->client, line);
}

static void
on_secured(void *arg)
{
	struct smtp_connect_op *op = arg;

	op->secured = true;
	if (op->tls == CLIENT_TLS_IMPLICIT) {
		op->step = STEP_GREETING;
		client_deadline(op->client, op->client->timeouts.greeting_ms);
	} else {
		/* RFC 3207, 4.2: forget what was said in the clear */
		ehlo(op);
	}
}

static void on_tcp(void *arg, int err, int fd);

static void
begin(struct smtp_connect_op *op)
{
	struct connect_req req = {
	    .to = op->to,
	    .from = op->has_from ? &op->from : NULL,
	    .timeout_ms = op->client->timeouts.connect_ms,
	};

	op->step = STEP_CONNECT;
	op->secured = false;
	op->tcp = connect_start(op->loop, &req, on_tcp, op);
}

static void
on_broken(void *arg, int err, const char *why)
{
	struct smtp_connect_op *op = arg;
	bool in_tls = !op->secured &&
		      (op->step == STEP_STARTTLS ||
		       op->step == STEP_STARTTLS_GO || op->step == STEP_TLS);

	timer_cancel(&op->later);
	if (in_tls && op->tls == CLIENT_TLS_OPPORTUNISTIC && err != GW_EPROTO) {
		op->clear = true;
		begin(op);
		return;
	}
	if (op->step == STEP_TLS && (err == GW_ECLOSED || err == GW_EIO))
		err = GW_ETLS;
	fail(op, err, why);
}

static const struct client_driver connect_driver = {
    .line = on_line,
    .reply = on_reply,
    .secured = on_secured,
    .broken = on_broken,
};

static void
on_tcp(void *arg, int err, int fd)
{
	struct smtp_connect_op *op = arg;

	op->tcp = NULL;
	if (err != 0) {
		fail(op, err, gw_err_text(err));
		return;
	}
	client_drive(op->client, &connect_driver, op);
	client_stream_start(op->client, fd);
	if (op->tls == CLIENT_TLS_IMPLICIT) {
		handshake(op);
		return;
	}
	op->step = STEP_GREETING;
	client_deadline(op->client, op->client->timeouts.greeting_ms);
}

static void
on_invalid(void *arg)
{
	struct smtp_connect_op *op = arg;

	op->later = NULL;
	fail(op, GW_EINVAL, "bad host name, user or password");
}

/* Who has TLSA records never gets mail in the clear (RFC 7672, 2.2). */
static enum smtp_client_tls
tls_of(const struct smtp_client_req *req)
{
	if (req->dane != NULL && req->tls != CLIENT_TLS_IMPLICIT)
		return CLIENT_TLS_REQUIRED;
	return req->tls;
}

struct smtp_connect_op *
smtp_connect_start(struct loop *loop, const struct smtp_client_req *req,
		   smtp_connect_fn *done, void *arg)
{
	struct smtp_connect_op *op = mem_zalloc(sizeof(*op));

	assert(tls_of(req) == CLIENT_TLS_NONE || req->tls_ctx != NULL);
	op->loop = loop;
	op->to = req->to;
	if (req->from != NULL) {
		op->from = *req->from;
		op->has_from = true;
	}
	op->helo = mem_strdup(req->helo);
	op->tls = tls_of(req);
	if (op->tls != CLIENT_TLS_NONE)
		op->tls_ctx = tls_ctx_share(req->tls_ctx);
	if (req->dane != NULL)
		op->dane = tls_dane_copy(req->dane);
	op->tls_name = mem_strdup(req->tls_name);
	op->done = done;
	op->arg = arg;
	op->client = client_create(loop, &req->timeouts);
	if (client_auth_encode(&op->auth, req->user, req->password) &&
	    client_helo_ok(op->helo))
		begin(op);
	else
		op->later = timer_start(loop, 0, on_invalid, op);
	return op;
}

void
smtp_connect_cancel(struct smtp_connect_op **op)
{
	if (*op != NULL)
		op_free(*op);
	*op = NULL;
}
