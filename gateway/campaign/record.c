/*
 * Keys and values of STORE_CAMPAIGN, all of one version byte, fixed fields,
 * length-prefixed strings. Decoders check each enumeration and length, and
 * that nothing is left over: what they give may be used as it is. Strings hold
 * no NUL, since they are shown as C strings.
 */
#include "gateway/campaign/record.h"

#include <string.h>

#include "gateway/base/error.h"
#include "gateway/store/key.h"

#define RECORD_VERSION 1
#define STATUS_VERSION 2
#define FAILED_VERSION 1

static size_t
key_size(enum campaign_tag tag)
{
	switch (tag) {
	case CAMPAIGN_NUMBER:
		return 1;
	case CAMPAIGN_RECORD:
	case CAMPAIGN_LAST:
	case CAMPAIGN_TOLD:
		return 9;
	case CAMPAIGN_TALLY:
	case CAMPAIGN_STATE:
		return 10;
	case CAMPAIGN_FAILED:
		return 21;
	}
	return 0;
}

size_t
campaign_key_encode(const struct campaign_key *key,
		    uint8_t out[CAMPAIGN_KEY_MAX])
{
	size_t n = key_size(key->tag);

	out[0] = (uint8_t)key->tag;
	if (n > 1)
		key_put_u64(out + 1, key->id);
	if (n == 10)
		out[9] = key->sub;
	if (n == 21) {
		key_put_u64(out + 9, key->message);
		key_put_u32(out + 17, key->index);
	}
	return n;
}

int
campaign_key_decode(struct slice in, struct campaign_key *key)
{
	const uint8_t *p = (const uint8_t *)in.p;
	struct campaign_key got = {0};

	if (in.n == 0)
		return GW_ECORRUPT;
	got.tag = (enum campaign_tag)p[0];
	if (in.n != key_size(got.tag))
		return GW_ECORRUPT;
	if (in.n > 1)
		got.id = key_get_u64(p + 1);
	if (in.n == 10)
		got.sub = p[9];
	if (in.n == 21) {
		got.message = key_get_u64(p + 9);
		got.index = key_get_u32(p + 17);
	}
	if (in.n > 1 && (got.id == 0 || got.id > CAMPAIGN_ID_MAX))
		return GW_ECORRUPT;
	if ((got.tag == CAMPAIGN_TALLY && got.sub >= CAMPAIGN_COUNTS) ||
	    (got.tag == CAMPAIGN_STATE && got.sub >= CAMPAIGN_STATE_SLOTS))
		return GW_ECORRUPT;
	*key = got;
	return 0;
}

static void
put_text(struct buf *out, struct slice text)
{
	text = slice_head(text, CAMPAIGN_TEXT_MAX);
	buf_put_bytes(out, slice_head(text, slice_find(text, '\0')));
}

static struct slice
get_text(struct reader *r)
{
	struct slice text = reader_bytes(r);

	if (text.n > CAMPAIGN_TEXT_MAX || slice_find(text, '\0') != text.n)
		r->ok = false;
	return text;
}

static bool
get_bool(struct reader *r)
{
	uint8_t v = reader_u8(r);

	if (v > 1)
		r->ok = false;
	return v == 1;
}

static int64_t
get_time(struct reader *r)
{
	uint64_t v = reader_u64(r);

	if (v > (uint64_t)CAMPAIGN_TIME_MAX_S)
		r->ok = false;
	return (int64_t)v;
}

static enum campaign_state
get_state(struct reader *r)
{
	uint8_t v = reader_u8(r);

	if (v >= CAMPAIGN_STATES)
		r->ok = false;
	return (enum campaign_state)(v < CAMPAIGN_STATES ? v : 0);
}

static bool
get_version(struct reader *r, uint8_t version)
{
	if (reader_u8(r) != version)
		r->ok = false;
	return r->ok;
}

void
campaign_record_encode(const struct campaign_record *record, struct buf *out)
{
	buf_put_u8(out, RECORD_VERSION);
	buf_put_u8(out, (uint8_t)record->why);
	buf_put_u8(out, (uint8_t)record->state);
	buf_put_u8(out, record->confirm);
	buf_put_u32(out, record->rate_per_h);
	buf_put_u32(out, record->connections);
	buf_put_u64(out, (uint64_t)record->began_wall_s);
	buf_put_u64(out, record->fuzzy);
	buf_add(out, record->exact, sizeof(record->exact));
	put_text(out, record->cred);
	buf_put_u8(out, record->owner.p != NULL);
	put_text(out, record->owner);
	put_text(out, record->name);
}

int
campaign_record_decode(struct slice in, struct campaign_record *record)
{
	struct campaign_record got = {0};
	struct reader r;
	struct slice exact;
	uint8_t why;
	bool owned;

	reader_init(&r, in);
	get_version(&r, RECORD_VERSION);
	why = reader_u8(&r);
	if (why > CAMPAIGN_WHY_CHOSEN)
		return GW_ECORRUPT;
	got.why = (enum campaign_why)why;
	got.state = get_state(&r);
	got.confirm = get_bool(&r);
	got.rate_per_h = reader_u32(&r);
	got.connections = reader_u32(&r);
	got.began_wall_s = get_time(&r);
	got.fuzzy = reader_u64(&r);
	exact = reader_raw(&r, sizeof(got.exact));
	got.cred = get_text(&r);
	owned = get_bool(&r);
	got.owner = get_text(&r);
	got.name = get_text(&r);
	if (!reader_end(&r) || (!owned && got.owner.n > 0))
		return GW_ECORRUPT;
	memcpy(got.exact, exact.p, sizeof(got.exact));
	if (!owned)
		got.owner = SLICE_NONE;
	*record = got;
	return 0;
}

void
campaign_standing_encode(const struct campaign_standing *standing,
			 struct buf *out)
{
	bool old = standing->state_seq == 0;

	buf_put_u8(out, old ? 1 : STATUS_VERSION);
	buf_put_u32(out, standing->seq);
	buf_put_u8(out, (uint8_t)standing->state);
	buf_put_u8(out, standing->forgiven);
	buf_put_u32(out, standing->rate_per_h);
	buf_put_u32(out, standing->connections);
	buf_put_u64(out, (uint64_t)standing->ended_wall_s);
	put_text(out, standing->reason);
	if (old)
		return;
	buf_put_u32(out, standing->state_seq);
	buf_put_u64(out, standing->trash);
	buf_put_u8(out, standing->bounce);
}

int
campaign_standing_decode(struct slice in, struct campaign_standing *standing)
{
	struct campaign_standing got = {0};
	struct reader r;
	uint8_t version;

	reader_init(&r, in);
	version = reader_u8(&r);
	if (version != 1 && version != STATUS_VERSION)
		return GW_ECORRUPT;
	got.seq = reader_u32(&r);
	got.state = get_state(&r);
	got.forgiven = get_bool(&r);
	got.rate_per_h = reader_u32(&r);
	got.connections = reader_u32(&r);
	got.ended_wall_s = get_time(&r);
	got.reason = get_text(&r);
	if (version == STATUS_VERSION) {
		got.state_seq = reader_u32(&r);
		got.trash = reader_u64(&r);
		got.bounce = get_bool(&r);
		if (got.state_seq == 0)
			return GW_ECORRUPT;
	}
	if (!reader_end(&r))
		return GW_ECORRUPT;
	*standing = got;
	return 0;
}

void
campaign_failed_encode(const struct campaign_failed *failed, struct buf *out)
{
	buf_put_u8(out, FAILED_VERSION);
	buf_put_u8(out, (uint8_t)failed->count);
	buf_put_u64(out, (uint64_t)failed->wall_s);
	put_text(out, failed->address);
	put_text(out, failed->text);
}

int
campaign_failed_decode(struct slice in, struct campaign_failed *failed)
{
	struct campaign_failed got = {0};
	struct reader r;
	uint8_t count;

	reader_init(&r, in);
	get_version(&r, FAILED_VERSION);
	count = reader_u8(&r);
	got.wall_s = get_time(&r);
	got.address = get_text(&r);
	got.text = get_text(&r);
	if (!reader_end(&r) || count >= CAMPAIGN_COUNTS)
		return GW_ECORRUPT;
	got.count = (enum campaign_count)count;
	*failed = got;
	return 0;
}
