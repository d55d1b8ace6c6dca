/*
 * Viruses: what is asked of the scan thread at the dot, and what follows from
 * its verdict. Only INFECTED and a class's `reject` refuse anything; where
 * there is no verdict in time, the message is accepted and held, and back asks
 * again until it has one.
 *
 * An infected message that the configuration wants quarantined, cleaned or
 * discarded is accepted and held like one that waits: back finds its verdict
 * among those known. So there is one place that does such things, whether the
 * verdict came before the 250 or behind it.
 *
 * Nothing is asked about a message without attachments: it costs the walk. Nor
 * during a bypass; but what is known to be infected is so then, too.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/front/checks_int.h"
#include "gateway/front/inspection.h"
#include "gateway/scan/words.h"

#define SHOWN_MAX 48 /* of a name and of a threat, in a reply */
#define WHAT_SIZE (SHOWN_MAX + sizeof("A part of type ''"))

/* --- settings ------------------------------------------------------------- */

static enum scan_down
down_of(const struct session *session)
{
	const struct front_class *class = checks_class(session);

	return class != NULL && class->scan_down >= 0
		   ? (enum scan_down) class->scan_down
		   : session->snapshot->conf.scan_down;
}

static enum scan_unscannable
unscannable_of(const struct session *session)
{
	const struct front_class *class = checks_class(session);

	return class != NULL && class->scan_unscannable >= 0
		   ? (enum scan_unscannable) class->scan_unscannable
		   : session->snapshot->conf.scan_unscannable;
}

static bool
is_bypassed(const struct session *session)
{
	return scan_bypassed(session->worker->shared->scan, clock_wall_s());
}

/* --- words ---------------------------------------------------------------- */

/* For a reply, behind the name of the thing. */
static const char *const reasons[] = {
    [SCAN_WHY_NONE] = "cannot be checked for viruses",
    [SCAN_WHY_ENCRYPTED] = "is encrypted and cannot be checked for viruses",
    [SCAN_WHY_TOO_BIG] = "is too big to be checked for viruses",
    [SCAN_WHY_CONTAINER] = "holds too much, or is packed too deep, to be "
			   "checked for viruses",
    [SCAN_WHY_POLICY] = "is of a kind that is not permitted",
    [SCAN_WHY_PARTIAL] = "is a fragment of another and cannot be checked for "
			 "viruses",
    [SCAN_WHY_EXTERNAL] = "has content that lies elsewhere and cannot be "
			  "checked for viruses",
    [SCAN_WHY_STRUCTURE] = "has too many parts, or too deep ones, to be "
			   "checked for viruses",
    [SCAN_WHY_DOWN] = "could not be checked",
    [SCAN_WHY_TIMEOUT] = "could not be checked in time",
    [SCAN_WHY_PROTOCOL] = "could not be checked",
    [SCAN_WHY_SERVER] = "could not be checked",
    [SCAN_WHY_CANCELED] = "could not be checked in time",
    [SCAN_WHY_READ] = "could not be checked",
};

/* At most SHOWN_MAX octets, no half a character. */
static size_t
shown(const char *text)
{
	size_t n = strlen(text);

	if (n <= SHOWN_MAX)
		return n;
	n = SHOWN_MAX;
	while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return n;
}

/* The part that the verdict is about; NULL: the message. */
static const struct scan_part *
part_of(const struct inspection *i)
{
	const struct attachments *a = i->attachments;
	enum scan_why flaw = attachments_flaw(a);
	size_t at = i->job.part, names = a->count - a->whole;

	if (at >= names ||
	    (flaw != SCAN_WHY_NONE && flaw == i->job.verdict.why))
		return NULL;
	return &a->parts[at];
}

static void
what_text(const struct inspection *i, char out[WHAT_SIZE])
{
	const struct scan_part *part = part_of(i);

	if (part != NULL && part->name[0] != '\0')
		snprintf(out, WHAT_SIZE, "Attachment %.*s",
			 (int)shown(part->name), part->name);
	else if (part == NULL || strncmp(part->type, "message/", 8) == 0)
		snprintf(out, WHAT_SIZE, "The message");
	else
		snprintf(out, WHAT_SIZE, "A part of type %.*s",
			 (int)shown(part->type), part->type);
}

/* --- telling -------------------------------------------------------------- */

static void
log_verdict(const struct transaction *t, const struct inspection *i)
{
	const struct scan_verdict *verdict = &i->job.verdict;
	bool fine = verdict->kind == SCAN_CLEAN;
	const struct scan_part *part = fine ? NULL : part_of(i);
	const char *name = part != NULL ? part->name : "";
	/* It is canceled when its time is over. */
	enum scan_why why =
	    verdict->why == SCAN_WHY_CANCELED ? SCAN_WHY_TIMEOUT : verdict->why;

	log_event(GW_LOG_INFO, "scan", LF_STR("msg", t->id_text),
		  LF_STR("session", t->session->id_text),
		  LF_STR("cred", t->session->login.cred),
		  LF_IP("client", &t->session->peer.ip),
		  LF_U64("parts", i->job.part_count),
		  LF_STR("part", name[0] != '\0' ? name : NULL),
		  LF_STR("type", part != NULL ? part->type : NULL),
		  LF_STR("verdict", scan_kind_word(verdict->kind)),
		  LF_STR("why", fine ? NULL : scan_why_word(why)),
		  LF_STR("threat",
			 verdict->threat[0] != '\0' ? verdict->threat : NULL),
		  LF_STR("server",
			 verdict->server[0] != '\0' ? verdict->server : NULL),
		  LF_STR("token", i->token), LF_I64("ms", i->ms),
		  LF_U64("cached", i->job.cached));
}

static uint64_t
decide(struct transaction *t, const struct inspection *i, int code)
{
	const struct scan_verdict *verdict = &i->job.verdict;
	struct decision decision;
	char what[WHAT_SIZE], detail[WHAT_SIZE + SCAN_THREAT_SIZE + 8];

	what_text(i, what);
	if (verdict->kind == SCAN_INFECTED)
		snprintf(detail, sizeof(detail), "%s: %s", what,
			 verdict->threat);
	else
		snprintf(detail, sizeof(detail), "%s %s", what,
			 reasons[verdict->why]);
	checks_decision(&decision, t->session, t, "scan", slice_str(detail));
	decision.kind = DECISION_SCAN;
	decision.code = code;
	decision.scan = verdict->kind;
	t->scan.ref =
	    decisions_add(t->session->worker->shared->decisions, &decision);
	return t->scan.ref;
}

static bool
refuse(struct transaction *t, const struct inspection *i, enum reply_id id,
       struct refusal *refusal)
{
	char what[WHAT_SIZE], threat[SHOWN_MAX + 1], ref[ID_TEXT_SIZE];
	const char *found = i->job.verdict.threat;
	const struct reply_arg args[] = {
	    {"what", what},
	    {"threat", threat},
	    {"why", reasons[i->job.verdict.why]},
	    {"contact", checks_contact(t->session)},
	    {"ref", ref},
	};
	struct reply reply;

	if (found[0] == '\0')
		found = "a virus";
	snprintf(threat, sizeof(threat), "%.*s", (int)shown(found), found);
	what_text(i, what);
	reply_make(&reply, id, NULL, 0);
	id_format(decide(t, i, reply.code), ref);
	refusal_make(refusal, id, args, sizeof(args) / sizeof(args[0]));
	refusal->ref = t->scan.ref;
	refusal->why = "scan";
	checks_count_refused(t->session, slice_str(t->mail_from), SLICE_NONE);
	return false;
}

/* --- asking --------------------------------------------------------------- */

/* False: there is nothing in it to ask about. */
static bool
has_to_be_asked(struct transaction *t)
{
	struct attachments *a = t->scan.attachments;

	if (a == NULL)
		return false;
	attachments_end(a, spool_body_bytes(t->body), t->digest);
	return a->count > 0;
}

static void
let_out(struct transaction *t, const char *why)
{
	COUNT(t->session->worker, scan_open);
	log_event(GW_LOG_INFO, "scan", LF_STR("msg", t->id_text),
		  LF_STR("session", t->session->id_text),
		  LF_STR("cred", t->session->login.cred),
		  LF_IP("client", &t->session->peer.ip),
		  LF_STR("verdict", "none"), LF_STR("why", why));
}

enum step_result
check_scan_ask(struct transaction *t)
{
	struct session *session = t->session;
	struct inspection *i;
	enum scan_why flaw;

	if (!has_to_be_asked(t))
		return STEP_NEXT;
	i = t->scan.inspection = inspection_create(t);
	if (is_bypassed(session)) {
		if (!scan_known_virus(session->worker->shared->scan, &i->job)) {
			inspection_destroy(&t->scan.inspection);
			let_out(t, "bypass");
		}
		return STEP_NEXT;
	}
	flaw = attachments_flaw(i->attachments);
	if (flaw != SCAN_WHY_NONE &&
	    unscannable_of(session) == SCAN_UNSCANNABLE_REJECT) {
		i->job.verdict.kind = SCAN_UNSCANNABLE;
		i->job.verdict.why = flaw;
		return STEP_NEXT;
	}
	if (check_token(t, i))
		return STEP_NEXT;
	if (scan_known(session->worker->shared->scan, &i->job))
		return STEP_NEXT;
	inspection_start(i);
	return STEP_WAIT;
}

/* --- what follows --------------------------------------------------------- */

/* A dead recipient is told of at once; but nothing of a message leaves, not
 * even in a report, while it may turn out to be infected. */
static void
hold(struct transaction *t, uint32_t why)
{
	static const uint16_t flags[] = {
	    [SCAN_UNSCANNABLE_REJECT] = 0,
	    [SCAN_UNSCANNABLE_HOLD] = MSG_UNSCANNABLE_HOLD,
	    [SCAN_UNSCANNABLE_PASS] = MSG_UNSCANNABLE_PASS,
	};
	struct spool_msg *msg = t->msg;

	for (uint32_t n = 0; n < msg->rcpt_count; n++) {
		struct spool_rcpt *rcpt = &msg->rcpts[n];

		if (why == HOLD_UNSCANNABLE && rcpt->domain == RCPT_DOMAIN_DEAD)
			continue;
		rcpt->state = RCPT_HELD;
		rcpt->holds |= why;
	}
	msg->flags |= flags[unscannable_of(t->session)];
	t->scan.hold = why;
}

static bool
infected(struct transaction *t, const struct inspection *i,
	 struct refusal *refusal)
{
	bool is_signed = (i->attachments->summary.flags & MIME_SIGNED) != 0;

	COUNT(t->session->worker, scan_infected);
	switch (t->session->snapshot->conf.scan_infected) {
	case SCAN_INFECTED_CLEAN:
		if (!is_signed)
			break;
		/* without the part the signature would be wrong */
		return refuse(t, i, REPLY_INFECTED, refusal);
	case SCAN_INFECTED_REJECT:
		return refuse(t, i, REPLY_INFECTED, refusal);
	case SCAN_INFECTED_QUARANTINE:
	case SCAN_INFECTED_DISCARD:
	case SCAN_INFECTED_DISCARD_SILENTLY:
		break;
	}
	decide(t, i, 250);
	hold(t, HOLD_SCAN);
	return true;
}

static bool
unscannable(struct transaction *t, const struct inspection *i,
	    struct refusal *refusal)
{
	COUNT(t->session->worker, scan_unscannable);
	switch (unscannable_of(t->session)) {
	case SCAN_UNSCANNABLE_REJECT:
		return refuse(t, i, REPLY_UNSCANNABLE, refusal);
	case SCAN_UNSCANNABLE_HOLD:
		decide(t, i, 250);
		hold(t, HOLD_UNSCANNABLE);
		break;
	case SCAN_UNSCANNABLE_PASS:
		break;
	}
	return true;
}

/* No verdict. Where it is for our own sake, since we stop, nobody is to suffer
 * for it: it is asked for after the start. */
static bool
unknown(struct transaction *t, const struct inspection *i,
	struct refusal *refusal)
{
	enum scan_down down =
	    i->stopping ? SCAN_DOWN_HOLD : down_of(t->session);

	if (is_bypassed(t->session)) {
		let_out(t, "bypass");
		return true;
	}
	switch (down) {
	case SCAN_DOWN_HOLD:
		COUNT(t->session->worker, scan_pending);
		decide(t, i, 250);
		hold(t, HOLD_SCAN);
		t->scan.pending = true;
		break;
	case SCAN_DOWN_OPEN:
		let_out(t, "down-open");
		break;
	case SCAN_DOWN_REJECT:
		return refuse(t, i, REPLY_SCAN_DOWN, refusal);
	}
	return true;
}

static bool
follow(struct transaction *t, const struct inspection *i,
       struct refusal *refusal)
{
	switch (i->job.verdict.kind) {
	case SCAN_CLEAN:
		COUNT(t->session->worker, scan_clean);
		if (i->token != NULL)
			COUNT(t->session->worker, scan_token);
		check_token_sign(t, i);
		return true;
	case SCAN_INFECTED:
		return infected(t, i, refusal);
	case SCAN_UNSCANNABLE:
		return unscannable(t, i, refusal);
	case SCAN_ERROR:
		return unknown(t, i, refusal);
	}
	return true;
}

bool
check_scan_verdict(struct transaction *t, bool *waited, struct refusal *refusal)
{
	struct inspection *i = t->scan.inspection;
	enum scan_why flaw;
	bool may;

	if (i == NULL)
		return true;
	*waited = i->waited;
	flaw = attachments_flaw(i->attachments);
	if (i->job.verdict.kind == SCAN_CLEAN && flaw != SCAN_WHY_NONE) {
		i->job.verdict.kind = SCAN_UNSCANNABLE;
		i->job.verdict.why = flaw;
	}
	log_verdict(t, i);
	may = follow(t, i, refusal);
	inspection_destroy(&t->scan.inspection);
	return may;
}

bool
check_scan_reply(const struct transaction *t, struct reply *reply)
{
	char ref[ID_TEXT_SIZE];
	const struct reply_arg args[] = {{"id", t->id_text}, {"ref", ref}};

	/* somebody has to let it go: that is more to know */
	if (t->charge.action == LIMIT_HOLD)
		return false;
	if (t->scan.hold != HOLD_UNSCANNABLE && !t->scan.pending)
		return false;
	id_format(t->scan.ref, ref);
	reply_make(reply,
		   t->scan.pending ? REPLY_SCAN_PENDING
				   : REPLY_UNSCANNABLE_HELD,
		   args, 2);
	return true;
}
