/*
 * Recipients of a campaign that did not get it: one record each, for the
 * report at its end. On disk alone; a campaign may have thousands.
 */
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/campaign/campaign.h"
#include "gateway/campaign/record.h"
#include "gateway/store/env.h"

static struct slice
key_of(struct arena *arena, uint64_t campaign, uint64_t message, uint32_t index)
{
	struct campaign_key key = {
	    .tag = CAMPAIGN_FAILED,
	    .id = campaign,
	    .message = message,
	    .index = index,
	};
	uint8_t *p = arena_alloc(arena, CAMPAIGN_KEY_MAX);

	return slice_of(p, campaign_key_encode(&key, p));
}

void
campaign_failure_change(const struct campaign_failure *failure,
			struct arena *arena, struct store_change *change)
{
	struct campaign_failed failed = {
	    .count = failure->count,
	    .wall_s = failure->wall_s,
	    .address = slice_str(failure->address),
	    .text = slice_str(failure->text),
	};
	struct buf value;
	char *p;

	buf_init(&value, 4 * CAMPAIGN_TEXT_MAX);
	campaign_failed_encode(&failed, &value);
	p = arena_alloc(arena, value.n);
	memcpy(p, value.p, value.n);
	*change = (struct store_change){
	    .table = STORE_CAMPAIGN,
	    .kind = STORE_PUT,
	    .key = key_of(arena, failure->campaign, failure->message,
			  failure->index),
	    .value = slice_of(p, value.n),
	};
	buf_fini(&value);
}

void
campaign_failure_delete(uint64_t campaign, uint64_t message, uint32_t index,
			struct arena *arena, struct store_change *change)
{
	*change = (struct store_change){
	    .table = STORE_CAMPAIGN,
	    .kind = STORE_DELETE,
	    .key = key_of(arena, campaign, message, index),
	};
}

struct walk {
	uint64_t id;
	struct campaign_key after;
	size_t max, count;
	campaign_failure_fn *fn;
	void *arg;
};

static bool
is_after(const struct campaign_key *key, const struct campaign_key *after)
{
	if (key->message != after->message)
		return key->message > after->message;
	return key->index > after->index;
}

static bool
each(void *arg, struct slice in, struct slice value)
{
	struct walk *walk = arg;
	char address[CAMPAIGN_TEXT_MAX + 1], text[CAMPAIGN_TEXT_MAX + 1];
	struct campaign_failed failed;
	struct campaign_key key;

	if (walk->count == walk->max || campaign_key_decode(in, &key) != 0 ||
	    key.tag != CAMPAIGN_FAILED || key.id != walk->id)
		return false;
	if (walk->after.message != 0 && !is_after(&key, &walk->after))
		return true;
	if (campaign_failed_decode(value, &failed) != 0)
		return true; /* one line less in a report */
	memcpy(address, failed.address.p, failed.address.n);
	address[failed.address.n] = '\0';
	memcpy(text, failed.text.p, failed.text.n);
	text[failed.text.n] = '\0';
	walk->count++;
	return walk->fn(walk->arg, &(struct campaign_failure){
				       .campaign = key.id,
				       .message = key.message,
				       .index = key.index,
				       .count = failed.count,
				       .wall_s = failed.wall_s,
				       .address = address,
				       .text = text,
				   });
}

int
campaign_failures(struct store_env *env, uint64_t id,
		  const struct campaign_failure *after, size_t max,
		  campaign_failure_fn *fn, void *arg)
{
	struct walk walk = {
	    .id = id,
	    .after = {.message = after->message, .index = after->index},
	    .max = max,
	    .fn = fn,
	    .arg = arg,
	};
	struct campaign_key key = {
	    .tag = CAMPAIGN_FAILED,
	    .id = id,
	    .message = after->message,
	    .index = after->index,
	};
	uint8_t from[CAMPAIGN_KEY_MAX];
	struct store_txn *txn = store_read(env);
	int err;

	store_each(txn, STORE_CAMPAIGN,
		   slice_of(from, campaign_key_encode(&key, from)), each,
		   &walk);
	err = store_error(txn);
	store_abort(&txn);
	return err != 0 ? GW_EIO : (int)walk.count;
}
