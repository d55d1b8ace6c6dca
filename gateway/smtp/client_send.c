/*
 * One message: RSET if the last one left a transaction open, MAIL, RCPT,
 * DATA, the body, the dot; and who of the recipients got which answer.
 *
 * All commands are written out in full at the start, into the client's own
 * buffer, and leave in batches: one line at a time without PIPELINING, else as
 * many as fit in BATCH_BYTES, DATA with the last of them (RFC 2920). A batch
 * leaves when the one before is answered, so a server never has more of ours
 * to hold than that. DATA that was pipelined behind refused recipients may be
 * answered 354 all the same; then a lone dot is what takes us out of it.
 *
 * The invariant that matters: the dot is written after the reader said
 * that the message is at its end and every line was checked, and by nothing
 * else. Whatever goes wrong before that drops the connection, which a server
 * must take for "no message". Whatever goes wrong between the dot and its
 * reply is outcome_unknown, if the dot had left at all.
 *
 * Whether to send 8-bit data to a server without 8BITMIME is the caller's
 * decision; it is sent as it is.
 */
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/smtp/client_int.h"
#include "gateway/smtp/client_rcpt.h"
#include "gateway/smtp/lines.h"

#define BATCH_BYTES ((size_t)64 * 1024)
#define DATA_MS 120000	       /* RFC 5321: DATA has less than other commands */
#define ENVELOPE_RCPT_MS 10000 /* what a slow server may take for each */

enum send_step {
	SEND_COMMANDS,
	SEND_BODY,
	SEND_DOT,
	SEND_LONE_DOT, /* out of a DATA that nobody gets */
};

enum command { COMMAND_RSET, COMMAND_MAIL, COMMAND_RCPT, COMMAND_DATA };

struct smtp_send_op {
	struct smtp_client *client;
	enum send_step step;
	/* Commands are numbered: RSET if any, MAIL, RCPTs, DATA. */
	bool has_rset;
	uint32_t command_count, written_count, replied_count;
	size_t written_bytes; /* of client->out */
	int64_t envelope_end_ms;
	bool mail_ok, go; /* 2xx to MAIL, 354 to DATA */
	bool stopped;	  /* the transaction failed for all: see last */
	uint32_t rcpt_at; /* the recipient whose answer is next */
	uint32_t accepted_count;
	struct lines_stuff stuff;
	int64_t (*read)(void *arg, void *p, size_t n);
	smtp_send_fn *done;
	void *arg;
	struct timer_op *later;
	struct arena *texts;	/* NULL until a recipient is refused */
	struct slice text_kept; /* the last in it */
	struct smtp_reply last; /* what everybody without an answer gets */
	char last_text[REPLY_TEXT_MAX];
	uint32_t rcpt_count;
	struct smtp_reply rcpts[];
};

static void
op_free(struct smtp_send_op *op)
{
	timer_cancel(&op->later);
	arena_destroy(&op->texts);
	free(op);
}

static enum command
command_at(const struct smtp_send_op *op, uint32_t at)
{
	if (op->has_rset && at-- == 0)
		return COMMAND_RSET;
	if (at == 0)
		return COMMAND_MAIL;
	return at + op->has_rset + 1 == op->command_count ? COMMAND_DATA
							  : COMMAND_RCPT;
}

static const char *
step_text(const struct smtp_send_op *op)
{
	static const char *const commands[] = {"RSET", "MAIL", "RCPT", "DATA"};

	switch (op->step) {
	case SEND_COMMANDS:
		if (op->command_count == 0)
			return "MAIL"; /* not even that was written */
		if (op->replied_count == op->command_count)
			break;
		return commands[command_at(op, op->replied_count)];
	case SEND_BODY:
		return "body";
	case SEND_DOT:
	case SEND_LONE_DOT:
		return "end of data";
	}
	return "DATA";
}

static void
set_last(struct smtp_send_op *op, const struct smtp_reply *reply)
{
	op->last = *reply;
	op->last.text = slice_of(
	    op->last_text,
	    reply_text_copy(op->last_text, sizeof(op->last_text), reply->text));
}

static void
set_failure(struct smtp_send_op *op, int err, const char *why)
{
	struct smtp_reply reply = {.err = err};
	char text[REPLY_TEXT_MAX];

	(void)snprintf(text, sizeof(text), "%s: %s", step_text(op), why);
	reply.text = slice_str(text);
	set_last(op, &reply);
}

/* Everybody who has no refusal of his own gets the last word. */
static void
finish(struct smtp_send_op *op, bool unknown)
{
	struct smtp_client *client = op->client;

	for (uint32_t i = 0; i < op->rcpt_count; i++) {
		struct smtp_reply *r = &op->rcpts[i];

		if (r->err == 0 && (r->code == 0 || r->code / 100 == 2))
			*r = op->last;
	}
	if (client->driver_arg == op)
		client_release(client);
	op->done(op->arg, op->rcpts, op->rcpt_count, unknown);
	op_free(op);
}

/* The transaction is over and the connection is fine. */
static void
finish_open(struct smtp_send_op *op, bool at_dot)
{
	op->client->need_rset = op->mail_ok && !at_dot;
	finish(op, false);
}

static void
give_up(struct smtp_send_op *op, int err, const char *why, bool unknown)
{
	set_failure(op, err, why);
	client_drop(op->client, false);
	finish(op, unknown && op->client->all_left);
}

static void
on_broken(void *arg, int err, const char *why)
{
	struct smtp_send_op *op = arg;

	set_failure(op, err, why);
	finish(op, op->step == SEND_DOT && op->client->all_left);
}

/* ---- The body ---- */

static void on_later(void *arg);

static void
body_step(struct smtp_send_op *op)
{
	struct smtp_client *c = op->client;
	int more = client_body_fill(&c->out, &op->stuff, op->read, op->arg);

	if (more == GW_EPROTO) { /* no word of the peer's: keep them apart */
		give_up(op, GW_ECORRUPT, "a bare CR, LF or NUL in a line",
			false);
		return;
	}
	if (more < 0) {
		give_up(op, more, gw_err_text(more), false);
		return;
	}
	client_write(c, buf_slice(&c->out));
	if (more == 0) {
		op->step = SEND_DOT;
		client_deadline(c, c->timeouts.dot_ms);
		return;
	}
	client_deadline(c, c->timeouts.data_block_ms);
	/* a write that goes out at once is not followed by a drain */
	timer_cancel(&op->later);
	op->later = timer_start(c->loop, 0, on_later, op);
}

static void
on_later(void *arg)
{
	struct smtp_send_op *op = arg;

	op->later = NULL;
	if (stream_unsent(op->client->stream) == 0)
		body_step(op);
}

static void
on_drained(void *arg)
{
	struct smtp_send_op *op = arg;

	if (op->step == SEND_BODY)
		body_step(op);
}

/* ---- The envelope ---- */

static void
step_deadline(struct smtp_send_op *op)
{
	struct smtp_client *c = op->client;
	int64_t ms = c->timeouts.command_ms;
	int64_t left = op->envelope_end_ms - loop_now_ms(c->loop);

	if (command_at(op, op->replied_count) == COMMAND_DATA && ms > DATA_MS)
		ms = DATA_MS;
	client_deadline(c, ms < left ? ms : left);
}

/* The next whole commands, as many as may be under way. */
static void
write_batch(struct smtp_send_op *op)
{
	struct smtp_client *c = op->client;
	struct slice rest = slice_from(buf_slice(&c->out), op->written_bytes);
	bool pipelining = (c->caps & CLIENT_CAP_PIPELINING) != 0;
	size_t n = 0, line;

	do {
		line = slice_find(slice_from(rest, n), '\n') + 1;
		if (n > 0 && n + line > BATCH_BYTES)
			break;
		n += line;
		op->written_count++;
	} while (pipelining && op->written_count < op->command_count);
	op->written_bytes += n;
	client_write(c, slice_head(rest, n));
	step_deadline(op);
}

static void
start_body(struct smtp_send_op *op)
{
	if (op->accepted_count == 0) {
		op->step = SEND_LONE_DOT;
		client_write(op->client, SLICE_LIT(".\r\n"));
		client_deadline(op->client, op->client->timeouts.dot_ms);
		return;
	}
	op->step = SEND_BODY;
	lines_stuff_init(&op->stuff);
	body_step(op);
}

/* Nobody is left to send to. */
static bool
is_over(const struct smtp_send_op *op)
{
	if (op->stopped || op->replied_count == op->command_count)
		return true;
	return op->accepted_count == 0 &&
	       command_at(op, op->replied_count) == COMMAND_DATA;
}

/* A batch is answered. more: and something that was not asked for yet. */
static void
next_batch(struct smtp_send_op *op, bool more)
{
	if (!op->go && is_over(op))
		finish_open(op, false);
	else if (more)
		give_up(op, GW_EPROTO, "an answer before the command", false);
	else if (op->go)
		start_body(op);
	else
		write_batch(op);
}

static void
on_rcpt_reply(struct smtp_send_op *op, const struct smtp_reply *reply)
{
	uint32_t at = op->rcpt_at;

	/* those that could not be written have their answer already */
	while (op->rcpts[at].err != 0)
		at++;
	op->rcpt_at = at + 1;
	if (op->stopped)
		return;
	op->rcpts[at] = *reply;
	op->rcpts[at].text = SLICE_NONE;
	if (reply->code / 100 == 2) {
		op->accepted_count++;
		return;
	}
	op->rcpts[at].text = op->text_kept =
	    client_text_keep(&op->texts, op->text_kept, reply->text);
}

/* False: that is no answer to this command. */
static bool
on_command_reply(struct smtp_send_op *op, const struct smtp_reply *reply)
{
	enum command command = command_at(op, op->replied_count);
	int class = reply->code / 100;

	if (command == COMMAND_DATA) {
		if (class == 2 || (class == 3 && reply->code != 354))
			return false;
	} else if (class == 3) {
		return false;
	}
	switch (command) {
	case COMMAND_RSET:
		if (class != 2)
			return false;
		op->client->need_rset = false;
		return true;
	case COMMAND_MAIL:
		op->mail_ok = class == 2;
		if (!op->mail_ok) {
			op->stopped = true;
			set_last(op, reply);
		}
		return true;
	case COMMAND_RCPT:
		on_rcpt_reply(op, reply);
		return true;
	case COMMAND_DATA:
		op->go = class == 3;
		if (!op->go && !op->stopped) {
			op->stopped = true;
			set_last(op, reply);
		}
		return true;
	}
	return false;
}

/* The server ends the connection with words that hold for the rest. */
static void
closed_by(struct smtp_send_op *op, const struct smtp_reply *reply)
{
	set_last(op, reply);
	client_drop(op->client, op->step != SEND_BODY);
	finish(op, false);
}

static void
on_dot_reply(struct smtp_send_op *op, const struct smtp_reply *reply)
{
	if (reply->code / 100 == 3) {
		give_up(op, GW_EPROTO, "not an answer to it",
			op->step == SEND_DOT);
		return;
	}
	if (op->step == SEND_DOT) {
		set_last(op, reply);
		if (reply->code / 100 == 2)
			op->client->sent_count++;
	}
	finish_open(op, true);
}

static void
on_reply(void *arg, const struct smtp_reply *reply, bool more)
{
	struct smtp_send_op *op = arg;

	if (reply->code == 421) {
		closed_by(op, reply);
		return;
	}
	switch (op->step) {
	case SEND_COMMANDS:
		if (op->replied_count == op->written_count ||
		    !on_command_reply(op, reply)) {
			give_up(op, GW_EPROTO, "not an answer to it", false);
			return;
		}
		if (++op->replied_count == op->written_count)
			next_batch(op, more);
		else
			step_deadline(op);
		return;
	case SEND_BODY:
		/* before the dot: it will not have the message */
		if (reply->code >= 400)
			closed_by(op, reply);
		else
			give_up(op, GW_EPROTO, "an answer before the end",
				false);
		return;
	case SEND_DOT:
	case SEND_LONE_DOT:
		on_dot_reply(op, reply);
		return;
	}
}

/* ---- Start ---- */

static const struct client_driver send_driver = {
    .reply = on_reply,
    .drained = on_drained,
    .broken = on_broken,
};

static void
on_unsendable(void *arg)
{
	struct smtp_send_op *op = arg;

	op->later = NULL;
	finish(op, false);
}

static int
refuse(struct smtp_send_op *op, int err, const char *why)
{
	set_failure(op, err, why);
	return err;
}

/* Why it cannot even begin; 0: it can. */
static int
prepare(struct smtp_send_op *op, const struct smtp_send_req *req)
{
	struct smtp_client *c = op->client;
	uint32_t count;

	if (c->stream == NULL)
		return refuse(op, GW_ECLOSED, "connection closed");
	if (req->utf8 && !(c->caps & CLIENT_CAP_SMTPUTF8))
		return refuse(op, GW_ENOTSUP, "SMTPUTF8 is not offered");
	if (req->mail_from[0] != '\0' &&
	    !client_address_ok(req->mail_from, req->utf8))
		return refuse(op, GW_EINVAL, "this address cannot be sent");
	buf_clear(&c->out);
	op->has_rset = c->need_rset;
	if (op->has_rset)
		buf_add_str(&c->out, "RSET\r\n");
	count = client_envelope_add(&c->out, c->caps, req, op->rcpts);
	if (c->out.overflow)
		return refuse(op, GW_ETOOBIG, "too many recipients");
	op->command_count = op->has_rset + 1u + count + 1u;
	return count > 0 ? 0 : refuse(op, GW_EINVAL, "no recipient");
}

struct smtp_send_op *
smtp_send_start(struct smtp_client *client, const struct smtp_send_req *req,
		smtp_send_fn *done, void *arg)
{
	struct smtp_send_op *op = mem_zalloc(
	    sizeof(*op) + (size_t)req->rcpt_count * sizeof(op->rcpts[0]));

	op->client = client;
	op->rcpt_count = req->rcpt_count;
	op->read = req->read;
	op->done = done;
	op->arg = arg;
	client_drive(client, &send_driver, op);
	if (prepare(op, req) != 0) {
		op->later = timer_start(client->loop, 0, on_unsendable, op);
		return op;
	}
	op->envelope_end_ms = loop_now_ms(client->loop) +
			      2 * client->timeouts.command_ms +
			      ENVELOPE_RCPT_MS * (int64_t)req->rcpt_count;
	write_batch(op);
	return op;
}

void
smtp_send_cancel(struct smtp_send_op **opp)
{
	struct smtp_send_op *op = *opp;

	*opp = NULL;
	if (op == NULL)
		return;
	if (op->written_count > 0)
		client_drop(op->client, false);
	if (op->client->driver_arg == op)
		client_release(op->client);
	op_free(op);
}
