/*
 * An entry as a record of STORE_SUPPRESS; the key is the address in key form.
 * Layout, version 1: u8 version, u8 reason, u8 counting, u32 count, u64 since,
 * u64 last, then as length-prefixed bytes the address as it was given, and the
 * text.
 */
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/error.h"
#include "gateway/campaign/suppress_int.h"

#define RECORD_VERSION 1
#define LOCAL_MAX 64
#define DOMAIN_MAX 255
#define TIME_MAX_S INT64_C(253402300799) /* the last second of 9999 */

static bool
is_printable(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < ' ' || c == 0x7f)
			return false;
	}
	return true;
}

size_t
suppress_key(struct slice address, char out[SUPPRESS_KEY_MAX])
{
	struct slice local = address_local(address);
	struct slice domain = address_domain(address);
	size_t n;

	if (local.n == 0 || local.n > LOCAL_MAX || domain.n == 0 ||
	    domain.n > DOMAIN_MAX || local.n == address.n ||
	    !is_printable(address))
		return 0;
	for (size_t i = 0; i < local.n; i++) {
		char c = local.p[i];

		out[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
	}
	out[local.n] = '@';
	n = address_domain_fold(domain, out + local.n + 1,
				SUPPRESS_KEY_MAX - local.n - 1);
	/* "b..": no domain, and its key would have a key of its own. */
	if (n == 0 || out[local.n + n] == '.')
		return 0;
	return local.n + 1 + n;
}

struct slice
suppress_cut(struct slice s, size_t max)
{
	size_t n = max;

	if (s.n <= max)
		return s;
	while (n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return slice_head(s, n);
}

void
suppress_encode(const struct suppress_entry *entry, struct buf *value)
{
	buf_put_u8(value, RECORD_VERSION);
	buf_put_u8(value, (uint8_t)entry->reason);
	buf_put_u8(value, entry->counting);
	buf_put_u32(value, entry->count);
	buf_put_u64(value, (uint64_t)entry->since_wall_s);
	buf_put_u64(value, (uint64_t)entry->last_wall_s);
	buf_put_bytes(value, slice_str(entry->address));
	buf_put_bytes(value,
		      suppress_cut(slice_str(entry->text), SUPPRESS_TEXT_MAX));
}

static bool
is_time(int64_t wall_s)
{
	return wall_s >= 0 && wall_s <= TIME_MAX_S;
}

static bool
is_key_of(struct slice key, struct slice address)
{
	char folded[SUPPRESS_KEY_MAX];
	size_t n = suppress_key(address, folded);

	return n > 0 && slice_eq(slice_of(folded, n), key);
}

int
suppress_decode(struct slice key, struct slice value,
		struct suppress_record *record)
{
	struct suppress_entry *entry = &record->entry;
	struct slice address, text;
	uint8_t reason, counting;
	struct reader r;

	reader_init(&r, value);
	if (reader_u8(&r) != RECORD_VERSION)
		return GW_ECORRUPT;
	reason = reader_u8(&r);
	counting = reader_u8(&r);
	entry->count = reader_u32(&r);
	entry->since_wall_s = (int64_t)reader_u64(&r);
	entry->last_wall_s = (int64_t)reader_u64(&r);
	address = reader_bytes(&r);
	text = reader_bytes(&r);
	if (!reader_end(&r) || reason >= SUPPRESS_REASONS || counting > 1 ||
	    !is_time(entry->since_wall_s) || !is_time(entry->last_wall_s) ||
	    !is_key_of(key, address) ||
	    !slice_copy(address, record->address, sizeof(record->address)) ||
	    !slice_copy(text, record->text, sizeof(record->text)))
		return GW_ECORRUPT;
	entry->reason = (enum suppress_reason)reason;
	entry->counting = counting;
	entry->address = record->address;
	entry->text = record->text;
	return 0;
}
