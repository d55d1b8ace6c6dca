/*
 * Which fields are signed, and how the field that says so is written.
 *
 * A name that stands in h= once more than the field does in the message says
 * that there is no further one: one that is added on the way breaks the
 * signature (RFC 6376, 8.15). That is right for what a message has once, and
 * wrong for what lists add; those are covered as often as they are there.
 *
 * The value of b= is taken for empty while the field itself is hashed; it is
 * the last, and begins on the line of its name, so that nothing of it is left
 * in however a reader cuts it out.
 */
#include "gateway/dkim/sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/encode.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/dkim/canon.h"

#define LINE_WIDTH 76
#define FIELD_MAX 16384
#define CANON_MAX ((size_t)2 * DKIM_HEADER_MAX)

enum more {
	MORE_NONE,    /* as often as it is there */
	MORE_PRESENT, /* once more, if it is there */
	MORE_ALWAYS,
};

static const struct {
	const char *name;
	enum more more;
} wanted[] = {
    {"from", MORE_ALWAYS},
    {"subject", MORE_ALWAYS},
    {"to", MORE_ALWAYS},
    {"cc", MORE_ALWAYS},
    {"reply-to", MORE_ALWAYS},
    {"date", MORE_ALWAYS},
    {"message-id", MORE_PRESENT},
    {"sender", MORE_PRESENT},
    {"in-reply-to", MORE_PRESENT},
    {"references", MORE_PRESENT},
    {"mime-version", MORE_PRESENT},
    {"content-type", MORE_ALWAYS},
    {"content-transfer-encoding", MORE_ALWAYS},
    {"content-id", MORE_PRESENT},
    {"content-description", MORE_PRESENT},
    {"content-disposition", MORE_PRESENT},
    {"content-language", MORE_PRESENT},
    {"auto-submitted", MORE_PRESENT},
    {"precedence", MORE_NONE},
    {"list-id", MORE_NONE},
    {"list-help", MORE_NONE},
    {"list-subscribe", MORE_NONE},
    {"list-unsubscribe", MORE_PRESENT}, /* RFC 8058, 4: both */
    {"list-unsubscribe-post", MORE_PRESENT},
    {"list-post", MORE_NONE},
    {"list-owner", MORE_NONE},
    {"list-archive", MORE_NONE},
};

#define WANTED (sizeof(wanted) / sizeof(wanted[0]))

/* The fields that are signed, in the order of the message. */
struct chosen {
	struct slice raw[WANTED][DKIM_SAME_MAX];
	unsigned count[WANTED];
};

/* --- choosing --------------------------------------------------------------
 */

static size_t
find_wanted(struct slice name)
{
	size_t i;

	for (i = 0; i < WANTED; i++)
		if (slice_ieq(name, slice_str(wanted[i].name)))
			break;
	return i;
}

static bool
choose_of(struct chosen *chosen, struct slice block)
{
	struct dkim_field field;
	size_t i;

	while (dkim_field_next(&block, &field)) {
		i = find_wanted(field.name);
		if (i == WANTED)
			continue;
		if (chosen->count[i] == DKIM_SAME_MAX)
			return false;
		chosen->raw[i][chosen->count[i]++] = field.raw;
	}
	return block.n == 0;
}

static bool
choose(struct chosen *chosen, const struct dkim_signing *s)
{
	memset(chosen, 0, sizeof(*chosen));
	return !dkim_message_bad(s->message) && choose_of(chosen, s->prefix) &&
	       choose_of(chosen, dkim_message_header(s->message)) &&
	       chosen->count[0] == 1;
}

/* --- the field -------------------------------------------------------------
 */

/* A word, on a new line where this one would be too long. */
static void
add_word(struct buf *out, size_t *line, const char *word)
{
	size_t n = strlen(word);

	if (out->n - *line + n + 1 > LINE_WIDTH) {
		buf_add_str(out, "\r\n\t");
		*line = out->n;
	}
	buf_add(out, word, n);
}

/* How often it stands in h=. */
static unsigned
times(const struct chosen *chosen, size_t i)
{
	unsigned n = chosen->count[i];

	return n + (wanted[i].more == MORE_ALWAYS ||
		    (wanted[i].more == MORE_PRESENT && n > 0));
}

static void
add_names(struct buf *out, const struct chosen *chosen)
{
	size_t line = out->n - strlen("\th="), left = 0;
	char word[64];

	for (size_t i = 0; i < WANTED; i++)
		left += times(chosen, i);
	for (size_t i = 0; i < WANTED; i++) {
		for (unsigned n = times(chosen, i); n > 0; n--) {
			snprintf(word, sizeof(word), "%s%s", wanted[i].name,
				 --left > 0 ? ":" : "");
			add_word(out, &line, word);
		}
	}
}

/* Up to and with "b=". */
static void
begin_field(struct buf *out, const struct dkim_signing *s,
	    const struct dkim_selector *selector, const struct chosen *chosen)
{
	buf_printf(out,
		   "DKIM-Signature: v=1; a=%s; c=relaxed/relaxed;\r\n"
		   "\td=%s; s=%s;\r\n\tt=%lld; bh=",
		   dkim_key_algorithm(selector->key), s->domain->name,
		   selector->name, (long long)s->now_wall_s);
	base64_encode(out,
		      slice_of(dkim_message_digest(s->message), DIGEST_SIZE));
	buf_add_str(out, ";\r\n\th=");
	add_names(out, chosen);
	buf_add_str(out, ";\r\n\tb=");
}

/* RFC 6376, 5.4.2: of several, the last comes first. */
static void
hash(const struct chosen *chosen, struct slice field, uint8_t out[DIGEST_SIZE])
{
	struct digest *digest = digest_create();
	struct buf line;

	buf_init(&line, CANON_MAX);
	for (size_t i = 0; i < WANTED; i++) {
		for (unsigned n = chosen->count[i]; n > 0; n--) {
			buf_clear(&line);
			dkim_canon_field(&line, chosen->raw[i][n - 1]);
			digest_add(digest, buf_slice(&line));
		}
	}
	buf_clear(&line);
	dkim_canon_field(&line, field);
	digest_add(digest, slice_head(buf_slice(&line), line.n - 2));
	digest_final(digest, out);
	digest_destroy(&digest);
	buf_fini(&line);
}

static void
add_folded(struct buf *out, struct slice text)
{
	size_t room = LINE_WIDTH - strlen("\tb=");

	while (text.n > room) {
		buf_add_slice(out, slice_head(text, room));
		buf_add_str(out, "\r\n\t");
		text = slice_from(text, room);
		room = LINE_WIDTH - 1;
	}
	buf_add_slice(out, text);
	buf_add_str(out, "\r\n");
}

static int
sign_with(const struct dkim_signing *s, const struct dkim_selector *selector,
	  const struct chosen *chosen, struct buf *out)
{
	struct buf field, raw, text;
	uint8_t digest[DIGEST_SIZE];
	int err = 0;

	buf_init(&field, FIELD_MAX);
	buf_init(&raw, DKIM_SIGNATURE_MAX);
	buf_init(&text, 2 * DKIM_SIGNATURE_MAX);
	begin_field(&field, s, selector, chosen);
	hash(chosen, buf_slice(&field), digest);
	if (!dkim_key_sign(selector->key, digest, &raw))
		err = GW_EIO;
	base64_encode(&text, buf_slice(&raw));
	add_folded(&field, buf_slice(&text));
	if (field.overflow && err == 0)
		err = GW_EINVAL;
	if (err == 0)
		buf_add_slice(out, buf_slice(&field));
	buf_fini(&field);
	buf_fini(&raw);
	buf_fini(&text);
	return err;
}

int
dkim_sign(const struct dkim_signing *s, struct buf *out)
{
	struct chosen *chosen = mem_alloc(sizeof(*chosen));
	size_t before = out->n;
	int err = choose(chosen, s) ? 0 : GW_EINVAL;

	for (size_t i = 0; i < s->domain->selector_count && err == 0; i++)
		err = sign_with(s, &s->domain->selectors[i], chosen, out);
	if (err == 0 && out->overflow)
		err = GW_EINVAL;
	if (err != 0)
		out->n = before;
	free(chosen);
	return err;
}
