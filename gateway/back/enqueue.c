/*
 * Messages become jobs: recipients that share a destination and a due time,
 * up to a hundred, or 25 of the bulk lane: each is soon over, for who waits; by
 * domain where DNS is to be asked about it first. A job means the same whether
 * its message came from the front just now or from the disk at the start.
 */
#include <stdlib.h>

#include "gateway/back/feeder.h"
#include "gateway/back/held.h"
#include "gateway/back/mail_int.h"
#include "gateway/back/weights.h"
#include "gateway/base/address.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"

struct enqueue { /* one message on its way in */
	struct relay *relay;
	struct mail *mail;
	uint64_t body;
	struct job_list jobs;
	struct buf key;
};

static size_t
hop_of(const struct relay *relay, unsigned lane, struct slice domain)
{
	const struct settings *settings = relay->settings;
	const struct back_bulk *bulk = &settings->conf.bulk;

	if (lane == LANE_BULK && bulk->own_hop)
		return routing_find_or(settings->routing, domain, bulk->hop);
	return routing_find(settings->routing, domain);
}

/* What is not known to be deliverable, and what DNS says where to, goes by way
 * of a lookup. */
static struct dest *
route(struct enqueue *in, const struct spool_rcpt *rcpt)
{
	const struct relay *relay = in->relay;
	unsigned lane = in->mail->msg->lane;
	struct hop *hop;

	buf_clear(&in->key);
	address_domain_key(&in->key, address_domain(slice_str(rcpt->address)));
	hop = relay->hops[hop_of(relay, lane, buf_slice(&in->key))];
	if (rcpt->domain == RCPT_DOMAIN_DEAD)
		return hop->grave;
	if (hop->conf.kind == BACK_MX ||
	    (rcpt->domain == RCPT_DOMAIN_UNDECIDED && relay->dns_cache))
		return hop->lobby;
	return dest_of_lane(hop, lane < LANES ? lane : LANE_PERSONAL);
}

/* What the recipients of one job have in common. */
struct shared {
	int64_t due_wall_s;
	uint16_t attempts;
	uint32_t holds; /* 0: queued */
	bool undecided;
};

static bool
is_fit(const struct job *job, const struct shared *shared)
{
	return job &&
	       job->rcpt_count <
		   (job->lane == LANE_BULK ? JOB_RCPTS_BULK : JOB_RCPTS_MAX) &&
	       job->due_wall_s == shared->due_wall_s &&
	       job->attempts == shared->attempts &&
	       job->holds == shared->holds &&
	       job->undecided == shared->undecided;
}

/* *open: the one that was filled last. */
static struct job *
open_job(struct enqueue *in, struct dest *dest, const struct shared *shared,
	 struct job **open)
{
	struct relay *relay = in->relay;
	struct job *job = *open;

	if (is_fit(job, shared))
		return job;
	job = mail_new_job(relay, in->mail->msg, in->body, dest);
	job->undecided = shared->undecided;
	job->mail = in->mail;
	job->due_wall_s = shared->due_wall_s;
	job->attempts = shared->attempts;
	job->holds = shared->holds;
	job->state = shared->holds != 0 ? JOB_MARKED : JOB_ACTIVE;
	job->generation = relay->generation;
	in->mail->jobs++;
	*open = job;
	TAILQ_INSERT_TAIL(&in->jobs, job, link);
	return job;
}

static void
enqueue_rcpt(struct enqueue *in, const struct spool_rcpt *rcpt,
	     const struct shared *shared)
{
	struct dest *dest = route(in, rcpt);
	struct domain *domain =
	    catalog_domain(in->relay->catalog, buf_slice(&in->key));
	struct shared ours = *shared;
	struct job *job;

	/* Who is looked up is looked up by domain. */
	ours.undecided = rcpt->domain == RCPT_DOMAIN_UNDECIDED;
	job = open_job(in, dest, &ours,
		       dest->kind == DEST_LOBBY ? &domain->open_job
						: &dest->open_job);
	job_add_rcpt(job, rcpt->index, domain);
}

static void
enqueue_begin(struct enqueue *in, struct relay *relay, struct mail *mail)
{
	in->relay = relay;
	in->mail = mail;
	in->body = catalog_body(mail->msg->body.digest);
	TAILQ_INIT(&in->jobs);
	buf_init(&in->key, 1024);
	mail->jobs++; /* ours, until the end */
}

/* Whoever sends anew may be of another class by now. */
static void
weigh(struct enqueue *in)
{
	struct job *job = TAILQ_FIRST(&in->jobs);
	struct relay *relay = in->relay;
	struct sender *sender;

	if (!job)
		return;
	sender = job->source->sender;
	if (!sender->weight || !in->mail->loaded)
		sender->weight = weights_find(
		    relay->weights, spool_store(relay->spool), sender->cred);
}

static void
enqueue_end(struct enqueue *in)
{
	struct relay *relay = in->relay;
	int64_t now_wall_s = clock_wall_s();
	struct mail *mail = in->mail;
	struct job *job;

	weigh(in);
	while ((job = TAILQ_FIRST(&in->jobs)) != NULL) {
		TAILQ_REMOVE(&in->jobs, job, link);
		job->dest->open_job = NULL;
		job_domains(job)[0].domain->open_job = NULL;
		catalog_add(relay->catalog, job);
		if (job->state == JOB_MARKED)
			held_by_mark(relay, &job);
		else
			mail_schedule(relay, job, now_wall_s);
	}
	buf_fini(&in->key);
	if (--mail->jobs == 0)
		mail_destroy(relay, mail);
}

void
mail_enqueue(struct relay *relay, struct spool_msg **msgp, bool loaded)
{
	struct spool_msg *msg = *msgp;
	struct enqueue in;
	uint32_t count = 0;

	if (msg->campaign != 0 && !loaded)
		feeder_came(relay, msg->campaign);
	enqueue_begin(&in, relay, mail_create(relay, msgp, loaded));
	for (uint32_t i = 0; i < msg->rcpt_count; i++) {
		const struct spool_rcpt *rcpt = &msg->rcpts[i];
		struct shared shared = {.due_wall_s = rcpt->next_wall_s,
					.attempts = rcpt->attempts};

		if (rcpt->state == RCPT_HELD)
			shared.holds = rcpt->holds;
		else if (rcpt->state == RCPT_QUEUED)
			count++;
		if (rcpt->state == RCPT_QUEUED || shared.holds != 0)
			enqueue_rcpt(&in, rcpt, &shared);
	}
	stat_add(&relay->stats->queued, count);
	age_add(relay->age, mail_age_s(msg->id), count);
	enqueue_end(&in);
}

int
mail_enqueue_again(struct relay *relay, uint64_t id, const uint32_t *indexes,
		   uint32_t count, int64_t wait_s)
{
	struct shared shared = {.due_wall_s = clock_wall_s() + wait_s};
	struct spool_msg *msg;
	struct enqueue in;
	uint32_t queued = 0;
	int err;

	if (count == 0)
		return 0;
	err = spool_load_some(relay->spool, id, indexes, count, &msg);
	if (err != 0)
		return err;
	enqueue_begin(&in, relay, mail_create(relay, &msg, true));
	for (uint32_t i = 0; i < count; i++) {
		struct spool_rcpt *rcpt = mail_rcpt(in.mail, indexes[i]);

		if (!rcpt)
			continue;
		shared.attempts = rcpt->attempts;
		enqueue_rcpt(&in, rcpt, &shared);
		queued++;
	}
	stat_add(&relay->stats->queued, queued);
	age_add(relay->age, mail_age_s(id), queued);
	enqueue_end(&in);
	return 0;
}

void
mail_reroute(struct relay *relay, struct job **jobp)
{
	struct job *job = *jobp;
	const uint32_t *indexes = job_rcpts(job);
	struct shared shared = {.attempts = job->attempts};
	uint32_t gone = 0;
	struct enqueue in;

	enqueue_begin(&in, relay, job->mail);
	for (uint32_t i = 0; i < job->rcpt_count; i++) {
		const struct spool_rcpt *rcpt =
		    mail_rcpt(job->mail, indexes[i]);

		if (rcpt)
			enqueue_rcpt(&in, rcpt, &shared);
		else
			gone++;
	}
	mail_uncount(relay, job, gone);
	mail_job_end(relay, jobp);
	enqueue_end(&in);
}
