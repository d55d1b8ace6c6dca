/*
 * Who waits for whom: a summary counts the jobs of its message that DNS is
 * asked about, and has those that are doomed. It is told of when the count is
 * nothing, or its time is over, always in a later turn than the one in which
 * that came about: others of the message may still be on their way in.
 *
 * Invariant: a summary is in one of the two lists while somebody is doomed, in
 * the table while somebody is doomed or expected.
 */
#include "gateway/back/summary.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/back/delivery.h"
#include "gateway/back/feeder.h"
#include "gateway/base/address.h"
#include "gateway/base/mem.h"
#include "policy/domains.h"

#define TOLD_A_SLICE 8

struct doom {
	struct job *job;
	struct summary *summary;
	TAILQ_ENTRY(doom) link;
	struct result *result; /* text is owned; NULL: the record says it */
	bool fact;
};

TAILQ_HEAD(doom_list, doom);

struct summary {
	UT_hash_handle hh;
	TAILQ_ENTRY(summary) link; /* of those that have dooms */
	uint64_t id;
	uint64_t expected; /* jobs being asked about */
	int64_t until_ms;  /* then it is told of who is there */
	struct doom_list dooms;
	bool ready; /* in which list it is */
};

TAILQ_HEAD(summary_list, summary);

struct summaries {
	struct summary *table;
	struct summary_list holding; /* the first has the first time */
	struct summary_list ready;   /* to be told of */
};

struct summaries *
summaries_create(void)
{
	struct summaries *all = mem_zalloc(sizeof(*all));

	TAILQ_INIT(&all->holding);
	TAILQ_INIT(&all->ready);
	return all;
}

void
summaries_destroy(struct summaries **all)
{
	if (!*all)
		return;
	assert(!(*all)->table);
	free(*all);
	*all = NULL;
}

static struct summary *
find(const struct relay *relay, uint64_t id)
{
	struct summary *summary;

	HASH_FIND(hh, relay->summaries->table, &id, sizeof(id), summary);
	return summary;
}

static struct summary *
get(struct relay *relay, uint64_t id)
{
	struct summary *summary = find(relay, id);

	if (summary)
		return summary;
	summary = mem_zalloc(sizeof(*summary));
	summary->id = id;
	TAILQ_INIT(&summary->dooms);
	HASH_ADD(hh, relay->summaries->table, id, sizeof(id), summary);
	return summary;
}

static struct summary_list *
list_of(struct relay *relay, const struct summary *summary)
{
	return summary->ready ? &relay->summaries->ready
			      : &relay->summaries->holding;
}

static void
set_ready(struct relay *relay, struct summary *summary)
{
	if (summary->ready)
		return;
	TAILQ_REMOVE(&relay->summaries->holding, summary, link);
	summary->ready = true;
	TAILQ_INSERT_TAIL(&relay->summaries->ready, summary, link);
	relay_fill_soon(relay);
}

/* It is there as long as somebody is expected or doomed. */
static void
check(struct relay *relay, struct summary *summary)
{
	if (!TAILQ_EMPTY(&summary->dooms)) {
		if (summary->expected == 0)
			set_ready(relay, summary);
		return;
	}
	if (summary->expected > 0)
		return;
	HASH_DEL(relay->summaries->table, summary);
	free(summary);
}

/* --- who is asked about, who is doomed ------------------------------------ */

void
summary_expect(struct relay *relay, uint64_t id)
{
	get(relay, id)->expected++;
}

void
summary_passed(struct relay *relay, uint64_t id)
{
	struct summary *summary = find(relay, id);

	assert(summary && summary->expected > 0);
	summary->expected--;
	check(relay, summary);
}

static struct result *
copy_result(const struct result *result)
{
	struct result *copy;

	if (!result)
		return NULL;
	copy = mem_zalloc(sizeof(*copy));
	*copy = *result;
	copy->text = slice_str(slice_dup(result->text));
	return copy;
}

void
summary_add(struct relay *relay, struct job *job,
	    const struct summary_doom *why)
{
	struct summary *summary = get(relay, job->id);
	struct doom *doom = mem_zalloc(sizeof(*doom));

	feeder_untried(relay, job);
	doom->job = job;
	doom->summary = summary;
	doom->result = copy_result(why->result);
	doom->fact = why->fact;
	if (TAILQ_EMPTY(&summary->dooms)) {
		summary->until_ms = relay_now_ms(relay) + SUMMARY_HOLD_MS;
		summary->ready = false;
		TAILQ_INSERT_TAIL(&relay->summaries->holding, summary, link);
		relay_fill_soon(relay);
	}
	TAILQ_INSERT_TAIL(&summary->dooms, doom, link);
	job->state = JOB_DOOMED;
	job->doom = doom;
	if (why->expected) {
		summary->expected--;
		check(relay, summary);
	} else {
		set_ready(relay, summary); /* looked at in the next turn */
	}
}

/* The summary is left to the caller. */
static struct job *
take(struct relay *relay, struct doom *doom)
{
	struct summary *summary = doom->summary;
	struct job *job = doom->job;

	TAILQ_REMOVE(&summary->dooms, doom, link);
	if (TAILQ_EMPTY(&summary->dooms))
		TAILQ_REMOVE(list_of(relay, summary), summary, link);
	job->state = JOB_ACTIVE;
	job->due_wall_s = 0;
	return job;
}

static void
doom_free(struct doom *doom)
{
	if (doom->result)
		free((char *)doom->result->text.p);
	free(doom->result);
	free(doom);
}

void
summary_remove(struct relay *relay, struct job *job)
{
	struct doom *doom = job->doom;
	struct summary *summary = doom->summary;

	take(relay, doom);
	doom_free(doom);
	check(relay, summary);
}

/* --- telling -------------------------------------------------------------- */

/* What is told of together. */
struct report {
	struct relay *relay;
	struct doom **dooms;
	struct delivery **deliveries;
	const struct result **results; /* of each, one a recipient */
	uint32_t *counts;	       /* of these */
	size_t count;
};

static void
reason_of_record(struct relay *relay, const struct spool_rcpt *rcpt,
		 struct result *result, struct reply *reply)
{
	struct domain_fact fact = {.reason = rcpt->domain_why};
	struct buf key;

	fact.verdict = result_verdict(fact.reason);
	result_of_domain(result, fact.verdict, fact.reason);
	buf_init(&key, 1024);
	address_domain_key(&key, address_domain(slice_str(rcpt->address)));
	if (relay->domains &&
	    domains_refusal(relay->domains, &fact, buf_slice(&key), reply))
		result_set(result, FATE_BOUNCED, reply->enhanced, reply->text);
	buf_fini(&key);
	result->text = slice_str(slice_dup(result->text));
}

static struct result *
make_results(struct relay *relay, const struct delivery *d,
	     const struct doom *doom)
{
	struct result *results = mem_array(d->count, sizeof(*results));
	struct reply reply;

	for (uint32_t i = 0; i < d->count; i++) {
		if (doom->result)
			results[i] = *doom->result;
		else
			reason_of_record(relay, d->rcpts[i], &results[i],
					 &reply);
	}
	return results;
}

static void
tell_fact(const struct relay *relay, const struct delivery *d)
{
	const struct spool_msg *msg = d->msg;
	struct slice name = job_domains(d->job)[0].domain->name;

	if (relay->dead_domain && !(msg->flags & MSG_GENERATED))
		relay->dead_domain(relay->dead_domain_arg, msg->cred,
				   &msg->client, msg->mail_from, name.p);
}

static void
begin_one(struct report *report, struct doom *doom)
{
	struct relay *relay = report->relay;
	struct job *job = take(relay, doom);
	struct delivery *delivery = delivery_begin(job->dest, &job);

	if (!delivery) { /* purged, held or routed anew meanwhile */
		doom_free(doom);
		return;
	}
	if (doom->fact)
		tell_fact(relay, delivery);
	report->dooms[report->count] = doom;
	report->deliveries[report->count] = delivery;
	report->counts[report->count] = delivery->count;
	report->results[report->count++] = make_results(relay, delivery, doom);
}

static void
end_all(struct report *report)
{
	struct delivery_peer peer = {0};

	if (report->count > 0)
		delivery_end_together(report->deliveries, report->count,
				      report->results, &peer);
}

static void
report_free(struct report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		struct doom *doom = report->dooms[i];

		for (uint32_t k = 0; !doom->result && k < report->counts[i];
		     k++)
			free((char *)report->results[i][k].text.p);
		free((struct result *)report->results[i]);
		doom_free(doom);
	}
	free(report->dooms);
	free(report->counts);
	free(report->deliveries);
	free(report->results);
}

/* How many of the dooms make one report. */
static size_t
count_dooms(const struct summary *summary)
{
	const struct doom *doom;
	uint32_t rcpts = 0;
	size_t n = 0;

	for (doom = TAILQ_FIRST(&summary->dooms); doom;
	     doom = TAILQ_NEXT(doom, link)) {
		rcpts += doom->job->rcpt_count;
		if (n > 0 && rcpts > SUMMARY_RCPTS_MAX)
			break;
		n++;
	}
	return n;
}

static void
load_jobs(struct relay *relay, const struct summary *summary, size_t n)
{
	struct job **jobs = mem_array(n, sizeof(*jobs));
	const struct doom *doom = TAILQ_FIRST(&summary->dooms);

	for (size_t i = 0; i < n; i++) {
		jobs[i] = doom->job;
		doom = TAILQ_NEXT(doom, link);
	}
	mail_load_together(relay, jobs, n);
	free(jobs);
}

/* Those routed by settings that are no more come back as others do, or are
 * asked about again: the report waits for them. */
static bool
reroute_old(struct relay *relay, struct summary *summary)
{
	struct doom *doom, *next;
	bool found = false;

	for (doom = TAILQ_FIRST(&summary->dooms); doom; doom = next) {
		struct delivery *delivery;
		struct job *job = doom->job;

		next = TAILQ_NEXT(doom, link);
		if (job->generation == relay->generation)
			continue;
		found = true;
		take(relay, doom);
		doom_free(doom);
		delivery = delivery_begin(job->dest, &job);
		assert(!delivery);
	}
	return found;
}

/* A part of those that are told of together may be gone, or on its way out
 * again: what is there counts. */
static void
tell(struct relay *relay, struct summary *summary)
{
	size_t n = count_dooms(summary);
	struct report report = {
	    .relay = relay,
	    .dooms = mem_array(n, sizeof(struct doom *)),
	    .counts = mem_array(n, sizeof(uint32_t)),
	    .deliveries = mem_array(n, sizeof(struct delivery *)),
	    .results = mem_array(n, sizeof(const struct result *)),
	};

	load_jobs(relay, summary, n);
	while (n-- > 0)
		begin_one(&report, TAILQ_FIRST(&summary->dooms));
	end_all(&report);
	report_free(&report);
}

/* Behind those whose time is over sooner. */
static void
hold(struct relay *relay, struct summary *summary)
{
	struct summary_list *list = &relay->summaries->holding;
	struct summary *before;

	TAILQ_REMOVE(&relay->summaries->ready, summary, link);
	summary->ready = false;
	for (before = TAILQ_LAST(list, summary_list); before;
	     before = TAILQ_PREV(before, summary_list, link)) {
		if (before->until_ms <= summary->until_ms) {
			TAILQ_INSERT_AFTER(list, before, summary, link);
			return;
		}
	}
	TAILQ_INSERT_HEAD(list, summary, link);
}

/* Jobs of a hop that goes are on their way to another, which nobody expects:
 * they are about to be asked for again. */
static bool
is_rerouting(const struct relay *relay)
{
	const struct hop *hop;

	for (hop = TAILQ_FIRST(&relay->gone_hops); hop;
	     hop = TAILQ_NEXT(hop, link)) {
		if (hop->lobby->ready.count > 0)
			return true;
	}
	return false;
}

bool
summary_slice(struct relay *relay)
{
	struct summaries *all = relay->summaries;

	if (!TAILQ_EMPTY(&all->ready) && is_rerouting(relay))
		return true;
	for (int i = 0; i < TOLD_A_SLICE; i++) {
		struct summary *summary = TAILQ_FIRST(&all->ready);

		if (!summary)
			return false;
		if (summary->expected > 0 &&
		    relay_now_ms(relay) < summary->until_ms) {
			hold(relay, summary);
			continue;
		}
		summary->expected++; /* it stays for us */
		if (!reroute_old(relay, summary))
			tell(relay, summary);
		summary_passed(relay, summary->id);
	}
	return !TAILQ_EMPTY(&all->ready);
}

void
summary_tick(struct relay *relay)
{
	int64_t now_ms = relay_now_ms(relay);
	struct summary *summary;

	while ((summary = TAILQ_FIRST(&relay->summaries->holding)) != NULL &&
	       summary->until_ms <= now_ms)
		set_ready(relay, summary);
}

struct job *
summary_drain(struct relay *relay)
{
	struct summary *summary = TAILQ_FIRST(&relay->summaries->ready);
	struct doom *doom;
	struct job *job;

	if (!summary)
		summary = TAILQ_FIRST(&relay->summaries->holding);
	if (!summary)
		return NULL;
	doom = TAILQ_FIRST(&summary->dooms);
	job = take(relay, doom);
	doom_free(doom);
	check(relay, summary);
	return job;
}
