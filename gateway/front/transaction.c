/*
 * From MAIL to the answer to the dot. Builds the message that the store will
 * take: envelope as the client gave it, bytes as they came. What may pass is
 * asked of checks.c; this file decides nothing.
 */
#include "gateway/front/transaction.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/front/checks_int.h"
#include "gateway/front/inspection.h"
#include "gateway/front/recipients.h"
#include "gateway/front/signing.h"
#include "policy/reply.h"

#define BACKLOG_POLL_MS 5

/* The first one has its own line (session.c); all of them have one. */
static void
surplus_tell(const struct transaction *t)
{
	if (t->surplus > 1)
		log_event(GW_LOG_INFO, "refuse", LF_STR("msg", t->id_text),
			  LF_STR("session", t->session->id_text),
			  LF_STR("cred", t->session->login.cred),
			  LF_IP("client", &t->session->peer.ip),
			  LF_STR("command", "RCPT"), LF_I64("code", 452),
			  LF_STR("enhanced", "4.5.3"),
			  LF_U64("count", t->surplus));
}

/* In one line: a message may have thousands. */
static void
tally_tell(const struct transaction *t)
{
	if (t->tally.first != NULL)
		log_event(GW_LOG_INFO, "domain", LF_STR("msg", t->id_text),
			  LF_STR("session", t->session->id_text),
			  LF_STR("cred", t->session->login.cred),
			  LF_IP("client", &t->session->peer.ip),
			  LF_U64("dropped", t->tally.dropped),
			  LF_U64("unverified", t->tally.unverified),
			  LF_STR("first", t->tally.first),
			  LF_STR("reason", check_domain_word(t->tally.why)));
}

void
transaction_destroy(struct transaction **transaction)
{
	struct transaction *t = *transaction;
	struct rcpt_key *key, *next;

	if (t == NULL)
		return;
	*transaction = NULL;
	timer_cancel(&t->backlog);
	recipients_fini(t);
	surplus_tell(t);
	tally_tell(t);
	free(t->tally.first);
	reservation_cancel(&t->charge.reservation, clock_mono_us());
	free(t->mail_from);
	HASH_ITER(hh, t->seen, key, next)
	{
		HASH_DEL(t->seen, key);
		free(key);
	}
	header_scan_destroy(&t->header);
	attachments_destroy(&t->scan.attachments);
	inspection_destroy(&t->scan.inspection); /* may take the body */
	signing_leave(&t->sign.signing);
	dkim_message_destroy(&t->sign.message);
	check_campaign_fini(t);
	spool_body_destroy(&t->body);
	spool_msg_destroy(&t->msg);
	free(t);
}

/* --- envelope ----------------------------------------------------------- */

static struct transaction *
begin(const struct mail_check *check)
{
	struct session *session = check->check.session;
	const struct smtp_mail *mail = &check->mail;
	struct transaction *t = mem_zalloc(sizeof(*t));
	struct spool_msg *msg = spool_msg_create();
	struct arena *arena = msg->arena;
	const struct limit_who who = {
	    .cred = session->login.cred,
	    .class = session->login.class,
	    .ip = session->peer.ip,
	};

	t->session = session;
	t->msg = msg;
	/* read before any recipient is looked at */
	msg->block_generation =
	    blocklist_generation(session->worker->shared->blocklist);
	t->id = msg->id = id_next();
	id_format(msg->id, t->id_text);
	memcpy(session->msg_text, t->id_text, sizeof(session->msg_text));
	msg->cred = arena_dup(arena, slice_str(session->login.cred));
	msg->owner = arena_dup(arena, slice_str(session->login.owner));
	msg->session = arena_dup(arena, slice_str(session->id_text));
	msg->client = session->peer.ip;
	msg->mail_from = arena_dup(arena, check->sender);
	msg->envid = arena_dup(arena, mail->envid);
	msg->ret = mail->ret;
	msg->flags = mail->utf8 ? MSG_UTF8 : 0;
	t->mail_from = mem_strdup(msg->mail_from);
	t->charge.reservation =
	    reservation_create(session->worker->shared->limits, &who);
	t->charge.declared_bytes = mail->size;
	recipients_init(t, check->waited_ms);
	return t;
}

/* The last thing its caller does. */
static void
mail_decided(struct mail_check *check)
{
	struct session *session = check->check.session;

	if (!check->check.refused) {
		assert(session->transaction == NULL);
		session->transaction = begin(check);
	}
	checks_answer(&check->check);
}

/* A copy that outlives the command, with what begin reads. */
static struct mail_check *
mail_keep(const struct mail_check *from)
{
	struct slice sender = from->sender, envid = from->mail.envid;
	struct mail_check *m = mem_alloc(sizeof(*m) + sender.n + envid.n);

	*m = *from;
	m->mail.auth = SLICE_NONE;
	if (sender.n > 0)
		memcpy(m->bytes, sender.p, sender.n);
	m->sender = m->mail.sender = slice_of(m->bytes, sender.n);
	if (envid.n > 0)
		memcpy(m->bytes + sender.n, envid.p, envid.n);
	if (envid.p != NULL)
		m->mail.envid = slice_of(m->bytes + sender.n, envid.n);
	return m;
}

void
transaction_mail(void *arg, uint32_t ticket, const struct smtp_mail *mail)
{
	struct session *session = arg;
	struct mail_check check = {
	    .check = {.session = session, .ticket = ticket},
	    .mail = *mail,
	    .sender = mail->sender.p != NULL ? mail->sender : SLICE_LIT(""),
	};

	if (checks_mail(&check) == STEP_DONE) {
		mail_decided(&check);
		return;
	}
	session->mail = mail_keep(&check);
	checks_mail_ask(session->mail);
}

void
transaction_mail_resume(struct mail_check *check)
{
	enum step_result result = checks_mail(check);

	assert(result == STEP_DONE); /* its fact is there */
	(void)result;
	check->check.session->mail = NULL;
	mail_decided(check);
	free(check);
}

void
transaction_mail_cancel(struct session *session)
{
	if (session->mail == NULL)
		return;
	checks_ask_cancel(&session->mail->check);
	free(session->mail);
	session->mail = NULL;
}

bool
transaction_has(const struct transaction *t, struct slice address)
{
	struct rcpt_key *key;

	HASH_FIND(hh, t->seen, address.p, (unsigned)address.n, key);
	return key != NULL;
}

void
transaction_add(struct transaction *t, const struct rcpt_check *check)
{
	const struct smtp_rcpt *rcpt = &check->rcpt;
	struct rcpt_key *key;
	struct spool_rcpt *entry;

	entry = spool_msg_add_rcpt(t->msg, rcpt->recipient);
	entry->notify = rcpt->notify;
	entry->next_wall_s = check->next_wall_s;
	entry->domain = (uint8_t)check->state;
	entry->domain_why = (uint8_t)check->why;
	entry->orcpt = arena_dup(t->msg->arena, rcpt->orcpt);
	key = mem_zalloc(sizeof(*key));
	key->address = entry->address;
	HASH_ADD_KEYPTR(hh, t->seen, key->address, (unsigned)rcpt->recipient.n,
			key);
}

/* --- body --------------------------------------------------------------- */

/* Asked for each message, so that a reload counts from the next one on; what is
 * on its way while scanning is switched on passes like what came before it. */
static bool
is_scanned(const struct session *session)
{
	struct scan *scan = session->worker->shared->scan;
	struct scan_status status;

	if (scan == NULL)
		return false;
	scan_status_get(scan, &status);
	return status.on;
}

void
transaction_data(void *arg, uint32_t ticket)
{
	struct session *session = arg;
	struct transaction *t = session->transaction;

	t->header = header_scan_create();
	if (session->snapshot->conf.token_key_count > 0)
		header_scan_watch(t->header, TOKEN_FIELD);
	t->body = spool_body_create(session->worker->shared->spool);
	if (is_scanned(session))
		t->scan.attachments =
		    attachments_create(session->snapshot->conf.scan_text);
	check_campaign_begin(t);
	check_sign_begin(t);
	session_clock_body(session);
	session_reply(session, ticket, REPLY_DATA);
}

/* The disk is behind: look again until it is not. */
static void
on_backlog(void *arg)
{
	struct transaction *t = arg;

	t->backlog = NULL;
	if (spool_body_backlogged(t->body, NULL, NULL))
		t->backlog = timer_start(t->session->worker->loop,
					 BACKLOG_POLL_MS, on_backlog, t);
	else
		smtp_server_resume(t->session->server);
}

bool
transaction_body(void *arg, struct slice bytes)
{
	struct session *session = arg;
	struct transaction *t = session->transaction;

	if (!header_scan_done(t->header))
		header_scan_add(t->header, bytes);
	if (t->scan.attachments != NULL)
		attachments_add(t->scan.attachments, bytes);
	if (t->campaign.shape != NULL)
		shape_add(t->campaign.shape, bytes);
	check_sign_add(t, bytes);
	spool_body_add(t->body, bytes);
	if (!spool_body_backlogged(t->body, NULL, NULL))
		return true;
	t->backlog =
	    timer_start(session->worker->loop, BACKLOG_POLL_MS, on_backlog, t);
	return false;
}

void
transaction_dot(void *arg, uint32_t ticket)
{
	struct session *session = arg;
	struct transaction *t = session->transaction;

	t->dot_ticket = ticket;
	t->dot_us = clock_mono_us();
	t->msg->accepted_wall_ms = clock_wall_ms(); /* retries count from it */
	header_scan_end(t->header);
	/* what it is counts, not what BODY= said of it */
	if (smtp_server_eightbit_seen(session->server))
		t->msg->flags |= MSG_EIGHTBIT;
	checks_dot(t);
}

void
transaction_reset(void *arg)
{
	struct session *session = arg;

	/* under way in the store: it is committed and logged all the same */
	transaction_destroy(&session->transaction);
}
