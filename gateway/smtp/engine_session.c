#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/smtp/engine.h"

/*
 * Who the client is and how it talks to us. A password is never looked at
 * here: AUTH lines go to the owner as they came, and the copy of a line that
 * arrived in parts is wiped by engine_line.c.
 */

/*
 * What is kept of a name goes into logs and into Received, where a blank or a
 * parenthesis would let a client write the fields that are ours.
 */
static char *
helo_sanitise(struct slice name)
{
	char *out = mem_strndup(name.p, name.n);
	char *p;

	for (p = out; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;

		if (!(c >= '0' && c <= '9') &&
		    !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') &&
		    strchr(".-_:[]", c) == NULL)
			*p = '?';
	}
	return out;
}

static bool
mechanism_offered(const struct smtp_server *s, struct slice name)
{
	struct slice rest = slice_str(s->mechanisms), word;

	while (slice_split(&rest, ' ', &word))
		if (slice_ieq(word, name) && name.n > 0)
			return true;
	return false;
}

static bool
auth_possible(const struct smtp_server *s)
{
	return s->mechanisms != NULL && s->mechanisms[0] != '\0' &&
	       !s->authenticated && (s->tls || !s->opts.require_tls);
}

static void
ehlo_reply(struct smtp_server *s)
{
	struct buf out;

	buf_init(&out, ENGINE_LINE_PATH_MAX);
	buf_printf(&out, "250-%s\r\n250-PIPELINING\r\n", s->opts.hostname);
	buf_printf(&out, "250-SIZE %llu\r\n250-8BITMIME\r\n",
		   (unsigned long long)s->opts.size_max);
	if (s->opts.offer_starttls && !s->tls)
		buf_add_str(&out, "250-STARTTLS\r\n");
	if (auth_possible(s) && strlen(s->mechanisms) < ENGINE_LINE_MAX - 16)
		buf_printf(&out, "250-AUTH %s\r\n", s->mechanisms);
	if (s->opts.offer_utf8)
		buf_add_str(&out, "250-SMTPUTF8\r\n");
	buf_add_str(&out, "250-ENHANCEDSTATUSCODES\r\n"
			  "250-CHUNKING\r\n"
			  "250 DSN\r\n");
	engine_say_raw(s, VERB_EHLO, 250, buf_slice(&out), s->opts.hostname);
	buf_fini(&out);
}

void
engine_session_helo(struct smtp_server *s, enum engine_verb verb,
		    struct slice args)
{
	if (args.n == 0 || args.n > ENGINE_HELO_MAX) {
		engine_say(s, verb, 501, "5.5.4",
			   verb == VERB_EHLO ? "Syntax: EHLO hostname"
					     : "Syntax: HELO hostname");
		return;
	}
	engine_mail_end(s, true);
	free(s->helo);
	s->helo = helo_sanitise(args);
	if (s->ops->helo != NULL)
		s->ops->helo(s->arg, slice_str(s->helo), verb == VERB_EHLO);
	if (verb == VERB_EHLO)
		ehlo_reply(s);
	else
		engine_say(s, verb, 250, NULL, s->opts.hostname);
	if (s->phase != PHASE_CLOSED)
		engine_count_error(s, true);
}

void
engine_session_rset(struct smtp_server *s, struct slice args)
{
	if (args.n > 0) {
		engine_say(s, VERB_RSET, 501, "5.5.4", "Syntax: RSET");
		return;
	}
	engine_mail_end(s, true);
	engine_say(s, VERB_RSET, 250, "2.0.0", "OK");
	if (s->phase != PHASE_CLOSED)
		engine_count_error(s, true);
}

bool
engine_session_is_stranger(const struct smtp_server *s)
{
	return s->opts.require_auth && !s->authenticated;
}

void
engine_session_quit(struct smtp_server *s)
{
	engine_say_close(s, VERB_QUIT, 221, "2.0.0", "Bye", "quit");
}

/*
 * What stands behind STARTTLS in the same read came before the encryption and
 * would be taken for something said inside it (CVE-2011-0411).
 */
void
engine_session_starttls(struct smtp_server *s, struct slice args)
{
	if (args.n > 0) {
		engine_say(s, VERB_STARTTLS, 501, "5.5.4", "Syntax: STARTTLS");
		return;
	}
	if (s->tls || !s->opts.offer_starttls) {
		engine_say(s, VERB_STARTTLS, s->tls ? 503 : 502, "5.5.1",
			   s->tls ? "TLS is already active"
				  : "STARTTLS is not offered here");
		return;
	}
	if (s->more) {
		engine_say_close(s, VERB_STARTTLS, 454, "4.5.0",
				 "No commands allowed to pipeline after "
				 "STARTTLS",
				 "starttls-pipelined");
		return;
	}
	engine_mail_end(s, true);
	free(s->helo);
	s->helo = NULL;
	s->authenticated = false;
	engine_say(s, VERB_STARTTLS, 220, "2.0.0", "Ready to start TLS");
	s->phase = PHASE_TLS;
	s->ops->starttls(s->arg);
}

/* False: it was answered. */
static bool
auth_allowed(struct smtp_server *s)
{
	const char *text = NULL;

	if (s->opts.require_tls && !s->tls) {
		engine_say(s, VERB_AUTH, 530, "5.7.0",
			   "Must issue a STARTTLS command first");
		return false;
	}
	if (s->helo == NULL)
		text = "Send EHLO first";
	else if (s->authenticated)
		text = "Already authenticated";
	else if (s->t != NULL)
		text = "AUTH is not permitted during a mail transaction";
	else if (!auth_possible(s))
		text = "AUTH is not offered here";
	if (text != NULL)
		engine_say(s, VERB_AUTH, 503, "5.5.1", text);
	return text == NULL;
}

void
engine_session_auth(struct smtp_server *s, struct slice args)
{
	struct slice mechanism, initial = SLICE_NONE;
	size_t space = slice_find(args, ' ');

	if (!auth_allowed(s))
		return;
	mechanism = slice_head(args, space);
	if (space < args.n)
		initial = slice_trim(slice_from(args, space));
	if (mechanism.n == 0 || slice_find(initial, ' ') < initial.n) {
		engine_say(s, VERB_AUTH, 501, "5.5.4",
			   "Syntax: AUTH mechanism [initial-response]");
		return;
	}
	if (!mechanism_offered(s, mechanism)) {
		engine_say(s, VERB_AUTH, 504, "5.5.4",
			   "Authentication mechanism is not offered here");
		return;
	}
	if (slice_eq(initial, SLICE_LIT("=")))
		initial.n = 0;
	s->ops->auth(s->arg, engine_ticket_open(s, VERB_AUTH), mechanism,
		     initial);
}

void
engine_session_auth_line(struct smtp_server *s, struct slice line)
{
	bool cancel = slice_eq(line, SLICE_LIT("*"));

	s->phase = PHASE_COMMAND;
	s->ops->auth_more(s->arg, engine_ticket_open(s, VERB_AUTH),
			  cancel ? SMTP_AUTH_CANCEL : SMTP_AUTH_LINE,
			  cancel ? SLICE_NONE : line);
}

/* The owner must give up its exchange too; what it answers is replaced. */
void
engine_session_auth_overlong(struct smtp_server *s)
{
	uint32_t ticket = engine_ticket_open(s, VERB_AUTH);

	engine_ticket_slot(s, ticket)->overlong = true;
	s->ops->auth_more(s->arg, ticket, SMTP_AUTH_CANCEL, SLICE_NONE);
}
