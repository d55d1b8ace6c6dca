/*
 * What a verdict does to the jobs of its message. Each slice of them is one
 * outcome: what becomes of the recipients, the notice of it, the cleaned copy
 * and the quarantine's record are on disk together or not at all. A job goes
 * where it belongs when the disk has answered, not before: nothing is sent
 * that the disk still has as held.
 *
 * Whoever stays queued or held is done in slices, and a crash between two of
 * them has the rest scanned once more. What is final is done in one, so that
 * there is one notice, one record and one copy; but the reports of bounces
 * have a size.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/counting.h"
#include "gateway/back/exam.h"
#include "gateway/back/held.h"
#include "gateway/back/signature.h"
#include "gateway/back/summary.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define RCPTS_A_SLICE 1000

static void next_slice(struct exam *exam);

/* --- jobs ----------------------------------------------------------------- */

static uint32_t
slice_max(const struct exam *exam)
{
	switch (exam->act) {
	case ACT_RELEASE:
	case ACT_HOLD:
	case ACT_ALTERED:
	case ACT_GONE:
		return RCPTS_A_SLICE;
	case ACT_BOUNCE:
		return SUMMARY_RCPTS_MAX;
	case ACT_QUARANTINE:
	case ACT_CLEAN:
	case ACT_DISCARD:
		return UINT32_MAX;
	}
	return RCPTS_A_SLICE;
}

static void
cut_slice(struct exam *exam)
{
	uint32_t max = slice_max(exam);
	struct job *job;

	exam->slice_rcpts = 0;
	while ((job = TAILQ_FIRST(&exam->jobs)) != NULL &&
	       exam->slice_rcpts < max) {
		TAILQ_REMOVE(&exam->jobs, job, link);
		TAILQ_INSERT_TAIL(&exam->slice, job, link);
		exam->slice_rcpts += job->rcpt_count;
	}
}

static struct job *
take_first(struct job_list *list)
{
	struct job *job = TAILQ_FIRST(list);

	if (job)
		TAILQ_REMOVE(list, job, link);
	return job;
}

static void
hold_again(struct exam *exam, struct job_list *list)
{
	struct job *job;

	while ((job = take_first(list)) != NULL)
		held_by_mark(exam->relay, &job);
}

static void
give_up(struct exam *exam, enum exam_end how)
{
	hold_again(exam, &exam->slice);
	hold_again(exam, &exam->jobs);
	exam_end(&exam, how);
}

/* The disk would not take what the verdict asks for: it stays held. */
static void
not_durable(struct exam *exam, int err)
{
	char id[ID_TEXT_SIZE];

	id_format(exam->id, id);
	log_event(GW_LOG_WARN, "scan-not-durable", LF_STR("msg", id),
		  LF_ERR(err));
	give_up(exam, EXAM_LATER);
}

static uint32_t
holds_after(const struct exam *exam, uint32_t holds)
{
	holds &= ~(uint32_t)HOLD_SCAN;
	if (exam->act == ACT_HOLD)
		holds |= HOLD_UNSCANNABLE;
	else if (exam->act == ACT_ALTERED)
		holds |= HOLD_ALTERED;
	return holds;
}

static void
place(struct exam *exam, struct job *job)
{
	struct relay *relay = exam->relay;

	job->holds = holds_after(exam, job->holds);
	if (job->holds != 0) {
		held_by_mark(relay, &job);
		return;
	}
	mail_recount(relay, job, job->rcpt_count);
	mail_schedule(relay, job, clock_wall_s());
}

/* gone: the disk had none of them any more. */
static void
finish_jobs(struct exam *exam, bool gone)
{
	bool stays =
	    !gone && slice_max(exam) == RCPTS_A_SLICE && exam->act != ACT_GONE;
	struct job *job;

	while ((job = take_first(&exam->slice)) != NULL) {
		if (stays)
			place(exam, job);
		else
			mail_job_end(exam->relay, &job);
	}
}

/* --- the outcome ---------------------------------------------------------- */

static enum rcpt_state
state_after(const struct exam *exam, uint32_t holds)
{
	switch (exam->act) {
	case ACT_RELEASE:
	case ACT_HOLD:
	case ACT_ALTERED:
	case ACT_GONE:
		return holds != 0 ? RCPT_HELD : RCPT_QUEUED;
	case ACT_BOUNCE:
		return RCPT_BOUNCED;
	case ACT_QUARANTINE:
	case ACT_CLEAN:
		return RCPT_QUARANTINED;
	case ACT_DISCARD:
		return RCPT_DISCARDED;
	}
	return RCPT_HELD;
}

static void
fill_job(struct exam *exam, const struct job *job)
{
	const uint32_t *indexes = job_rcpts(job);
	uint32_t holds = holds_after(exam, job->holds);

	for (uint32_t i = 0; i < job->rcpt_count; i++) {
		struct spool_outcome_rcpt *rcpt =
		    &exam->rcpts[exam->op.rcpt_count++];

		rcpt->index = indexes[i];
		rcpt->state = state_after(exam, holds);
		if (rcpt->state == RCPT_HELD)
			rcpt->holds = holds;
		rcpt->attempts = job->attempts;
		rcpt->next_wall_s = job->due_wall_s;
	}
}

static void
fill_outcome(struct exam *exam)
{
	const struct job *job;

	free(exam->rcpts);
	exam->rcpts = mem_array(exam->slice_rcpts, sizeof(*exam->rcpts));
	exam->op.id = exam->id;
	exam->op.rcpts = exam->rcpts;
	exam->op.rcpt_count = 0;
	TAILQ_FOREACH (job, &exam->slice, link)
		fill_job(exam, job);
}

static const char *
action_name(const struct exam *exam)
{
	if (exam->act == ACT_DISCARD)
		return "discard";
	return exam->act == ACT_CLEAN ? "clean" : "put";
}

static void
log_acted(const struct exam *exam)
{
	char id[ID_TEXT_SIZE], clean[ID_TEXT_SIZE], notice[ID_TEXT_SIZE];
	char kept[ID_TEXT_SIZE];
	bool other = exam->kept_id != 0 && exam->kept_id != exam->id;
	const struct spool_msg *msg = exam->whole;
	const char *to = exam->notice_id != 0 ? msg->owner : NULL;

	id_format(exam->id, id);
	id_format(exam->kept_id, kept);
	id_format(exam->clean_id, clean);
	id_format(exam->notice_id, notice);
	log_event(GW_LOG_WARN, "quarantine", LF_STR("msg", id),
		  LF_STR("session", msg->session), LF_STR("cred", msg->cred),
		  LF_IP("client", &msg->client), LF_STR("from", msg->mail_from),
		  LF_U64("rcpts", msg->rcpt_count),
		  LF_STR("action", action_name(exam)),
		  LF_STR("as", other ? kept : NULL),
		  LF_STR("part", exam_part_name(exam)),
		  LF_STR("threat", exam->verdict.threat),
		  LF_STR("linked", exam->clean_id != 0 ? clean : NULL),
		  LF_STR("notice", to ? notice : NULL), LF_STR("to", to));
}

static void
count_acted(struct exam *exam)
{
	struct stats *stats = exam->relay->stats;

	switch (exam->act) {
	case ACT_RELEASE:
	case ACT_HOLD:
	case ACT_GONE:
		break;
	case ACT_ALTERED:
		if (!exam->acted)
			stat_add(&stats->altered, 1);
		break;
	case ACT_BOUNCE:
		stat_add(&stats->bounced, exam->slice_rcpts);
		break;
	case ACT_CLEAN:
		stat_add(&stats->cleaned, 1);
		stat_add(&stats->quarantined, 1);
		break;
	case ACT_QUARANTINE:
		stat_add(&stats->quarantined, 1);
		break;
	case ACT_DISCARD:
		break;
	}
	if (exam->notice_id != 0)
		stat_add(&stats->dsn_sent, 1);
	if (exam->act != ACT_BOUNCE && slice_max(exam) != RCPTS_A_SLICE)
		log_acted(exam);
	exam->acted = true;
}

static void
unstored_take(struct relay *relay, struct inbound *in)
{
	struct exam *exam = (struct exam *)in;

	(void)relay;
	next_slice(exam);
}

static bool
is_final(const struct exam *exam)
{
	return exam->op.rcpts[0].state >= RCPT_DELIVERED;
}

static void
settle(struct exam *exam)
{
	const struct job *job = TAILQ_FIRST(&exam->slice);

	if (!job || !is_final(exam))
		return;
	if (exam->copied && job_campaign(job) == exam->campaign)
		return;
	counting_settled(exam->relay, job, exam->campaign, CAMPAIGN_OTHER,
			 exam->slice_rcpts);
}

static void
committed_take(struct relay *relay, struct inbound *in)
{
	struct exam *exam = (struct exam *)in;
	int err = exam->op.err;

	(void)relay;
	if (err != 0 && err != GW_ENOENT) {
		not_durable(exam, err);
		return;
	}
	if (err == 0) {
		count_acted(exam);
		settle(exam);
		exam->kept_id = 0; /* the record's */
	}
	finish_jobs(exam, err != 0);
	if (err != 0 && exam->stored) {
		/* Purged meanwhile: nothing names the file. */
		exam->task.in.take = unstored_take;
		exam->task.run = exam_unstore;
		disk_start(exam->relay->disk, &exam->task);
		return;
	}
	next_slice(exam);
}

/* On the store thread. */
static void
on_committed(struct spool_outcome *op)
{
	struct exam *exam =
	    (struct exam *)((char *)op - offsetof(struct exam, op));

	queue_push(exam->relay->queue, &exam->task.in.item);
}

static void
hand_in(struct exam *exam)
{
	exam->task.in.take = committed_take;
	spool_outcome_start(exam->relay->spool, &exam->op);
}

static void
signed_take(struct relay *relay, struct inbound *in)
{
	(void)relay;
	hand_in((struct exam *)in);
}

/* On a thread that signs. */
static void
on_signed(void *arg)
{
	struct exam *exam = arg;

	queue_push(exam->relay->queue, &exam->task.in.item);
}

/* A cleaned copy is of the campaign in the original's place. */
static void
add_count(struct exam *exam)
{
	const struct job *job = TAILQ_FIRST(&exam->slice);
	size_t n = exam->op.change_count;

	exam->copied = false;
	exam->campaign = 0;
	if (!exam->relay->campaigns || !job || !is_final(exam))
		return;
	exam->campaign = job_campaign(job);
	exam->copied =
	    exam->op.extra && exam->op.extra->campaign == exam->campaign;
	if (exam->copied || exam->campaign == 0)
		return;
	campaign_count_change(exam->campaign, CAMPAIGN_OTHER, exam->slice_rcpts,
			      exam->arena, &exam->changes[n]);
	exam->op.changes = exam->changes;
	exam->op.change_count = n + 1;
}

static void
commit(struct exam *exam)
{
	struct relay *relay = exam->relay;

	fill_outcome(exam);
	add_count(exam);
	exam->op.done = on_committed;
	exam->op.err = 0;
	exam->op.next = NULL;
	if ((!exam->op.dsn && !exam->op.extra) || !relay->signer) {
		hand_in(exam);
		return;
	}
	exam->task.in.take = signed_take;
	signature_start(relay->signer, relay->settings->conf.dkim, &exam->op,
			on_signed, exam);
}

/* --- slices --------------------------------------------------------------- */

static void
stored_take(struct relay *relay, struct inbound *in)
{
	struct exam *exam = (struct exam *)in;

	(void)relay;
	switch (exam->err) {
	case 0:
		if (exam->act == ACT_BOUNCE)
			exam_add_report(exam);
		commit(exam);
		break;
	case GW_ENOENT:
		finish_jobs(exam, true);
		next_slice(exam);
		break;
	case GW_ECORRUPT:
		exam->act = ACT_ALTERED;
		hold_again(exam, &exam->slice);
		exam_take_jobs(exam);
		next_slice(exam);
		break;
	case GW_ECANCELED:
		give_up(exam, EXAM_AGAIN);
		break;
	default:
		not_durable(exam, exam->err);
	}
}

static void
copy_words(struct exam *exam)
{
	const struct back_conf *conf = &exam->relay->settings->conf;
	struct exam_words *words = &exam->words;
	struct arena *arena = exam->arena;

	words->hostname = arena_dup(arena, slice_str(conf->hostname));
	words->postmaster = arena_dup(arena, slice_str(conf->postmaster));
	words->replacement =
	    arena_dup(arena, slice_str(conf->scan_replacement));
	words->subject = arena_dup(arena, slice_str(conf->scan_subject));
	words->quarantine_s = conf->quarantine_s;
}

/* A forged sender gets nothing: there is one address it can go to. */
static void
decide_notice(struct exam *exam)
{
	const char *owner = exam->msg->owner;
	char id[ID_TEXT_SIZE];
	const char *why = NULL;

	if (!exam->notice)
		return;
	if (!owner || owner[0] == '\0')
		why = "no address is registered";
	else if (!scanning_may_tell(exam->relay, owner))
		why = "told often enough";
	if (!why)
		return;
	exam->notice = false;
	id_format(exam->id, id);
	log_event(GW_LOG_INFO, "notice-dropped", LF_STR("about", id),
		  LF_STR("cred", exam->msg->cred), LF_STR("why", why));
	stat_add(&exam->relay->stats->dsn_dropped, 1);
}

static void
store(struct exam *exam)
{
	const struct job *job;
	uint32_t n = 0;

	free(exam->indexes);
	exam->indexes = mem_array(exam->slice_rcpts, sizeof(*exam->indexes));
	TAILQ_FOREACH (job, &exam->slice, link) {
		memcpy(exam->indexes + n, job_rcpts(job),
		       job->rcpt_count * sizeof(*exam->indexes));
		n += job->rcpt_count;
	}
	exam->err = 0;
	exam->task.in.take = stored_take;
	exam->task.run = exam_store;
	disk_start(exam->relay->disk, &exam->task);
}

static void
next_slice(struct exam *exam)
{
	exam->op = (struct spool_outcome){.id = exam->id};
	exam->clean_id = exam->notice_id = 0;
	exam->stored = false;
	if (TAILQ_EMPTY(&exam->jobs)) {
		exam_end(&exam, EXAM_DONE);
		return;
	}
	/* What is not begun is scanned after the restart. */
	if (exam->relay->stopping) {
		give_up(exam, EXAM_AGAIN);
		return;
	}
	cut_slice(exam);
	switch (exam->act) {
	case ACT_RELEASE:
	case ACT_HOLD:
	case ACT_ALTERED:
		commit(exam);
		break;
	case ACT_GONE:
		finish_jobs(exam, true);
		next_slice(exam);
		break;
	case ACT_BOUNCE:
	case ACT_QUARANTINE:
	case ACT_CLEAN:
	case ACT_DISCARD:
		store(exam);
		break;
	}
}

void
exam_act(struct exam *exam)
{
	exam_settled(exam);
	exam_take_jobs(exam);
	if (exam->act == ACT_QUARANTINE || exam->act == ACT_CLEAN ||
	    exam->act == ACT_DISCARD) {
		copy_words(exam);
		decide_notice(exam);
	}
	next_slice(exam);
}
