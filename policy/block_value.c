/*
 * The values of block entries: their normal form, and the bytes by which they
 * are found. A value is kept, listed and exported in normal form only, so one
 * thing cannot stand in the list under two spellings.
 *
 * Case does not count, in local parts neither: see fold.h.
 *
 * Logins pass as they are: what a login's normal form is, gateway/auth knows.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/encode.h"
#include "gateway/base/error.h"
#include "gateway/base/escape.h"
#include "policy/block_int.h"
#include "policy/fold.h"

static const char *const kind_names[BLOCK_KINDS] = {
    [BLOCK_CRED] = "cred",     [BLOCK_IP] = "ip",     [BLOCK_FROM] = "from",
    [BLOCK_DOMAIN] = "domain", [BLOCK_HASH] = "hash",
};

const char *
block_kind_name(enum block_kind kind)
{
	return kind_names[kind];
}

int
block_kind_parse(struct slice word, enum block_kind *kind)
{
	for (int i = 0; i < BLOCK_KINDS; i++) {
		if (slice_eq(word, slice_str(kind_names[i]))) {
			*kind = (enum block_kind)i;
			return 0;
		}
	}
	return GW_EINVAL;
}

int
block_error(struct buf *error, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (error == NULL)
		return GW_EINVAL;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_clear(error);
	buf_add_str(error, text);
	return GW_EINVAL;
}

static int
bad_value(struct buf *error, struct slice value, const char *what)
{
	struct buf shown;

	buf_init(&shown, 200);
	escape_text(&shown, slice_head(value, 60));
	block_error(error, "'%s' %s.", buf_cstr(&shown), what);
	buf_fini(&shown);
	return GW_EINVAL;
}

static bool
has_control(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return true;
	}
	return false;
}

static bool
is_atom_char(char c)
{
	return (unsigned char)c > ' ' && c != 0x7f &&
	       strchr("()<>[]:;@\\,\"", c) == NULL;
}

/* None, quoted, or a dot-string: what MAIL lets in. */
static bool
is_local(struct slice local)
{
	if (local.n >= 2 && local.p[0] == '"' && local.p[local.n - 1] == '"')
		return !has_control(local);
	for (size_t i = 0; i < local.n; i++) {
		if (!is_atom_char(local.p[i]))
			return false;
	}
	return true;
}

/* A name or an address literal, in key form; no label is empty. */
static bool
is_domain(struct slice domain)
{
	bool dot = true;

	if (domain.n == 0 || domain.n > BLOCK_DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < domain.n; i++) {
		char c = domain.p[i];

		if ((c == '.' && dot) || (unsigned char)c <= ' ' || c == 0x7f ||
		    strchr("@<>()\"\\,;/*", c) != NULL)
			return false;
		dot = c == '.';
	}
	return !dot;
}

static int
normal_cred(struct slice value, struct buf *out, struct buf *error)
{
	if (value.n == 0 || value.n > BLOCK_VALUE_MAX || has_control(value))
		return bad_value(error, value, "is no login");
	buf_add_slice(out, value);
	return 0;
}

static int
normal_ip(struct slice value, struct buf *out, struct buf *error)
{
	char text[IP_TEXT_SIZE + 4];
	struct slice host = slice_head(value, slice_find(value, '/'));
	struct ip_prefix prefix;
	struct ip_addr ip;
	uint64_t bits;

	if (ip_prefix_parse(value, &prefix) == 0) {
		ip_prefix_format(&prefix, text);
		buf_add_str(out, text);
		return 0;
	}
	if (ip_parse(host, &ip) != 0 ||
	    !slice_u64(slice_from(value, host.n + 1), &bits))
		return bad_value(error, value,
				 "is neither an address nor a prefix");
	if (slice_find(host, ':') == host.n)
		bits += 96;
	if (bits > 128)
		return bad_value(error, value, "has too many bits");
	ip_prefix_of(&ip, (uint8_t)bits, &prefix);
	ip_prefix_format(&prefix, text);
	return block_error(error,
			   "'%.*s' has bits set behind its prefix; "
			   "the prefix is %s.",
			   (int)value.n, value.p, text);
}

static int
normal_from(struct slice value, struct buf *out, struct buf *error)
{
	char folded[BLOCK_VALUE_MAX];
	struct slice address, domain;

	if (value.n == 0 || slice_eq(value, SLICE_LIT("<>")))
		return block_error(error,
				   "The null sender cannot be blocked: bounces "
				   "have it; block the login.");
	address = slice_of(folded, fold_address(value, folded, sizeof(folded)));
	domain = address_domain(address);
	if (domain.n > 0 && domain.p[0] == '.' && address.p[0] == '@')
		domain = slice_from(domain, 1);
	if (!is_local(address_local(address)) || !is_domain(domain))
		return bad_value(error, value,
				 "is no sender: user@example.com, @example.com "
				 "or @.example.com");
	buf_add_slice(out, address);
	return 0;
}

static int
normal_domain(struct slice value, struct buf *out, struct buf *error)
{
	struct slice domain;
	struct buf key;
	int err = 0;

	buf_init(&key, BLOCK_DOMAIN_MAX + 2);
	address_domain_key(&key, value);
	domain = buf_slice(&key);
	if (domain.n > 0 && domain.p[0] == '.')
		domain = slice_from(domain, 1);
	if (is_domain(domain))
		buf_add_slice(out, buf_slice(&key));
	else
		err = bad_value(error, value,
				"is no domain: example.com or .example.com");
	buf_fini(&key);
	return err;
}

static int
normal_hash(struct slice value, struct buf *out, struct buf *error)
{
	struct buf raw;
	int err = 0;

	buf_init(&raw, DIGEST_SIZE);
	if (hex_decode(&raw, value) == 0 && raw.n == DIGEST_SIZE)
		hex_encode(out, buf_slice(&raw));
	else
		err = bad_value(error, value,
				"is no SHA-256 digest of 64 hexadecimal "
				"characters");
	buf_fini(&raw);
	return err;
}

int
blocklist_normalise(enum block_kind kind, struct slice value, struct buf *out,
		    struct buf *error)
{
	switch (kind) {
	case BLOCK_CRED:
		return normal_cred(value, out, error);
	case BLOCK_IP:
		return normal_ip(value, out, error);
	case BLOCK_FROM:
		return normal_from(value, out, error);
	case BLOCK_DOMAIN:
		return normal_domain(value, out, error);
	case BLOCK_HASH:
		return normal_hash(value, out, error);
	case BLOCK_KINDS:
		break;
	}
	return block_error(error, "There is no such kind.");
}

static struct slice
raw_ip(const char *value, uint8_t raw[32])
{
	struct ip_prefix prefix = {.bits = 0};

	ip_prefix_parse(slice_str(value), &prefix);
	raw[0] = prefix.bits;
	memcpy(raw + 1, prefix.addr.b, sizeof(prefix.addr.b));
	return slice_of(raw, 1 + sizeof(prefix.addr.b));
}

static struct slice
raw_hash(const char *value, uint8_t raw[32])
{
	struct buf digest;

	buf_init(&digest, DIGEST_SIZE);
	hex_decode(&digest, slice_str(value));
	if (digest.n == DIGEST_SIZE)
		memcpy(raw, digest.p, DIGEST_SIZE);
	buf_fini(&digest);
	return slice_of(raw, DIGEST_SIZE);
}

void
block_key_of(enum block_kind kind, enum block_action action, const char *value,
	     uint8_t raw[32], struct block_key *key)
{
	struct slice v = slice_str(value);

	*key = (struct block_key){.action = action, .bytes = v};
	switch (kind) {
	case BLOCK_CRED:
		key->class = CLASS_CRED;
		break;
	case BLOCK_IP:
		key->class = CLASS_IP;
		key->bytes = raw_ip(value, raw);
		break;
	case BLOCK_FROM:
		key->class = CLASS_FROM;
		if (slice_starts(v, SLICE_LIT("@."))) {
			key->class = CLASS_FROM_BELOW;
			key->bytes = slice_from(v, 2);
		} else if (slice_starts(v, SLICE_LIT("@"))) {
			key->class = CLASS_FROM_AT;
			key->bytes = slice_from(v, 1);
		}
		break;
	case BLOCK_DOMAIN:
		key->class = CLASS_DOMAIN;
		if (slice_starts(v, SLICE_LIT("."))) {
			key->class = CLASS_DOMAIN_BELOW;
			key->bytes = slice_from(v, 1);
		}
		break;
	case BLOCK_HASH:
		key->class = CLASS_HASH;
		key->bytes = raw_hash(value, raw);
		break;
	case BLOCK_KINDS:
		break;
	}
}
