/*
 * Messages that were accepted as personal mail and turn out to be the first of
 * a campaign: they are moved over, in memory at once, on disk as soon as it can
 * be. What of them is under way ends where it is, as one of the campaign.
 *
 * Invariant: the move is handed to the store before any outcome that counts on
 * it, and outcomes are committed in the order in which they are handed in.
 */
#include <stddef.h>
#include <stdlib.h>

#include "gateway/back/delivery.h"
#include "gateway/back/feeder_int.h"
#include "gateway/back/lookup.h"
#include "gateway/base/arena.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define AGAIN_MS 1000 /* doubling */
#define AGAIN_MAX_MS 30000
#define ON_ITS_WAY_S 600

struct adoption {
	struct inbound in;	    /* first: how it comes back */
	TAILQ_ENTRY(adoption) link; /* of those that failed */
	int64_t wait_ms, again_at_ms;
	struct spool_outcome move;
	struct spool_change alone;
	struct relay *relay;
	uint64_t campaign;
	uint32_t queued;
	bool alone_now;
	struct arena *arena;
	struct store_change changes[CAMPAIGN_ADOPT_CHANGES];
};

/* --- on disk ----------------------------------------------------------------
 */

static void
adoption_free(struct adoption *adoption)
{
	struct relay *relay = adoption->relay;

	arena_destroy(&adoption->arena);
	free(adoption);
	relay->outcome_count--;
	relay_check_stopped(relay);
}

static void
adopted(struct adoption *adoption)
{
	struct relay *relay = adoption->relay;
	uint64_t campaign = adoption->campaign;

	campaign_adopted(relay->campaigns, campaign, adoption->move.id,
			 adoption->queued);
	adoption_free(adoption);
	feeder_check_done(relay, campaign);
}

static void commit(struct adoption *adoption);

/* Its jobs are moved, and what becomes of them is counted: so is it, and as
 * soon as the disk takes it. */
static void
failed(struct adoption *adoption, int err)
{
	struct relay *relay = adoption->relay;
	char id[ID_TEXT_SIZE];

	id_format(adoption->move.id, id);
	log_event(GW_LOG_ERROR, "adoption-not-durable", LF_STR("msg", id),
		  LF_U64("campaign", adoption->campaign), LF_ERR(err));
	if (!outcome_may_pass(err)) {
		adopted(adoption);
		return;
	}
	if (adoption->wait_ms == 0)
		adoption->wait_ms = AGAIN_MS;
	else if (adoption->wait_ms < AGAIN_MAX_MS)
		adoption->wait_ms *= 2;
	adoption->again_at_ms = relay_now_ms(relay) + adoption->wait_ms;
	TAILQ_INSERT_TAIL(&relay->feeder->failed, adoption, link);
	relay_check_stopped(relay);
}

static void
alone_take(struct relay *relay, struct inbound *in)
{
	struct adoption *adoption = (struct adoption *)in;

	(void)relay;
	if (adoption->alone.err == 0)
		adopted(adoption);
	else
		failed(adoption, adoption->alone.err);
}

/* On the store thread. */
static void
on_alone(struct spool_change *op)
{
	struct adoption *adoption =
	    (struct adoption *)((char *)op - offsetof(struct adoption, alone));

	queue_push(adoption->relay->queue, &adoption->in.item);
}

/* Nothing of the message is left to be moved: only the counts are. */
static void
commit_alone(struct adoption *adoption)
{
	adoption->in.take = alone_take;
	adoption->alone.changes = adoption->changes;
	adoption->alone.change_count = adoption->move.change_count;
	adoption->alone.done = on_alone;
	spool_change_start(adoption->relay->spool, &adoption->alone);
}

static void
move_take(struct relay *relay, struct inbound *in)
{
	struct adoption *adoption = (struct adoption *)in;
	int err = adoption->move.err;

	(void)relay;
	adoption->alone_now = err == GW_ENOENT || err == GW_ECORRUPT;
	if (err == 0)
		adopted(adoption);
	else if (adoption->alone_now)
		commit_alone(adoption);
	else
		failed(adoption, err);
}

/* On the store thread. */
static void
on_moved(struct spool_outcome *op)
{
	struct adoption *adoption =
	    (struct adoption *)((char *)op - offsetof(struct adoption, move));

	queue_push(adoption->relay->queue, &adoption->in.item);
}

static void
commit(struct adoption *adoption)
{
	if (adoption->alone_now) {
		commit_alone(adoption);
		return;
	}
	adoption->in.take = move_take;
	adoption->move.done = on_moved;
	adoption->move.err = 0;
	spool_outcome_start(adoption->relay->spool, &adoption->move);
}

static void
adoption_start(struct relay *relay, uint64_t campaign, uint64_t id,
	       uint32_t queued)
{
	struct adoption *adoption = mem_zalloc(sizeof(*adoption));

	adoption->relay = relay;
	adoption->campaign = campaign;
	adoption->queued = queued;
	adoption->arena = arena_create(512);
	adoption->move.id = id;
	adoption->move.set_campaign = campaign;
	adoption->move.changes = adoption->changes;
	adoption->move.change_count =
	    campaign_adopt_changes(relay->campaigns, campaign, id, queued,
				   adoption->arena, adoption->changes);
	adoption->alone_now = queued == 0;
	relay->outcome_count++;
	commit(adoption);
}

static void
try_again(struct feeder *feeder, int64_t now_ms)
{
	struct adoption *adoption, *next;

	for (adoption = TAILQ_FIRST(&feeder->failed); adoption;
	     adoption = next) {
		next = TAILQ_NEXT(adoption, link);
		if (adoption->again_at_ms > now_ms)
			continue;
		TAILQ_REMOVE(&feeder->failed, adoption, link);
		commit(adoption);
	}
}

void
feed_adopt_tick(struct feeder *feeder)
{
	try_again(feeder, relay_now_ms(feeder->relay));
}

void
feeder_last_try(struct relay *relay)
{
	try_again(relay->feeder, INT64_MAX);
}

void
feeder_drop_failed(struct relay *relay)
{
	struct feeder *feeder = relay->feeder;
	struct adoption *adoption;

	while ((adoption = TAILQ_FIRST(&feeder->failed)) != NULL) {
		TAILQ_REMOVE(&feeder->failed, adoption, link);
		adoption_free(adoption);
	}
}

/* --- in memory --------------------------------------------------------------
 */

static void
move_job(struct relay *relay, struct job *job, uint64_t campaign)
{
	bool placed = false;

	switch ((enum job_state)job->state) {
	case JOB_READY:
		sched_unready(relay->sched, &job->dest->ready, job);
		placed = true;
		break;
	case JOB_ASKED:
		lookup_remove(relay, job);
		placed = true;
		break;
	case JOB_ACTIVE: /* it ends where it is */
	case JOB_WAITING:
	case JOB_RULED:
	case JOB_MARKED:
	case JOB_TAKEN:
	case JOB_DOOMED:
	case JOB_STANDS:
		break;
	}
	catalog_set_campaign(relay->catalog, job, campaign);
	job->lane = LANE_BULK;
	/* Its way is another's: it is looked for anew before it starts. */
	if (job->state != JOB_DOOMED)
		job->generation = (uint16_t)(relay->generation - 1);
	if (job->state != JOB_RULED && job->mail) {
		job->mail->msg->campaign = campaign;
		job->mail->msg->lane = LANE_BULK;
	}
	if (placed)
		mail_place(relay, job);
}

static uint32_t
move_jobs(struct relay *relay, uint64_t id, uint64_t campaign)
{
	size_t n = catalog_of_message(relay->catalog, id, NULL, 0);
	struct job **jobs = mem_array(n + 1, sizeof(*jobs));
	uint32_t queued = 0;

	(void)catalog_of_message(relay->catalog, id, jobs, n);
	for (size_t i = 0; i < n; i++) {
		queued += jobs[i]->rcpt_count;
		move_job(relay, jobs[i], campaign);
	}
	free(jobs);
	return queued;
}

/* The disk has something of a message that is in no job: it was accepted just
 * now, or its outcome is on the way. */
static bool
is_on_its_way(struct relay *relay, uint64_t id)
{
	struct spool_msg *msg;
	int err = spool_load(relay->spool, id, &msg);
	int64_t age_s;

	if (err == GW_ENOENT || err == GW_ECORRUPT)
		return false;
	if (err != 0)
		return true;
	age_s = clock_wall_s() - msg->accepted_wall_ms / 1000;
	spool_msg_destroy(&msg);
	return age_s < ON_ITS_WAY_S;
}

static void
adopt_one(struct relay *relay, uint64_t campaign, uint64_t id)
{
	uint32_t queued = move_jobs(relay, id, campaign);

	if (queued == 0 && is_on_its_way(relay, id))
		campaign_put_back_adopted(relay->campaigns, campaign, id);
	else
		adoption_start(relay, campaign, id, queued);
}

void
feed_adopt(struct relay *relay, uint64_t campaign)
{
	uint64_t ids[CAMPAIGN_ADOPTED_MAX];
	size_t n;

	if (!relay->campaigns)
		return;
	/* All at once: what is put back is for another time. */
	n = campaign_take_adopted(relay->campaigns, campaign, ids,
				  CAMPAIGN_ADOPTED_MAX);
	for (size_t i = 0; i < n; i++)
		adopt_one(relay, campaign, ids[i]);
	if (campaign_adopts(relay->campaigns, campaign))
		feed_watch(relay->feeder, feed_get(relay->feeder, campaign));
}
