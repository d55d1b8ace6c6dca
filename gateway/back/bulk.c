/*
 * Duplicates are looked for within one message only: the same address twice
 * among its recipients. Two messages of a campaign are alike but not the same,
 * and who gets both was meant to, for all we know.
 *
 * What was delivered is known by a keyed hash of message and address, of the
 * last two times DELIVERED_MAX; a restart forgets it.
 *
 * The guard counts recipients at a receiver's consumers since midnight UTC
 * (days.h). At the limit it stops the campaign that would pass it, once a day:
 * whoever resumes it was asked.
 */
#include "gateway/back/bulk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/campaign_report.h"
#include "gateway/back/days.h"
#include "gateway/back/feeder.h"
#include "gateway/back/pacing.h"
#include "gateway/base/address.h"
#include "gateway/base/arena.h"
#include "gateway/base/clock.h"
#include "gateway/base/hash.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/campaign/receiver.h"
#include "gateway/campaign/suppress.h"

#define DELIVERED_MAX 1000000
#define TEXT_MAX 600

struct bulk {
	struct idset delivered[2]; /* [0], then [1] before it */
};

struct bulk *
bulk_create(void)
{
	return mem_zalloc(sizeof(struct bulk));
}

void
bulk_destroy(struct bulk **bulk)
{
	struct bulk *b = *bulk;

	if (!b)
		return;
	*bulk = NULL;
	idset_fini(&b->delivered[0]);
	idset_fini(&b->delivered[1]);
	free(b);
}

/* --- who had it already --------------------------------------------------- */

static uint64_t
hash_of(uint64_t id, const char *address)
{
	struct slice domain = address_domain(slice_str(address));
	struct buf key = {.cap = 2048};
	uint64_t hash;

	buf_put_u64(&key, id);
	buf_add_slice(&key, address_local(slice_str(address)));
	for (size_t i = sizeof(id); i < key.n; i++) {
		if (key.p[i] >= 'A' && key.p[i] <= 'Z')
			key.p[i] = (char)(key.p[i] + ('a' - 'A'));
	}
	buf_add_byte(&key, '@');
	address_domain_key(&key, domain);
	hash = hash_bytes(key.p, key.n);
	buf_fini(&key);
	return hash != 0 ? hash : 1;
}

static void
remember(struct bulk *bulk, uint64_t hash)
{
	if (bulk->delivered[0].count >= DELIVERED_MAX) {
		idset_fini(&bulk->delivered[1]);
		bulk->delivered[1] = bulk->delivered[0];
		bulk->delivered[0] = (struct idset){.size = 0};
	}
	idset_add(&bulk->delivered[0], hash);
}

/* --- who is left out ------------------------------------------------------ */

struct sieve {
	const struct relay *relay;
	const struct spool_msg *msg;
	struct spool_rcpt **rcpts;
	uint32_t count;
	uint64_t hashes[JOB_RCPTS_MAX];
	bool out[JOB_RCPTS_MAX];
};

static bool
had_it(const struct sieve *sieve, uint32_t i)
{
	const struct bulk *bulk = sieve->relay->bulk;
	uint64_t hash = sieve->hashes[i];

	for (uint32_t k = 0; k < i; k++) {
		if (sieve->hashes[k] == hash)
			return true;
	}
	return idset_has(&bulk->delivered[0], hash) ||
	       idset_has(&bulk->delivered[1], hash);
}

/* Returns how many are out. */
static uint32_t
find_duplicates(struct sieve *sieve)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < sieve->count; i++)
		sieve->hashes[i] =
		    hash_of(sieve->msg->id, sieve->rcpts[i]->address);
	for (uint32_t i = 0; i < sieve->count; i++) {
		sieve->out[i] = had_it(sieve, i);
		n += sieve->out[i];
	}
	return n;
}

static uint32_t
find_suppressed(struct sieve *sieve)
{
	const struct suppress *list = sieve->relay->suppress;
	uint32_t n = 0;

	for (uint32_t i = 0; i < sieve->count; i++) {
		sieve->out[i] =
		    list &&
		    suppress_has(list, slice_str(sieve->rcpts[i]->address));
		n += sieve->out[i];
	}
	return n;
}

/* Those that are out end as a job of their own. */
static void
leave_out(struct dest *dest, struct sieve *sieve, struct job **jobp,
	  const struct result *result)
{
	struct spool_rcpt **gone = mem_array(sieve->count, sizeof(*gone));
	uint32_t indexes[JOB_RCPTS_MAX], gone_count = 0, kept = 0;
	struct relay *relay = dest->hop->relay;
	struct job *job = *jobp;

	for (uint32_t i = 0; i < sieve->count; i++) {
		if (sieve->out[i]) {
			indexes[gone_count] = sieve->rcpts[i]->index;
			gone[gone_count++] = sieve->rcpts[i];
		} else {
			sieve->rcpts[kept++] = sieve->rcpts[i];
		}
	}
	sieve->count = kept;
	feeder_cut(relay, job, gone_count);
	if (kept > 0) {
		job = mail_split(relay, job, sieve->msg, indexes, gone_count);
		job->mail = (*jobp)->mail;
		job->mail->jobs++;
	} else {
		*jobp = NULL;
	}
	delivery_end_unsent(dest, &job, gone, result);
}

/* What is over the pace of its destination goes back, as not tried. */
static void
keep_batch(struct dest *dest, struct sieve *sieve, struct job *job)
{
	uint32_t most = pacing_batch(dest->pacing), n = 0;
	struct relay *relay = dest->hop->relay;
	uint32_t indexes[JOB_RCPTS_MAX];
	struct job *rest;

	if (most == 0 || sieve->count <= most)
		return;
	for (uint32_t i = most; i < sieve->count; i++)
		indexes[n++] = sieve->rcpts[i]->index;
	sieve->count = most;
	feeder_cut(relay, job, n);
	rest = mail_split(relay, job, sieve->msg, indexes, n);
	mail_place(relay, rest);
}

/* --- the guard ------------------------------------------------------------ */

static uint64_t
count_of(struct relay *relay, enum receiver receiver, int64_t now_wall_s)
{
	struct day_key key = day_key_receiver(receiver);

	return days_count(relay->days, &key, now_wall_s);
}

static void
stop_campaign(struct relay *relay, uint64_t id, enum receiver receiver,
	      int64_t now_wall_s)
{
	char reason[CAMPAIGN_REASON_SIZE];
	struct campaign_order order = {.id = id,
				       .state = CAMPAIGN_STOPPED,
				       .rate_per_h = -1,
				       .connections = -1,
				       .reason = reason};
	uint64_t count = count_of(relay, receiver, now_wall_s);
	struct arena *arena = arena_create(1024);
	struct store_change change;

	(void)snprintf(reason, sizeof(reason),
		       "%llu recipients at %s today: more may make a bulk "
		       "sender of us; resume to go on",
		       (unsigned long long)count, receiver_name(receiver));
	if (campaign_order(relay->campaigns, &order, now_wall_s, arena,
			   &change) == 0) {
		log_event(GW_LOG_WARN, "campaign-guard", LF_U64("campaign", id),
			  LF_STR("receiver", receiver_name(receiver)),
			  LF_U64("rcpts", count));
		days_asked(relay->days, id, &arena, &change);
		campaign_report_start(relay, id);
		feeder_refresh(relay, id);
	}
	arena_destroy(&arena);
}

/* False: its campaign was stopped. */
static bool
guard(struct relay *relay, const struct sieve *sieve)
{
	uint32_t max = relay->settings->conf.bulk.guard;
	uint64_t campaign = sieve->msg->campaign;
	int64_t now_wall_s = clock_wall_s();
	uint32_t here[RECEIVERS] = {0};

	if (max == 0 || !relay->campaigns || campaign == 0)
		return true;
	for (uint32_t i = 0; i < sieve->count; i++)
		here[receiver_of(
		    address_domain(slice_str(sieve->rcpts[i]->address)))]++;
	for (int r = RECEIVER_NONE + 1; r < RECEIVERS; r++) {
		enum receiver receiver = (enum receiver)r;

		if (here[r] == 0 ||
		    count_of(relay, receiver, now_wall_s) + here[r] <= max ||
		    !days_ask(relay->days, campaign, now_wall_s))
			continue;
		stop_campaign(relay, campaign, receiver, now_wall_s);
		return false;
	}
	return true;
}

/* --- both ----------------------------------------------------------------- */

bool
bulk_pass(struct dest *dest, struct job **job, struct spool_rcpt **rcpts)
{
	struct relay *relay = dest->hop->relay;
	struct sieve sieve = {.relay = relay,
			      .msg = (*job)->mail->msg,
			      .rcpts = rcpts,
			      .count = (*job)->rcpt_count};
	struct result result;

	if (sieve.msg->lane != LANE_BULK)
		return true;
	if (find_suppressed(&sieve) > 0) {
		result_set(&result, FATE_SUPPRESSED, "5.1.1",
			   "on the suppression list: mailings are not sent to "
			   "it");
		leave_out(dest, &sieve, job, &result);
	}
	if (*job && find_duplicates(&sieve) > 0) {
		result_set(&result, FATE_DUPLICATE, "5.1.0",
			   "the same recipient had the same message already");
		leave_out(dest, &sieve, job, &result);
	}
	if (!*job)
		return false;
	if (!bulk_sends(dest))
		return true;
	keep_batch(dest, &sieve, *job);
	return guard(relay, &sieve) || feeder_passes(relay, job);
}

void
bulk_note(struct outcome *outcome, const struct delivery *delivery,
	  const struct spool_rcpt *rcpt, const struct result *result,
	  int64_t now_wall_s)
{
	struct relay *relay = delivery->relay;
	struct store_change change;
	enum bounce_class class;
	struct buf text;

	if (delivery->msg->lane != LANE_BULK)
		return;
	if (result->fate == FATE_DELIVERED)
		remember(relay->bulk,
			 hash_of(delivery->msg->id, rcpt->address));
	if (result->fate != FATE_BOUNCED || !relay->suppress)
		return;
	class = bounce_class_of(result->code,
				result->code ? result->said : result->enhanced,
				result->text);
	buf_init(&text, TEXT_MAX);
	result_format(&text, result);
	if (suppress_note(relay->suppress, spool_store(relay->spool),
			  slice_str(rcpt->address), class, buf_slice(&text),
			  now_wall_s, outcome_arena(outcome), &change) == 1)
		outcome_change(outcome, RCPT_BOUNCED, &change);
	buf_fini(&text);
}
