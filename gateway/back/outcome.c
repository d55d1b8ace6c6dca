/*
 * Outcomes on their way to the store. Many are under way at once and nobody
 * waits for one; what could not be committed (disk full, disk ill) is tried
 * again until it is, because a delivery that is not marked is a duplicate
 * after the next start.
 *
 * A bounce that failed to commit took its DSN with it. It is not marked again:
 * its recipients go back to the queue and bounce once more, with a new DSN.
 * A SUCCESS report lost that way is lost; the delivery is not repeated for it.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/back/counting.h"
#include "gateway/back/delivery.h"
#include "gateway/back/signature.h"
#include "gateway/base/arena.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define AGAIN_MS 1000 /* doubling */
#define AGAIN_MAX_MS 30000
#define BOUNCE_AGAIN_S 60

struct outcome_count {
	uint32_t n;
	enum rcpt_state state; /* what they became */
};

struct outcome {
	struct inbound in; /* how it comes back from the store thread */
	struct spool_outcome op;
	struct relay *relay;
	TAILQ_ENTRY(outcome) link; /* of failed_outcomes */
	struct arena *texts;
	struct store_change *changes; /* NULL, both: none */
	enum rcpt_state *change_states;
	uint64_t campaign; /* 0: nothing is counted */
	struct outcome_count *counts;
	bool had_dsn;
	int64_t wait_ms, again_at_ms;
	struct spool_outcome_rcpt rcpts[];
};

struct outcome *
outcome_create(struct relay *relay, uint64_t id, size_t count)
{
	struct outcome *outcome =
	    mem_zalloc(sizeof(*outcome) + count * sizeof(outcome->rcpts[0]));

	outcome->relay = relay;
	outcome->op.id = id;
	outcome->op.rcpts = outcome->rcpts;
	relay->outcome_count++;
	return outcome;
}

static void
outcome_free(struct outcome *outcome)
{
	outcome->relay->outcome_count--;
	arena_destroy(&outcome->texts);
	free(outcome->changes);
	free(outcome->change_states);
	free(outcome->counts);
	free(outcome);
}

struct spool_outcome_rcpt *
outcome_add(struct outcome *outcome, uint32_t index, enum rcpt_state state)
{
	struct spool_outcome_rcpt *rcpt =
	    &outcome->rcpts[outcome->op.rcpt_count++];

	rcpt->index = index;
	rcpt->state = state;
	return rcpt;
}

struct arena *
outcome_arena(struct outcome *outcome)
{
	if (!outcome->texts)
		outcome->texts = arena_create(1024);
	return outcome->texts;
}

const char *
outcome_text(struct outcome *outcome, struct slice text)
{
	return arena_dup(outcome_arena(outcome), text);
}

/* Of one message: a few for each of its recipients in the job. */
void
outcome_change(struct outcome *outcome, enum rcpt_state state,
	       const struct store_change *change)
{
	size_t n = outcome->op.change_count;

	if ((n & (n - 1)) == 0) {
		size_t room = n > 0 ? 2 * n : 1;

		outcome->changes = mem_resize(outcome->changes,
					      room * sizeof(*outcome->changes));
		outcome->change_states =
		    mem_resize(outcome->change_states,
			       room * sizeof(*outcome->change_states));
	}
	outcome->changes[n] = *change;
	outcome->change_states[n] = state;
	outcome->op.changes = outcome->changes;
	outcome->op.change_count = n + 1;
}

void
outcome_count(struct outcome *outcome, uint64_t campaign,
	      enum campaign_count count, enum rcpt_state state)
{
	if (!outcome->counts)
		outcome->counts =
		    mem_array(CAMPAIGN_COUNTS, sizeof(*outcome->counts));
	outcome->campaign = campaign;
	outcome->counts[count].n++;
	outcome->counts[count].state = state;
}

static void
write_counts(struct outcome *outcome)
{
	for (int i = 0; outcome->counts && i < CAMPAIGN_COUNTS; i++) {
		struct store_change change;

		if (outcome->counts[i].n == 0)
			continue;
		campaign_count_change(outcome->campaign, (enum campaign_count)i,
				      outcome->counts[i].n,
				      outcome_arena(outcome), &change);
		outcome_change(outcome, outcome->counts[i].state, &change);
	}
}

static void
tell_counts(struct outcome *outcome)
{
	for (int i = 0; outcome->counts && i < CAMPAIGN_COUNTS; i++)
		counting_done(outcome->relay, outcome->campaign,
			      (enum campaign_count)i, outcome->counts[i].n);
}

/* What tells of recipients that became this is not to be committed. */
static void
drop_changes(struct outcome *outcome, enum rcpt_state state)
{
	size_t kept = 0;

	for (size_t i = 0; i < outcome->op.change_count; i++) {
		if (outcome->change_states[i] == state)
			continue;
		outcome->changes[kept] = outcome->changes[i];
		outcome->change_states[kept++] = outcome->change_states[i];
	}
	outcome->op.change_count = kept;
	for (int i = 0; outcome->counts && i < CAMPAIGN_COUNTS; i++) {
		if (outcome->counts[i].state == state)
			outcome->counts[i].n = 0;
	}
}

void
outcome_set_flags(struct outcome *outcome, uint16_t flags)
{
	outcome->op.set_flags |= flags;
}

void
outcome_set_dsn(struct outcome *outcome, struct spool_msg *dsn,
		struct spool_body *body)
{
	outcome->op.dsn = dsn;
	outcome->op.dsn_body = body;
	outcome->had_dsn = true;
}

void
outcome_take_dsn(struct outcome **outcome, struct spool_msg **dsn,
		 struct spool_body **body)
{
	*dsn = (*outcome)->op.dsn;
	*body = (*outcome)->op.dsn_body;
	outcome_free(*outcome);
	*outcome = NULL;
}

/* A full or read-only disk, no more descriptors, an index that awaits a
 * restart: all pass. */
bool
outcome_may_pass(int err)
{
	return err != GW_ENOENT && err != GW_EINVAL && err != GW_ECORRUPT;
}

static void
wait_more(struct outcome *outcome)
{
	struct relay *relay = outcome->relay;

	if (outcome->wait_ms == 0)
		outcome->wait_ms = AGAIN_MS;
	else if (outcome->wait_ms < AGAIN_MAX_MS)
		outcome->wait_ms *= 2;
	outcome->again_at_ms = relay_now_ms(relay) + outcome->wait_ms;
	TAILQ_INSERT_TAIL(&relay->failed_outcomes, outcome, link);
}

/* Recipients whose bounce was not committed are queued once more. False: they
 * cannot be read now. */
static bool
requeue_bounced(struct outcome *outcome)
{
	struct spool_outcome *op = &outcome->op;
	uint32_t *bounced = mem_array(op->rcpt_count + 1, sizeof(*bounced));
	uint32_t count = 0;
	size_t kept = 0;

	int err;

	for (size_t i = 0; i < op->rcpt_count; i++) {
		if (outcome->rcpts[i].state == RCPT_BOUNCED)
			bounced[count++] = outcome->rcpts[i].index;
	}
	err = mail_enqueue_again(outcome->relay, op->id, bounced, count,
				 BOUNCE_AGAIN_S);
	free(bounced);
	if (err != 0 && outcome_may_pass(err))
		return false;
	for (size_t i = 0; i < op->rcpt_count; i++) {
		if (outcome->rcpts[i].state != RCPT_BOUNCED)
			outcome->rcpts[kept++] = outcome->rcpts[i];
	}
	op->rcpt_count = kept;
	drop_changes(outcome, RCPT_BOUNCED);
	/* The notice that was to be told of went with the DSN. */
	if (op->set_flags & MSG_DELAYED) {
		idset_fini(&outcome->relay->delays[0]);
		idset_fini(&outcome->relay->delays[1]);
	}
	op->set_flags &= (uint16_t)~MSG_DELAYED;
	outcome->had_dsn = false;
	return true;
}

static void
commit_failed(struct outcome *outcome, int err)
{
	char id[ID_TEXT_SIZE];
	bool again = outcome_may_pass(err);

	id_format(outcome->op.id, id);
	log_event(again ? GW_LOG_WARN : GW_LOG_ERROR, "outcome-not-durable",
		  LF_STR("msg", id), LF_ERR(err));
	if (again) {
		wait_more(outcome);
		return;
	}
	/* It is what became of them all the same. */
	tell_counts(outcome);
	outcome_free(outcome);
}

static void
outcome_take(struct relay *relay, struct inbound *in)
{
	struct outcome *outcome = (struct outcome *)in;
	int err = outcome->op.err;

	if (err != 0 && err != GW_ENOENT) {
		commit_failed(outcome, err);
	} else {
		if (err == 0 && outcome->had_dsn)
			stat_add(&relay->stats->dsn_sent, 1);
		if (err == 0)
			tell_counts(outcome);
		outcome_free(outcome);
	}
	relay_check_stopped(relay);
}

/* On the store thread. */
static void
on_committed(struct spool_outcome *op)
{
	struct outcome *outcome =
	    (struct outcome *)((char *)op - offsetof(struct outcome, op));

	queue_push(outcome->relay->queue, &outcome->in.item);
}

static void
hand_in(struct outcome *outcome)
{
	outcome->in.take = outcome_take;
	outcome->op.done = on_committed;
	outcome->op.err = 0;
	outcome->op.next = NULL;
	spool_outcome_start(outcome->relay->spool, &outcome->op);
}

static void
signed_take(struct relay *relay, struct inbound *in)
{
	(void)relay;
	hand_in((struct outcome *)in);
}

/* On a thread that signs. */
static void
on_signed(void *arg)
{
	struct outcome *outcome = arg;

	queue_push(outcome->relay->queue, &outcome->in.item);
}

static void
commit(struct outcome *outcome)
{
	struct relay *relay = outcome->relay;

	if (outcome->op.dsn == NULL || relay->signer == NULL) {
		hand_in(outcome);
		return;
	}
	outcome->in.take = signed_take;
	signature_start(relay->signer, relay->settings->conf.dkim, &outcome->op,
			on_signed, outcome);
}

void
outcome_start(struct outcome **outcomep)
{
	struct outcome *outcome = *outcomep;

	*outcomep = NULL;
	write_counts(outcome);
	if (outcome->op.rcpt_count == 0 && outcome->op.set_flags == 0 &&
	    !outcome->op.dsn)
		outcome_free(outcome);
	else
		commit(outcome);
}

void
outcome_tick(struct relay *relay)
{
	int64_t now_ms = relay_now_ms(relay);
	struct outcome *outcome, *next;

	for (outcome = TAILQ_FIRST(&relay->failed_outcomes); outcome;
	     outcome = next) {
		next = TAILQ_NEXT(outcome, link);
		if (outcome->again_at_ms > now_ms)
			continue;
		TAILQ_REMOVE(&relay->failed_outcomes, outcome, link);
		if (outcome->had_dsn && !requeue_bounced(outcome))
			wait_more(outcome);
		else if (outcome->op.rcpt_count == 0)
			outcome_free(outcome);
		else
			commit(outcome);
	}
}

void
outcome_last_try(struct relay *relay)
{
	struct outcome *outcome;

	for (outcome = TAILQ_FIRST(&relay->failed_outcomes); outcome;
	     outcome = TAILQ_NEXT(outcome, link))
		outcome->again_at_ms = 0;
	outcome_tick(relay);
}

void
outcome_drop_failed(struct relay *relay)
{
	struct outcome *outcome;

	while ((outcome = TAILQ_FIRST(&relay->failed_outcomes)) != NULL) {
		TAILQ_REMOVE(&relay->failed_outcomes, outcome, link);
		outcome_free(outcome);
	}
}
