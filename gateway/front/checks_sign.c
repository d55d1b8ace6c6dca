/*
 * DKIM: which messages are signed, and the field by which a campaign's readers
 * unsubscribe, which stands only in what is signed (RFC 8058, 4).
 *
 * Whose domain it is, is known when the header has passed; from there on the
 * body of a message that nobody signs for is not looked at. Signed is for the
 * one address of From, not for the envelope's: it is the one that people see
 * and that DMARC asks about. A message that cannot be signed, whatever the
 * reason, goes as it came.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/front/checks_int.h"
#include "gateway/front/signing.h"
#include "policy/binding.h"

#define UNSUBSCRIBE_MAX 4096

/* --- as it streams by ------------------------------------------------------
 */

void
check_sign_begin(struct transaction *t)
{
	const struct session *session = t->session;

	if (session->worker->shared->signer != NULL &&
	    dkim_keys_next(session->snapshot->conf.dkim, NULL) != NULL)
		t->sign.message = dkim_message_create();
}

/* The header is known. */
static void
decide(struct transaction *t)
{
	const struct dkim_keys *keys = t->session->snapshot->conf.dkim;
	const struct dkim_message *m = t->sign.message;
	char domain[BINDING_DOMAIN_SIZE];

	if (!dkim_message_bad(m) &&
	    binding_author(dkim_message_from(m), domain))
		t->sign.from = dkim_keys_find(keys, slice_str(domain));
	if (t->sign.from == NULL)
		dkim_message_destroy(&t->sign.message);
}

void
check_sign_add(struct transaction *t, struct slice bytes)
{
	struct dkim_message *m = t->sign.message;

	if (m == NULL)
		return;
	dkim_message_add(m, bytes);
	if (t->sign.from == NULL &&
	    (dkim_message_header_done(m) || dkim_message_bad(m)))
		decide(t);
}

/* --- List-Unsubscribe ------------------------------------------------------
 */

static bool
fill_in(struct buf *out, struct slice *rest, const char *word,
	const char *value)
{
	if (!slice_starts(*rest, slice_str(word)))
		return false;
	buf_add_str(out, value);
	*rest = slice_from(*rest, strlen(word));
	return true;
}

static void
add_url(struct buf *out, const struct transaction *t)
{
	const char *url = t->session->snapshot->conf.unsubscribe;
	struct slice rest = slice_str(url);
	char campaign[32];

	snprintf(campaign, sizeof(campaign), "C%llu",
		 (unsigned long long)t->msg->campaign);
	while (rest.n > 0) {
		size_t plain = slice_find(rest, '{');

		buf_add_slice(out, slice_head(rest, plain));
		rest = slice_from(rest, plain);
		if (rest.n == 0 ||
		    fill_in(out, &rest, "{campaign}", campaign) ||
		    fill_in(out, &rest, "{message}", t->id_text))
			continue;
		buf_add_byte(out, rest.p[0]);
		rest = slice_from(rest, 1);
	}
}

/* The sender's own field, if there is one, is the better. */
static void
add_unsubscribe(struct buf *out, const struct transaction *t)
{
	const struct dkim_message *m = t->sign.message;

	if (t->session->snapshot->conf.unsubscribe == NULL ||
	    t->msg->campaign == 0 || dkim_message_has(m, "List-Unsubscribe") ||
	    dkim_message_has(m, "List-Unsubscribe-Post"))
		return;
	buf_add_str(out, "List-Unsubscribe: <");
	add_url(out, t);
	buf_add_str(out, ">\r\n"
			 "List-Unsubscribe-Post: List-Unsubscribe=One-Click"
			 "\r\n");
	if (out->overflow)
		buf_clear(out);
}

/* --- at the dot ------------------------------------------------------------
 */

enum step_result
check_sign_ask(struct transaction *t)
{
	struct buf more = {.cap = UNSUBSCRIBE_MAX};

	if (t->sign.message == NULL)
		return STEP_NEXT;
	dkim_message_end(t->sign.message);
	if (t->sign.from == NULL)
		decide(t);
	if (t->sign.from == NULL ||
	    (t->sign.from->bulk && t->msg->lane != LANE_BULK))
		return STEP_NEXT;
	add_unsubscribe(&more, t);
	signing_start(t, buf_slice(&more));
	buf_fini(&more);
	return STEP_WAIT;
}

static void
set_prefix(struct spool_msg *msg, struct slice fields, struct slice rest)
{
	char *p = arena_alloc(msg->arena, fields.n + rest.n);

	memcpy(p, fields.p, fields.n);
	if (rest.n > 0)
		memcpy(p + fields.n, rest.p, rest.n);
	msg->prefix = slice_of(p, fields.n + rest.n);
}

static void
tell_failed(const struct transaction *t, const struct signing *s)
{
	log_event(s->job.err == GW_EIO ? GW_LOG_ERROR : GW_LOG_INFO,
		  "dkim-unsigned", LF_STR("msg", t->id_text),
		  LF_STR("session", t->session->id_text),
		  LF_STR("cred", t->session->login.cred),
		  LF_IP("client", &t->session->peer.ip),
		  LF_STR("domain", t->sign.from->name), LF_ERR(s->job.err));
}

void
check_signed(struct transaction *t)
{
	struct signing *s = t->sign.signing;

	if (s == NULL)
		return;
	if (s->job.err == 0) {
		COUNT(t->session->worker, dkim_signed);
		set_prefix(t->msg, buf_slice(&s->job.fields),
			   s->job.signing.prefix);
		t->sign.domain = t->sign.from->name;
	} else {
		COUNT(t->session->worker, dkim_failed);
		tell_failed(t, s);
	}
	signing_end(&t->sign.signing);
}
