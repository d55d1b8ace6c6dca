/*
 * What an administrator allowed, as a record of STORE_DOMAIN. The key is the
 * name. Layout, version 1: u8 version, u64 since, u64 until, then as
 * length-prefixed bytes by and why.
 *
 * What is read back is not believed: a name that is not in normal form would
 * stand where nobody finds it, so it is as corrupt as another version, a time
 * outside of the calendar, a NUL, or bytes too few or too many.
 */
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/error.h"
#include "policy/domains_int.h"

#define RECORD_VERSION 1
#define LABEL_MAX 63
#define NAME_MAX_BYTES 253
#define TIME_MAX_S INT64_C(253402300799) /* the last second of 9999 */

static bool
is_label(struct slice label)
{
	if (label.n == 0 || label.n > LABEL_MAX)
		return false;
	for (size_t i = 0; i < label.n; i++) {
		char c = label.p[i];

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' &&
		    c != '_')
			return false;
	}
	return true;
}

static bool
is_name(struct slice name)
{
	size_t dot;

	if (name.n == 0 || name.n > NAME_MAX_BYTES)
		return false;
	do {
		dot = slice_find(name, '.');
		if (!is_label(slice_head(name, dot)) || dot + 1 == name.n)
			return false;
		name = slice_from(name, dot + 1);
	} while (name.n > 0);
	return true;
}

int
domain_rule_name(struct slice name, char out[DOMAIN_RULE_MAX + 1])
{
	size_t n = address_domain_fold(name, out, DOMAIN_RULE_MAX + 1);

	out[n] = '\0';
	if (!is_name(slice_of(out + (n > 0 && out[0] == '.'),
			      n - (n > 0 && out[0] == '.'))))
		return GW_EINVAL;
	return 0;
}

static bool
is_time(int64_t wall_s)
{
	return wall_s >= 0 && wall_s <= TIME_MAX_S;
}

static bool
has_end(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}

int
domain_allow_check(const struct domain_allow *allow)
{
	char name[DOMAIN_RULE_MAX + 1];

	if (!has_end(allow->domain, sizeof(allow->domain)) ||
	    !has_end(allow->by, sizeof(allow->by)) ||
	    !has_end(allow->why, sizeof(allow->why)) ||
	    !is_time(allow->until_wall_s) || !is_time(allow->since_wall_s) ||
	    domain_rule_name(slice_str(allow->domain), name) != 0 ||
	    strcmp(name, allow->domain) != 0)
		return GW_EINVAL;
	return 0;
}

void
domain_allow_encode(const struct domain_allow *allow, struct buf *value)
{
	buf_put_u8(value, RECORD_VERSION);
	buf_put_u64(value, (uint64_t)allow->since_wall_s);
	buf_put_u64(value, (uint64_t)allow->until_wall_s);
	buf_put_bytes(value, slice_str(allow->by));
	buf_put_bytes(value, slice_str(allow->why));
}

int
domain_allow_decode(struct slice key, struct slice value,
		    struct domain_allow *allow)
{
	struct slice by, why;
	struct reader r;

	memset(allow, 0, sizeof(*allow));
	reader_init(&r, value);
	if (reader_u8(&r) != RECORD_VERSION)
		return GW_ECORRUPT;
	allow->since_wall_s = (int64_t)reader_u64(&r);
	allow->until_wall_s = (int64_t)reader_u64(&r);
	by = reader_bytes(&r);
	why = reader_bytes(&r);
	if (!reader_end(&r) ||
	    !slice_copy(key, allow->domain, sizeof(allow->domain)) ||
	    !slice_copy(by, allow->by, sizeof(allow->by)) ||
	    !slice_copy(why, allow->why, sizeof(allow->why)) ||
	    domain_allow_check(allow) != 0)
		return GW_ECORRUPT;
	return 0;
}
