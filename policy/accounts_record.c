/*
 * The record of what one login was allowed, and the normal form of a sender
 * pattern.
 *
 * Layout, version 1: u8 version; u8 count of grants, each u8 counted, u64
 * amount, u64 until; u16 count of patterns, each as length-prefixed bytes. The
 * key is the normalised login. Both lists are in order and without doubles,
 * and patterns are in normal form, so that what was allowed has one encoding;
 * anything else is corrupt.
 */
#include "policy/accounts_record.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "policy/limits.h"

#define RECORD_VERSION 1
#define DOMAIN_MAX 255

_Static_assert(GRANTS_MAX >= LIMIT_COUNTED, "one grant of each");

void
account_fini(struct account *account)
{
	for (size_t i = 0; i < account->sender_count; i++)
		free(account->senders[i]);
	free(account->senders);
	free(account->cred);
	*account = (struct account){0};
}

/* --- patterns -------------------------------------------------------- */

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* "*@" would be an administrator's idea of "@", and an address of its own. */
static bool
is_local(struct slice local)
{
	bool quoted = local.n > 0 && local.p[0] == '"';

	for (size_t i = 0; i < local.n; i++) {
		unsigned char c = (unsigned char)local.p[i];

		if (c < ' ' || c == 0x7f || (c == ' ' && !quoted))
			return false;
	}
	return !slice_eq(local, SLICE_LIT("*"));
}

/* Labels with something in them. Letters beyond ASCII are let be: an address
 * may have them. */
static bool
is_domain(struct slice domain)
{
	size_t label = 0;

	for (size_t i = 0; i < domain.n; i++) {
		unsigned char c = (unsigned char)domain.p[i];

		if (c <= ' ' || c == 0x7f || strchr("<>,;:*\"", c) != NULL)
			return false;
		if (c != '.' && ++label <= 63)
			continue;
		if (c != '.' || label == 0)
			return false;
		label = 0;
	}
	return label > 0;
}

int
account_pattern(struct slice pattern, char out[ACCOUNT_PATTERN_MAX + 1])
{
	struct slice domain = address_domain(pattern);
	struct slice local = address_local(pattern);
	bool below = domain.n > 0 && domain.p[0] == '.';
	size_t n;

	if (domain.n > 0 && domain.p[domain.n - 1] == '.')
		domain.n--;
	if (domain.n == 0 || domain.n > DOMAIN_MAX ||
	    local.n > ACCOUNT_PATTERN_MAX - 1 - DOMAIN_MAX ||
	    (below && local.n > 0) || !is_local(local) ||
	    !is_domain(slice_from(domain, below)))
		return GW_EINVAL;
	n = local.n + 1 + domain.n;
	for (size_t i = 0; i < n; i++)
		out[i] = lower(pattern.p[i]);
	out[n] = '\0';
	return 0;
}

bool
account_sender_find(const struct account *account, const char *pattern,
		    size_t *at)
{
	size_t low = 0, high = account->sender_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(account->senders[mid], pattern);

		if (order == 0) {
			*at = mid;
			return true;
		}
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*at = low;
	return false;
}

/* --- the record ------------------------------------------------------ */

bool
account_encode(const struct account *account, int64_t now_wall_s,
	       struct buf *value)
{
	uint8_t count = 0;

	for (size_t i = 0; i < account->grant_count; i++)
		if (account->grants[i].until_wall_s > now_wall_s)
			count++;
	if (count == 0 && account->sender_count == 0)
		return false;
	buf_put_u8(value, RECORD_VERSION);
	buf_put_u8(value, count);
	for (size_t i = 0; i < account->grant_count; i++) {
		const struct grant *grant = &account->grants[i];

		if (grant->until_wall_s <= now_wall_s)
			continue;
		buf_put_u8(value, grant->counted);
		buf_put_u64(value, grant->amount);
		buf_put_u64(value, (uint64_t)grant->until_wall_s);
	}
	buf_put_u16(value, (uint16_t)account->sender_count);
	for (size_t i = 0; i < account->sender_count; i++)
		buf_put_bytes(value, slice_str(account->senders[i]));
	return true;
}

static bool
grants_decode(struct reader *r, struct account *account)
{
	uint8_t count = reader_u8(r);

	if (count > GRANTS_MAX)
		return false;
	for (size_t i = 0; i < count; i++) {
		struct grant *grant = &account->grants[i];

		grant->counted = reader_u8(r);
		grant->amount = reader_u64(r);
		grant->until_wall_s = (int64_t)reader_u64(r);
		if (grant->counted >= LIMIT_COUNTED || grant->amount == 0 ||
		    grant->amount > GRANT_MOST || grant->until_wall_s <= 0 ||
		    (i > 0 && grant[-1].counted >= grant->counted))
			return false;
	}
	account->grant_count = count;
	return r->ok;
}

static bool
senders_decode(struct reader *r, struct account *account)
{
	size_t count = reader_u16(r);
	char normal[ACCOUNT_PATTERN_MAX + 1];
	const char *last = "";

	if (!r->ok || count > ACCOUNT_SENDERS_MAX)
		return false;
	account->sender_size = count;
	account->senders = mem_array(count + 1, sizeof(*account->senders));
	for (size_t i = 0; i < count; i++) {
		struct slice pattern = reader_bytes(r);

		if (!r->ok || account_pattern(pattern, normal) != 0 ||
		    !slice_eq(pattern, slice_str(normal)) ||
		    strcmp(last, normal) >= 0)
			return false;
		last = mem_strdup(normal);
		account->senders[account->sender_count++] = (char *)last;
	}
	return true;
}

int
account_decode(struct slice key, struct slice value, struct account *account)
{
	struct reader r;

	*account = (struct account){0};
	reader_init(&r, value);
	if (key.n == 0 || key.n > ACCOUNT_CRED_MAX ||
	    slice_find(key, '\0') != key.n || reader_u8(&r) != RECORD_VERSION ||
	    !grants_decode(&r, account) || !senders_decode(&r, account) ||
	    !reader_end(&r) ||
	    account->grant_count + account->sender_count == 0) {
		account_fini(account);
		return GW_ECORRUPT;
	}
	account->cred = mem_strndup(key.p, key.n);
	return 0;
}
