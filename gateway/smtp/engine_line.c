#include <string.h>

#include "gateway/smtp/engine.h"

/*
 * Octets to command lines. A line that is there in whole is parsed where it
 * stands; only a part is copied, and the copy is overwritten afterwards, since
 * it may hold a password. While a command must wait its LF stays with the
 * owner, so that there is always something left for it to give again.
 *
 * A line over its cap is read to its end without being kept, answered once,
 * and after ENGINE_SKIP_MAX octets the client is sent away.
 */

/* What a TLS client says first, to a port that is not for it. */
#define TLS_HANDSHAKE 0x16

static size_t
line_max(const struct smtp_server *s, struct slice in)
{
	char head[5];
	size_t i;
	struct slice verb;

	if (s->phase == PHASE_AUTH)
		return ENGINE_LINE_AUTH_MAX;
	for (i = 0; i < sizeof(head); i++) {
		if (i < s->line.n)
			head[i] = s->line.p[i];
		else if (i - s->line.n < in.n)
			head[i] = in.p[i - s->line.n];
		else
			return ENGINE_LINE_MAX;
	}
	verb = slice_of(head, sizeof(head));
	if (slice_ieq(verb, SLICE_LIT("MAIL ")) ||
	    slice_ieq(verb, SLICE_LIT("RCPT ")))
		return ENGINE_LINE_PATH_MAX;
	if (slice_ieq(verb, SLICE_LIT("AUTH ")))
		return ENGINE_LINE_AUTH_MAX;
	return ENGINE_LINE_MAX;
}

static void
skip_begin(struct smtp_server *s, size_t max)
{
	s->skipped = (uint32_t)s->line.n;
	s->skip_auth = max == ENGINE_LINE_AUTH_MAX;
	s->skip_answer = s->phase == PHASE_AUTH;
	buf_wipe(&s->line);
	s->phase = PHASE_SKIP;
}

/* Pipelined recipients are asked together; anything else waits, also for the
 * end of a client that is sent away. */
static bool
may_run(struct smtp_server *s, struct slice line, bool good)
{
	struct smtp_refusal refusal;
	struct slice args;

	if (engine_ticket_count(s) == 0)
		return true;
	if (!good || engine_command_refused(s, &refusal) ||
	    !engine_ticket_all_rcpt(s) ||
	    engine_command_verb(line, &args) != VERB_RCPT ||
	    !engine_mail_rcpt_room(s)) {
		s->block = BLOCK_DRAIN;
		return false;
	}
	if (engine_ticket_count(s) == SMTP_TICKETS_MAX) {
		s->block = BLOCK_SLOT;
		return false;
	}
	return true;
}

static void
run(struct smtp_server *s, struct slice line, bool good)
{
	struct smtp_refusal refusal;

	if (engine_command_refused(s, &refusal)) {
		if (s->phase == PHASE_AUTH)
			engine_say_refusal(s, VERB_AUTH, &refusal);
		else
			engine_command_dismiss(s, line, &refusal);
		return;
	}
	if (!good)
		engine_say_close(
		    s, VERB_UNKNOWN, 521, "5.5.2",
		    "Bare line feed received; lines must end with CRLF",
		    "bare-lf");
	else if (s->phase == PHASE_AUTH)
		engine_session_auth_line(s, line);
	else
		engine_command_run(s, line);
}

size_t
engine_line_take(struct smtp_server *s, struct slice in)
{
	size_t lf = slice_find(in, '\n'), max = line_max(s, in);
	struct slice line = slice_head(in, lf);
	bool copied = s->line.n > 0, whole = lf < in.n, crlf, good;

	if (!copied && in.p[0] == TLS_HANDSHAKE && s->phase == PHASE_COMMAND) {
		if (engine_ticket_count(s) > 0) {
			s->block = BLOCK_DRAIN;
			return 0;
		}
		engine_say_close(s, VERB_UNKNOWN, 521, "5.5.2",
				 "TLS is not spoken here before STARTTLS",
				 "unexpected-tls");
		return in.n;
	}
	if (s->line.n + lf >= max) {
		skip_begin(s, max);
		return engine_line_skip(s, in);
	}
	if (copied || !whole) {
		buf_add_slice(&s->line, line);
		line = buf_slice(&s->line);
	}
	if (!whole)
		return in.n;
	crlf = line.n > 0 && line.p[line.n - 1] == '\r';
	if (crlf)
		line.n--;
	good = crlf || s->opts.line_endings == LINE_NORMALISE;
	if (!may_run(s, line, good))
		return copied ? lf : 0;
	s->more = lf + 1 < in.n;
	run(s, line, good);
	if (copied)
		buf_wipe(&s->line);
	return lf + 1;
}

size_t
engine_line_skip(struct smtp_server *s, struct slice in)
{
	size_t lf = slice_find(in, '\n'), n = lf < in.n ? lf + 1 : lf;
	struct smtp_refusal refusal;

	if (engine_ticket_count(s) > 0) {
		s->block = BLOCK_DRAIN;
		return 0;
	}
	if (s->skipped + lf > ENGINE_SKIP_MAX) {
		engine_say_close(s, VERB_UNKNOWN, 500,
				 s->skip_auth ? "5.5.6" : "5.5.2",
				 "Line too long", "line-too-long");
		return in.n;
	}
	s->skipped += (uint32_t)lf;
	if (lf == in.n)
		return n;
	s->phase = PHASE_COMMAND;
	if (engine_command_refused(s, &refusal))
		engine_say_refusal(s, VERB_UNKNOWN, &refusal);
	else if (s->skip_answer)
		engine_session_auth_overlong(s);
	else if (s->skip_auth)
		engine_say(s, VERB_AUTH, 500, "5.5.6",
			   "Authentication exchange line is too long");
	else
		engine_say(s, VERB_UNKNOWN, 500, "5.5.2", "Line too long");
	return n;
}
