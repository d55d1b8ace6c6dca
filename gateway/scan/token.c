/*
 * The token's text and what it proves. Of each token there is one form: the
 * parser takes what token_make writes and nothing else, so nothing can be said
 * in two ways, and an altered one is either malformed or forged.
 *
 * Nothing of a value is believed, not even compared with anything secret,
 * before the HMAC is right; its comparison takes the same time whatever is
 * wrong. What is not decided here: whether the ISTag is one that counts (the
 * scan thread knows), and whether the message is one that may have a token.
 */
#include "gateway/scan/token.h"

#include <string.h>

#include "gateway/base/encode.h"
#include "gateway/base/secret.h"

#define VERSION "1"
#define TIME_DIGITS 12 /* some 30,000 years */
#define ENCODED_MAX 1024

void
token_contents(const struct scan_part *parts, size_t count,
	       uint8_t out[DIGEST_SIZE])
{
	struct digest *digest = digest_create();
	struct buf b = {.cap = ENCODED_MAX};

	for (size_t i = 0; i < count; i++) {
		buf_clear(&b);
		buf_put_bytes(&b, slice_of(parts[i].digest, DIGEST_SIZE));
		buf_put_u64(&b, parts[i].decoded_bytes);
		buf_put_bytes(&b, slice_str(parts[i].name));
		buf_put_bytes(&b, slice_str(parts[i].type));
		digest_add(digest, buf_slice(&b));
	}
	buf_fini(&b);
	digest_final(digest, out);
	digest_destroy(&digest);
}

/* A key whose file was not read proves nothing. */
static bool
is_usable(const struct token_key *key)
{
	return key->secret.n >= TOKEN_SECRET_MIN;
}

/* --- what is signed --------------------------------------------------------
 */

struct fields {
	struct slice id, time, istag; /* istag: as it is, not encoded */
	uint8_t contents[DIGEST_SIZE], mac[DIGEST_SIZE];
};

static void
sign(const struct fields *f, struct slice secret, uint8_t mac[DIGEST_SIZE])
{
	struct buf b = {.cap = ENCODED_MAX};

	buf_put_bytes(&b, SLICE_LIT(TOKEN_FIELD));
	buf_put_bytes(&b, SLICE_LIT(VERSION));
	buf_put_bytes(&b, f->id);
	buf_put_bytes(&b, f->time);
	buf_put_bytes(&b, f->istag);
	buf_put_bytes(&b, slice_of(f->contents, DIGEST_SIZE));
	digest_hmac(secret, buf_slice(&b), mac);
	buf_fini(&b);
}

bool
token_make(struct buf *out, const struct token_key *key, int64_t now_wall_s,
	   const char *istag, const uint8_t contents[DIGEST_SIZE])
{
	struct fields f = {.id = slice_str(key->id), .istag = slice_str(istag)};
	struct buf line = {.cap = TOKEN_LINE_MAX}, time = {.cap = 32};
	bool made = false;

	buf_add_i64(&time, now_wall_s);
	f.time = buf_slice(&time);
	memcpy(f.contents, contents, DIGEST_SIZE);
	if (is_usable(key) && now_wall_s > 0 && f.istag.n > 0 &&
	    f.istag.n < SCAN_ISTAG_SIZE) {
		sign(&f, key->secret, f.mac);
		buf_add_str(&line, TOKEN_FIELD ": v=" VERSION "; k=");
		buf_add_slice(&line, f.id);
		buf_add_str(&line, "; t=");
		buf_add_slice(&line, f.time);
		buf_add_str(&line, "; i=");
		base64url_encode(&line, f.istag);
		buf_add_str(&line, "; d=");
		base64url_encode(&line, slice_of(f.contents, DIGEST_SIZE));
		buf_add_str(&line, "; s=");
		base64url_encode(&line, slice_of(f.mac, DIGEST_SIZE));
		buf_add_str(&line, "\r\n");
		made = !line.overflow;
	}
	if (made)
		buf_add_slice(out, buf_slice(&line));
	buf_fini(&line);
	buf_fini(&time);
	return made && !out->overflow;
}

/* --- what is read ----------------------------------------------------------
 */

/* "k=VALUE" up to the next "; " or, for the last, the end. */
static bool
cut(struct slice *rest, const char *name, bool last, struct slice *value)
{
	size_t n;

	if (!slice_starts(*rest, slice_str(name)))
		return false;
	*rest = slice_from(*rest, strlen(name));
	n = slice_find(*rest, ';');
	*value = slice_head(*rest, n);
	*rest = slice_from(*rest, n);
	if (last)
		return rest->n == 0;
	if (!slice_starts(*rest, SLICE_LIT("; ")))
		return false;
	*rest = slice_from(*rest, 2);
	return true;
}

static bool
is_id(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-')
			return false;
	}
	return s.n > 0 && s.n <= TOKEN_ID_MAX;
}

/* Without a leading zero, so that a number has one form. */
static bool
read_time(struct slice s, int64_t *wall_s)
{
	uint64_t value;

	if (s.n == 0 || s.n > TIME_DIGITS || s.p[0] == '0' ||
	    !slice_u64(s, &value))
		return false;
	*wall_s = (int64_t)value;
	return true;
}

static bool
read_digest(struct slice s, uint8_t out[DIGEST_SIZE])
{
	struct buf b = {.cap = DIGEST_SIZE};
	bool good = base64url_decode(&b, s) == 0 && b.n == DIGEST_SIZE;

	if (good)
		memcpy(out, b.p, DIGEST_SIZE);
	buf_fini(&b);
	return good;
}

/* A NUL in it would make one tag look like another. */
static bool
read_istag(struct slice s, char out[SCAN_ISTAG_SIZE])
{
	struct buf b = {.cap = SCAN_ISTAG_SIZE - 1};
	bool good = base64url_decode(&b, s) == 0 && b.n > 0 &&
		    memchr(b.p, '\0', b.n) == NULL;

	if (good) {
		memcpy(out, b.p, b.n);
		out[b.n] = '\0';
	}
	buf_fini(&b);
	return good;
}

static bool
parse(struct slice value, struct fields *f, struct token *token)
{
	struct slice rest = value, version, istag, contents, mac;

	if (value.n > TOKEN_LINE_MAX || !cut(&rest, "v=", false, &version) ||
	    !slice_eq(version, SLICE_LIT(VERSION)) ||
	    !cut(&rest, "k=", false, &f->id) || !is_id(f->id) ||
	    !cut(&rest, "t=", false, &f->time) ||
	    !read_time(f->time, &token->made_wall_s) ||
	    !cut(&rest, "i=", false, &istag) ||
	    !read_istag(istag, token->istag) ||
	    !cut(&rest, "d=", false, &contents) ||
	    !read_digest(contents, f->contents) ||
	    !cut(&rest, "s=", true, &mac) || !read_digest(mac, f->mac))
		return false;
	f->istag = slice_str(token->istag);
	return true;
}

static const struct token_key *
key_of(const struct token_check *check, struct slice id)
{
	for (size_t i = 0; i < check->key_count; i++)
		if (slice_eq(id, slice_str(check->keys[i].id)) &&
		    is_usable(&check->keys[i]))
			return &check->keys[i];
	return NULL;
}

enum token_verdict
token_check(const struct token_check *check, struct slice value,
	    struct token *token)
{
	struct fields f = {.id = SLICE_NONE};
	uint8_t mac[DIGEST_SIZE];

	memset(token, 0, sizeof(*token));
	if (!parse(value, &f, token))
		return TOKEN_MALFORMED;
	token->key = key_of(check, f.id);
	if (token->key == NULL)
		return TOKEN_UNKNOWN_KEY;
	sign(&f, token->key->secret, mac);
	if (!secret_eq(slice_of(mac, sizeof(mac)),
		       slice_of(f.mac, sizeof(f.mac))))
		return TOKEN_FORGED;
	if (token->made_wall_s > check->now_wall_s + TOKEN_AHEAD_S)
		return TOKEN_EARLY;
	if (token->made_wall_s < check->now_wall_s - check->age_s)
		return TOKEN_OLD;
	return memcmp(f.contents, check->contents, DIGEST_SIZE) == 0
		   ? TOKEN_GOOD
		   : TOKEN_OTHER;
}

const char *
token_word(enum token_verdict verdict)
{
	switch (verdict) {
	case TOKEN_GOOD:
		return "good";
	case TOKEN_MALFORMED:
		return "malformed";
	case TOKEN_UNKNOWN_KEY:
		return "unknown-key";
	case TOKEN_FORGED:
		return "forged";
	case TOKEN_OLD:
		return "old";
	case TOKEN_EARLY:
		return "early";
	case TOKEN_OTHER:
		return "other-contents";
	}
	return "?";
}

bool
token_begins(struct slice line)
{
	struct slice rest;

	if (!slice_istarts(line, SLICE_LIT(TOKEN_FIELD)))
		return false;
	rest = slice_from(line, strlen(TOKEN_FIELD));
	while (rest.n > 0 && (rest.p[0] == ' ' || rest.p[0] == '\t'))
		rest = slice_from(rest, 1);
	return rest.n > 0 && rest.p[0] == ':';
}
