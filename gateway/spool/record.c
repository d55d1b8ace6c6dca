#include "gateway/spool/record.h"

#include <string.h>

#include "dns/verdict.h"
#include "gateway/base/buf.h"
#include "gateway/base/error.h"
#include "gateway/store/key.h"

/*
 * What the spool writes into LMDB. Encoders fill memory that LMDB reserved in
 * its page, so each knows its size beforehand; decoders go through the
 * reader, which cannot run past the end, and then check that what was read
 * makes sense and that nothing is left over.
 *
 * A string is u32 length, bytes, NUL; ABSENT as length stands for NULL. A
 * byte of NUL inside is refused: the text a peer sees in a log would not be
 * the text that is sent.
 *
 * The message's fixed part comes first, so that the body reference can be
 * changed in place.
 */

#define MSG_VERSION 2
#define MSG_VERSION_ALONE 1 /* without a campaign */
#define RCPT_VERSION 2
#define RCPT_VERSION_UNASKED 1 /* without what its domain is */
#define SEGMENT_VERSION 1
#define RESUB_VERSION 2
#define PURGE_VERSION 1
#define ABSENT UINT32_MAX

/* First bytes of the trash's keys. */
enum { KEY_PURGE = 'p', KEY_SHARE = 's', KEY_ENTRY = 'e' };

enum { /* offsets within a message record */
       MSG_FLAGS_AT = 1,
       MSG_REF_AT = 3,
       MSG_REF_SIZE = 24 + DIGEST_SIZE,
       MSG_REST_AT = MSG_REF_AT + MSG_REF_SIZE,
       MSG_FIXED = MSG_REST_AT + 1 + 1 + 8 + 16 + 1 + DIGEST_SIZE + 8,
       RCPT_FIXED = 1 + 1 + 1 + 1 + 1 + 2 + 4 + 8,
};

/* --- little writers ----------------------------------------------------- */

static uint8_t *
put_u8(uint8_t *p, uint8_t v)
{
	*p = v;
	return p + 1;
}

static uint8_t *
put_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

static uint8_t *
put_u32(uint8_t *p, uint32_t v)
{
	key_put_u32(p, v);
	return p + 4;
}

static uint8_t *
put_u64(uint8_t *p, uint64_t v)
{
	key_put_u64(p, v);
	return p + 8;
}

static uint8_t *
put_raw(uint8_t *p, const void *from, size_t n)
{
	if (n > 0)
		memcpy(p, from, n);
	return p + n;
}

static size_t
str_size(const char *s)
{
	return 4 + (s != NULL ? strlen(s) + 1 : 0);
}

static uint8_t *
put_str(uint8_t *p, const char *s)
{
	size_t n;

	if (s == NULL)
		return put_u32(p, ABSENT);
	n = strlen(s);
	p = put_u32(p, (uint32_t)n);
	return put_raw(p, s, n + 1);
}

static const char *
get_str(struct reader *r, bool optional)
{
	uint32_t n = reader_u32(r);
	struct slice s;

	if (n == ABSENT) {
		if (!optional)
			r->ok = false;
		return NULL;
	}
	s = reader_raw(r, (size_t)n + 1);
	if (!r->ok || memchr(s.p, '\0', s.n) != s.p + n) {
		r->ok = false;
		return NULL;
	}
	return s.p;
}

static void
get_digest(struct reader *r, uint8_t out[DIGEST_SIZE])
{
	struct slice s = reader_raw(r, DIGEST_SIZE);

	if (r->ok)
		memcpy(out, s.p, DIGEST_SIZE);
}

/* --- message ------------------------------------------------------------- */

size_t
record_msg_size(const struct spool_msg *msg)
{
	return MSG_FIXED + str_size(msg->cred) + str_size(msg->session) +
	       str_size(msg->mail_from) + str_size(msg->owner) +
	       str_size(msg->envid) + 4 + msg->prefix.n;
}

void
record_msg_set_ref(void *p, const struct spool_ref *ref)
{
	uint8_t *b = (uint8_t *)p + MSG_REF_AT;

	b = put_u64(b, ref->segment);
	b = put_u64(b, ref->offset);
	b = put_u64(b, ref->length);
	put_raw(b, ref->digest, DIGEST_SIZE);
}

void
record_msg_encode(const struct spool_msg *msg, void *p)
{
	uint8_t *b = p;

	put_u8(b, MSG_VERSION);
	put_u16(b + MSG_FLAGS_AT, msg->flags);
	record_msg_set_ref(b, &msg->body);
	b = put_u8(b + MSG_REST_AT, msg->ret);
	b = put_u8(b, msg->lane);
	b = put_u64(b, (uint64_t)msg->accepted_wall_ms);
	b = put_raw(b, msg->client.b, sizeof(msg->client.b));
	b = put_u8(b, msg->has_resub_key);
	b = put_raw(b, msg->resub_key, DIGEST_SIZE);
	b = put_u64(b, msg->campaign);
	b = put_str(b, msg->cred);
	b = put_str(b, msg->session);
	b = put_str(b, msg->mail_from);
	b = put_str(b, msg->owner);
	b = put_str(b, msg->envid);
	b = put_u32(b, (uint32_t)msg->prefix.n);
	put_raw(b, msg->prefix.p, msg->prefix.n);
}

static void
get_ref(struct reader *r, struct spool_ref *ref)
{
	ref->segment = reader_u64(r);
	ref->offset = reader_u64(r);
	ref->length = reader_u64(r);
	get_digest(r, ref->digest);
	/* Sums of offset and length must not wrap where they are used. */
	if (ref->offset > INT64_MAX / 2 || ref->length > INT64_MAX / 2)
		r->ok = false;
}

int
record_msg_decode(struct slice s, struct spool_msg *msg)
{
	struct slice client;
	struct reader r;
	uint8_t version, has_key;

	reader_init(&r, s);
	version = reader_u8(&r);
	if (version != MSG_VERSION && version != MSG_VERSION_ALONE)
		return GW_ECORRUPT;
	msg->flags = reader_u16(&r);
	get_ref(&r, &msg->body);
	msg->ret = reader_u8(&r);
	msg->lane = reader_u8(&r);
	msg->accepted_wall_ms = (int64_t)reader_u64(&r);
	client = reader_raw(&r, sizeof(msg->client.b));
	if (r.ok)
		memcpy(msg->client.b, client.p, sizeof(msg->client.b));
	has_key = reader_u8(&r);
	msg->has_resub_key = has_key == 1;
	get_digest(&r, msg->resub_key);
	msg->campaign = version == MSG_VERSION ? reader_u64(&r) : 0;
	msg->cred = get_str(&r, true);
	msg->session = get_str(&r, true);
	msg->mail_from = get_str(&r, true);
	msg->owner = get_str(&r, true);
	msg->envid = get_str(&r, true);
	/* Those that are never NULL in memory: a damaged record must not be
	 * what stops the daemon. */
	if (msg->cred == NULL)
		msg->cred = "";
	if (msg->session == NULL)
		msg->session = "";
	if (msg->mail_from == NULL)
		msg->mail_from = "";
	msg->prefix = reader_bytes(&r);
	if (!reader_end(&r) || has_key > 1 || msg->ret > RET_HDRS ||
	    msg->lane >= LANES)
		return GW_ECORRUPT;
	return 0;
}

/* --- recipient ------------------------------------------------------------ */

size_t
record_rcpt_size(const struct spool_rcpt *rcpt)
{
	return RCPT_FIXED + str_size(rcpt->address) + str_size(rcpt->orcpt) +
	       str_size(rcpt->last_reply);
}

void
record_rcpt_encode(const struct spool_rcpt *rcpt, void *p)
{
	uint8_t *b = p;

	b = put_u8(b, RCPT_VERSION);
	b = put_u8(b, rcpt->state);
	b = put_u8(b, rcpt->notify);
	b = put_u8(b, rcpt->domain);
	b = put_u8(b, rcpt->domain_why);
	b = put_u16(b, rcpt->attempts);
	b = put_u32(b, rcpt->holds);
	b = put_u64(b, (uint64_t)rcpt->next_wall_s);
	b = put_str(b, rcpt->address);
	b = put_str(b, rcpt->orcpt);
	put_str(b, rcpt->last_reply);
}

int
record_rcpt_decode(struct slice s, struct spool_rcpt *rcpt)
{
	struct reader r;
	uint8_t version;

	reader_init(&r, s);
	version = reader_u8(&r);
	if (version != RCPT_VERSION && version != RCPT_VERSION_UNASKED)
		return GW_ECORRUPT;
	rcpt->state = reader_u8(&r);
	rcpt->notify = reader_u8(&r);
	rcpt->domain = RCPT_DOMAIN_FINE;
	rcpt->domain_why = DOMAIN_WHY_NONE;
	if (version == RCPT_VERSION) {
		rcpt->domain = reader_u8(&r);
		rcpt->domain_why = reader_u8(&r);
	}
	rcpt->attempts = reader_u16(&r);
	rcpt->holds = reader_u32(&r);
	rcpt->next_wall_s = (int64_t)reader_u64(&r);
	rcpt->address = get_str(&r, false);
	rcpt->orcpt = get_str(&r, true);
	rcpt->last_reply = get_str(&r, true);
	if (!reader_end(&r) || rcpt->state > RCPT_HELD ||
	    rcpt->domain > RCPT_DOMAIN_DEAD ||
	    rcpt->domain_why >= DOMAIN_REASONS)
		return GW_ECORRUPT;
	return 0;
}

/* --- segment, resubmission -------------------------------------------------*/

void
record_segment_encode(const struct record_segment *seg,
		      uint8_t p[RECORD_SEGMENT_SIZE])
{
	p = put_u8(p, SEGMENT_VERSION);
	p = put_u8(p, seg->large);
	p = put_u64(p, seg->live_count);
	p = put_u64(p, seg->live_bytes);
	p = put_u64(p, seg->end);
	p = put_u64(p, seg->first_id);
	put_u64(p, seg->last_id);
}

void
record_segment_gain(struct record_segment *seg, const struct spool_ref *ref,
		    uint64_t id)
{
	if (seg->live_count == 0 && seg->end == 0)
		seg->first_id = id;
	if (id < seg->first_id)
		seg->first_id = id;
	if (id > seg->last_id)
		seg->last_id = id;
	seg->live_count++;
	seg->live_bytes += ref->length;
	if (ref->offset + ref->length > seg->end)
		seg->end = ref->offset + ref->length;
}

int
record_segment_decode(struct slice s, struct record_segment *seg)
{
	struct reader r;
	uint8_t large;

	reader_init(&r, s);
	if (reader_u8(&r) != SEGMENT_VERSION)
		return GW_ECORRUPT;
	large = reader_u8(&r);
	seg->large = large == 1;
	seg->live_count = reader_u64(&r);
	seg->live_bytes = reader_u64(&r);
	seg->end = reader_u64(&r);
	seg->first_id = reader_u64(&r);
	seg->last_id = reader_u64(&r);
	if (!reader_end(&r) || large > 1 || seg->live_count == 0 ||
	    seg->live_bytes > seg->end || seg->end > INT64_MAX)
		return GW_ECORRUPT;
	return 0;
}

void
record_resub_encode(const struct record_resub *resub,
		    uint8_t p[RECORD_RESUB_SIZE])
{
	p = put_u8(p, RESUB_VERSION);
	p = put_u64(p, (uint64_t)resub->expiry_wall_s);
	put_raw(p, resub->key, DIGEST_SIZE);
}

int
record_resub_decode(struct slice s, struct record_resub *resub)
{
	struct reader r;

	reader_init(&r, s);
	if (reader_u8(&r) != RESUB_VERSION)
		return GW_ECORRUPT;
	resub->expiry_wall_s = (int64_t)reader_u64(&r);
	get_digest(&r, resub->key);
	return reader_end(&r) ? 0 : GW_ECORRUPT;
}

/* --- trash ---------------------------------------------------------------- */

void
record_purge_encode(const struct record_purge *purge,
		    uint8_t p[RECORD_PURGE_SIZE])
{
	p = put_u8(p, PURGE_VERSION);
	p = put_u64(p, (uint64_t)purge->until_wall_s);
	p = put_u64(p, purge->messages);
	put_u64(p, purge->recipients);
}

int
record_purge_decode(struct slice s, struct record_purge *purge)
{
	struct reader r;

	reader_init(&r, s);
	if (reader_u8(&r) != PURGE_VERSION)
		return GW_ECORRUPT;
	purge->until_wall_s = (int64_t)reader_u64(&r);
	purge->messages = reader_u64(&r);
	purge->recipients = reader_u64(&r);
	return reader_end(&r) ? 0 : GW_ECORRUPT;
}

/* --- keys --------------------------------------------------------------- */

void
key_rcpt(uint64_t id, uint32_t index, uint8_t p[KEY_RCPT_SIZE])
{
	key_put_u64(p, id);
	key_put_u32(p + 8, index);
}

int
key_rcpt_decode(struct slice s, uint64_t *id, uint32_t *index)
{
	if (s.n != KEY_RCPT_SIZE)
		return GW_ECORRUPT;
	*id = key_get_u64(s.p);
	*index = key_get_u32(s.p + 8);
	return 0;
}

void
key_purge(uint64_t trash, uint8_t p[KEY_PURGE_SIZE])
{
	p[0] = KEY_PURGE;
	key_put_u64(p + 1, trash);
}

int
key_purge_decode(struct slice s, uint64_t *trash)
{
	if (s.n != KEY_PURGE_SIZE || s.p[0] != KEY_PURGE)
		return GW_ECORRUPT;
	*trash = key_get_u64(s.p + 1);
	return 0;
}

void
key_share(uint64_t id, uint64_t trash, uint8_t p[KEY_SHARE_SIZE])
{
	p[0] = KEY_SHARE;
	key_put_u64(p + 1, id);
	key_put_u64(p + 9, trash);
}

void
key_trash(uint64_t trash, uint64_t id, uint32_t index,
	  uint8_t p[KEY_TRASH_SIZE])
{
	p[0] = KEY_ENTRY;
	key_put_u64(p + 1, trash);
	key_rcpt(id, index, p + 9);
}
