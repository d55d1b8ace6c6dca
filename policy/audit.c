/*
 * The audit trail's records. The key is the complement of the id, so that the
 * store, whose cursor only goes forward, gives the newest first and a listing
 * costs what it shows. Layout, version 1: u8 version, u64 wall second, u32 uid,
 * u32 pid, then as length-prefixed bytes author, command, reason, effect.
 *
 * What is longer than its cap is cut when it is written: the trail of a change
 * must not fail because of the words around it. NULs cannot be in strings that
 * are written, so a record that has one is corrupt.
 */
#include "policy/audit.h"

#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/store/key.h"

#define RECORD_VERSION 1
#define AUTHOR_MAX 255
#define COMMAND_MAX 2000
#define REASON_MAX 500
#define EFFECT_MAX 1000

static void
put_text(struct buf *value, const char *text, size_t max)
{
	buf_put_bytes(value, slice_head(slice_str(text), max));
}

void
audit_change(const struct audit_entry *entry, struct buf *key,
	     struct buf *value, struct store_change *change)
{
	uint8_t name[8];

	key_put_u64(name, ~entry->id);
	buf_clear(key);
	buf_clear(value);
	buf_add(key, name, sizeof(name));
	buf_put_u8(value, RECORD_VERSION);
	buf_put_u64(value, (uint64_t)entry->wall_s);
	buf_put_u32(value, entry->uid);
	buf_put_u32(value, entry->pid);
	put_text(value, entry->author, AUTHOR_MAX);
	put_text(value, entry->command, COMMAND_MAX);
	put_text(value, entry->reason, REASON_MAX);
	put_text(value, entry->effect, EFFECT_MAX);
	*change = (struct store_change){
	    .table = STORE_AUDIT,
	    .kind = STORE_PUT,
	    .key = buf_slice(key),
	    .value = buf_slice(value),
	};
}

static bool
text_ok(struct slice s, size_t max)
{
	return s.n <= max && slice_find(s, '\0') == s.n;
}

static const char *
keep(struct buf *scratch, struct slice s)
{
	size_t at = scratch->n;

	buf_add_slice(scratch, s);
	buf_add_byte(scratch, '\0');
	return scratch->p + at;
}

int
audit_decode(struct slice key, struct slice value, struct audit_entry *entry,
	     struct buf *scratch)
{
	struct slice author, command, reason, effect;
	struct reader r;

	*entry = (struct audit_entry){0};
	reader_init(&r, value);
	if (key.n != 8 || reader_u8(&r) != RECORD_VERSION)
		return GW_ECORRUPT;
	entry->wall_s = (int64_t)reader_u64(&r);
	entry->uid = reader_u32(&r);
	entry->pid = reader_u32(&r);
	author = reader_bytes(&r);
	command = reader_bytes(&r);
	reason = reader_bytes(&r);
	effect = reader_bytes(&r);
	if (!reader_end(&r) || !text_ok(author, AUTHOR_MAX) ||
	    !text_ok(command, COMMAND_MAX) || !text_ok(reason, REASON_MAX) ||
	    !text_ok(effect, EFFECT_MAX))
		return GW_ECORRUPT;
	/* All at once: a buffer that grows would move the strings. */
	buf_clear(scratch);
	if (buf_reserve(scratch, value.n + 4) == NULL)
		return GW_ECORRUPT;
	entry->id = ~key_get_u64(key.p);
	entry->author = keep(scratch, author);
	entry->command = keep(scratch, command);
	entry->reason = keep(scratch, reason);
	entry->effect = keep(scratch, effect);
	return 0;
}

struct each {
	audit_fn *fn;
	void *arg;
	size_t count, max;
	struct buf scratch;
};

static bool
each_record(void *arg, struct slice key, struct slice value)
{
	struct each *each = arg;
	struct audit_entry entry;

	if (each->count >= each->max)
		return false;
	if (audit_decode(key, value, &entry, &each->scratch) != 0) {
		/* One bad record must not hide all that is older. */
		log_event(GW_LOG_ERROR, "audit-unreadable",
			  LF_U64("id", key.n == 8 ? ~key_get_u64(key.p) : 0));
		return true;
	}
	each->count++;
	return each->fn(each->arg, &entry);
}

size_t
audit_each(struct store_env *store, uint64_t before, size_t max, audit_fn *fn,
	   void *arg)
{
	struct each each = {.fn = fn, .arg = arg, .max = max};
	struct store_txn *txn;
	uint8_t from[8];

	/* ids below `before` are the complements above its own */
	key_put_u64(from, before == 0 ? 0 : ~(before - 1));
	buf_init(&each.scratch, AUDIT_RECORD_MAX + 4);
	txn = store_read(store);
	store_each(txn, STORE_AUDIT, slice_of(from, sizeof(from)), each_record,
		   &each);
	store_abort(&txn);
	buf_fini(&each.scratch);
	return each.count;
}
