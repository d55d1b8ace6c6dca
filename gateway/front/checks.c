/*
 * THE order of checks of a message. Whoever adds a check adds a step here and
 * nowhere else; a step decides one thing. A step that must wait starts an
 * operation and returns WAIT; its done function stores one fact and calls
 * checks_resume, and the driver goes on with the next step.
 */
#include "gateway/front/checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/front/commit.h"
#include "gateway/front/trace.h"
#include "policy/reply.h"

enum step_result { STEP_NEXT, STEP_WAIT, STEP_DONE };
typedef enum step_result step_fn(struct transaction *t);

#define TRACE_MAX 4096

/* --- MAIL and RCPT ------------------------------------------------------ */

int
checks_mail(struct session *session, const struct smtp_mail *mail)
{
	struct worker *worker = session->worker;

	(void)mail;
	/* a full disk is told before a long upload, not after it */
	if (loop_now_ms(worker->loop) < worker->full_until_ms)
		return REPLY_NO_SPACE;
	return REPLY_SENDER_OK;
}

int
checks_rcpt(struct transaction *t, const struct smtp_rcpt *rcpt)
{
	(void)t;
	(void)rcpt;
	return REPLY_RECIPIENT_OK;
}

/* --- the dot ------------------------------------------------------------ */

/* Answers the dot and ends the transaction's work. */
static enum step_result
answer(struct transaction *t, enum reply_id id, const struct reply_arg *arg)
{
	struct session *session = t->session;
	uint32_t ticket = t->dot_ticket;
	struct reply reply;

	reply_make(&reply, id, arg, arg == NULL ? 0 : 1);
	transaction_destroy(&session->transaction);
	smtp_server_reply(session->server, ticket, reply.code, reply.enhanced,
			  reply.text);
	return STEP_DONE;
}

static enum step_result
step_header(struct transaction *t)
{
	struct reply_arg arg = {"what", header_scan_what(t->header)};
	char number[16];

	switch (header_scan_verdict(t->header)) {
	case HEADER_FINE:
		return STEP_NEXT;
	case HEADER_TOO_BIG:
		snprintf(number, sizeof(number), "%d", HEADER_BLOCK_MAX);
		arg = (struct reply_arg){"n", number};
		return answer(t, REPLY_HEADER_TOO_BIG, &arg);
	case HEADER_REPEATED:
		return answer(t, REPLY_HEADER_REPEATED, &arg);
	case HEADER_LOOP:
		return answer(t, REPLY_LOOP, NULL);
	}
	return STEP_NEXT;
}

/* RFC 6409, 8: Received always; Date and Message-ID when missing. */
static enum step_result
step_trace(struct transaction *t)
{
	struct session *session = t->session;
	struct trace trace = {
	    .hostname = session->snapshot->conf.hostname,
	    .helo = smtp_server_helo(session->server),
	    .client = &session->peer.ip,
	    .tls_version = stream_tls_version(session->stream),
	    .tls_cipher = stream_tls_cipher(session->stream),
	    .authenticated = true,
	    .extended = session->extended,
	    .utf8 = (t->msg->flags & MSG_UTF8) != 0,
	    .id = t->id_text,
	    .now_wall_s = clock_wall_s(),
	    .add_date = !header_has_date(t->header),
	    .add_message_id = !header_has_message_id(t->header),
	    .headerless = header_is_headerless(t->header),
	};
	struct buf out;

	buf_init(&out, TRACE_MAX);
	trace_write(&trace, &out);
	t->msg->prefix.p = arena_dup(t->msg->arena, buf_slice(&out));
	t->msg->prefix.n = out.n;
	buf_fini(&out);
	return STEP_NEXT;
}

static int
rcpt_order(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
digest_field(struct digest *digest, struct slice s)
{
	uint64_t n = s.n; /* lengths, so that no two lists read alike */

	digest_add(digest, slice_of(&n, sizeof(n)));
	digest_add(digest, s);
}

/*
 * The same login, bytes and recipients again: a client that did not hear our
 * 250. A message without its own Message-ID and Date is never one, since
 * templates are sent twice on purpose.
 */
static enum step_result
step_resubmission(struct transaction *t)
{
	struct spool_msg *msg = t->msg;
	uint8_t body[DIGEST_SIZE];
	const char **sorted;
	struct digest *digest;

	spool_body_end(t->body, body);
	if (!t->session->snapshot->conf.resubmission ||
	    !header_has_date(t->header) || !header_has_message_id(t->header))
		return STEP_NEXT;
	sorted = mem_array(msg->rcpt_count, sizeof(*sorted));
	for (uint32_t i = 0; i < msg->rcpt_count; i++)
		sorted[i] = msg->rcpts[i].address;
	qsort(sorted, msg->rcpt_count, sizeof(*sorted), rcpt_order);
	digest = digest_create();
	digest_field(digest, slice_str(msg->cred));
	digest_add(digest, slice_of(body, sizeof(body)));
	for (uint32_t i = 0; i < msg->rcpt_count; i++)
		digest_field(digest, slice_str(sorted[i]));
	digest_final(digest, msg->resub_key);
	digest_destroy(&digest);
	free(sorted);
	msg->has_resub_key = true;
	return STEP_NEXT;
}

static enum step_result
step_commit(struct transaction *t)
{
	commit_start(t);
	return STEP_WAIT;
}

static enum step_result
step_answer(struct transaction *t)
{
	char first[ID_TEXT_SIZE];
	struct reply_arg arg = {"id", t->id_text};

	switch (t->answer) {
	case SPOOL_ACCEPTED:
		t->session->message_count++;
		return answer(t, REPLY_ACCEPTED, &arg);
	case SPOOL_DUPLICATE:
		id_format(t->first_id, first);
		arg.value = first;
		return answer(t, REPLY_DUPLICATE, &arg);
	case SPOOL_FULL:
		return answer(t, REPLY_NO_SPACE, NULL);
	case SPOOL_FAILED:
		return answer(t, REPLY_FAILED, NULL);
	case SPOOL_VETOED:
		return answer(t, REPLY_BLOCKED, NULL);
	}
	return STEP_DONE;
}

static step_fn *const dot_steps[] = {
    step_header, step_trace, step_resubmission, step_commit, step_answer,
};

void
checks_resume(struct transaction *t)
{
	enum step_result result;

	do {
		/* the answer frees t: nothing may look at it afterwards */
		result = dot_steps[t->step++](t);
	} while (result == STEP_NEXT);
}

void
checks_dot(struct transaction *t)
{
	t->step = 0;
	checks_resume(t);
}
