#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/smtp/engine.h"

/*
 * Answers come in any order, replies leave in the order of the commands. What
 * a reply does to the session (a recipient stands, the transaction is over,
 * one more error) happens when it leaves, so that a session that is closed in
 * the middle never acted on an answer that the client did not get.
 *
 * Invariants: the slot at head is never answered and not held at rest, it
 * would have left. More than one slot is open only while all are RCPT's. After
 * close no function of the owner is called, and its late answers are ignored.
 *
 * wake may lead to the engine's destruction, so calling it is the last thing.
 */

struct engine_goodbye {
	uint16_t code;
	char enhanced[12];
	const char *reason; /* static */
	char text[];
};

static struct engine_slot *
slot_at(struct smtp_server *s, uint32_t ticket)
{
	struct engine_tickets *k = &s->tickets;

	return k->ring != NULL ? &k->ring[ticket % SMTP_TICKETS_MAX] : &k->one;
}

uint32_t
engine_ticket_count(const struct smtp_server *s)
{
	return s->tickets.tail - s->tickets.head;
}

static const struct engine_slot *
head_of(const struct smtp_server *s)
{
	const struct engine_tickets *k = &s->tickets;

	return k->ring != NULL ? &k->ring[k->head % SMTP_TICKETS_MAX] : &k->one;
}

bool
engine_ticket_waits(const struct smtp_server *s)
{
	return engine_ticket_count(s) > 0 && !head_of(s)->held;
}

bool
engine_ticket_all_rcpt(const struct smtp_server *s)
{
	return engine_ticket_count(s) == 0 || head_of(s)->verb == VERB_RCPT;
}

struct engine_slot *
engine_ticket_slot(struct smtp_server *s, uint32_t ticket)
{
	uint32_t place = ticket - s->tickets.head;
	struct engine_slot *slot;

	if (s->phase == PHASE_CLOSED)
		return NULL;
	assert(place < engine_ticket_count(s));
	slot = slot_at(s, ticket);
	assert(slot->code == 0);
	return slot;
}

uint32_t
engine_ticket_open(struct smtp_server *s, enum engine_verb verb)
{
	struct engine_tickets *k = &s->tickets;
	uint32_t count = engine_ticket_count(s);

	assert(count < SMTP_TICKETS_MAX);
	if (count == 1 && k->ring == NULL) {
		k->ring = mem_array(SMTP_TICKETS_MAX, sizeof(*k->ring));
		k->ring[k->head % SMTP_TICKETS_MAX] = k->one;
	}
	*slot_at(s, k->tail) = (struct engine_slot){.verb = (uint8_t)verb};
	return k->tail++;
}

void
engine_ticket_fini(struct smtp_server *s)
{
	struct engine_tickets *k = &s->tickets;

	for (; k->head != k->tail; k->head++)
		free(slot_at(s, k->head)->text);
	free(k->ring);
	k->ring = NULL;
	free(s->goodbye);
	s->goodbye = NULL;
	free(s->dismissal);
	s->dismissal = NULL;
}

static void
shut(struct smtp_server *s, const char *reason)
{
	if (s->phase == PHASE_CLOSED)
		return;
	engine_mail_end(s, true);
	s->phase = PHASE_CLOSED;
	engine_ticket_fini(s);
	s->ops->close(s->arg, reason);
}

void
engine_count_error(struct smtp_server *s, bool lenient)
{
	uint32_t most = s->opts.error_max;

	if (lenient && s->lenient < ENGINE_LENIENT_MAX)
		s->lenient++;
	else if (++s->errors >= (most > 0 ? most : ENGINE_ERROR_MAX))
		engine_say_close(s, VERB_NONE, 421, "4.7.0", "Too many errors",
				 "too-many-errors");
}

/* What the reply means, before it is written. */
static void
settle(struct smtp_server *s, enum engine_verb verb, int code)
{
	bool good = code / 100 == 2;

	if (verb == VERB_AUTH && good)
		s->authenticated = true;
	if (verb == VERB_DOT) {
		engine_mail_end(s, false);
		if (good)
			s->errors = s->lenient = 0;
	}
	if (s->t == NULL)
		return;
	if (verb == VERB_MAIL_ASK && good)
		s->t->open = true;
	else if (verb == VERB_MAIL_ASK)
		engine_mail_end(s, false);
	else if (verb == VERB_RCPT && good)
		s->t->accepted++;
	else if (verb == VERB_RCPT)
		s->t->refused_any = true;
	else if (verb == VERB_DATA_ASK && code == 354)
		engine_body_data_begin(s);
	else if (verb == VERB_DATA_ASK)
		engine_mail_end(s, true);
}

static void
put(struct smtp_server *s, enum engine_verb verb,
    const struct engine_answer *answer, bool utf8)
{
	const char *enhanced = answer->enhanced;
	char out[ENGINE_REPLY_MAX + 1];
	size_t n, prefix;

	if (enhanced != NULL && enhanced[0] == '\0')
		enhanced = NULL;
	n = engine_reply_format(out, answer->code, enhanced, answer->text,
				utf8);
	s->ops->write(s->arg, slice_of(out, n));
	if (s->ops->replied == NULL)
		return;
	prefix = 4 + (enhanced != NULL ? strnlen(enhanced, 11) + 1 : 0);
	out[n - 2] = '\0';
	s->ops->replied(s->arg, engine_command_name(verb), answer->code,
			enhanced, out + prefix, answer->ref);
}

/* A reply whose turn has come. */
static void
leave(struct smtp_server *s, enum engine_verb verb,
      const struct engine_answer *answer)
{
	int code = answer->code;
	bool lenient = (verb == VERB_RCPT || verb == VERB_BDAT) &&
		       !engine_session_is_stranger(s);
	bool utf8 = s->t != NULL && s->t->utf8;

	settle(s, verb, code);
	put(s, verb, answer, utf8);
	if (code == 421)
		shut(s, "421");
	else if (code == 521)
		shut(s, "521");
	else if (code >= 400 && verb != VERB_RCPT_MORE)
		engine_count_error(s, lenient);
}

static bool
unblocked(const struct smtp_server *s)
{
	switch ((enum engine_block)s->block) {
	case BLOCK_SLOT:
		return engine_ticket_count(s) < SMTP_TICKETS_MAX;
	case BLOCK_DRAIN:
		return !engine_ticket_waits(s);
	case BLOCK_RESUME:
		return !s->paused;
	case BLOCK_NONE:
	case BLOCK_OWNER:
		break;
	}
	return true;
}

void
engine_enter(struct smtp_server *s)
{
	s->depth++;
}

void
engine_exit(struct smtp_server *s)
{
	if (--s->depth > 0 || !s->starved || s->phase == PHASE_CLOSED ||
	    !unblocked(s))
		return;
	s->starved = false;
	s->ops->wake(s->arg);
}

/* Sends what is due at the head, then what waited for that. */
static void
flush(struct smtp_server *s)
{
	struct engine_tickets *k = &s->tickets;
	struct engine_goodbye *bye;
	struct engine_answer answer;
	struct engine_slot slot;

	while (s->phase != PHASE_CLOSED && k->head != k->tail) {
		slot = *slot_at(s, k->head);
		if (slot.held && s->goodbye != NULL)
			break;
		if (slot.code == 0 || slot.held)
			return;
		k->head++;
		answer = (struct engine_answer){slot.code, slot.enhanced,
						slot.text, slot.ref};
		leave(s, slot.verb, &answer);
		free(slot.text);
	}
	if (s->phase == PHASE_CLOSED)
		return;
	if (k->head == k->tail) {
		free(k->ring);
		k->ring = NULL;
	}
	bye = s->goodbye;
	s->goodbye = NULL;
	if (bye != NULL) {
		answer = (struct engine_answer){bye->code, bye->enhanced,
						bye->text, 0};
		put(s, VERB_NONE, &answer, false);
		shut(s, bye->reason);
		free(bye);
	}
}

static void
keep(struct engine_slot *slot, const struct engine_answer *a)
{
	slot->code = (uint16_t)a->code;
	snprintf(slot->enhanced, sizeof(slot->enhanced), "%s",
		 a->enhanced != NULL ? a->enhanced : "");
	slot->text = mem_strndup(a->text, strnlen(a->text, ENGINE_REPLY_MAX));
	slot->ref = a->ref;
}

void
engine_ticket_answer(struct smtp_server *s, uint32_t ticket,
		     const struct engine_answer *answer)
{
	static const struct engine_answer overlong = {
	    500, "5.5.6", "Authentication exchange line is too long", 0};
	struct engine_slot *slot = engine_ticket_slot(s, ticket);
	struct engine_answer a = *answer;

	if (slot == NULL)
		return;
	if (a.text == NULL)
		a.text = engine_reply_default(a.code);
	if (slot->overlong)
		a = overlong;
	if (slot->verb == VERB_BDAT_ASK) {
		s->tickets.head++;
		if (a.code == 354)
			engine_body_bdat_begin(s);
		else
			engine_body_bdat_refused(s, &a);
		flush(s);
	} else if (ticket == s->tickets.head) {
		enum engine_verb verb = slot->verb;

		s->tickets.head++;
		leave(s, verb, &a);
		flush(s);
	} else {
		keep(slot, &a);
	}
}

void
engine_ticket_challenge(struct smtp_server *s, uint32_t ticket,
			struct slice text)
{
	struct engine_slot *slot = engine_ticket_slot(s, ticket);

	if (slot == NULL)
		return;
	assert(slot->verb == VERB_AUTH);
	if (slot->overlong) {
		engine_ticket_answer(s, ticket,
				     &(struct engine_answer){.code = 500});
		return;
	}
	s->tickets.head++;
	s->ops->write(s->arg, SLICE_LIT("334 "));
	if (text.n > 0)
		s->ops->write(s->arg, text);
	s->ops->write(s->arg, SLICE_LIT("\r\n"));
	if (s->ops->replied != NULL)
		s->ops->replied(s->arg, "AUTH", 334, NULL, "", 0);
	s->phase = PHASE_AUTH;
	flush(s);
}

void
engine_say(struct smtp_server *s, enum engine_verb verb, int code,
	   const char *enhanced, const char *text)
{
	const struct engine_answer answer = {code, enhanced, text, 0};

	if (s->phase != PHASE_CLOSED)
		engine_ticket_answer(s, engine_ticket_open(s, verb), &answer);
}

void
engine_ticket_hold(struct smtp_server *s, enum engine_verb verb,
		   const struct engine_answer *answer)
{
	struct engine_slot *slot = slot_at(s, engine_ticket_open(s, verb));

	keep(slot, answer);
	slot->held = true;
}

void
engine_ticket_release(struct smtp_server *s)
{
	struct engine_slot *slot = slot_at(s, s->tickets.head);

	slot->held = false;
	flush(s);
}

void
engine_say_close(struct smtp_server *s, enum engine_verb verb, int code,
		 const char *enhanced, const char *text, const char *reason)
{
	const struct engine_answer answer = {code, enhanced, text, 0};

	if (s->phase == PHASE_CLOSED)
		return;
	if (s->phase != PHASE_TLS) /* a handshake is no place for text */
		put(s, verb, &answer, false);
	shut(s, reason);
}

void
engine_say_refusal(struct smtp_server *s, enum engine_verb verb,
		   const struct smtp_refusal *r)
{
	const struct engine_answer answer = {r->code, r->enhanced, r->text,
					     r->ref};

	if (s->phase == PHASE_CLOSED)
		return;
	put(s, verb, &answer, false);
	engine_say_close(s, VERB_NONE, 421, "4.7.0", r->goodbye, r->reason);
}

void
engine_say_raw(struct smtp_server *s, enum engine_verb verb, int code,
	       struct slice out, const char *text)
{
	s->ops->write(s->arg, out);
	if (s->ops->replied != NULL)
		s->ops->replied(s->arg, engine_command_name(verb), code, NULL,
				text, 0);
}

void
engine_goodbye_set(struct smtp_server *s, int code, const char *enhanced,
		   const char *text, const char *reason)
{
	size_t n;

	if (s->phase == PHASE_CLOSED || s->goodbye != NULL)
		return;
	if (text == NULL)
		text = engine_reply_default(code);
	if (!engine_ticket_waits(s)) {
		engine_say_close(s, VERB_NONE, code, enhanced, text, reason);
		return;
	}
	n = strnlen(text, ENGINE_REPLY_MAX);
	s->goodbye = mem_zalloc(sizeof(*s->goodbye) + n + 1);
	s->goodbye->code = (uint16_t)code;
	s->goodbye->reason = reason;
	snprintf(s->goodbye->enhanced, sizeof(s->goodbye->enhanced), "%s",
		 enhanced != NULL ? enhanced : "");
	memcpy(s->goodbye->text, text, n);
}
