/*
 * FROM binding: the sender of the envelope at MAIL, and every address of From
 * and Sender at the dot. What a login may call itself is policy/binding.h's.
 *
 * A field that cannot be read without doubt is refused like a forged one:
 * what a reader at the other end makes of it nobody here knows.
 */
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/front/checks_int.h"

#define SHOWN_MAX 100 /* of an address, in a reply */
#define ADDRESS_MAX 256

static struct binding_who
who_of(const struct session *session)
{
	const struct front_conf *conf = &session->snapshot->conf;

	return (struct binding_who){
	    .cred = session->login.cred,
	    .owner = session->login.owner,
	    .domain = conf->auth_domain,
	    .internal = conf->internal,
	    .internal_count = conf->internal_count,
	    .accounts = session->worker->shared->accounts,
	};
}

/* What stands where it may not; address none: what cannot be read. */
struct offence {
	const char *stage, *what; /* "MAIL", "." ; "MAIL FROM", "From" */
	struct slice address;
};

static void
observed(const struct session *session, const struct transaction *t,
	 const struct offence *offence)
{
	COUNT(session->worker, sender_observed);
	log_event(
	    GW_LOG_INFO, "sender", LF_STR("msg", t == NULL ? NULL : t->id_text),
	    LF_STR("session", session->id_text),
	    LF_STR("cred", session->login.cred),
	    LF_IP("client", &session->peer.ip), LF_STR("field", offence->what),
	    LF_SLICE("address", offence->address), LF_STR("observed", "yes"));
}

/* True: it may pass all the same. */
static bool
refuse(struct session *session, const struct transaction *t,
       const struct offence *offence, struct refusal *refusal)
{
	struct slice shown = slice_head(offence->address, SHOWN_MAX);
	char address[SHOWN_MAX + 1], ref[ID_TEXT_SIZE];
	struct reply_arg args[] = {{"login", session->login.cred},
				   {"address", address},
				   {"what", offence->what},
				   {"ref", ref}};
	struct decision decision;
	uint64_t id;

	if (session->login.binding == BINDING_OBSERVE) {
		observed(session, t, offence);
		return true;
	}
	checks_decision(&decision, session, t, offence->stage,
			offence->address);
	decision.kind = DECISION_SENDER;
	decision.code = 550;
	id = decisions_add(session->worker->shared->decisions, &decision);
	id_format(id, ref);
	if (shown.n > 0)
		memcpy(address, shown.p, shown.n);
	address[shown.n] = '\0';
	refusal_make(refusal,
		     offence->address.p != NULL ? REPLY_SENDER_DENIED
						: REPLY_SENDER_UNREADABLE,
		     args, sizeof(args) / sizeof(args[0]));
	refusal->ref = id;
	COUNT(session->worker, sender_refused);
	checks_count_refused(
	    session, t == NULL ? offence->address : slice_str(t->mail_from),
	    SLICE_NONE);
	return false;
}

bool
check_sender_mail(struct session *session, struct slice sender,
		  struct refusal *refusal)
{
	const struct binding_who who = who_of(session);
	const struct offence offence = {"MAIL", "MAIL FROM", sender};

	return binding_ok(session->login.binding, &who, sender) ||
	       refuse(session, NULL, &offence, refusal);
}

struct field {
	const struct session *session;
	struct binding_who who;
	bool denied;
	size_t n;
	char address[ADDRESS_MAX]; /* the one that may not, cut */
};

static bool
on_address(void *arg, struct slice address)
{
	struct field *field = arg;

	if (binding_ok(field->session->login.binding, &field->who, address))
		return true;
	field->denied = true;
	field->n = address.n < ADDRESS_MAX ? address.n : ADDRESS_MAX;
	if (field->n > 0)
		memcpy(field->address, address.p, field->n);
	return false;
}

static bool
check_field(struct transaction *t, const char *name, struct slice value,
	    struct refusal *refusal)
{
	struct field field;
	struct offence offence = {".", name, SLICE_NONE};
	bool readable;

	if (value.p == NULL)
		return true;
	field.session = t->session;
	field.who = who_of(t->session);
	field.denied = false;
	readable = binding_addresses(value, on_address, &field);
	if (readable && !field.denied)
		return true;
	if (field.denied)
		offence.address = slice_of(field.address, field.n);
	return refuse(t->session, t, &offence, refusal);
}

bool
check_sender_header(struct transaction *t, struct refusal *refusal)
{
	if (t->session->login.binding == BINDING_OFF)
		return true;
	return check_field(t, "From", header_from(t->header), refusal) &&
	       check_field(t, "Sender", header_sender(t->header), refusal);
}
