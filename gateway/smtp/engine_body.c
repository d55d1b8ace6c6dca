#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/smtp/engine.h"

/*
 * The message: DATA up to its dot, or the chunks of BDAT. Both go through
 * lines_next, so no bytes reach the owner that DATA could not have carried.
 *
 * A message that turns out bad is over for the owner at once (reset), but the
 * stream must stay in step: DATA is read to its end and a chunk to its last
 * octet before the refusal leaves, and no octet of them is ever looked at as
 * a command. Where that cannot be kept (a bare CR or LF, a chunk whose size
 * cannot be read, a client that will not stop) the session ends.
 *
 * BDAT (RFC 3030): the refusal of a chunk leaves after the chunk; the message
 * gets its last CRLF in lines_finish when the client sent none. After a
 * refusal the transaction is gone, and further chunks are 503.
 */

#define THROWN_MIN (UINT64_C(64) << 20)
#define CHUNK_DIGITS_MAX 19 /* under 2^63 */

bool
engine_body_oversize(const struct smtp_server *s, uint64_t bytes)
{
	return s->opts.size_max > 0 && bytes > s->opts.size_max;
}

/* How much of a refused message is read only to be in step. */
static bool
thrown_too_much(const struct smtp_server *s, uint64_t bytes)
{
	if (engine_session_is_stranger(s))
		return bytes > ENGINE_STRANGER_CHUNK;
	return bytes > THROWN_MIN && bytes / 4 > s->opts.size_max;
}

static void
oversize_text(const struct smtp_server *s, uint64_t bytes, char *out, size_t n)
{
	const double mega = 1024.0 * 1024.0;
	double most = (double)s->opts.size_max / mega;
	double is = (double)bytes / mega;

	/* Rounded, the two must not look the same. */
	if (is < most + 0.1)
		is = most + 0.1;
	snprintf(out, n, "Message is %.1f MB, maximum is %.*f MB", is,
		 s->opts.size_max % (1U << 20) == 0 ? 0 : 1, most);
}

void
engine_body_say_oversize(struct smtp_server *s, enum engine_verb verb,
			 uint64_t bytes)
{
	char text[128];

	oversize_text(s, bytes, text, sizeof(text));
	engine_say(s, verb, 552, "5.3.4", text);
}

/* The message cannot be taken any more; the owner forgets it now. */
static void
spoil(struct smtp_server *s, enum engine_fault fault)
{
	struct engine_transaction *t = s->t;

	if (t->dead)
		return;
	t->fault = (uint8_t)fault;
	t->dead = true;
	s->paused = false;
	s->ops->reset(s->arg);
}

/* The reply that a killed message gets in the end; its code. */
static int
fault_text(const struct smtp_server *s, const char **enhanced, char *out,
	   size_t n)
{
	*enhanced = "5.6.0";
	switch ((enum engine_fault)s->t->fault) {
	case FAULT_NONE:
	case FAULT_SIZE:
		oversize_text(s, s->t->bytes, out, n);
		*enhanced = "5.3.4";
		return 552;
	case FAULT_NUL:
		snprintf(out, n, "Message format error: NUL byte");
		break;
	case FAULT_LONG:
		snprintf(out, n,
			 "Message format error: line over %d characters",
			 LINES_TEXT_MAX);
		break;
	}
	return 554;
}

static void
bare_close(struct smtp_server *s)
{
	engine_say_close(s, VERB_DOT, 521, "5.5.2",
			 "Bare line feed received; lines must end with CRLF",
			 "bare-lf");
}

static void
emit(struct smtp_server *s, struct slice out)
{
	struct engine_transaction *t = s->t;

	if (out.n == 0)
		return;
	t->bytes += out.n;
	if (t->dead)
		return;
	if (engine_body_oversize(s, t->bytes)) {
		/* What still fits is shown, so that what the owner sees does
		 * not depend on how the input was cut. */
		out.n -= (size_t)(t->bytes - s->opts.size_max);
		if (out.n > 0)
			(void)s->ops->body(s->arg, out);
		spoil(s, FAULT_SIZE);
	} else if (!s->ops->body(s->arg, out)) {
		s->paused = true;
	}
}

/* One step of the line reader with what follows from it. */
static enum lines_step
step(struct smtp_server *s, struct slice *in)
{
	struct engine_transaction *t = s->t;
	size_t before = in->n;
	struct slice out;
	enum lines_step got = lines_next(&t->lines, in, &out);

	emit(s, out);
	if (t->dead)
		t->thrown += before - in->n;
	else if (t->lines.fault == LINES_FAULT_NUL)
		spoil(s, FAULT_NUL);
	else if (t->lines.fault == LINES_FAULT_LONG)
		spoil(s, FAULT_LONG);
	return got;
}

/* The message ended; ask the owner, or say what was wrong. */
static void
end(struct smtp_server *s)
{
	char text[128];
	const char *enhanced;
	int code;

	s->phase = PHASE_COMMAND;
	if (!s->t->dead) {
		s->ops->dot(s->arg, engine_ticket_open(s, VERB_DOT));
		return;
	}
	code = fault_text(s, &enhanced, text, sizeof(text));
	engine_say(s, VERB_DOT, code, enhanced, text);
}

static bool
may_begin(const struct smtp_server *s, int *code, const char **text)
{
	*code = 503;
	*text = NULL;
	if (s->t == NULL) {
		*text = "Send MAIL first";
	} else if (s->t->accepted == 0) {
		*code = s->t->refused_any ? 554 : 503;
		*text = s->t->refused_any ? "No valid recipients"
					  : "Send RCPT first";
	}
	return *text == NULL;
}

void
engine_body_data(struct smtp_server *s, struct slice args)
{
	const char *text;
	int code;

	if (args.n > 0) {
		engine_say(s, VERB_DATA, 501, "5.5.4", "Syntax: DATA");
		return;
	}
	if (!may_begin(s, &code, &text)) {
		engine_say(s, VERB_DATA, code, "5.5.1", text);
		return;
	}
	if (s->t->bdat) {
		engine_say(s, VERB_DATA, 503, "5.5.1",
			   "DATA cannot follow BDAT");
		return;
	}
	s->ops->data(s->arg, engine_ticket_open(s, VERB_DATA_ASK));
}

void
engine_body_data_begin(struct smtp_server *s)
{
	lines_init(&s->t->lines, s->opts.line_endings, true);
	s->phase = PHASE_DATA;
}

size_t
engine_body_data_take(struct smtp_server *s, struct slice in)
{
	struct slice rest = in;
	enum lines_step got = LINES_MORE;

	while (rest.n > 0 && got == LINES_MORE && !s->paused) {
		got = step(s, &rest);
		if (s->t->dead && thrown_too_much(s, s->t->thrown)) {
			char text[128];
			const char *enhanced;
			int code = fault_text(s, &enhanced, text, sizeof(text));

			engine_say_close(s, VERB_DOT, code, enhanced, text,
					 "endless-data");
			return in.n;
		}
	}
	if (got == LINES_BARE) {
		bare_close(s);
		return in.n;
	}
	if (got == LINES_END)
		end(s);
	else if (rest.n > 0)
		s->block = BLOCK_RESUME;
	return in.n - rest.n;
}

/* "size" or "size LAST"; under 2^63. */
static bool
chunk_parse(struct smtp_server *s, struct slice args)
{
	size_t space = slice_find(args, ' ');
	struct slice last = slice_trim(slice_from(args, space));

	s->chunk_last = last.n > 0;
	return space <= CHUNK_DIGITS_MAX &&
	       slice_u64(slice_head(args, space), &s->chunk_left) &&
	       s->chunk_left <= INT64_MAX &&
	       (last.n == 0 || slice_ieq(last, SLICE_LIT("LAST")));
}

/* The refused chunk is read: its reply leaves, and the client with it if it
 * is sent away. */
static void
chunk_discarded(struct smtp_server *s)
{
	if (s->t != NULL && s->t->bdat)
		engine_mail_end(s, true);
	engine_ticket_release(s);
	if (s->dismissal != NULL) /* else it is gone, or stays */
		engine_say_close(s, VERB_NONE, 421, "4.7.0",
				 s->dismissal->goodbye, s->dismissal->reason);
}

static void
chunk_done(struct smtp_server *s)
{
	char text[64];
	struct slice out;

	s->phase = PHASE_COMMAND;
	if (s->chunk_discard) {
		chunk_discarded(s);
		return;
	}
	if (!s->chunk_last) {
		snprintf(text, sizeof(text), "%" PRIu64 " octets received",
			 s->chunk_size);
		engine_say(s, VERB_BDAT, 250, "2.0.0", text);
		return;
	}
	if (lines_finish(&s->t->lines, &out) == LINES_BARE) {
		bare_close(s);
		return;
	}
	emit(s, out);
	if (s->paused)
		s->phase = PHASE_CHUNK; /* not the dot yet: resume comes here */
	else
		end(s);
}

/* The chunk is refused: read it, then say so. */
static void
chunk_refuse(struct smtp_server *s, const struct engine_answer *answer)
{
	if (thrown_too_much(s, s->chunk_left)) {
		engine_say_close(s, VERB_BDAT, answer->code, answer->enhanced,
				 answer->text, "endless-chunk");
		return;
	}
	s->chunk_discard = true;
	s->phase = PHASE_CHUNK;
	engine_ticket_hold(s, VERB_BDAT, answer);
	if (s->chunk_left == 0)
		chunk_done(s);
}

static void
chunk_refuse_fault(struct smtp_server *s)
{
	char text[128];
	struct engine_answer answer = {.text = text};

	answer.code = fault_text(s, &answer.enhanced, text, sizeof(text));
	chunk_refuse(s, &answer);
}

void
engine_body_bdat(struct smtp_server *s, struct slice args)
{
	struct engine_answer answer = {.enhanced = "5.5.1"};

	if (!chunk_parse(s, args)) {
		engine_say_close(s, VERB_BDAT, 501, "5.5.4",
				 "Syntax: BDAT size [LAST]", "bdat-framing");
		return;
	}
	s->chunk_size = s->chunk_left;
	s->chunk_discard = false;
	if (!may_begin(s, &answer.code, &answer.text)) {
		chunk_refuse(s, &answer);
		return;
	}
	if (engine_body_oversize(s, s->t->bytes + s->chunk_left)) {
		spoil(s, FAULT_SIZE);
		s->t->bdat = true;
		s->t->bytes += s->chunk_left;
		chunk_refuse_fault(s);
	} else if (!s->t->bdat) {
		s->ops->data(s->arg, engine_ticket_open(s, VERB_BDAT_ASK));
	} else {
		s->phase = PHASE_CHUNK;
		if (s->chunk_left == 0)
			chunk_done(s);
	}
}

void
engine_body_bdat_begin(struct smtp_server *s)
{
	lines_init(&s->t->lines, s->opts.line_endings, false);
	s->t->bdat = true;
	s->phase = PHASE_CHUNK;
	if (s->chunk_left == 0)
		chunk_done(s);
}

void
engine_body_bdat_refused(struct smtp_server *s,
			 const struct engine_answer *answer)
{
	engine_mail_end(s, true);
	if (answer->code == 421 || answer->code == 521)
		engine_say(s, VERB_BDAT, answer->code, answer->enhanced,
			   answer->text);
	else
		chunk_refuse(s, answer);
}

bool
engine_body_dismiss(struct smtp_server *s, struct slice args,
		    const struct smtp_refusal *r)
{
	const struct engine_answer answer = {r->code, r->enhanced, r->text,
					     r->ref};

	if (!chunk_parse(s, args) || thrown_too_much(s, s->chunk_left))
		return false;
	engine_mail_end(s, true);
	s->dismissal = mem_alloc(sizeof(*s->dismissal));
	*s->dismissal = *r;
	chunk_refuse(s, &answer);
	return true;
}

size_t
engine_body_chunk_take(struct smtp_server *s, struct slice in)
{
	struct slice rest =
	    slice_head(in, in.n < s->chunk_left ? in.n : (size_t)s->chunk_left);
	size_t used = rest.n;

	while (rest.n > 0 && !s->chunk_discard && !s->paused) {
		if (step(s, &rest) == LINES_BARE) {
			bare_close(s);
			return in.n;
		}
		if (s->t->dead) {
			s->chunk_left -= used - rest.n;
			chunk_refuse_fault(s);
			if (s->phase != PHASE_CHUNK)
				return used - rest.n;
			return used - rest.n + engine_body_chunk_take(s, rest);
		}
	}
	if (s->chunk_discard)
		rest.n = 0;
	if (rest.n > 0)
		s->block = BLOCK_RESUME;
	s->chunk_left -= used - rest.n;
	if (s->chunk_left == 0 && !s->paused)
		chunk_done(s);
	return used - rest.n;
}

void
engine_body_resume(struct smtp_server *s)
{
	if (s->phase == PHASE_CHUNK && s->chunk_left == 0)
		chunk_done(s);
}
