#include "gateway/back/held.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/back/feeder.h"
#include "gateway/back/scanning.h"
#include "gateway/base/clock.h"
#include "gateway/base/hash.h"
#include "gateway/base/mem.h"

struct rule {
	UT_hash_handle hh;
	TAILQ_ENTRY(rule) link; /* of those that let go */
	uint64_t id;
	struct job_list jobs; /* in the order they came */
	bool gone;	      /* not among the rules any more */
};

TAILQ_HEAD(rule_list, rule);

struct held {
	struct rule *rules;
	struct rule_list leaving;
	struct job_list marked;
};

struct held *
held_create(void)
{
	struct held *held = mem_zalloc(sizeof(*held));

	TAILQ_INIT(&held->leaving);
	TAILQ_INIT(&held->marked);
	return held;
}

void
held_destroy(struct held **held)
{
	if (!*held)
		return;
	assert(!(*held)->rules && TAILQ_EMPTY(&(*held)->leaving) &&
	       TAILQ_EMPTY(&(*held)->marked));
	free(*held);
	*held = NULL;
}

static struct rule *
rule_get(struct held *held, uint64_t id)
{
	struct rule *rule;

	HASH_FIND(hh, held->rules, &id, sizeof(id), rule);
	if (rule)
		return rule;
	rule = mem_zalloc(sizeof(*rule));
	rule->id = id;
	TAILQ_INIT(&rule->jobs);
	HASH_ADD(hh, held->rules, id, sizeof(id), rule);
	return rule;
}

/* A rule is there while it holds something. */
static void
rule_check(struct held *held, struct rule *rule)
{
	if (!TAILQ_EMPTY(&rule->jobs))
		return;
	if (rule->gone)
		TAILQ_REMOVE(&held->leaving, rule, link);
	else
		HASH_DEL(held->rules, rule);
	free(rule);
}

void
held_by_rule(struct relay *relay, struct job **jobp, uint64_t id)
{
	struct rule *rule = rule_get(relay->held, id);
	struct job *job = *jobp;

	*jobp = NULL;
	feeder_untried(relay, job);
	mail_release(relay, job);
	job->state = JOB_RULED;
	job->rule = rule;
	TAILQ_INSERT_TAIL(&rule->jobs, job, link);
	stat_add(&relay->stats->held_by_rule, job->rcpt_count);
}

void
held_by_mark(struct relay *relay, struct job **jobp)
{
	struct job *job = *jobp;

	*jobp = NULL;
	feeder_untried(relay, job);
	mail_release(relay, job);
	job->state = JOB_MARKED;
	stat_add(&relay->stats->held, job->rcpt_count);
	if (job->holds & HOLD_SCAN) {
		stat_add(&relay->stats->scan_waiting, job->rcpt_count);
		scanning_add(relay, job);
	} else {
		TAILQ_INSERT_TAIL(&relay->held->marked, job, link);
	}
}

void
held_uncount(struct relay *relay, uint32_t holds, uint32_t count)
{
	stat_sub(&relay->stats->held, count);
	if (holds & HOLD_SCAN)
		stat_sub(&relay->stats->scan_waiting, count);
}

static void
mark_take(struct relay *relay, struct job *job)
{
	if (job->holds & HOLD_SCAN)
		scanning_remove(relay, job);
	else
		TAILQ_REMOVE(&relay->held->marked, job, link);
	held_uncount(relay, job->holds, job->rcpt_count);
}

void
held_take(struct relay *relay, struct job *job)
{
	struct rule *rule = job->rule;

	if (job->state == JOB_MARKED) {
		mark_take(relay, job);
	} else {
		assert(job->state == JOB_RULED);
		TAILQ_REMOVE(&rule->jobs, job, link);
		job->mail = NULL;
		stat_sub(&relay->stats->held_by_rule, job->rcpt_count);
		rule_check(relay->held, rule);
	}
	job->state = JOB_ACTIVE;
}

static void
rule_leave(struct held *held, struct rule *rule)
{
	HASH_DEL(held->rules, rule);
	rule->gone = true;
	TAILQ_INSERT_TAIL(&held->leaving, rule, link);
}

void
held_recheck(struct relay *relay, uint64_t id)
{
	struct held *held = relay->held;
	struct rule *rule, *next;

	if (id != 0) {
		HASH_FIND(hh, held->rules, &id, sizeof(id), rule);
		if (rule)
			rule_leave(held, rule);
		return;
	}
	for (rule = held->rules; rule; rule = next) {
		next = rule->hh.next;
		rule_leave(held, rule);
	}
}

bool
held_let_go(struct relay *relay, uint32_t max, held_tell_fn *tell, void *arg)
{
	struct rule *rule;

	while (max-- > 0 &&
	       (rule = TAILQ_FIRST(&relay->held->leaving)) != NULL) {
		struct job *job = TAILQ_FIRST(&rule->jobs);

		if (tell)
			tell(arg, job);
		held_take(relay, job);
		mail_schedule(relay, job, clock_wall_s());
	}
	return !TAILQ_EMPTY(&relay->held->leaving);
}

struct job *
held_drain(struct relay *relay)
{
	struct rule *rule = TAILQ_FIRST(&relay->held->leaving);
	struct job *job;

	if (!rule)
		rule = relay->held->rules;
	job =
	    rule ? TAILQ_FIRST(&rule->jobs) : TAILQ_FIRST(&relay->held->marked);
	if (!job)
		job = scanning_any(relay);
	if (job)
		held_take(relay, job);
	return job;
}
