/*
 * The record of a block entry in STORE_BLOCK. The key is the id. Layout,
 * version 1: u8 version, u8 kind, u8 action, u32 flags, u64 made, u64 until,
 * u64 since, then as length-prefixed bytes value, author, reason.
 *
 * What is read back is not believed: another version, a number that no enum
 * has, a time outside of the calendar, a NUL, a string over its cap, bytes too
 * few or too many are all corrupt. Hits are not kept.
 */
#include "gateway/base/error.h"
#include "gateway/store/key.h"
#include "policy/block_int.h"

#define RECORD_VERSION 1

void
block_record_encode(const struct block *block, struct buf *value)
{
	buf_put_u8(value, RECORD_VERSION);
	buf_put_u8(value, (uint8_t)block->kind);
	buf_put_u8(value, (uint8_t)block->action);
	buf_put_u32(value, block->flags);
	buf_put_u64(value, (uint64_t)block->made_wall_s);
	buf_put_u64(value, (uint64_t)block->until_wall_s);
	buf_put_u64(value, (uint64_t)block->since_wall_s);
	buf_put_bytes(value, slice_str(block->value));
	buf_put_bytes(value, slice_str(block->author));
	buf_put_bytes(value, slice_str(block->reason));
}

static const char *
keep(struct buf *scratch, struct slice s, bool *ok)
{
	const char *at = scratch->p + scratch->n;

	if (slice_find(s, '\0') != s.n)
		*ok = false;
	buf_add_slice(scratch, s);
	buf_add_byte(scratch, '\0');
	return at;
}

int
block_record_decode(struct slice key, struct slice value, struct block *block,
		    struct buf *scratch)
{
	struct slice name, author, reason;
	unsigned kind, action;
	struct reader r;
	bool ok = true;

	*block = (struct block){0};
	reader_init(&r, value);
	if (key.n != 8 || reader_u8(&r) != RECORD_VERSION)
		return GW_ECORRUPT;
	kind = reader_u8(&r);
	action = reader_u8(&r);
	block->flags = reader_u32(&r);
	block->made_wall_s = (int64_t)reader_u64(&r);
	block->until_wall_s = (int64_t)reader_u64(&r);
	block->since_wall_s = (int64_t)reader_u64(&r);
	name = reader_bytes(&r);
	author = reader_bytes(&r);
	reason = reader_bytes(&r);
	if (!reader_end(&r) || kind >= BLOCK_KINDS || action > BLOCK_HOLD)
		return GW_ECORRUPT;
	/* All at once: a buffer that grows would move the strings. */
	buf_clear(scratch);
	if (name.n > BLOCK_VALUE_MAX || author.n > BLOCK_AUTHOR_MAX ||
	    reason.n > BLOCK_REASON_MAX ||
	    buf_reserve(scratch, name.n + author.n + reason.n + 3) == NULL)
		return GW_ECORRUPT;
	block->id = key_get_u64(key.p);
	block->kind = (enum block_kind)kind;
	block->action = (enum block_action)action;
	block->value = keep(scratch, name, &ok);
	block->author = keep(scratch, author, &ok);
	block->reason = keep(scratch, reason, &ok);
	return ok && block_check(block, NULL) == 0 ? 0 : GW_ECORRUPT;
}
