/*
 * The connection to Dovecot's auth socket and the requests on it.
 *
 * One broken line from us costs every login under way, because Dovecot closes
 * the connection: on a mechanism it does not have, on a line over 8 KiB, on an
 * id it knows. So a mechanism is looked up in its own list and sent in its own
 * spelling, base64 is decoded before it is passed on, every other value is
 * escaped, and resp= comes last as the protocol wants it.
 *
 * CPID must differ between connections, or Dovecot closes the second; the
 * process id would do for one loop only. Random numbers above the largest pid
 * Linux gives, a new one for each connection, do.
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
#include <string.h>

#include "gateway/auth/dovecot_line.h"
#include "gateway/base/encode.h"
#include "gateway/base/error.h"
#include "gateway/base/hash.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"
#include "gateway/net/connect.h"
#include "gateway/net/stream.h"

#define CONNECT_MS 5000
#define HELLO_MS 10000
#define ANSWER_MS 60000
#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS 10000
#define OP_MAX_COUNT 1024
#define UNSENT_MAX_BYTES 1048576
#define MECHANISM_MAX_COUNT 32
#define MECHANISM_MAX_BYTES 20 /* RFC 4422, 3.1 */
#define CPID_ABOVE_PIDS 0x40000000U
#define USER_CAP 1024

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_HELLO, LINK_READY };

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
	char *path;
	enum link_state state;
	bool has_version;
	bool told; /* of being away, in the log */
	struct connect_op *connect;
	struct stream *stream;
	struct timer_op *timer; /* the pause, or the hello's deadline */
	int64_t pause_ms;
	int64_t heard_ms; /* when the last line came */
	int64_t ready_ms; /* when the greeting ended */
	char mechanisms[MECHANISM_MAX_COUNT][MECHANISM_MAX_BYTES + 1];
	size_t mechanism_count;
	struct buf list;	/* the same with spaces between */
	struct dovecot_op *ops; /* by id */
	uint32_t last_id;
};

static void link_connect(void *arg);

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
link_lost(struct dovecot *dovecot, const char *why)
{
	struct dovecot_op *op, *next;

	if (!dovecot->told)
		log_event(GW_LOG_WARN, "auth-dovecot-away",
			  LF_STR("socket", dovecot->path),
			  LF_STR("reason", why));
	dovecot->told = true;
	/* One that greets and hangs up at once is no better than none. */
	if (dovecot->state == LINK_READY &&
	    loop_now_ms(dovecot->loop) - dovecot->ready_ms > PAUSE_MAX_MS)
		dovecot->pause_ms = PAUSE_FIRST_MS;
	dovecot->state = LINK_DOWN;
	connect_cancel(&dovecot->connect);
	stream_destroy(&dovecot->stream);
	timer_cancel(&dovecot->timer);
	dovecot->timer = timer_start(dovecot->loop, dovecot->pause_ms,
				     link_connect, dovecot);
	dovecot->pause_ms *= 2;
	if (dovecot->pause_ms > PAUSE_MAX_MS)
		dovecot->pause_ms = PAUSE_MAX_MS;
	HASH_ITER(hh, dovecot->ops, op, next)
	op_end(op, DOVECOT_AWAY);
}

static bool
mechanism_wanted(struct slice name, struct slice flags)
{
	struct slice value;

	if (name.n > MECHANISM_MAX_BYTES ||
	    dovecot_field(flags, "private", &value) ||
	    dovecot_field(flags, "anonymous", &value) ||
	    slice_ieq(name, SLICE_LIT("ANONYMOUS")) ||
	    slice_ieq(name, SLICE_LIT("EXTERNAL")))
		return false;
	/* It goes into our EHLO answer as it is. */
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '-' && c != '_')
			return false;
	}
	return true;
}

static void
mechanism_add(struct dovecot *dovecot, struct slice name, struct slice flags)
{
	char *into;

	if (dovecot->mechanism_count == MECHANISM_MAX_COUNT ||
	    !mechanism_wanted(name, flags))
		return;
	into = dovecot->mechanisms[dovecot->mechanism_count++];
	memcpy(into, name.p, name.n);
	into[name.n] = '\0';
	if (dovecot->list.n != 0)
		buf_add_byte(&dovecot->list, ' ');
	buf_add_slice(&dovecot->list, name);
}

static const char *
mechanism_find(const struct dovecot *dovecot, struct slice name)
{
	for (size_t i = 0; i < dovecot->mechanism_count; i++) {
		const char *known = dovecot->mechanisms[i];

		if (slice_ieq(name, slice_str(known)))
			return known;
	}
	return NULL;
}

static void
request_cancel(struct dovecot_op *op)
{
	struct buf line;

	if (op->id == 0 || op->dovecot->state != LINK_READY)
		return;
	buf_init(&line, 64);
	buf_printf(&line, "CANCEL\t%u\n", op->id);
	stream_write(op->dovecot->stream, buf_slice(&line));
	buf_fini(&line);
}

static void
on_op_timeout(void *arg)
{
	struct dovecot_op *op = arg;

	op->timer = NULL;
	/* Others were answered meanwhile: only this one is lost. */
	if (loop_now_ms(op->dovecot->loop) - op->dovecot->heard_ms <
	    ANSWER_MS) {
		request_cancel(op);
		op_end(op, DOVECOT_AWAY);
	} else {
		link_lost(op->dovecot, "no answer");
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
answer(struct dovecot *dovecot, const struct dovecot_line *line)
{
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

static int
hello_done(struct dovecot *dovecot)
{
	if (!dovecot->has_version || dovecot->list.overflow)
		return GW_EPROTO;
	timer_cancel(&dovecot->timer);
	dovecot->state = LINK_READY;
	dovecot->ready_ms = loop_now_ms(dovecot->loop);
	dovecot->told = false;
	log_event(GW_LOG_INFO, "auth-dovecot-ready",
		  LF_STR("socket", dovecot->path),
		  LF_SLICE("mechanisms", buf_slice(&dovecot->list)));
	return 0;
}

static int
on_line(struct dovecot *dovecot, struct slice text)
{
	bool hello = dovecot->state == LINK_HELLO;
	struct dovecot_line line;

	dovecot->heard_ms = loop_now_ms(dovecot->loop);
	if (dovecot_line_parse(text, &line) != 0)
		return GW_EPROTO;
	switch (line.word) {
	case DOVECOT_WORD_VERSION:
		dovecot->has_version = line.id == 1;
		return hello && line.id == 1 ? 0 : GW_EPROTO;
	case DOVECOT_WORD_MECH:
		if (!hello)
			return GW_EPROTO;
		mechanism_add(dovecot, line.name, line.fields);
		return 0;
	case DOVECOT_WORD_DONE:
		return hello ? hello_done(dovecot) : GW_EPROTO;
	case DOVECOT_WORD_OK:
	case DOVECOT_WORD_FAIL:
	case DOVECOT_WORD_CONT:
		return hello ? GW_EPROTO : answer(dovecot, &line);
	case DOVECOT_WORD_OTHER:
		break;
	}
	return 0;
}

static size_t
on_data(void *arg, struct slice in)
{
	struct dovecot *dovecot = arg;
	size_t used = 0, n;
	struct slice rest;

	for (;;) {
		rest = slice_from(in, used);
		n = slice_find(rest, '\n');
		if (n > DOVECOT_ANSWER_MAX ||
		    (n < rest.n &&
		     on_line(dovecot, slice_head(rest, n)) != 0)) {
			link_lost(dovecot, "not the auth protocol");
			return in.n;
		}
		if (n == rest.n)
			return used;
		used += n + 1;
	}
}

static void
on_end(void *arg, int err)
{
	link_lost(arg, gw_err_text(err));
}

static const struct stream_ops link_ops = {
    .on_data = on_data,
    .on_end = on_end,
};

static void
on_hello_timeout(void *arg)
{
	struct dovecot *dovecot = arg;

	dovecot->timer = NULL;
	link_lost(dovecot, "no handshake");
}

static void
on_connect(void *arg, int err, int fd)
{
	struct dovecot *dovecot = arg;
	struct buf hello;
	uint32_t number;

	dovecot->connect = NULL;
	if (err != 0) {
		link_lost(dovecot, gw_err_text(err));
		return;
	}
	dovecot->state = LINK_HELLO;
	dovecot->has_version = false;
	dovecot->mechanism_count = 0;
	buf_clear(&dovecot->list);
	dovecot->last_id = 0;
	dovecot->stream = stream_create(dovecot->loop, fd, &link_ops, dovecot);
	dovecot->timer =
	    timer_start(dovecot->loop, HELLO_MS, on_hello_timeout, dovecot);
	secret_random(&number, sizeof(number));
	buf_init(&hello, 128);
	buf_printf(&hello, "VERSION\t1\t1\nCPID\t%u\n",
		   (number >> 2) | CPID_ABOVE_PIDS);
	stream_write(dovecot->stream, buf_slice(&hello));
	buf_fini(&hello);
}

static void
link_connect(void *arg)
{
	struct dovecot *dovecot = arg;

	dovecot->timer = NULL;
	dovecot->state = LINK_CONNECTING;
	dovecot->connect = connect_unix_start(dovecot->loop, dovecot->path,
					      CONNECT_MS, on_connect, dovecot);
}

struct dovecot *
dovecot_create(struct loop *loop, const char *path)
{
	struct dovecot *dovecot = mem_zalloc(sizeof(*dovecot));

	dovecot->loop = loop;
	dovecot->path = mem_strdup(path);
	dovecot->pause_ms = PAUSE_FIRST_MS;
	buf_init(&dovecot->list,
		 MECHANISM_MAX_COUNT * (MECHANISM_MAX_BYTES + 1));
	link_connect(dovecot);
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
	connect_cancel(&dovecot->connect);
	stream_destroy(&dovecot->stream);
	timer_cancel(&dovecot->timer);
	buf_fini(&dovecot->list);
	free(dovecot->path);
	free(dovecot);
}

const char *
dovecot_mechanisms(struct dovecot *dovecot)
{
	if (dovecot->state != LINK_READY || dovecot->list.n == 0)
		return NULL;
	return buf_cstr(&dovecot->list);
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

	if (dovecot->state != LINK_READY ||
	    stream_unsent(dovecot->stream) > UNSENT_MAX_BYTES)
		return DOVECOT_AWAY;
	mechanism = mechanism_find(dovecot, req->mechanism);
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
		stream_write(dovecot->stream, buf_slice(&line));
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
		stream_write(op->dovecot->stream, buf_slice(&line));
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
