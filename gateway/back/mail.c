/*
 * Messages in memory and the jobs made of them. A message stays in memory only
 * while it is fresh and there is room (RELAY_MAILS_MAX); otherwise its jobs
 * stay alone and load it again when their turn comes. Recipient indexes are
 * those of the message on disk, so a job means the same before and after.
 */
#include <assert.h>
#include <stdlib.h>

#include "gateway/back/feeder.h"
#include "gateway/back/lookup.h"
#include "gateway/back/mail_int.h"
#include "gateway/back/summary.h"
#include "gateway/base/address.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"

static size_t
mail_size(const struct mail *mail)
{
	const struct spool_msg *msg = mail->msg;

	return sizeof(*mail) + sizeof(*msg) + arena_bytes(msg->arena) +
	       msg->rcpt_room * sizeof(*msg->rcpts);
}

struct mail *
mail_create(struct relay *relay, struct spool_msg **msg, bool loaded)
{
	struct mail *mail = mem_zalloc(sizeof(*mail));

	mail->msg = *msg;
	mail->loaded = loaded;
	*msg = NULL;
	relay->mail_count++;
	relay->mail_bytes += mail_size(mail);
	return mail;
}

void
mail_destroy(struct relay *relay, struct mail *mail)
{
	relay->mail_count--;
	relay->mail_bytes -= mail_size(mail);
	spool_msg_destroy(&mail->msg);
	free(mail);
}

void
mail_release(struct relay *relay, struct job *job)
{
	struct mail *mail = job->mail;

	assert(job->state != JOB_RULED);
	job->mail = NULL;
	if (mail && --mail->jobs == 0)
		mail_destroy(relay, mail);
}

/* The recipients of a message are in the order of their indexes. */
struct spool_rcpt *
mail_find_rcpt(const struct spool_msg *msg, uint32_t index)
{
	uint32_t low = 0, high = msg->rcpt_count;

	if (index < high && msg->rcpts[index].index == index)
		low = index;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (msg->rcpts[middle].index == index)
			return &msg->rcpts[middle];
		if (msg->rcpts[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

struct spool_rcpt *
mail_rcpt(const struct mail *mail, uint32_t index)
{
	struct spool_rcpt *rcpt = mail_find_rcpt(mail->msg, index);

	return rcpt && rcpt->state == RCPT_QUEUED ? rcpt : NULL;
}

/* One that was adopted may be read before the disk says so (adopt.c). */
static void
follow_job(struct spool_msg *msg, const struct job *job)
{
	uint64_t campaign = job_campaign(job);

	if (campaign == 0 || msg->campaign == campaign)
		return;
	msg->campaign = campaign;
	msg->lane = LANE_BULK;
}

int
mail_load(struct relay *relay, struct job *job)
{
	struct spool_msg *msg;
	int err;

	if (job->mail)
		return 0;
	/* Its own recipients alone: with all of them, the 500 jobs of a
	 * message to 50,000 would read 25 million records. */
	err = spool_load_some(relay->spool, job->id, job_rcpts(job),
			      job->rcpt_count, &msg);
	if (err != 0)
		return err;
	follow_job(msg, job);
	job->mail = mail_create(relay, &msg, true);
	job->mail->jobs = 1;
	return 0;
}

static int
compare_indexes(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void
mail_load_together(struct relay *relay, struct job *const *jobs, size_t count)
{
	uint32_t *indexes = NULL, n = 0;
	struct spool_msg *msg;
	struct mail *mail;

	for (size_t i = 0; i < count; i++) {
		if (jobs[i]->mail)
			continue;
		if (!indexes)
			indexes =
			    mem_array(count, JOB_RCPTS_MAX * sizeof(*indexes));
		for (uint32_t k = 0; k < jobs[i]->rcpt_count; k++)
			indexes[n++] = job_rcpts(jobs[i])[k];
	}
	if (n > 0)
		qsort(indexes, n, sizeof(*indexes), compare_indexes);
	if (n > 0 &&
	    spool_load_some(relay->spool, jobs[0]->id, indexes, n, &msg) == 0) {
		follow_job(msg, jobs[0]);
		mail = mail_create(relay, &msg, true);
		for (size_t i = 0; i < count; i++) {
			if (jobs[i]->mail)
				continue;
			jobs[i]->mail = mail;
			mail->jobs++;
		}
	}
	free(indexes);
}

struct job *
mail_new_job(struct relay *relay, const struct spool_msg *msg, uint64_t body,
	     struct dest *dest)
{
	struct job *job = job_create(msg->id);
	uint64_t large = msg->body.length / JOB_LARGE_BYTES;
	int64_t accepted_wall_s = msg->accepted_wall_ms / 1000;

	job_set_source(job, catalog_source(relay->catalog, msg->cred,
					   &msg->client, msg->campaign));
	job->body = body;
	job->dest = dest;
	job->large = (uint8_t)(large < UINT8_MAX ? large : UINT8_MAX);
	if (msg->lane == LANE_BULK)
		job->lane = LANE_BULK;
	else if (msg->lane == LANE_DSN)
		job->lane = LANE_DSN;
	if (accepted_wall_s > 0 && accepted_wall_s <= UINT32_MAX)
		job->accepted_wall_s = (uint32_t)accepted_wall_s;
	dest->job_count++;
	return job;
}

static bool
memory_full(const struct relay *relay)
{
	return relay->mail_count > RELAY_MAILS_MAX ||
	       relay->mail_bytes > RELAY_MAIL_BYTES_MAX;
}

void
mail_schedule(struct relay *relay, struct job *job, int64_t now_wall_s)
{
	if (job->due_wall_s > now_wall_s) {
		feeder_out(relay, job);
		mail_release(relay, job);
		sched_wait(relay->sched, job, job->due_wall_s);
		return;
	}
	if (memory_full(relay))
		mail_release(relay, job);
	mail_place(relay, job);
}

void
mail_ready(struct relay *relay, struct job *job)
{
	sched_ready(relay->sched, &job->dest->ready, job, false);
	relay_kick(relay, job->dest);
}

void
mail_let_in(struct relay *relay, struct job *job)
{
	static const struct summary_doom dead = {.result = NULL};

	switch (job->dest->kind) {
	case DEST_SMTP:
	case DEST_MAILDIR:
		mail_ready(relay, job);
		break;
	case DEST_SITE: /* the domain may be elsewhere by now */
	case DEST_LOBBY:
		lookup_put(relay, job);
		break;
	case DEST_GRAVE:
		summary_add(relay, job, &dead);
		break;
	}
}

void
mail_place(struct relay *relay, struct job *job)
{
	job->state = JOB_ACTIVE;
	if (!feeder_takes(relay, job))
		mail_let_in(relay, job);
}

void
mail_move(struct relay *relay, struct job *job, struct dest *dest)
{
	struct dest *old = job->dest;

	if (old == dest)
		return;
	feeder_moves(relay, job);
	job->dest = dest;
	dest->job_count++;
	old->job_count--;
	dest_check_unused(old);
}

/* The other's place among its recipients; both lists are in one order. */
static void
keep_others(struct job *job, const uint32_t *indexes, uint32_t count)
{
	const uint32_t *all = job_rcpts(job);
	uint32_t kept[JOB_RCPTS_MAX], n = 0, at = 0;

	for (uint32_t i = 0; i < job->rcpt_count; i++) {
		if (at < count && all[i] == indexes[at])
			at++;
		else
			kept[n++] = all[i];
	}
	assert(at == count && n > 0);
	job_keep(job, kept, n);
}

struct job *
mail_split(struct relay *relay, struct job *job, const struct spool_msg *msg,
	   const uint32_t *indexes, uint32_t count)
{
	struct job *other = mail_new_job(relay, msg, job->body, job->dest);
	struct buf key;

	buf_init(&key, 1024);
	for (uint32_t i = 0; i < count; i++) {
		const struct spool_rcpt *rcpt = mail_find_rcpt(msg, indexes[i]);

		assert(rcpt);
		buf_clear(&key);
		address_domain_key(&key,
				   address_domain(slice_str(rcpt->address)));
		job_add_rcpt(other, indexes[i],
			     catalog_domain(relay->catalog, buf_slice(&key)));
	}
	buf_fini(&key);
	if (job->state != JOB_ASKED && job->state != JOB_DOOMED)
		other->due_wall_s = job->due_wall_s;
	other->attempts = job->attempts;
	other->generation = job->generation;
	other->undecided = job->undecided;
	other->state = JOB_ACTIVE;
	catalog_add(relay->catalog, other);
	/* The message may have been read before it was adopted on disk. */
	catalog_set_campaign(relay->catalog, other, job_campaign(job));
	other->lane = job->lane;
	keep_others(job, indexes, count);
	return other;
}

void
mail_job_end(struct relay *relay, struct job **job)
{
	struct dest *dest = (*job)->dest;

	feeder_out(relay, *job);
	mail_release(relay, *job);
	catalog_remove(relay->catalog, *job);
	job_destroy(job);
	dest->job_count--;
	dest_check_unused(dest);
}

void
mail_uncount(struct relay *relay, const struct job *job, uint32_t count)
{
	stat_sub(&relay->stats->queued, count);
	age_remove(relay->age, mail_age_s(job->id), count);
}

void
mail_recount(struct relay *relay, const struct job *job, uint32_t count)
{
	stat_add(&relay->stats->queued, count);
	age_add(relay->age, mail_age_s(job->id), count);
}
