/*
 * Which recipients a selection means, and how their jobs are taken out of the
 * queues. The catalog finds by what is in memory; the message is read only
 * where that does not tell: a job with several domains, a sender, and a body
 * that is to be changed, whose hash alone is not proof enough.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/back/chores_int.h"
#include "gateway/back/feeder.h"
#include "gateway/back/held.h"
#include "gateway/back/lookup.h"
#include "gateway/back/summary.h"
#include "gateway/base/address.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"

#define STEPS_A_SLICE 1000
#define LOAD_STEPS 20 /* what reading a message costs, in looks at a job */

/* What of one job is meant. */
struct match {
	uint32_t count;
	uint32_t rcpts[JOB_RCPTS_MAX];
	const struct spool_msg *msg; /* when it was needed */
	struct spool_msg *own;	     /* the same, if we read it */
};

/* --- the selection -------------------------------------------------------- */

static int
take_from(struct run *run, const char *from)
{
	struct block block = {.id = id_next(),
			      .kind = BLOCK_FROM,
			      .value = from,
			      .author = "",
			      .reason = ""};
	struct buf value;
	uint64_t id;
	int err;

	buf_init(&value, 2048);
	err = blocklist_normalise(BLOCK_FROM, slice_str(from), &value, NULL);
	if (err == 0) {
		block.value = buf_cstr(&value);
		run->from = blocklist_create();
		err = blocklist_add(run->from, &block, &id, NULL);
	}
	buf_fini(&value);
	return err;
}

int
run_walk_begin(struct run *run)
{
	const struct back_select *select = &run->work->select;

	run->keys.cred = select->cred;
	run->keys.ip = select->ip;
	run->keys.body = select->body;
	run->keys.id = select->id;
	run->keys.campaign = select->campaign;
	buf_init(&run->domain, 1024);
	if (select->domain) {
		address_domain_key(&run->domain, slice_str(select->domain));
		run->keys.domain = slice_str(buf_cstr(&run->domain));
	}
	if (select->from && take_from(run, select->from) != 0)
		return GW_EINVAL;
	catalog_walk_begin(run->relay->catalog, &run->keys);
	run->walking = true;
	return 0;
}

void
run_walk_fini(struct run *run)
{
	if (run->walking)
		catalog_walk_end(run->relay->catalog);
	blocklist_destroy(&run->from);
	buf_fini(&run->domain);
}

static bool
is_in_time(const struct run *run, const struct job *job)
{
	const struct back_select *select = &run->work->select;

	if (job->id >= run->end_id)
		return false;
	if (select->since_wall_s != 0 &&
	    job->accepted_wall_s < select->since_wall_s)
		return false;
	return select->before_wall_s == 0 ||
	       job->accepted_wall_s < select->before_wall_s;
}

static bool
needs_message(const struct run *run, const struct job *job)
{
	if (run->from)
		return true;
	if (run->keys.body && run->work->verb != BACK_COUNT)
		return true;
	return run->keys.domain.p && job->domain_count > 1;
}

static bool
message_is_meant(const struct run *run, const struct spool_msg *msg)
{
	struct block_facts facts = {.from = slice_str(msg->mail_from)};
	struct block_hit hit;

	if (run->keys.body &&
	    memcmp(run->keys.body, msg->body.digest, DIGEST_SIZE) != 0)
		return false;
	return !run->from || blocklist_find(run->from, &facts, false, 0, &hit);
}

static void
match_rcpts(const struct run *run, const struct job *job, struct match *match)
{
	const uint32_t *indexes = job_rcpts(job);
	struct buf key;

	buf_init(&key, 1024);
	for (uint32_t i = 0; i < job->rcpt_count; i++) {
		const struct spool_rcpt *rcpt =
		    mail_find_rcpt(match->msg, indexes[i]);

		if (!rcpt)
			continue;
		buf_clear(&key);
		address_domain_key(&key,
				   address_domain(slice_str(rcpt->address)));
		if (!run->keys.domain.p ||
		    catalog_domain_is(run->keys.domain, buf_slice(&key)))
			match->rcpts[match->count++] = indexes[i];
	}
	buf_fini(&key);
}

/* Reads the message when its job has it not in memory. */
static int
load(struct run *run, const struct job *job, struct match *match)
{
	int err;

	if (job->state != JOB_RULED && job->mail) {
		match->msg = job->mail->msg;
		return 0;
	}
	err = spool_load_some(run->relay->spool, job->id, job_rcpts(job),
			      job->rcpt_count, &match->own);
	match->msg = match->own;
	if (err != 0 && err != GW_ENOENT) {
		log_event(GW_LOG_ERROR, "load", LF_ERR(err));
		run->work->failed += job->rcpt_count;
	}
	return err;
}

static void
match_job(struct run *run, const struct job *job, struct match *match)
{
	match->count = 0;
	match->msg = match->own = NULL;
	if (!is_in_time(run, job) || !catalog_has(&run->keys, job))
		return;
	if (!needs_message(run, job)) {
		match->count = job->rcpt_count;
		memcpy(match->rcpts, job_rcpts(job),
		       match->count * sizeof(match->rcpts[0]));
	} else if (load(run, job, match) == 0 &&
		   message_is_meant(run, match->msg)) {
		match_rcpts(run, job, match);
	}
}

/* --- taking --------------------------------------------------------------- */

/* Out of wherever it stands. */
static void
detach(struct relay *relay, struct job *job)
{
	bool marked = job->state == JOB_MARKED;

	switch ((enum job_state)job->state) {
	case JOB_READY:
		sched_unready(relay->sched, &job->dest->ready, job);
		break;
	case JOB_WAITING:
		dest_unpark(job);
		sched_unwait(relay->sched, job);
		break;
	case JOB_RULED:
	case JOB_MARKED:
		held_take(relay, job);
		break;
	case JOB_ASKED:
		lookup_remove(relay, job);
		break;
	case JOB_DOOMED:
		summary_remove(relay, job);
		break;
	case JOB_STANDS:
		feeder_remove(relay, job);
		break;
	case JOB_ACTIVE:
	case JOB_TAKEN:
		break;
	}
	if (!marked)
		job->holds = 0;
	feeder_untried(relay, job);
	mail_release(relay, job);
}

static void
keep(struct run *run, struct job *job)
{
	job->state = JOB_TAKEN;
	TAILQ_INSERT_TAIL(&run->taken, job, link);
}

/* What is meant of a job as a job of its own; the other stays where it is. */
static void
take_part(struct run *run, struct job *job, const struct match *match)
{
	struct stats *stats = run->relay->stats;
	struct job *part =
	    mail_split(run->relay, job, match->msg, match->rcpts, match->count);

	if (job->state == JOB_MARKED) {
		part->holds = job->holds;
		held_uncount(run->relay, job->holds, match->count);
	} else if (job->state == JOB_RULED) {
		stat_sub(&stats->held_by_rule, match->count);
	} else if (job->state == JOB_ASKED) {
		stat_sub(&stats->undecided, match->count);
	}
	keep(run, part);
}

static void
take(struct run *run, struct job *job, const struct match *match)
{
	if (match->count < job->rcpt_count) {
		take_part(run, job, match);
		return;
	}
	detach(run->relay, job);
	keep(run, job);
}

void
run_put_back(struct run *run, struct job *job)
{
	job->state = JOB_ACTIVE;
	if (job->holds != 0)
		held_by_mark(run->relay, &job);
	else
		mail_schedule(run->relay, job, clock_wall_s());
}

bool
run_claims(struct run *run, struct job **jobp)
{
	struct job *job = *jobp;
	struct match match;

	match_job(run, job, &match);
	if (match.count == 0)
		return false;
	if (match.count == job->rcpt_count)
		*jobp = NULL;
	take(run, job, &match);
	return *jobp == NULL;
}

/* --- the walk ------------------------------------------------------------- */

static void
count(struct run *run, const struct job *job, uint32_t n)
{
	run_count(run, job->id, n);
	if (job->state == JOB_ACTIVE)
		run->work->busy += n;
	else if (job->state == JOB_RULED || job->state == JOB_MARKED)
		run->work->held += n;
}

static void
look(struct run *run, struct job *job, const struct match *match)
{
	bool held = job->state == JOB_RULED || job->state == JOB_MARKED;

	switch (run->work->verb) {
	case BACK_COUNT:
		count(run, job, match->count);
		break;
	case BACK_RELEASE:
		if (job->state == JOB_MARKED && job->holds & RELEASABLE)
			take(run, job, match);
		else if (held)
			run->work->held += match->count;
		break;
	case BACK_PURGE:
		if (job->state == JOB_ACTIVE)
			run->work->busy += match->count;
		else
			take(run, job, match);
		break;
	case BACK_RECHECK:
	case BACK_UNDO:
		break;
	}
}

bool
run_walk_slice(struct run *run)
{
	struct catalog *catalog = run->relay->catalog;
	uint32_t steps = STEPS_A_SLICE;
	struct match match;
	struct job *job;

	/* Waiting jobs cannot be taken out meanwhile. */
	if (sched_flushing(run->relay->sched))
		return true;
	while ((job = catalog_walk_next(catalog, &steps)) != NULL) {
		if (job->state == JOB_TAKEN)
			continue;
		match_job(run, job, &match);
		if (match.own)
			steps -= steps < LOAD_STEPS ? steps : LOAD_STEPS;
		if (match.count > 0)
			look(run, job, &match);
		spool_msg_destroy(&match.own);
	}
	if (steps == 0)
		return true;
	catalog_walk_end(catalog);
	run->walking = false;
	return false;
}
