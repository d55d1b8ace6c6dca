#include "gateway/smtp/server.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/smtp/engine.h"

/*
 * The driver: which phase gets the next octets, and when none gets any. See
 * engine.h for where the rest is.
 *
 * An idle engine is this struct, its mechanisms and its helo: the line buffer,
 * the ring of tickets and the transaction exist only while they hold
 * something, since most sessions of a busy day do nothing at all.
 */

struct smtp_server *
smtp_server_create(const struct smtp_server_opts *opts,
		   const struct smtp_server_ops *ops, void *arg)
{
	struct smtp_server *s = mem_zalloc(sizeof(*s));

	s->opts = *opts;
	s->mechanisms = mem_strdup(opts->mechanisms);
	s->opts.mechanisms = NULL;
	s->ops = ops;
	s->arg = arg;
	s->phase = PHASE_GREETING;
	buf_init(&s->line, ENGINE_LINE_AUTH_MAX);
	return s;
}

void
smtp_server_destroy(struct smtp_server **server)
{
	struct smtp_server *s = *server;

	if (s == NULL)
		return;
	*server = NULL;
	engine_ticket_fini(s);
	buf_wipe(&s->line);
	free(s->t);
	free(s->mechanisms);
	free(s->helo);
	free(s);
}

void
smtp_server_greet(struct smtp_server *s, int code, const char *enhanced,
		  const char *text)
{
	struct buf line;

	if (s->phase != PHASE_GREETING)
		return;
	engine_enter(s);
	s->phase = PHASE_COMMAND;
	if (code != 220) {
		engine_say_close(s, VERB_NONE, code, enhanced,
				 text != NULL ? text
					      : engine_reply_default(code),
				 "greeting");
	} else {
		buf_init(&line, ENGINE_REPLY_MAX);
		buf_printf(&line, "%s %s", s->opts.hostname,
			   text != NULL ? text : "ESMTP Sluice");
		engine_say(s, VERB_NONE, 220, NULL, buf_cstr(&line));
		buf_fini(&line);
	}
	engine_exit(s);
}

static size_t
phase_take(struct smtp_server *s, struct slice in)
{
	if (engine_ticket_waits(s) && !engine_ticket_all_rcpt(s)) {
		s->block = BLOCK_DRAIN;
		return 0;
	}
	switch ((enum engine_phase)s->phase) {
	case PHASE_GREETING:
	case PHASE_TLS:
		s->block = BLOCK_OWNER;
		return 0;
	case PHASE_COMMAND:
	case PHASE_AUTH:
		return engine_line_take(s, in);
	case PHASE_SKIP:
		return engine_line_skip(s, in);
	case PHASE_DATA:
	case PHASE_CHUNK:
		if (s->paused) {
			s->block = BLOCK_RESUME;
			return 0;
		}
		return s->phase == PHASE_DATA ? engine_body_data_take(s, in)
					      : engine_body_chunk_take(s, in);
	case PHASE_CLOSED:
		break;
	}
	return in.n;
}

size_t
smtp_server_input(struct smtp_server *s, struct slice in)
{
	size_t left = in.n, n;

	engine_enter(s);
	s->starved = false;
	s->block = BLOCK_NONE;
	while (left > 0 && s->goodbye == NULL) {
		n = phase_take(s, slice_from(in, in.n - left));
		left -= n;
		if (n == 0 || s->block != BLOCK_NONE)
			break;
	}
	s->depth--;
	s->starved = left > 0;
	return in.n - left;
}

void
smtp_server_reply(struct smtp_server *s, uint32_t ticket, int code,
		  const char *enhanced, const char *text)
{
	smtp_server_reply_ref(s, ticket, code, enhanced, text, 0);
}

void
smtp_server_reply_ref(struct smtp_server *s, uint32_t ticket, int code,
		      const char *enhanced, const char *text, uint64_t ref)
{
	const struct engine_answer answer = {code, enhanced, text, ref};

	engine_enter(s);
	engine_ticket_answer(s, ticket, &answer);
	engine_exit(s);
}

void
smtp_server_challenge(struct smtp_server *s, uint32_t ticket, struct slice text)
{
	engine_enter(s);
	engine_ticket_challenge(s, ticket, text);
	engine_exit(s);
}

void
smtp_server_shutdown(struct smtp_server *s, int code, const char *enhanced,
		     const char *text, const char *reason)
{
	engine_enter(s);
	engine_goodbye_set(s, code, enhanced, text, reason);
	engine_exit(s);
}

void
smtp_server_resume(struct smtp_server *s)
{
	if (!s->paused || s->phase == PHASE_CLOSED)
		return;
	engine_enter(s);
	s->paused = false;
	if (s->depth == 1)
		engine_body_resume(s);
	engine_exit(s);
}

void
smtp_server_secured(struct smtp_server *s, const char *mechanisms)
{
	if (s->phase == PHASE_CLOSED)
		return;
	engine_enter(s);
	s->tls = true;
	free(s->mechanisms);
	s->mechanisms = mem_strdup(mechanisms);
	if (s->phase == PHASE_TLS)
		s->phase = PHASE_COMMAND;
	engine_exit(s);
}

void
smtp_server_offer_utf8(struct smtp_server *s, bool on)
{
	s->opts.offer_utf8 = on;
}

bool
smtp_server_in_transaction(const struct smtp_server *s)
{
	return s->t != NULL && s->t->open && !s->t->dead;
}

bool
smtp_server_in_body(const struct smtp_server *s)
{
	return s->phase == PHASE_DATA || s->phase == PHASE_CHUNK;
}

bool
smtp_server_authenticated(const struct smtp_server *s)
{
	return s->authenticated;
}

bool
smtp_server_eightbit_seen(const struct smtp_server *s)
{
	return s->t != NULL && s->t->lines.eightbit;
}

const char *
smtp_server_helo(const struct smtp_server *s)
{
	return s->helo != NULL ? s->helo : "";
}

bool
smtp_server_idle(const struct smtp_server *s)
{
	return !engine_ticket_waits(s);
}
