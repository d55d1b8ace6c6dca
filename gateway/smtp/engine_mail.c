#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/smtp/engine.h"
#include "gateway/smtp/path.h"

/*
 * MAIL and RCPT. What is wrong with a line itself is refused here; what it
 * asks for is the owner's to answer. The transaction begins with the question
 * about MAIL and stands when it was answered with 2xx.
 */

#define SHOWN_MAX 200 /* of what the client sent, in a reply */

void
engine_mail_end(struct smtp_server *s, bool tell)
{
	struct engine_transaction *t = s->t;

	if (t == NULL)
		return;
	tell = tell && t->open && !t->dead;
	free(t);
	s->t = NULL;
	s->paused = false;
	if (tell)
		s->ops->reset(s->arg);
}

static void
say_param(struct smtp_server *s, enum engine_verb verb,
	  enum param_verdict verdict, struct slice key)
{
	char line[ENGINE_REPLY_MAX];
	const char *text = "Parameter not valid";

	if (verdict == PARAM_UNKNOWN)
		text = "Parameter not recognised";
	else if (verdict == PARAM_REPEATED)
		text = "Parameter given twice";
	key = slice_head(key, SHOWN_MAX);
	snprintf(line, sizeof(line), "%s: %.*s", text, (int)key.n,
		 key.n > 0 ? key.p : "");
	engine_say(s, verb, verdict == PARAM_UNKNOWN ? 555 : 501, "5.5.4",
		   line);
}

static void
say_address(struct smtp_server *s, enum engine_verb verb, struct slice args)
{
	char line[ENGINE_REPLY_MAX];

	args = slice_head(args, slice_find(args, ' '));
	args = slice_head(args, SHOWN_MAX);
	snprintf(line, sizeof(line), "Address not valid: %.*s", (int)args.n,
		 args.n > 0 ? args.p : "");
	engine_say(s, verb, 501, verb == VERB_MAIL ? "5.1.7" : "5.1.3", line);
}

/* "FROM:" or "TO:", and the blanks some clients put behind it. */
static bool
keyword_take(struct slice *args, struct slice keyword)
{
	if (!slice_istarts(*args, keyword))
		return false;
	*args = slice_from(*args, keyword.n);
	while (args->n > 0 && args->p[0] == ' ')
		*args = slice_from(*args, 1);
	return true;
}

/* False: it was answered. */
static bool
mail_allowed(struct smtp_server *s)
{
	if (s->opts.require_tls && !s->tls)
		engine_say(s, VERB_MAIL, 530, "5.7.0",
			   "Must issue a STARTTLS command first");
	else if (s->helo == NULL)
		engine_say(s, VERB_MAIL, 503, "5.5.1", "Send EHLO first");
	else if (s->opts.require_auth && !s->authenticated)
		engine_say(s, VERB_MAIL, 530, "5.7.0",
			   "Authentication required");
	else if (s->t != NULL)
		engine_say(s, VERB_MAIL, 503, "5.5.1",
			   "A mail transaction is already under way");
	else
		return true;
	return false;
}

void
engine_mail_from(struct smtp_server *s, struct slice args)
{
	struct smtp_mail mail = {.size = 0};
	struct slice whole, key;
	struct path path;
	enum param_verdict verdict;

	if (!mail_allowed(s))
		return;
	if (!keyword_take(&args, SLICE_LIT("FROM:"))) {
		engine_say(s, VERB_MAIL, 501, "5.5.4",
			   "Syntax: MAIL FROM:<address>");
		return;
	}
	whole = args;
	if (path_parse(&args, &path) != PATH_FINE ||
	    path_is_postmaster(&path)) {
		say_address(s, VERB_MAIL, whole);
		return;
	}
	verdict = param_mail(args, s->opts.offer_utf8, &mail, &key);
	if (verdict != PARAM_FINE) {
		say_param(s, VERB_MAIL, verdict, key);
		return;
	}
	if (path.utf8 && !mail.utf8) {
		engine_say(s, VERB_MAIL, 553, "5.6.7",
			   "Internationalised address not supported on this "
			   "path");
		return;
	}
	if (engine_body_oversize(s, mail.size)) {
		engine_body_say_oversize(s, VERB_MAIL, mail.size);
		return;
	}
	mail.sender = path.address;
	s->t = mem_zalloc(sizeof(*s->t));
	s->t->utf8 = mail.utf8;
	s->ops->mail(s->arg, engine_ticket_open(s, VERB_MAIL_ASK), &mail);
}

bool
engine_mail_rcpt_room(const struct smtp_server *s)
{
	return s->opts.rcpt_max == 0 || s->t == NULL ||
	       s->t->accepted >= s->opts.rcpt_max ||
	       engine_ticket_count(s) < s->opts.rcpt_max - s->t->accepted;
}

/* No error of the client's: it is to send the rest later (RFC 5321,
 * 4.5.3.1.10), and a pipelining one cannot know where the cap is. */
static void
say_too_many(struct smtp_server *s)
{
	char line[ENGINE_REPLY_MAX];

	snprintf(line, sizeof(line),
		 "Too many recipients (maximum %" PRIu32
		 "); send the rest separately or use the bulk queue",
		 s->opts.rcpt_max);
	engine_say(s, VERB_RCPT_MORE, 452, "4.5.3", line);
}

void
engine_mail_rcpt(struct smtp_server *s, struct slice args)
{
	struct smtp_rcpt rcpt = {.notify = 0};
	struct slice whole, key;
	struct path path;
	enum param_verdict verdict;

	if (s->t == NULL || s->t->bdat) {
		engine_say(s, VERB_RCPT, 503, "5.5.1",
			   s->t == NULL ? "Send MAIL first"
					: "The message has begun");
		return;
	}
	if (s->opts.rcpt_max > 0 && s->t->accepted >= s->opts.rcpt_max) {
		say_too_many(s);
		return;
	}
	if (!keyword_take(&args, SLICE_LIT("TO:"))) {
		engine_say(s, VERB_RCPT, 501, "5.5.4",
			   "Syntax: RCPT TO:<address>");
		return;
	}
	whole = args;
	if (path_parse(&args, &path) != PATH_FINE || path.address.n == 0) {
		say_address(s, VERB_RCPT, whole);
		return;
	}
	verdict = param_rcpt(args, s->t->utf8, &rcpt, &key);
	if (verdict != PARAM_FINE) {
		say_param(s, VERB_RCPT, verdict, key);
		return;
	}
	if (path.utf8 && !s->t->utf8) {
		engine_say(s, VERB_RCPT, 553, "5.6.7",
			   "Internationalised address not supported on this "
			   "path");
		return;
	}
	rcpt.recipient = path.address;
	s->ops->rcpt(s->arg, engine_ticket_open(s, VERB_RCPT), &rcpt);
}
