/*
 * One message on its way through the store thread. The note carries ids and
 * what the log needs, never a session: when the answer comes back the client
 * may be gone, and the message is accepted all the same. What limits reserved
 * for it goes along and ends here: it is charged when the store has accepted,
 * and given back when not.
 */
#include "gateway/front/commit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/front/checks.h"

#define FULL_REST_MS 1000

struct commit {
	struct note note;
	struct spool_accept op;
	struct worker *worker;
	uint64_t session_id, id;
	struct ip_addr client;
	int64_t dot_us;
	uint64_t bytes;
	uint32_t rcpt_count;
	uint32_t dropped, unverified; /* of them, for their domain */
	struct reservation *reservation;
	enum limit_action action;
	uint32_t scan_hold; /* HOLD_SCAN, HOLD_UNSCANNABLE or 0 */
	char *cred, *mail_from, *message_id; /* for the log */
	char *dkim;
	struct campaign_join join; /* its end is ours; id 0: personal mail */
	bool joined;
	struct arena *arena;   /* of its changes, and of all */
	struct slice *domains; /* of the recipients, for top; one allocation */
};

/* On the store thread: hand it over, nothing else. */
static void
on_stored(struct spool_accept *op)
{
	struct commit *commit =
	    (struct commit *)((char *)op - offsetof(struct commit, op));

	worker_push(commit->worker, &commit->note);
}

/* The store takes the message and may free it: top is told afterwards. */
static struct slice *
copy_domains(const struct spool_msg *msg)
{
	size_t bytes = msg->rcpt_count * sizeof(struct slice);
	struct slice *domains;
	char *p;

	for (uint32_t i = 0; i < msg->rcpt_count; i++)
		bytes += address_domain(slice_str(msg->rcpts[i].address)).n;
	domains = mem_alloc(bytes);
	p = (char *)(domains + msg->rcpt_count);
	for (uint32_t i = 0; i < msg->rcpt_count; i++) {
		domains[i] = address_domain(slice_str(msg->rcpts[i].address));
		if (domains[i].n > 0)
			memcpy(p, domains[i].p, domains[i].n);
		domains[i].p = p;
		p += domains[i].n;
	}
	return domains;
}

/* The limits' charges, and what the campaign counts. */
static void
collect_changes(struct commit *commit, struct transaction *t)
{
	struct spool_accept *op = &commit->op;
	struct campaign_watch *watch = &t->campaign;
	struct store_change *all;
	size_t count;

	op->changes = reservation_changes(commit->reservation, &count);
	op->change_count = count;
	if (!watch->joined)
		return;
	watch->joined = false;
	commit->joined = true;
	commit->join = watch->join;
	commit->arena = watch->arena;
	watch->arena = NULL;
	if (commit->join.change_count == 0)
		return;
	op->change_count += commit->join.change_count;
	all = arena_alloc(commit->arena, op->change_count * sizeof(*all));
	if (count > 0)
		memcpy(all, op->changes, count * sizeof(*all));
	memcpy(all + count, commit->join.changes,
	       commit->join.change_count * sizeof(*all));
	op->changes = all;
}

void
commit_start(struct transaction *t)
{
	struct commit *commit = mem_zalloc(sizeof(*commit));
	struct worker *worker = t->session->worker;

	commit->note.kind = NOTE_COMMIT;
	commit->worker = worker;
	commit->session_id = t->session->id;
	commit->id = t->msg->id;
	commit->client = t->msg->client;
	commit->dot_us = t->dot_us;
	commit->bytes = spool_body_bytes(t->body);
	commit->rcpt_count = t->msg->rcpt_count;
	commit->dropped = t->tally.dropped;
	commit->unverified = t->tally.unverified;
	commit->cred = mem_strdup(t->msg->cred);
	commit->mail_from = mem_strdup(t->msg->mail_from);
	if (header_has_message_id(t->header))
		commit->message_id = slice_dup(header_message_id(t->header));
	commit->dkim = mem_strdup(t->sign.domain);
	commit->domains = copy_domains(t->msg);
	commit->action = t->charge.action;
	commit->scan_hold = t->scan.hold;
	commit->reservation = t->charge.reservation;
	t->charge.reservation = NULL;
	collect_changes(commit, t);
	commit->op.msg = t->msg;
	commit->op.body = t->body;
	commit->op.done = on_stored;
	t->msg = NULL;
	t->body = NULL;
	t->committing = true;
	worker->commits++;
	spool_accept_start(worker->shared->spool, &commit->op);
}

/* What the log calls it, and the code that the client is answered. */
static const char *
event_of(enum spool_answer answer, int64_t *code)
{
	*code = 250;
	switch (answer) {
	case SPOOL_ACCEPTED:
		return "accept";
	case SPOOL_DUPLICATE:
		return "duplicate";
	case SPOOL_FULL:
		*code = 452;
		return "spool-full";
	case SPOOL_FAILED:
		*code = 451;
		return "spool-failed";
	case SPOOL_VETOED:
		*code = 550;
		return "blocked";
	}
	return "?";
}

/* 0: nothing to tell. */
static struct log_field
some(const char *key, uint32_t count)
{
	return count > 0 ? LF_U64(key, count) : LF_STR(key, NULL);
}

/* What the scan holds it for. */
static const char *
held_word(uint32_t hold)
{
	if (hold == 0)
		return NULL;
	return hold == HOLD_SCAN ? "pending-scan" : "unscannable";
}

static void
log_answer(const struct commit *commit, bool client_gone)
{
	char session[ID_TEXT_SIZE], id[ID_TEXT_SIZE], first[ID_TEXT_SIZE];
	char campaign[24];
	bool duplicate = commit->op.answer == SPOOL_DUPLICATE;
	const char *event;
	int64_t code;

	id_format(commit->session_id, session);
	id_format(commit->id, id);
	id_format(commit->op.first_id, first);
	snprintf(campaign, sizeof(campaign), "C%llu",
		 (unsigned long long)commit->join.id);
	event = event_of(commit->op.answer, &code);
	log_event(GW_LOG_INFO, event, LF_STR("msg", id),
		  LF_STR("session", session), LF_STR("cred", commit->cred),
		  LF_IP("client", &commit->client),
		  LF_STR("from", commit->mail_from), LF_I64("code", code),
		  LF_U64("rcpts", commit->rcpt_count),
		  some("dropped", commit->dropped),
		  some("unverified", commit->unverified),
		  LF_STR("held", held_word(commit->scan_hold)),
		  LF_U64("bytes", commit->bytes),
		  LF_STR("message_id", commit->message_id),
		  LF_STR("dkim", commit->dkim),
		  LF_STR("campaign", commit->join.id != 0 ? campaign : NULL),
		  LF_STR("why", commit->join.id != 0
				    ? campaign_why_word(commit->join.why)
				    : NULL),
		  LF_STR("first", duplicate ? first : NULL),
		  LF_I64("us", clock_mono_us() - commit->dot_us),
		  LF_STR("client_gone", client_gone ? "yes" : NULL));
}

static void
count_accepted(struct worker *worker, const struct commit *commit)
{
	const struct top_message message = {
	    .cred = commit->cred,
	    .ip = commit->client,
	    .from = slice_str(commit->mail_from),
	    .domains = commit->domains,
	    .recipient_count = commit->rcpt_count,
	};

	COUNT(worker, messages_accepted);
	COUNT_ADD(worker, bytes_accepted, commit->bytes);
	COUNT_ADD(worker, recipients_accepted, commit->rcpt_count);
	if (commit->action == LIMIT_PACE)
		COUNT(worker, limit_paced);
	else if (commit->action == LIMIT_BULK)
		COUNT(worker, limit_bulk);
	else if (commit->action == LIMIT_HOLD)
		COUNT(worker, limit_held);
	top_accepted(worker->shared->top, &message, clock_wall_s());
}

static void
count_answer(struct worker *worker, const struct commit *commit)
{
	int64_t now_ms = loop_now_ms(worker->loop);

	switch (commit->op.answer) {
	case SPOOL_ACCEPTED:
		count_accepted(worker, commit);
		break;
	case SPOOL_DUPLICATE:
		COUNT(worker, messages_duplicate);
		break;
	case SPOOL_FULL:
		worker->full_until_ms = now_ms + FULL_REST_MS;
		break;
	case SPOOL_FAILED:
	case SPOOL_VETOED:
		break;
	}
	histogram_add(&worker->dot_latency,
		      (uint64_t)(clock_mono_us() - commit->dot_us), now_ms);
}

static void
commit_free(struct commit *commit)
{
	free(commit->cred);
	free(commit->mail_from);
	free(commit->message_id);
	free(commit->dkim);
	free(commit->domains);
	arena_destroy(&commit->arena);
	free(commit);
}

void
commit_done(struct worker *worker, struct note *note)
{
	struct commit *commit = (struct commit *)note;
	struct session *session = worker_find(worker, commit->session_id);
	struct transaction *t = session == NULL ? NULL : session->transaction;

	/* the same session may have begun another message by now */
	if (t != NULL && (!t->committing || session->state == SESSION_CLOSING))
		t = NULL;
	if (commit->op.answer == SPOOL_ACCEPTED)
		reservation_commit(&commit->reservation);
	else
		reservation_cancel(&commit->reservation, clock_mono_us());
	if (commit->joined)
		campaign_join_end(worker->shared->campaigns, &commit->join,
				  commit->op.answer == SPOOL_ACCEPTED);
	log_answer(commit, t == NULL);
	count_answer(worker, commit);
	if (t != NULL) {
		t->answer = commit->op.answer;
		t->first_id = commit->op.first_id;
		checks_resume(t);
	}
	commit_free(commit);
}
