#include <string.h>

#include "gateway/smtp/engine.h"

/*
 * The table of verbs. RFC 5321's choices where it leaves one: VRFY is 252 and
 * tells nothing, since a list of who exists is worth more to a thief than to a
 * client; EXPN is 502. Other protocols' verbs end the session at once: a web
 * page can make a browser send them here, with commands in the body.
 */

struct row {
	const char *word;
	enum engine_verb verb;
	const char *name; /* for the log */
};

static const struct row rows[] = {
    {"HELO", VERB_HELO, "HELO"},    {"EHLO", VERB_EHLO, "EHLO"},
    {"MAIL", VERB_MAIL, "MAIL"},    {"RCPT", VERB_RCPT, "RCPT"},
    {"DATA", VERB_DATA, "DATA"},    {"BDAT", VERB_BDAT, "BDAT"},
    {"RSET", VERB_RSET, "RSET"},    {"QUIT", VERB_QUIT, "QUIT"},
    {"NOOP", VERB_NOOP, "NOOP"},    {"HELP", VERB_HELP, "HELP"},
    {"VRFY", VERB_VRFY, "VRFY"},    {"EXPN", VERB_EXPN, "EXPN"},
    {"AUTH", VERB_AUTH, "AUTH"},    {"STARTTLS", VERB_STARTTLS, "STARTTLS"},
    {"TURN", VERB_ABSENT, "?"},	    {"ETRN", VERB_ABSENT, "?"},
    {"ATRN", VERB_ABSENT, "?"},	    {"SEND", VERB_ABSENT, "?"},
    {"SOML", VERB_ABSENT, "?"},	    {"SAML", VERB_ABSENT, "?"},
    {"BURL", VERB_ABSENT, "?"},	    {"GET", VERB_FOREIGN, "?"},
    {"PUT", VERB_FOREIGN, "?"},	    {"POST", VERB_FOREIGN, "?"},
    {"HEAD", VERB_FOREIGN, "?"},    {"OPTIONS", VERB_FOREIGN, "?"},
    {"CONNECT", VERB_FOREIGN, "?"}, {NULL, VERB_DATA_ASK, "DATA"},
    {NULL, VERB_BDAT_ASK, "BDAT"},  {NULL, VERB_RCPT_MORE, "RCPT"},
    {NULL, VERB_DOT, "."},
};

enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

const char *
engine_command_name(enum engine_verb verb)
{
	size_t i;

	if (verb == VERB_NONE)
		return "-";
	for (i = 0; i < ROW_COUNT; i++)
		if (rows[i].verb == verb)
			return rows[i].name;
	return "?";
}

enum engine_verb
engine_command_verb(struct slice line, struct slice *args)
{
	size_t n = slice_find(line, ' '), i;
	struct slice word = slice_head(line, n);

	*args = slice_trim(slice_from(line, n));
	for (i = 0; i < ROW_COUNT; i++)
		if (rows[i].word != NULL &&
		    slice_ieq(word, slice_str(rows[i].word)))
			return rows[i].verb;
	return VERB_UNKNOWN;
}

static bool
has_control(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return true;
	return false;
}

/* A command that does nothing: as often as anybody needs it. */
static void
say_idle(struct smtp_server *s, enum engine_verb verb, int code,
	 const char *enhanced, const char *text)
{
	engine_say(s, verb, code, enhanced, text);
	if (s->phase != PHASE_CLOSED)
		engine_count_error(s, true);
}

static void
run_simple(struct smtp_server *s, enum engine_verb verb, struct slice args)
{
	if (verb == VERB_NOOP)
		say_idle(s, verb, 250, "2.0.0", "OK");
	else if (verb == VERB_HELP)
		say_idle(s, verb, 214, "2.0.0",
			 "Mail submission: see RFC 5321 and RFC 6409");
	else if (verb == VERB_VRFY && args.n == 0)
		engine_say(s, verb, 501, "5.5.4", "Syntax: VRFY address");
	else if (verb == VERB_VRFY)
		say_idle(s, verb, 252, "2.0.0",
			 "Not verified; send the mail and see");
	else if (verb == VERB_FOREIGN)
		engine_say_close(s, verb, 521, "5.5.1", "This is a mail server",
				 "foreign-protocol");
	else if (verb == VERB_EXPN || verb == VERB_ABSENT)
		engine_say(s, verb, 502, "5.5.1", "Command not implemented");
	else
		engine_say(s, verb, 500, "5.5.1", "Command not recognised");
}

void
engine_command_run(struct smtp_server *s, struct slice line)
{
	struct slice args;
	enum engine_verb verb = engine_command_verb(line, &args);

	if (has_control(line) || slice_trim(line).n == 0) {
		engine_say(s, VERB_UNKNOWN, 500, "5.5.2",
			   line.n == 0 ? "Empty command"
				       : "Command syntax error");
		return;
	}
	switch (verb) {
	case VERB_HELO:
	case VERB_EHLO:
		engine_session_helo(s, verb, args);
		break;
	case VERB_MAIL:
		engine_mail_from(s, args);
		break;
	case VERB_RCPT:
		engine_mail_rcpt(s, args);
		break;
	case VERB_DATA:
		engine_body_data(s, args);
		break;
	case VERB_BDAT:
		engine_body_bdat(s, args);
		break;
	case VERB_RSET:
		engine_session_rset(s, args);
		break;
	case VERB_QUIT:
		engine_session_quit(s);
		break;
	case VERB_AUTH:
		engine_session_auth(s, args);
		break;
	case VERB_STARTTLS:
		engine_session_starttls(s, args);
		break;
	case VERB_NONE:
	case VERB_UNKNOWN:
	case VERB_MAIL_ASK:
	case VERB_RCPT_MORE:
	case VERB_DATA_ASK:
	case VERB_BDAT_ASK:
	case VERB_DOT:
	case VERB_NOOP:
	case VERB_HELP:
	case VERB_VRFY:
	case VERB_EXPN:
	case VERB_ABSENT:
	case VERB_FOREIGN:
		run_simple(s, verb, args);
		break;
	}
}

bool
engine_command_refused(struct smtp_server *s, struct smtp_refusal *refusal)
{
	return s->ops->command != NULL && s->ops->command(s->arg, refusal);
}

void
engine_command_dismiss(struct smtp_server *s, struct slice line,
		       const struct smtp_refusal *refusal)
{
	struct slice args;
	enum engine_verb verb = engine_command_verb(line, &args);

	if (verb != VERB_BDAT || !engine_body_dismiss(s, args, refusal))
		engine_say_refusal(s, verb, refusal);
}
