/*
 * Logins by Dovecot's auth protocol, many under way on one connection.
 *
 * One broken line from us costs every login under way, because Dovecot closes
 * the connection: on a mechanism it does not have, on a line over 8 KiB, on an
 * id it knows. So a mechanism is looked up in its own list and sent in its own
 * spelling, base64 is decoded before it is passed on, every other value is
 * escaped, and resp= comes last as the protocol wants it.
 *
 * `nologin`: no master will come for this login, or Dovecot would keep it.
 * `no-penalty`: its penalty delays every login of an address after a failure
 * of somebody there, the right ones included; gateway/auth has its own that
 * does not.
 *
 * While the client is to answer a challenge the op is quiet: an answer of
 * Dovecot's (its own time-out), or the loss of the connection, is kept until
 * dovecot_respond.
 */
#include "gateway/auth/dovecot.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/auth/dovecot_link.h"
#include "gateway/base/encode.h"
#include "gateway/base/error.h"
#include "gateway/base/hash.h"
#include "gateway/base/mem.h"

#define ANSWER_MS 60000
#define OP_MAX_COUNT 1024
#define UNSENT_MAX_BYTES 1048576
#define USER_CAP 1024

struct dovecot_op {
	struct dovecot *dovecot;
	uint32_t id;	/* 0: not, or no longer, known to Dovecot */
	bool waiting;	/* for an answer of Dovecot's */
	bool has_early; /* an end that came while not waiting */
	enum dovecot_verdict early;
	struct timer_op *timer; /* the answer's deadline, or the early end */
	dovecot_done_fn *done;
	void *arg;
	UT_hash_handle hh;
};

struct dovecot {
	struct loop *loop;
	struct dovecot_link *link;
	struct dovecot_op *ops; /* by id */
	uint32_t last_id;
};

static void
op_detach(struct dovecot_op *op)
{
	if (op->id != 0)
		HASH_DEL(op->dovecot->ops, op);
	op->id = 0;
}

/* The op's end, or if the client has the word, its end when he has spoken. */
static void
op_finish(struct dovecot_op *op, const struct dovecot_result *result)
{
	dovecot_done_fn *done = op->done;
	void *arg = op->arg;

	op_detach(op);
	if (!op->waiting) {
		op->has_early = true;
		op->early = result->verdict;
		return;
	}
	timer_cancel(&op->timer);
	free(op);
	done(arg, result);
}

static void
op_end(struct dovecot_op *op, enum dovecot_verdict verdict)
{
	const struct dovecot_result result = {.verdict = verdict};

	op_finish(op, &result);
}

static void
request_cancel(struct dovecot_op *op)
{
	struct buf line;

	if (op->id == 0 || !dovecot_link_ready(op->dovecot->link))
		return;
	buf_init(&line, 64);
	buf_printf(&line, "CANCEL\t%u\n", op->id);
	dovecot_link_send(op->dovecot->link, buf_slice(&line));
	buf_fini(&line);
}

static void
on_op_timeout(void *arg)
{
	struct dovecot_op *op = arg;

	op->timer = NULL;
	/* Others were answered meanwhile: only this one is lost. */
	if (loop_now_ms(op->dovecot->loop) -
		dovecot_link_heard_ms(op->dovecot->link) <
	    ANSWER_MS) {
		request_cancel(op);
		op_end(op, DOVECOT_AWAY);
	} else {
		dovecot_link_drop(op->dovecot->link, "no answer");
	}
}

static void
answer_ok(struct dovecot_op *op, const struct dovecot_line *line)
{
	struct dovecot_result result = {.verdict = DOVECOT_OK};
	struct slice value;
	struct buf user;

	buf_init(&user, USER_CAP);
	dovecot_field(line->fields, "user", &value);
	if (dovecot_unescape(&user, value) == 0)
		result.user = buf_slice(&user);
	op_finish(op, &result);
	buf_fini(&user);
}

static void
answer_fail(struct dovecot_op *op, const struct dovecot_line *line)
{
	struct dovecot_result result = {.verdict = DOVECOT_DENIED};
	struct slice value;
	struct buf user;

	if (dovecot_field(line->fields, "temp", &value) ||
	    (dovecot_field(line->fields, "code", &value) &&
	     slice_eq(value, SLICE_LIT("temp_fail"))))
		result.verdict = DOVECOT_TEMPORARY;
	buf_init(&user, USER_CAP);
	if (dovecot_field(line->fields, "user", &value) &&
	    dovecot_unescape(&user, value) == 0)
		result.user = buf_slice(&user);
	op_finish(op, &result);
	buf_fini(&user);
}

static int
answer_cont(struct dovecot_op *op, const struct dovecot_line *line)
{
	struct dovecot_result result = {.verdict = DOVECOT_CHALLENGE};
	struct buf decoded;
	int err;

	if (!op->waiting)
		return GW_EPROTO;
	/* It goes out in a 334 line. */
	buf_init(&decoded, DOVECOT_ANSWER_MAX);
	err = base64_decode(&decoded, line->fields);
	buf_fini(&decoded);
	if (err != 0)
		return GW_EPROTO;
	timer_cancel(&op->timer);
	op->waiting = false;
	result.challenge = line->fields;
	op->done(op->arg, &result);
	return 0;
}

static int
on_answer(void *arg, const struct dovecot_line *line)
{
	struct dovecot *dovecot = arg;
	struct dovecot_op *op;

	HASH_FIND(hh, dovecot->ops, &line->id, sizeof(line->id), op);
	if (op == NULL)
		return 0; /* cancelled a moment ago */
	switch (line->word) {
	case DOVECOT_WORD_OK:
		/* Never without having been asked. */
		if (!op->waiting)
			return GW_EPROTO;
		answer_ok(op, line);
		return 0;
	case DOVECOT_WORD_FAIL:
		answer_fail(op, line);
		return 0;
	case DOVECOT_WORD_CONT:
		return answer_cont(op, line);
	case DOVECOT_WORD_OTHER:
	case DOVECOT_WORD_VERSION:
	case DOVECOT_WORD_MECH:
	case DOVECOT_WORD_DONE:
		break;
	}
	return 0;
}

static void
on_lost(void *arg)
{
	struct dovecot *dovecot = arg;
	struct dovecot_op *op, *next;

	for (op = dovecot->ops; op != NULL; op = next) {
		next = op->hh.next;
		op_end(op, DOVECOT_AWAY);
	}
}

static const struct dovecot_link_ops link_ops = {
    .on_answer = on_answer,
    .on_lost = on_lost,
};

struct dovecot *
dovecot_create(struct loop *loop, const char *path)
{
	struct dovecot *dovecot = mem_zalloc(sizeof(*dovecot));

	dovecot->loop = loop;
	dovecot->link = dovecot_link_create(loop, path, &link_ops, dovecot);
	return dovecot;
}

void
dovecot_destroy(struct dovecot **dovecotp)
{
	struct dovecot *dovecot = *dovecotp;

	*dovecotp = NULL;
	if (dovecot == NULL)
		return;
	assert(dovecot->ops == NULL);
	dovecot_link_destroy(&dovecot->link);
	free(dovecot);
}

const char *
dovecot_mechanisms(struct dovecot *dovecot)
{
	return dovecot_link_mechanisms(dovecot->link);
}

static bool
is_base64(struct slice s)
{
	struct buf decoded;
	int err;

	buf_init(&decoded, DOVECOT_REQUEST_MAX);
	err = base64_decode(&decoded, s);
	buf_wipe(&decoded);
	return err == 0;
}

static void
add_address(struct buf *out, const char *key, const struct ip_addr *ip)
{
	char text[IP_TEXT_SIZE];

	ip_format(ip, text);
	buf_printf(out, "\t%s=%s", key, text);
}

static void
request_encode(struct buf *out, uint32_t id, const char *mechanism,
	       const struct dovecot_req *req)
{
	buf_printf(out, "AUTH\t%u\t%s\tservice=smtp\tnologin\tno-penalty", id,
		   mechanism);
	if (req->secured)
		buf_add_str(out, "\tsecured");
	add_address(out, "lip", &req->local);
	add_address(out, "rip", &req->client);
	if (req->session != NULL) {
		buf_add_str(out, "\tsession=");
		dovecot_escape(out, slice_str(req->session));
	}
	if (req->initial.p != NULL) {
		buf_add_str(out, "\tresp=");
		buf_add_slice(out, req->initial);
	}
	buf_add_byte(out, '\n');
}

static uint32_t
fresh_id(struct dovecot *dovecot)
{
	struct dovecot_op *op;
	uint32_t id;

	do {
		id = ++dovecot->last_id;
		HASH_FIND(hh, dovecot->ops, &id, sizeof(id), op);
	} while (id == 0 || op != NULL);
	return id;
}

/* DOVECOT_OK: it is under way. */
static enum dovecot_verdict
request_send(struct dovecot_op *op, const struct dovecot_req *req)
{
	struct dovecot *dovecot = op->dovecot;
	const char *mechanism;
	struct buf line;
	uint32_t id;
	bool fits;

	if (!dovecot_link_ready(dovecot->link) ||
	    dovecot_link_unsent(dovecot->link) > UNSENT_MAX_BYTES)
		return DOVECOT_AWAY;
	mechanism = dovecot_link_mechanism(dovecot->link, req->mechanism);
	if (mechanism == NULL)
		return DOVECOT_NO_MECHANISM;
	if (!is_base64(req->initial))
		return DOVECOT_MALFORMED;
	if (HASH_COUNT(dovecot->ops) >= OP_MAX_COUNT)
		return DOVECOT_FULL;
	id = fresh_id(dovecot);
	buf_init(&line, DOVECOT_REQUEST_MAX - 1);
	request_encode(&line, id, mechanism, req);
	fits = !line.overflow;
	if (fits) {
		dovecot_link_send(dovecot->link, buf_slice(&line));
		op->id = id;
		HASH_ADD(hh, dovecot->ops, id, sizeof(op->id), op);
	}
	buf_wipe(&line);
	return fits ? DOVECOT_OK : DOVECOT_MALFORMED;
}

static void
on_early(void *arg)
{
	struct dovecot_op *op = arg;

	op->timer = NULL;
	op->waiting = true;
	op_end(op, op->early);
}

static void
op_await(struct dovecot_op *op, enum dovecot_verdict verdict)
{
	struct loop *loop = op->dovecot->loop;

	timer_cancel(&op->timer);
	op->waiting = verdict == DOVECOT_OK;
	op->early = verdict;
	if (verdict == DOVECOT_OK)
		op->timer = timer_start(loop, ANSWER_MS, on_op_timeout, op);
	else
		op->timer = timer_start(loop, 0, on_early, op);
}

struct dovecot_op *
dovecot_start(struct dovecot *dovecot, const struct dovecot_req *req,
	      dovecot_done_fn *done, void *arg)
{
	struct dovecot_op *op = mem_zalloc(sizeof(*op));

	op->dovecot = dovecot;
	op->done = done;
	op->arg = arg;
	op_await(op, request_send(op, req));
	return op;
}

static enum dovecot_verdict
response_send(struct dovecot_op *op, struct slice response)
{
	struct buf line;
	bool fits;

	if (op->has_early)
		return op->early;
	buf_init(&line, DOVECOT_REQUEST_MAX - 1);
	buf_printf(&line, "CONT\t%u\t", op->id);
	buf_add_slice(&line, response);
	buf_add_byte(&line, '\n');
	fits = !line.overflow && is_base64(response);
	if (fits)
		dovecot_link_send(op->dovecot->link, buf_slice(&line));
	buf_wipe(&line);
	if (fits)
		return DOVECOT_OK;
	request_cancel(op);
	op_detach(op);
	return DOVECOT_MALFORMED;
}

void
dovecot_respond(struct dovecot_op *op, struct slice response)
{
	assert(!op->waiting);
	op_await(op, response_send(op, response));
}

void
dovecot_cancel(struct dovecot_op **opp)
{
	struct dovecot_op *op = *opp;

	*opp = NULL;
	if (op == NULL)
		return;
	request_cancel(op);
	op_detach(op);
	timer_cancel(&op->timer);
	free(op);
}
