/*
 * A campaign's records: what is written of it, and the load at start. Counts
 * are additions, so that commits in any order give the same; the record is
 * written once; see record.h.
 */
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/campaign/campaign_int.h"
#include "gateway/campaign/record.h"
#include "gateway/store/env.h"
#include "gateway/store/key.h"

/* --- writing -------------------------------------------------------------- */

static struct slice
key_of(struct arena *arena, const struct campaign_key *key)
{
	uint8_t *p = arena_alloc(arena, CAMPAIGN_KEY_MAX);

	return slice_of(p, campaign_key_encode(key, p));
}

static struct slice
number_of(struct arena *arena, uint64_t v)
{
	uint8_t *p = arena_alloc(arena, 8);

	key_put_u64(p, v);
	return slice_of(p, 8);
}

static void
put_buf(struct buf *value, const struct campaign_key *key, struct arena *arena,
	struct store_change *change)
{
	char *p = arena_alloc(arena, value->n);

	memcpy(p, value->p, value->n);
	*change = (struct store_change){
	    .table = STORE_CAMPAIGN,
	    .kind = STORE_PUT,
	    .key = key_of(arena, key),
	    .value = slice_of(p, value->n),
	};
	buf_fini(value);
}

void
campaign_put_record(const struct campaign *campaign, struct arena *arena,
		    struct store_change *change)
{
	struct campaign_key key = {.tag = CAMPAIGN_RECORD, .id = campaign->id};
	struct campaign_record record = {
	    .cred = slice_str(campaign->login->name),
	    .owner = slice_str(campaign->owner),
	    .name = slice_str(campaign->name),
	    .why = campaign->why,
	    .state = campaign->begin,
	    .confirm = campaign->confirm,
	    .rate_per_h = campaign->begin_rate,
	    .connections = campaign->begin_connections,
	    .began_wall_s = campaign->began_wall_s,
	    .fuzzy = campaign->fuzzy,
	};
	struct buf value;

	memcpy(record.exact, campaign->exact, sizeof(record.exact));
	buf_init(&value, 4 * CAMPAIGN_TEXT_MAX);
	campaign_record_encode(&record, &value);
	put_buf(&value, &key, arena, change);
}

void
campaign_put_standing(struct campaign *campaign, struct arena *arena,
		      struct store_change *change)
{
	struct campaign_standing standing = {
	    .seq = ++campaign->seq,
	    .state = campaign->state,
	    .forgiven = campaign->forgiven,
	    .rate_per_h = campaign->rate_per_h,
	    .connections = campaign->connections,
	    .ended_wall_s = campaign->ended_wall_s,
	    .reason = slice_str(campaign->reason),
	    .state_seq = campaign->state_seq,
	    .trash = campaign->trash,
	    .bounce = campaign->bounce,
	};
	struct campaign_key key = {
	    .tag = CAMPAIGN_STATE,
	    .id = campaign->id,
	    .sub = (uint8_t)(standing.seq % CAMPAIGN_STATE_SLOTS),
	};
	struct buf value;

	buf_init(&value, 2 * CAMPAIGN_TEXT_MAX);
	campaign_standing_encode(&standing, &value);
	put_buf(&value, &key, arena, change);
}

void
campaign_put_number(uint64_t last_id, struct arena *arena,
		    struct store_change *change)
{
	struct campaign_key key = {.tag = CAMPAIGN_NUMBER};

	*change = (struct store_change){
	    .table = STORE_CAMPAIGN,
	    .kind = STORE_PUT,
	    .key = key_of(arena, &key),
	    .value = number_of(arena, last_id),
	};
}

void
campaign_put_last(const struct campaign *campaign, struct arena *arena,
		  struct store_change *change)
{
	struct campaign_key key = {.tag = CAMPAIGN_LAST, .id = campaign->id};

	*change = (struct store_change){
	    .table = STORE_CAMPAIGN,
	    .kind = STORE_PUT,
	    .key = key_of(arena, &key),
	    .value = number_of(arena, (uint64_t)campaign->last_wall_s),
	};
}

void
campaign_put_told(const struct campaign *campaign, struct arena *arena,
		  struct store_change *change)
{
	struct campaign_key key = {.tag = CAMPAIGN_TOLD, .id = campaign->id};

	*change = (struct store_change){
	    .table = STORE_CAMPAIGN,
	    .kind = STORE_PUT,
	    .key = key_of(arena, &key),
	    .value = number_of(arena, campaign->state_seq),
	};
}

void
campaign_count_change(uint64_t id, enum campaign_count count, int64_t n,
		      struct arena *arena, struct store_change *change)
{
	struct campaign_key key = {
	    .tag = CAMPAIGN_TALLY,
	    .id = id,
	    .sub = (uint8_t)count,
	};

	*change = (struct store_change){
	    .table = STORE_CAMPAIGN,
	    .kind = STORE_ADD,
	    .key = key_of(arena, &key),
	    .value = number_of(arena, (uint64_t)n),
	};
}

/* --- reading -------------------------------------------------------------- */

struct load {
	struct campaigns *campaigns;
	uint64_t bad;
};

static struct campaign *
add(struct campaigns *all, uint64_t id, struct slice cred)
{
	struct campaign *campaign =
	    campaign_add(all, campaign_login(all, cred), id);

	campaign->loaded = mem_zalloc(sizeof(*campaign->loaded));
	campaign->durable = true;
	return campaign;
}

/* Its messages are there all the same, and say whose it is. */
static void
make_up(struct campaigns *all, uint64_t id)
{
	struct campaign *campaign = add(all, id, SLICE_LIT(""));

	campaign->loaded->made_up = true;
	campaign->name = mem_strndup("", 0);
	campaign->begin = CAMPAIGN_PAUSED;
	campaign_state_set(campaign, CAMPAIGN_PAUSED);
}

static bool
load_record(struct campaigns *all, uint64_t id, struct slice value)
{
	struct campaign_record record;
	struct campaign *campaign;

	if (campaign_record_decode(value, &record) != 0) {
		make_up(all, id);
		return false;
	}
	campaign = add(all, id, record.cred);
	campaign->owner = campaign_owner(all, record.owner);
	campaign->name = mem_strndup(record.name.p, record.name.n);
	campaign->why = record.why;
	campaign->begin = record.state;
	campaign_state_set(campaign, record.state);
	campaign->confirm = record.confirm;
	campaign->rate_per_h = campaign->begin_rate = record.rate_per_h;
	campaign->connections = campaign->begin_connections =
	    record.connections;
	campaign->began_wall_s = campaign->last_wall_s = record.began_wall_s;
	campaign->fuzzy = record.fuzzy;
	memcpy(campaign->exact, record.exact, sizeof(campaign->exact));
	return true;
}

static bool
load_standing(struct campaign *campaign, uint8_t slot, struct slice value)
{
	struct campaign_standing standing;
	char reason[CAMPAIGN_TEXT_MAX + 1];

	if (campaign_standing_decode(value, &standing) != 0) {
		campaign->loaded->bad_slots |= (uint8_t)(1u << slot);
		return false;
	}
	if (standing.seq <= campaign->seq)
		return true;
	campaign->seq = standing.seq;
	campaign_state_set(campaign, standing.state);
	campaign->forgiven = standing.forgiven;
	campaign->rate_per_h = standing.rate_per_h;
	campaign->connections = standing.connections;
	campaign->ended_wall_s = standing.ended_wall_s;
	campaign->state_seq = standing.state_seq;
	campaign->trash = standing.trash;
	campaign->bounce = standing.bounce;
	memcpy(reason, standing.reason.p, standing.reason.n);
	reason[standing.reason.n] = '\0';
	campaign_reason_set(campaign, reason);
	return true;
}

static bool
load_one(struct campaigns *all, const struct campaign_key *key,
	 struct slice value)
{
	struct campaign *campaign = NULL;
	uint64_t number = value.n == 8 ? key_get_u64(value.p) : 0;

	/* Also of one that never came to be: what was ordered of it is not to
	 * fall on another of its number. */
	if (key->tag != CAMPAIGN_NUMBER && all->last_id < key->id)
		all->last_id = key->id;
	if (key->tag == CAMPAIGN_RECORD)
		return load_record(all, key->id, value);
	if (key->tag == CAMPAIGN_STATE) {
		campaign = campaign_find(all, key->id);
		return campaign == NULL ||
		       load_standing(campaign, key->sub, value);
	}
	if (value.n != 8)
		return false;
	if (key->tag == CAMPAIGN_NUMBER) {
		if (number > CAMPAIGN_ID_MAX)
			return false;
		if (all->last_id < number)
			all->last_id = number;
		return true;
	}
	campaign = campaign_find(all, key->id);
	if (campaign == NULL) /* of one that was forgotten since */
		return true;
	if (key->tag == CAMPAIGN_LAST && number > CAMPAIGN_TIME_MAX_S)
		return false;
	if (key->tag == CAMPAIGN_LAST) {
		campaign->last_wall_s = (int64_t)number;
	} else if (key->tag == CAMPAIGN_TOLD) {
		campaign->told_seq = (uint32_t)number;
	} else {
		campaign->loaded->counts[key->sub] = (int64_t)number;
		/* below 0: two changes of which one was lost; not shown */
		campaign->counts[key->sub] = (int64_t)number > 0 ? number : 0;
	}
	return true;
}

static bool
each(void *arg, struct slice in, struct slice value)
{
	struct load *load = arg;
	struct campaign_key key;

	if (in.n > 0 && in.p[0] == CAMPAIGN_FAILED)
		return false;
	if (campaign_key_decode(in, &key) == 0 &&
	    load_one(load->campaigns, &key, value))
		return true;
	load->bad++;
	return true;
}

static int
by_last(const struct campaign *a, const struct campaign *b)
{
	return a->last_wall_s < b->last_wall_s	 ? -1
	       : a->last_wall_s > b->last_wall_s ? 1
						 : 0;
}

/* Each login's: the last to grow at the end. */
static void
sort(struct campaigns *campaigns)
{
	struct campaign *campaign, *next;

	HASH_SORT(campaigns->by_id, by_last);
	HASH_ITER(hh, campaigns->by_id, campaign, next)
	{
		struct campaign_list *list = &campaign->login->campaigns;

		TAILQ_REMOVE(list, campaign, in_login);
		TAILQ_INSERT_TAIL(list, campaign, in_login);
	}
}

static void
mend(struct campaigns *campaigns)
{
	struct campaign *campaign, *next;

	HASH_ITER(hh, campaigns->by_id, campaign, next)
	{
		campaign_mend(campaign);
	}
}

int
campaigns_load(struct campaigns *campaigns, struct store_env *env)
{
	struct load load = {.campaigns = campaigns};
	struct store_txn *txn = store_read(env);
	const char behind = CAMPAIGN_FAILED + 1;
	int err;

	store_each(txn, STORE_CAMPAIGN, SLICE_NONE, each, &load);
	store_each(txn, STORE_CAMPAIGN, slice_of(&behind, 1), each, &load);
	err = store_error(txn);
	store_abort(&txn);
	sort(campaigns);
	mend(campaigns);
	if (load.bad > 0)
		log_event(GW_LOG_ERROR, "campaign-records",
			  LF_U64("unreadable", load.bad));
	return err != 0 ? GW_EIO : 0;
}
