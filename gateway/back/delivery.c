/*
 * The end of an attempt, in one place for all kinds of next hop: what each
 * recipient's result means (final, again later, expired, held), one log line
 * each, one spool outcome for all, and the DSN in the same commit. What is
 * left of the job goes back to the schedule.
 *
 * Trap: the outcome must be started in the turn in which the peer answered;
 * until it is committed a kill -9 sends the message once more.
 */
#include "gateway/back/delivery.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/back/bulk.h"
#include "gateway/back/chores.h"
#include "gateway/back/counting.h"
#include "gateway/back/feeder.h"
#include "gateway/back/held.h"
#include "gateway/back/retry.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define LOAD_RETRY_S 60
#define REPLY_MAX 512

static void
forget_job(struct relay *relay, struct job **job, const char *event, int err)
{
	char id[ID_TEXT_SIZE];

	id_format((*job)->id, id);
	log_event(err == GW_ENOENT ? GW_LOG_DEBUG : GW_LOG_ERROR, event,
		  LF_STR("msg", id), LF_ERR(err));
	mail_uncount(relay, *job, (*job)->rcpt_count);
	mail_job_end(relay, job);
}

/* False: the job was dealt with. */
static bool
load_job(struct relay *relay, struct job **job)
{
	int err;

	/* A flood that was blocked is not read from disk to be held. */
	if (!(*job)->mail && !gate_pass(relay, job, NULL))
		return false;
	err = mail_load(relay, *job);
	switch (err) {
	case 0:
		break;
	case GW_ENOENT: /* purged, or held, meanwhile */
		forget_job(relay, job, "gone", err);
		return false;
	case GW_ECORRUPT:
		stat_add(&relay->stats->altered, 1);
		counting_start(relay, job_campaign(*job), CAMPAIGN_OTHER,
			       (*job)->rcpt_count);
		forget_job(relay, job, "record-corrupt", err);
		return false;
	default:
		log_event(GW_LOG_ERROR, "load", LF_ERR(err));
		feeder_untried(relay, *job);
		sched_wait(relay->sched, *job, clock_wall_s() + LOAD_RETRY_S);
		return false;
	}
	if (chores_claim(relay, job))
		return false;
	if ((*job)->generation == relay->generation && !(*job)->dest->hop->gone)
		return true;
	feeder_untried(relay, *job);
	mail_reroute(relay, job);
	return false;
}

/* Recipients that are no longer queued leave the job. */
static bool
sift_job(struct relay *relay, struct job **jobp, struct spool_rcpt **rcpts)
{
	struct job *job = *jobp;
	const uint32_t *indexes = job_rcpts(job);
	uint32_t kept[JOB_RCPTS_MAX], n = 0;

	for (uint32_t i = 0; i < job->rcpt_count; i++) {
		rcpts[n] = mail_rcpt(job->mail, indexes[i]);
		if (rcpts[n])
			kept[n++] = indexes[i];
	}
	if (n == job->rcpt_count)
		return true;
	mail_uncount(relay, job, job->rcpt_count - n);
	feeder_cut(relay, job, job->rcpt_count - n);
	if (n == 0)
		mail_job_end(relay, jobp);
	else
		job_keep(job, kept, n);
	return n > 0;
}

/* Takes both. */
static struct delivery *
make(struct dest *dest, struct job **jobp, struct spool_rcpt **rcpts)
{
	struct relay *relay = dest->hop->relay;
	struct delivery *delivery = mem_zalloc(sizeof(*delivery));
	struct job *job = *jobp;

	*jobp = NULL;
	delivery->relay = relay;
	delivery->dest = dest;
	delivery->job = job;
	delivery->msg = job->mail->msg;
	delivery->rcpts = rcpts;
	delivery->count = job->rcpt_count;
	relay->active_count++;
	stat_add(&relay->stats->active, 1);
	return delivery;
}

struct delivery *
delivery_begin(struct dest *dest, struct job **jobp)
{
	struct relay *relay = dest->hop->relay;
	struct spool_rcpt **rcpts;
	struct delivery *delivery;

	if (!load_job(relay, jobp))
		return NULL;
	rcpts = mem_array((*jobp)->rcpt_count, sizeof(*rcpts));
	if (!sift_job(relay, jobp, rcpts) || !gate_pass(relay, jobp, rcpts) ||
	    !bulk_pass(dest, jobp, rcpts)) {
		free(rcpts);
		return NULL;
	}
	delivery = make(dest, jobp, rcpts);
	bulk_began(delivery);
	return delivery;
}

void
delivery_end_unsent(struct dest *dest, struct job **job,
		    struct spool_rcpt **rcpts, const struct result *result)
{
	static const struct delivery_peer nobody;
	struct delivery *delivery = make(dest, job, rcpts);

	delivery_end_all(&delivery, result, &nobody);
}

static void
delivery_free(struct delivery **delivery)
{
	struct relay *relay = (*delivery)->relay;

	relay->active_count--;
	stat_sub(&relay->stats->active, 1);
	free((*delivery)->rcpts);
	free(*delivery);
	*delivery = NULL;
	/* Who looks when all is done sees it, not what was at the last tick. */
	if (relay->active_count == 0)
		board_publish(relay);
}

void
delivery_undo(struct delivery **delivery)
{
	struct dest *dest = (*delivery)->dest;
	struct relay *relay = (*delivery)->relay;
	struct job *job = (*delivery)->job;

	bulk_undone(*delivery);
	delivery_free(delivery);
	sched_ready(relay->sched, &dest->ready, job, true);
	relay_kick(relay, dest);
	relay_check_stopped(relay);
}

static const char *
fate_event(const struct result *result)
{
	switch (result->fate) {
	case FATE_DELIVERED:
		return "delivered";
	case FATE_DEFERRED:
		return "deferred";
	case FATE_BOUNCED:
		return "bounced";
	case FATE_ALTERED:
		return "held";
	case FATE_SUPPRESSED:
		return "suppressed";
	case FATE_DUPLICATE:
		return "duplicate";
	}
	return "";
}

static void
log_result(const struct delivery *d, uint32_t i, const struct result *result,
	   const struct delivery_peer *peer, int64_t now_wall_ms)
{
	const struct spool_msg *msg = d->msg;
	bool generated = (msg->flags & MSG_GENERATED) != 0;
	char id[ID_TEXT_SIZE], enhanced[16] = "";
	enum log_level level =
	    result->fate == FATE_ALTERED ? GW_LOG_ERROR : GW_LOG_INFO;
	struct log_field fields[16];
	size_t n = 0;

	if (!log_wants(level))
		return;
	id_format(msg->id, id);
	if (result->enhanced[0] != 0)
		snprintf(enhanced, sizeof(enhanced), "%u.%u.%u",
			 result->enhanced[0], result->enhanced[1],
			 result->enhanced[2]);
	fields[n++] = LF_STR("msg", id);
	if (!generated) {
		fields[n++] = LF_STR("session", msg->session);
		fields[n++] = LF_STR("cred", msg->cred);
		fields[n++] = LF_IP("client", &msg->client);
	}
	fields[n++] = LF_STR("from", msg->mail_from);
	fields[n++] = LF_STR("to", d->rcpts[i]->address);
	fields[n++] = LF_STR("hop", d->dest->hop->conf.name);
	fields[n++] = LF_STR("host", peer->host);
	fields[n++] = LF_STR("tls", peer->tls);
	fields[n++] = LF_STR("dane", peer->dane);
	if (result->code != 0)
		fields[n++] = LF_I64("code", result->code);
	fields[n++] = LF_STR("enhanced", enhanced);
	fields[n++] = LF_SLICE("reply", result->text);
	fields[n++] = LF_I64("delay_ms", now_wall_ms - msg->accepted_wall_ms);
	fields[n++] = LF_U64("attempts", d->job->attempts + 1u);
	if (peer->unknown)
		fields[n++] = LF_STR("outcome", "unknown");
	log_fields(level, fate_event(result), fields, n);
}

/* The summing up of one attempt. */
struct ending {
	struct delivery *d;
	struct result *results; /* a copy: expiry turns deferred to bounced */
	const struct delivery_peer *peer;
	int64_t now_wall_ms, due_wall_s;
	bool delayed;
	uint32_t left_count, again_count, final_count, altered_count;
	bool expired[JOB_RCPTS_MAX];
	uint32_t left[JOB_RCPTS_MAX];
	uint32_t altered[JOB_RCPTS_MAX];
};

/* DNS said nothing for all the time there was: 4.4.3, also in the report. */
static bool
is_unresolved(const struct result *r)
{
	return r->code == 0 && r->enhanced[1] == 4 && r->enhanced[2] == 3;
}

static void
expire_results(struct ending *e)
{
	const struct back_conf *conf =
	    settings_lane(e->d->relay->settings, e->d->job->lane);
	int64_t accepted_s = e->d->msg->accepted_wall_ms / 1000;
	int64_t now_s = e->now_wall_ms / 1000;
	bool expired = retry_expired(conf, accepted_s, now_s);
	uint32_t delivered = 0;

	for (uint32_t i = 0; i < e->d->count; i++)
		delivered += e->results[i].fate == FATE_DELIVERED;
	for (uint32_t i = 0; i < e->d->count; i++) {
		struct result *r = &e->results[i];

		if (r->fate != FATE_DEFERRED)
			continue;
		/* 452 4.5.3 to some while others were taken: the rest at
		 * once, since each round makes progress. */
		if (r->code == 452 && r->enhanced[1] == 5 &&
		    r->enhanced[2] == 3 && delivered > 0)
			r->again = true;
		if (!expired)
			continue;
		r->fate = FATE_BOUNCED;
		e->expired[i] = true;
		r->again = false;
		r->enhanced[0] = 5;
		if (is_unresolved(r)) {
			r->enhanced[0] = 4; /* still the one thing known */
		} else if (r->enhanced[1] == 0 || r->code == 0) {
			r->enhanced[1] = 4;
			r->enhanced[2] = 7; /* delivery time expired */
		}
	}
	e->delayed = conf->delay_notice_s > 0 &&
		     now_s - accepted_s >= conf->delay_notice_s &&
		     !(e->d->msg->flags & MSG_DELAYED);
	e->due_wall_s =
	    retry_due_wall_s(conf, e->d->job->attempts + 1u, accepted_s, now_s,
			     (uint32_t)e->d->job->id ^ (uint32_t)now_s);
}

static void
count_result(struct ending *e, const struct result *result)
{
	struct stats *stats = e->d->relay->stats;

	switch (result->fate) {
	case FATE_DELIVERED:
		stat_add(&stats->delivered, 1);
		/* what a campaign waits for is no news of the others */
		if (e->d->dest->lane != LANE_BULK)
			stat_delay(stats, e->now_wall_ms -
					      e->d->msg->accepted_wall_ms);
		e->d->dest->hop->delivered++;
		break;
	case FATE_DEFERRED:
		stat_add(&stats->deferred, 1);
		e->d->dest->hop->failed++;
		break;
	case FATE_BOUNCED:
		stat_add(&stats->bounced, 1);
		e->d->dest->hop->failed++;
		break;
	case FATE_ALTERED: /* counted once a message */
	case FATE_SUPPRESSED:
	case FATE_DUPLICATE:
		break;
	}
}

static void
add_deferred(struct ending *e, struct outcome *outcome, uint32_t index,
	     const struct result *result)
{
	struct spool_outcome_rcpt *out;
	struct buf text;

	e->left[e->left_count++] = index;
	if (result->again) {
		e->again_count++;
		return; /* nothing changed: nothing to write */
	}
	out = outcome_add(outcome, index, RCPT_QUEUED);
	out->attempts = (uint16_t)(e->d->job->attempts + 1);
	out->next_wall_s = e->due_wall_s;
	buf_init(&text, REPLY_MAX);
	result_format(&text, result);
	out->reply = outcome_text(outcome, buf_slice(&text));
	buf_fini(&text);
}

static void
add_result(struct ending *e, struct outcome *outcome, uint32_t i)
{
	const struct result *result = &e->results[i];
	uint32_t index = e->d->rcpts[i]->index;
	struct spool_outcome_rcpt *out;

	log_result(e->d, i, result, e->peer, e->now_wall_ms);
	count_result(e, result);
	counting_add(outcome, e->d, i, result, e->expired[i]);
	bulk_note(outcome, e->d, e->d->rcpts[i], result, e->now_wall_ms / 1000);
	if (result->fate == FATE_DEFERRED) {
		add_deferred(e, outcome, index, result);
		return;
	}
	e->final_count++;
	switch (result->fate) {
	case FATE_DEFERRED:
		break;
	case FATE_DELIVERED:
		outcome_add(outcome, index, RCPT_DELIVERED);
		break;
	case FATE_BOUNCED:
		outcome_add(outcome, index, RCPT_BOUNCED);
		break;
	case FATE_SUPPRESSED:
	case FATE_DUPLICATE:
		outcome_add(outcome, index, RCPT_DROPPED);
		break;
	case FATE_ALTERED:
		out = outcome_add(outcome, index, RCPT_HELD);
		out->holds = HOLD_ALTERED;
		e->altered[e->altered_count++] = index;
		out->attempts = (uint16_t)(e->d->job->attempts + 1);
		break;
	}
}

/* What is altered stays known, for those who purge it. True: it is all there
 * was. */
static bool
keep_altered(struct ending *e, struct job **jobp)
{
	struct job *job = *jobp;

	if (e->altered_count == 0)
		return false;
	if (e->altered_count < job->rcpt_count)
		job = mail_split(e->d->relay, job, job->mail->msg, e->altered,
				 e->altered_count);
	else
		*jobp = NULL;
	job->holds = HOLD_ALTERED;
	job->due_wall_s = 0;
	if (job->attempts < UINT16_MAX)
		job->attempts++;
	held_by_mark(e->d->relay, &job);
	return *jobp == NULL;
}

/* What is left of the job goes back to the schedule. */
static void
put_back(struct ending *e, struct job **jobp)
{
	struct relay *relay = e->d->relay;
	struct dest *dest = e->d->dest;
	struct job *job = *jobp;

	mail_uncount(relay, job, e->final_count);
	if (keep_altered(e, jobp))
		return;
	if (e->left_count == 0) {
		mail_job_end(relay, jobp);
		return;
	}
	job_keep(job, e->left, e->left_count);
	*jobp = NULL;
	job->parked = false;
	job->again = false;
	if (e->again_count == e->left_count) {
		sched_ready(relay->sched, &dest->ready, job, false);
		relay_kick(relay, dest);
		return;
	}
	if (job->attempts < UINT16_MAX)
		job->attempts++;
	feeder_out(relay, job);
	mail_release(relay, job);
	sched_wait(relay->sched, job, e->due_wall_s);
	if (e->peer->down) {
		job->parked = true;
		TAILQ_INSERT_TAIL(&dest->parked, job, link);
		relay_live(relay, dest);
	}
}

static void
sum_up(struct ending *e, struct outcome *outcome, const struct result *results)
{
	struct delivery *d = e->d;

	e->results = mem_array(d->count, sizeof(*e->results));
	for (uint32_t i = 0; i < d->count; i++)
		e->results[i] = results[i];
	expire_results(e);
	for (uint32_t i = 0; i < d->count; i++)
		add_result(e, outcome, i);
	bulk_ended(outcome, d, e->results);
	if (e->results[0].fate == FATE_ALTERED)
		stat_add(&d->relay->stats->altered, 1);
}

static void
tell(struct outcome *outcome, const struct ending *endings, size_t count)
{
	struct notice_part *parts = mem_array(count, sizeof(*parts));
	struct notice notice = {.parts = parts,
				.part_count = count,
				.peer = endings->peer,
				.delayed = endings->delayed,
				.now_wall_ms = endings->now_wall_ms};

	for (size_t i = 0; i < count; i++)
		parts[i] = (struct notice_part){.delivery = endings[i].d,
						.results = endings[i].results};
	notify_add(outcome, &notice);
	free(parts);
}

void
delivery_end_together(struct delivery **deliveries, size_t count,
		      const struct result *const *results,
		      const struct delivery_peer *peer)
{
	struct relay *relay = deliveries[0]->relay;
	struct ending *endings = mem_array(count, sizeof(*endings));
	int64_t now_wall_ms = clock_wall_ms();
	struct outcome *outcome;
	size_t rcpts = 0;

	for (size_t i = 0; i < count; i++)
		rcpts += deliveries[i]->count;
	outcome = outcome_create(relay, deliveries[0]->msg->id, rcpts);
	for (size_t i = 0; i < count; i++) {
		endings[i].d = deliveries[i];
		endings[i].peer = peer;
		endings[i].now_wall_ms = now_wall_ms;
		sum_up(&endings[i], outcome, results[i]);
	}
	tell(outcome, endings, count);
	outcome_start(&outcome);
	for (size_t i = 0; i < count; i++) {
		put_back(&endings[i], &deliveries[i]->job);
		free(endings[i].results);
		delivery_free(&deliveries[i]);
	}
	free(endings);
	relay_check_stopped(relay);
}

void
delivery_end(struct delivery **delivery, const struct result *results,
	     const struct delivery_peer *peer)
{
	delivery_end_together(delivery, 1, &results, peer);
}

void
delivery_end_all(struct delivery **delivery, const struct result *result,
		 const struct delivery_peer *peer)
{
	uint32_t count = (*delivery)->count;
	struct result *results = mem_array(count, sizeof(*results));

	for (uint32_t i = 0; i < count; i++)
		results[i] = *result;
	delivery_end(delivery, results, peer);
	free(results);
}
