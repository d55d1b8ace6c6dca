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

#include "gateway/back/feeder_int.h"
#include "gateway/back/lookup.h"
#include "gateway/base/arena.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define IDS_A_TIME 64

struct adoption {
	struct inbound in; /* first: how it comes back */
	struct spool_outcome move;
	struct spool_change alone;
	struct relay *relay;
	uint64_t campaign;
	uint32_t queued;
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

static void
failed(struct adoption *adoption, int err)
{
	char id[ID_TEXT_SIZE];

	id_format(adoption->move.id, id);
	log_event(GW_LOG_ERROR, "adoption-not-durable", LF_STR("msg", id),
		  LF_U64("campaign", adoption->campaign), LF_ERR(err));
	adoption_free(adoption);
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

/* All of the message is final: only the counts are left. */
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

	(void)relay;
	if (adoption->move.err == 0)
		adopted(adoption);
	else if (adoption->move.err == GW_ENOENT)
		commit_alone(adoption);
	else
		failed(adoption, adoption->move.err);
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
commit(struct relay *relay, uint64_t campaign, uint64_t id, uint32_t queued)
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
	adoption->move.done = on_moved;
	adoption->in.take = move_take;
	relay->outcome_count++;
	if (queued == 0)
		commit_alone(adoption);
	else
		spool_outcome_start(relay->spool, &adoption->move);
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

void
feed_adopt(struct relay *relay, uint64_t campaign)
{
	uint64_t ids[IDS_A_TIME];
	size_t n;

	if (!relay->campaigns)
		return;
	do {
		n = campaign_take_adopted(relay->campaigns, campaign, ids,
					  IDS_A_TIME);
		for (size_t i = 0; i < n; i++)
			commit(relay, campaign, ids[i],
			       move_jobs(relay, ids[i], campaign));
	} while (n == IDS_A_TIME);
}
