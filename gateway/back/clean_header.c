#include "gateway/back/clean_header.h"

#include <string.h>

#include "gateway/base/encode.h"
#include "gateway/base/escape.h"
#include "gateway/smtp/utf8.h"

#define PREFIX_MAX 300
#define WORD_BYTES 42 /* of one encoded word of a Subject */

bool
clean_next_field(struct slice *rest, struct slice *field)
{
	size_t n = 0;

	if (rest->n == 0)
		return false;
	do {
		n += slice_find(slice_from(*rest, n), '\n');
		n += n < rest->n;
	} while (n < rest->n && (rest->p[n] == ' ' || rest->p[n] == '\t'));
	*field = slice_head(*rest, n);
	*rest = slice_from(*rest, n);
	return true;
}

bool
clean_is_end(struct slice field)
{
	return field.n > 0 && (field.p[0] == '\r' || field.p[0] == '\n');
}

static bool
is_named(struct slice field, struct slice name)
{
	size_t colon = slice_find(field, ':');

	return colon < field.n &&
	       slice_ieq(slice_trim(slice_head(field, colon)), name);
}

bool
clean_is_field(struct slice field)
{
	size_t colon = slice_find(field, ':');

	return colon > 0 && colon < field.n &&
	       slice_find(slice_trim(slice_head(field, colon)), ' ') ==
		   slice_trim(slice_head(field, colon)).n;
}

/* In UTF-8 a character is not divided. */
static size_t
word_bytes(struct slice s)
{
	size_t n = s.n < WORD_BYTES ? s.n : WORD_BYTES;

	while (n > 1 && n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

/* The space behind it is encoded too: one between two encoded words is not
 * shown. */
static void
add_words(struct buf *out, struct slice rest)
{
	for (bool first = true; rest.n > 0; first = false) {
		struct slice word = slice_head(rest, word_bytes(rest));

		buf_add_str(out, first ? "=?utf-8?B?" : "\r\n =?utf-8?B?");
		base64_encode(out, word);
		buf_add_str(out, "?=");
		rest = slice_from(rest, word.n);
	}
	buf_add_byte(out, ' ');
}

/* "[virus removed] " in front of what the field says. */
static void
add_prefix(struct buf *out, const char *prefix)
{
	struct buf text;

	buf_init(&text, PREFIX_MAX + 2);
	buf_add_slice(&text, slice_head(slice_str(prefix), PREFIX_MAX));
	if (prefix[strlen(prefix) - 1] != ' ')
		buf_add_byte(&text, ' ');
	if (utf8_is_ascii(buf_slice(&text)))
		escape_reply(out, buf_slice(&text));
	else
		add_words(out, buf_slice(&text));
	buf_fini(&text);
}

static void
add_subject(struct buf *out, const char *prefix, struct slice field)
{
	size_t colon = slice_find(field, ':');
	struct slice value = slice_from(field, colon + 1);

	buf_add_slice(out, slice_head(field, colon + 1));
	buf_add_byte(out, ' ');
	add_prefix(out, prefix);
	/* A line of white space alone would be no continuation. */
	if (value.n > 0 && (value.p[0] == ' ' || value.p[0] == '\t'))
		value = slice_from(value, 1);
	buf_add_slice(out, value);
}

void
clean_copy_fields(struct buf *out, struct slice header,
		  const struct clean_edit *edit)
{
	struct slice field;
	bool subject = false;

	while (clean_next_field(&header, &field)) {
		if (clean_is_end(field))
			break;
		if (edit->content &&
		    slice_istarts(field, SLICE_LIT("Content-")))
			continue;
		if (edit->subject && !subject &&
		    is_named(field, SLICE_LIT("Subject"))) {
			add_subject(out, edit->subject, field);
			subject = true;
		} else {
			buf_add_slice(out, field);
		}
		if (out->n > 0 && out->p[out->n - 1] != '\n')
			buf_add_str(out, "\r\n");
	}
	if (edit->subject && !subject) {
		buf_add_str(out, "Subject: ");
		add_prefix(out, edit->subject);
		buf_add_str(out, "\r\n");
	}
}

bool
clean_has_field(struct slice header, struct slice name)
{
	struct slice field;

	while (clean_next_field(&header, &field) && !clean_is_end(field)) {
		if (is_named(field, name))
			return true;
	}
	return false;
}
