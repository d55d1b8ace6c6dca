/*
 * From the walk to the verdict. A message whose parts the scanner calls clean
 * is still unscannable when the walk could not see all of it. Where infected
 * parts are to be cut out, the others are asked for again until all that are
 * infected are known: one question tells of one.
 *
 * An error is no verdict: the message stays held and is examined again. During
 * a bypass it is walked as well, so that a virus that is known does not leave;
 * it is quarantined then, even where parts are to be cut out: that takes more
 * verdicts.
 */
#include "gateway/back/exam.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/scan/words.h"

#define INFECTED_MAX 16 /* that are cut out of one message */

struct exam *
exam_create(struct relay *relay, struct pending *pending, uint64_t id)
{
	struct exam *exam = mem_zalloc(sizeof(*exam));

	exam->relay = relay;
	exam->pending = pending;
	exam->id = id;
	exam->arena = arena_create(1024);
	exam->found = attachments_create(relay->settings->conf.scan_text);
	exam->began_ms = relay_now_ms(relay);
	exam->subject = exam->message_id = "";
	TAILQ_INIT(&exam->jobs);
	TAILQ_INIT(&exam->slice);
	return exam;
}

void
exam_free(struct exam *exam)
{
	spool_reader_close(&exam->reader);
	spool_msg_destroy(&exam->msg);
	spool_msg_destroy(&exam->whole);
	arena_destroy(&exam->arena);
	attachments_destroy(&exam->found);
	free(exam->places);
	free(exam->rest);
	free(exam->rest_at);
	free(exam->indexes);
	free(exam->rcpts);
	free(exam);
}

/* --- the verdict ---------------------------------------------------------- */

const char *
exam_part_name(const struct exam *exam)
{
	if (exam->verdict.kind == SCAN_CLEAN ||
	    exam->part >= exam->found->count)
		return "";
	return exam->found->parts[exam->part].name;
}

static void
log_verdict(const struct exam *exam, enum log_level level)
{
	const struct scan_verdict *verdict = &exam->verdict;
	const char *threat = verdict->threat[0] ? verdict->threat : NULL;
	const char *server = verdict->server[0] ? verdict->server : NULL;
	const char *name = exam_part_name(exam);
	char id[ID_TEXT_SIZE];

	id_format(exam->id, id);
	log_event(level, "scan", LF_STR("msg", id),
		  LF_STR("session", exam->msg ? exam->msg->session : NULL),
		  LF_STR("cred", exam->msg ? exam->msg->cred : NULL),
		  LF_U64("parts", exam->found->count),
		  LF_STR("part", name[0] ? name : NULL),
		  LF_STR("verdict", exam->bypassed
					? "bypassed"
					: scan_kind_word(verdict->kind)),
		  LF_STR("why", scan_why_word(verdict->why)),
		  LF_STR("threat", threat), LF_STR("server", server),
		  LF_I64("ms", relay_now_ms(exam->relay) - exam->began_ms),
		  LF_U64("cached", exam->job.cached), LF_STR("late", "yes"));
}

static enum exam_act
act_of_unscannable(const struct exam *exam)
{
	if (exam->msg->flags & MSG_UNSCANNABLE_PASS)
		return ACT_RELEASE;
	if (exam->msg->flags & MSG_UNSCANNABLE_HOLD)
		return ACT_HOLD;
	return ACT_BOUNCE;
}

static void
act_on_infected(struct exam *exam)
{
	exam->notice = true;
	switch (exam->relay->settings->conf.scan_infected) {
	case SCAN_INFECTED_REJECT: /* it was accepted already */
	case SCAN_INFECTED_QUARANTINE:
		exam->act = ACT_QUARANTINE;
		break;
	case SCAN_INFECTED_CLEAN:
		exam->act =
		    exam->infected_count > 0 ? ACT_CLEAN : ACT_QUARANTINE;
		break;
	case SCAN_INFECTED_DISCARD_SILENTLY:
		exam->notice = false;
		exam->act = ACT_DISCARD;
		break;
	case SCAN_INFECTED_DISCARD:
		exam->act = ACT_DISCARD;
		break;
	}
}

/* The last server was taken away meanwhile: then all is called clean. */
static bool
nobody_looked(const struct exam *exam)
{
	struct scan_status status;

	if (exam->bypassed)
		return false;
	scan_status_get(exam->relay->scan, &status);
	return !status.on;
}

/* exam->verdict is the last word. */
static void
settle(struct exam *exam)
{
	enum log_level level = GW_LOG_INFO;

	if (exam->verdict.kind == SCAN_CLEAN && nobody_looked(exam)) {
		exam->verdict.kind = SCAN_ERROR;
		exam->verdict.why = SCAN_WHY_DOWN;
	}

	if (exam->verdict.kind == SCAN_CLEAN && !exam->bypassed &&
	    attachments_flaw(exam->found) != SCAN_WHY_NONE) {
		exam->verdict.kind = SCAN_UNSCANNABLE;
		exam->verdict.why = attachments_flaw(exam->found);
		exam->part = exam->found->count;
	}
	switch (exam->verdict.kind) {
	case SCAN_CLEAN:
		exam->act = ACT_RELEASE;
		break;
	case SCAN_INFECTED:
		level = GW_LOG_WARN;
		act_on_infected(exam);
		break;
	case SCAN_UNSCANNABLE:
		exam->act = act_of_unscannable(exam);
		break;
	case SCAN_ERROR:
		break;
	}
	log_verdict(exam, level);
	exam_act(exam);
}

/* --- asking --------------------------------------------------------------- */

/* On the scan thread. */
static void
on_scanned(struct scan_job *job)
{
	struct exam *exam =
	    (struct exam *)((char *)job - offsetof(struct exam, job));

	queue_push(exam->relay->queue, &exam->task.in.item);
}

static void scanned_take(struct relay *relay, struct inbound *in);

static void
ask(struct exam *exam, const struct scan_part *parts, size_t count)
{
	exam->job.parts = parts;
	exam->job.part_count = count;
	exam->job.done = on_scanned;
	exam->job.next = NULL;
	exam->job.internal = NULL;
	exam->task.in.take = scanned_take;
	exam->scanning = true;
	scan_job_start(exam->relay->scan, &exam->job);
}

static bool
may_clean(const struct exam *exam)
{
	return exam->relay->settings->conf.scan_infected ==
		   SCAN_INFECTED_CLEAN &&
	       !(exam->found->summary.flags & (MIME_SIGNED | MIME_AMBIGUOUS)) &&
	       attachments_flaw(exam->found) == SCAN_WHY_NONE;
}

/* One more is known; true: the others are asked for. */
static bool
go_on(struct exam *exam, size_t at)
{
	struct exam_place *place = &exam->places[at];
	size_t n = 0;

	place->infected = true;
	memcpy(place->threat, exam->job.verdict.threat, sizeof(place->threat));
	if (exam->infected_count++ == 0) {
		exam->verdict = exam->job.verdict;
		exam->part = at;
	}
	if (exam->infected_count == INFECTED_MAX) {
		exam->infected_count = 0; /* too many: all of it goes */
		return false;
	}
	if (!exam->rest) {
		exam->rest = mem_array(exam->found->count, sizeof(*exam->rest));
		exam->rest_at =
		    mem_array(exam->found->count, sizeof(*exam->rest_at));
	}
	for (size_t i = 0; i < exam->found->count; i++) {
		if (exam->places[i].infected)
			continue;
		exam->rest[n] = exam->found->parts[i];
		exam->rest_at[n++] = i;
	}
	if (n == 0)
		return false;
	ask(exam, exam->rest, n);
	return true;
}

/* True: an answer; what is to be done with the message is known, or asked. */
static void
on_fact(struct exam *exam)
{
	const struct scan_verdict *verdict = &exam->job.verdict;
	size_t at = exam->job.part;

	if (exam->infected_count > 0 && at < exam->job.part_count)
		at = exam->rest_at[at];
	if (verdict->kind == SCAN_INFECTED && may_clean(exam) &&
	    at < exam->found->count) {
		if (!go_on(exam, at))
			settle(exam);
		return;
	}
	if (exam->infected_count > 0) {
		/* What is left is not to leave either. */
		if (verdict->kind == SCAN_UNSCANNABLE &&
		    !(exam->msg->flags & MSG_UNSCANNABLE_PASS))
			exam->infected_count = 0;
		settle(exam);
		return;
	}
	exam->verdict = *verdict;
	exam->part = at;
	settle(exam);
}

static void
on_error(struct exam *exam)
{
	enum exam_end how = EXAM_LATER;

	exam->verdict = exam->job.verdict;
	exam->part = exam->job.part;
	if (exam->cancelled)
		how = EXAM_AGAIN;
	else if (exam->verdict.why == SCAN_WHY_DOWN)
		how = EXAM_DOWN;
	log_verdict(exam, how == EXAM_LATER ? GW_LOG_WARN : GW_LOG_DEBUG);
	exam_end(&exam, how);
}

static void
scanned_take(struct relay *relay, struct inbound *in)
{
	struct exam *exam = (struct exam *)in;

	exam->scanning = false;
	if (exam->job.verdict.kind == SCAN_ERROR)
		on_error(exam);
	else if (relay->stopping)
		exam_end(&exam, EXAM_AGAIN);
	else
		on_fact(exam);
}

/* --- the beginning -------------------------------------------------------- */

static void
walk_failed(struct exam *exam)
{
	char id[ID_TEXT_SIZE];

	/* In the trash, and may be back by now: its jobs know better, once. */
	if (exam->err == GW_ENOENT && !exam->again) {
		exam_end(&exam, EXAM_LATER);
		return;
	}
	if (exam->err == GW_ENOENT || exam->err == GW_ECORRUPT) {
		exam->act = exam->err == GW_ENOENT ? ACT_GONE : ACT_ALTERED;
		exam_act(exam);
		return;
	}
	if (exam->err != GW_ECANCELED) {
		id_format(exam->id, id);
		log_event(GW_LOG_ERROR, "scan-read", LF_STR("msg", id),
			  LF_ERR(exam->err));
	}
	exam_end(&exam, exam->err == GW_ECANCELED ? EXAM_AGAIN : EXAM_LATER);
}

/* Nobody is asked: what is known to be infected stays all the same. */
static void
settle_bypassed(struct exam *exam)
{
	if (exam->virus) {
		exam->bypassed = false;
		exam->verdict = exam->job.verdict;
		exam->part = exam->job.part;
	}
	settle(exam);
}

static void
walked_take(struct relay *relay, struct inbound *in)
{
	struct exam *exam = (struct exam *)in;
	/* Over by now: not one more leaves unscanned. */
	bool over =
	    exam->bypassed && !scan_bypassed(relay->scan, clock_wall_s());

	if (relay->stopping || exam->cancelled || over)
		exam_end(&exam, EXAM_AGAIN);
	else if (exam->err != 0)
		walk_failed(exam);
	else if (exam->bypassed)
		settle_bypassed(exam);
	else if (exam->known)
		settle(exam);
	else
		ask(exam, exam->found->parts, exam->found->count);
}

void
exam_start(struct exam *exam)
{
	exam->task.in.take = walked_take;
	exam->task.run = exam_walk;
	disk_start(exam->relay->disk, &exam->task);
}

void
exam_cancel(struct exam *exam)
{
	exam->cancelled = true;
	if (exam->scanning)
		scan_job_cancel(exam->relay->scan, &exam->job);
}
