#include <endian.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/error.h"
#include "gateway/base/secret.h"
#include "gateway/scan/quarantine_int.h"
#include "gateway/store/key.h"

/*
 * The record of a quarantined message, as bytes:
 *
 *	u8 version, u64 expiry, key, then masked with that key: the rest
 *
 * The rest holds the subject and the part's name, which a sender chose: in the
 * clear, a name that is the EICAR string would have the index itself taken away
 * by a program that looks for it. The expiry stands outside, so that looking
 * for what is over reads no more than that.
 *
 * A string is u32 length, bytes, NUL; ABSENT as length stands for NULL. The
 * decoder goes through the reader, which cannot run past the end, and has one
 * form for each entry: what decodes encodes to the same bytes again.
 */

#define VERSION 1
#define ABSENT UINT32_MAX

enum {
	EXPIRES_AT = 1,
	KEY_AT = EXPIRES_AT + 8,
	MASKED_AT = KEY_AT + MASK_KEY_SIZE,
	/* of a recipient: notify, an address of nothing, no orcpt */
	RCPT_MIN = 1 + 4 + 1 + 4,
};

/* splitmix64 over the number of the eight bytes; the lowest byte is first. */
static uint64_t
mask_word(uint64_t first, uint64_t second, uint64_t at)
{
	uint64_t z = first + at * 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = ((z ^ (z >> 27)) + second) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void
mask_apply(const uint8_t key[MASK_KEY_SIZE], uint64_t offset, void *p, size_t n)
{
	uint64_t first = key_get_u64(key), second = key_get_u64(key + 8);
	uint64_t word, bytes;
	uint8_t *b = p;

	while (n > 0) {
		size_t from = (size_t)(offset & 7);
		size_t part = 8 - from < n ? 8 - from : n;

		word = mask_word(first, second, offset >> 3);
		if (part == 8) {
			memcpy(&bytes, b, 8);
			bytes ^= htole64(word);
			memcpy(b, &bytes, 8);
		} else {
			for (size_t i = 0; i < part; i++)
				b[i] ^= (uint8_t)(word >> (8 * (from + i)));
		}
		b += part;
		offset += part;
		n -= part;
	}
}

/* --- out ----------------------------------------------------------------- */

static void
put_str(struct buf *b, const char *s)
{
	if (s == NULL) {
		buf_put_u32(b, ABSENT);
		return;
	}
	buf_put_bytes(b, slice_str(s));
	buf_put_u8(b, 0);
}

/* One that is never NULL when it is read. */
static void
put_text(struct buf *b, const char *s)
{
	put_str(b, s != NULL ? s : "");
}

static void
put_rcpts(struct buf *b, const struct quarantine_entry *entry)
{
	buf_put_u32(b, entry->rcpt_count);
	for (uint32_t i = 0; i < entry->rcpt_count; i++) {
		const struct quarantine_rcpt *rcpt = &entry->rcpts[i];

		buf_put_u8(b, rcpt->notify);
		put_text(b, rcpt->address);
		put_str(b, rcpt->orcpt);
	}
}

static void
put_verdict(struct buf *b, const struct scan_verdict *verdict)
{
	buf_put_u8(b, (uint8_t)verdict->kind);
	buf_put_u8(b, (uint8_t)verdict->why);
	put_text(b, verdict->threat);
	put_text(b, verdict->server);
	put_text(b, verdict->istag);
}

struct slice
quarantine_record_encode(const struct quarantine_entry *entry,
			 const uint8_t key[MASK_KEY_SIZE], struct arena *arena)
{
	/* As large as the message's envelope, which had its caps. */
	struct buf b = {.cap = SIZE_MAX / 4};
	char *p;
	size_t n;

	buf_put_u8(&b, VERSION);
	buf_put_u64(&b, (uint64_t)entry->expires_wall_s);
	buf_add(&b, key, MASK_KEY_SIZE);
	buf_put_u64(&b, (uint64_t)entry->accepted_wall_ms);
	buf_put_u64(&b, (uint64_t)entry->stored_wall_s);
	put_text(&b, entry->cred);
	put_text(&b, entry->session);
	put_text(&b, entry->mail_from);
	put_str(&b, entry->owner);
	put_str(&b, entry->envid);
	buf_add(&b, entry->client.b, sizeof(entry->client.b));
	buf_put_u8(&b, entry->ret);
	buf_put_u8(&b, entry->lane);
	buf_put_u16(&b, entry->flags);
	buf_put_bytes(&b, entry->prefix);
	put_rcpts(&b, entry);
	buf_put_u64(&b, entry->bytes);
	buf_add(&b, entry->digest, DIGEST_SIZE);
	put_verdict(&b, &entry->verdict);
	put_text(&b, entry->part_name);
	put_text(&b, entry->subject);
	buf_put_u64(&b, entry->linked);
	n = b.n;
	p = arena_alloc(arena, n);
	memcpy(p, b.p, n);
	buf_fini(&b);
	mask_apply(key, 0, p + MASKED_AT, n - MASKED_AT);
	return slice_of(p, n);
}

/* --- in ------------------------------------------------------------------ */

static const char *
get_str(struct reader *r)
{
	uint32_t n = reader_u32(r);
	struct slice s;

	if (!r->ok || n == ABSENT)
		return NULL;
	s = reader_raw(r, (size_t)n + 1);
	if (!r->ok || memchr(s.p, '\0', s.n) != s.p + n) {
		r->ok = false;
		return NULL;
	}
	return s.p;
}

static const char *
get_text(struct reader *r)
{
	const char *s = get_str(r);

	if (s != NULL)
		return s;
	r->ok = false;
	return "";
}

static void
get_fixed(struct reader *r, char *out, size_t size)
{
	const char *s = get_text(r);
	size_t n = strlen(s);

	if (n >= size) {
		r->ok = false;
		return;
	}
	memcpy(out, s, n + 1);
}

static void
get_raw(struct reader *r, void *out, size_t n)
{
	struct slice s = reader_raw(r, n);

	if (r->ok)
		memcpy(out, s.p, n);
}

static void
get_rcpts(struct reader *r, struct arena *arena, struct quarantine_entry *entry)
{
	uint32_t count = reader_u32(r);
	struct quarantine_rcpt *rcpts;

	if (!r->ok || count > r->rest.n / RCPT_MIN) {
		r->ok = false;
		return;
	}
	rcpts = arena_alloc(arena, count * sizeof(*rcpts));
	for (uint32_t i = 0; i < count; i++) {
		rcpts[i].notify = reader_u8(r);
		rcpts[i].address = get_text(r);
		rcpts[i].orcpt = get_str(r);
	}
	entry->rcpts = rcpts;
	entry->rcpt_count = count;
}

static void
get_verdict(struct reader *r, struct scan_verdict *verdict)
{
	uint8_t kind = reader_u8(r), why = reader_u8(r);

	if (kind > SCAN_ERROR || why > SCAN_WHY_READ)
		r->ok = false;
	verdict->kind = (enum scan_kind)kind;
	verdict->why = (enum scan_why)why;
	get_fixed(r, verdict->threat, sizeof(verdict->threat));
	get_fixed(r, verdict->server, sizeof(verdict->server));
	get_fixed(r, verdict->istag, sizeof(verdict->istag));
}

static int
entry_read(struct slice s, struct arena *arena, struct quarantine_entry *entry)
{
	struct reader r;

	reader_init(&r, s);
	entry->accepted_wall_ms = (int64_t)reader_u64(&r);
	entry->stored_wall_s = (int64_t)reader_u64(&r);
	entry->cred = get_text(&r);
	entry->session = get_text(&r);
	entry->mail_from = get_text(&r);
	entry->owner = get_str(&r);
	entry->envid = get_str(&r);
	get_raw(&r, entry->client.b, sizeof(entry->client.b));
	entry->ret = reader_u8(&r);
	entry->lane = reader_u8(&r);
	entry->flags = reader_u16(&r);
	entry->prefix = reader_bytes(&r);
	get_rcpts(&r, arena, entry);
	entry->bytes = reader_u64(&r);
	get_raw(&r, entry->digest, DIGEST_SIZE);
	get_verdict(&r, &entry->verdict);
	entry->part_name = get_text(&r);
	entry->subject = get_text(&r);
	entry->linked = reader_u64(&r);
	if (!reader_end(&r) || entry->ret > QUARANTINE_RET_MAX ||
	    entry->lane > QUARANTINE_LANE_MAX)
		return GW_ECORRUPT;
	return 0;
}

int64_t
quarantine_record_expires(struct slice s)
{
	if (s.n < MASKED_AT || (uint8_t)s.p[0] != VERSION)
		return INT64_MAX;
	return (int64_t)key_get_u64(s.p + EXPIRES_AT);
}

int
quarantine_record_decode(struct slice s, struct arena *arena,
			 struct quarantine_entry *entry)
{
	uint64_t id = entry->id;
	size_t n;
	char *p;

	memset(entry, 0, sizeof(*entry));
	entry->id = id;
	if (s.n < MASKED_AT || (uint8_t)s.p[0] != VERSION)
		return GW_ECORRUPT;
	entry->expires_wall_s = quarantine_record_expires(s);
	n = s.n - MASKED_AT;
	p = arena_alloc(arena, n);
	memcpy(p, s.p + MASKED_AT, n);
	mask_apply((const uint8_t *)s.p + KEY_AT, 0, p, n);
	return entry_read(slice_of(p, n), arena, entry);
}

/* --- the changes */

static struct slice
key_in(struct arena *arena, uint64_t id)
{
	void *p = arena_alloc(arena, 8);

	key_put_u64(p, id);
	return slice_of(p, 8);
}

void
quarantine_put_change(const struct quarantine_entry *entry, struct arena *arena,
		      struct store_change *change)
{
	uint8_t key[MASK_KEY_SIZE];

	secret_random(key, sizeof(key));
	*change = (struct store_change){
	    .table = STORE_QUARANTINE,
	    .kind = STORE_PUT,
	    .key = key_in(arena, entry->id),
	    .value = quarantine_record_encode(entry, key, arena)};
}

void
quarantine_delete_change(uint64_t id, struct arena *arena,
			 struct store_change *change)
{
	*change = (struct store_change){.table = STORE_QUARANTINE,
					.kind = STORE_DELETE,
					.key = key_in(arena, id)};
}
