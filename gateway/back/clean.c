/*
 * Cuts parts out by their place. A part goes with the fields that describe it
 * (Content-*); the others of its header stay, since of a message that is one
 * part, or of a message within it, they are the message's own.
 *
 * The text is the administrator's, with a file's name in it: lines are wrapped
 * and, when it is not ASCII, encoded, so that no hop must be able to do more
 * for the copy than for the original.
 */
#include "gateway/back/clean.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/clean_header.h"
#include "gateway/back/own_text.h"
#include "gateway/base/buf.h"
#include "gateway/base/error.h"
#include "gateway/base/escape.h"
#include "gateway/base/mem.h"
#include "gateway/smtp/utf8.h"

#define CHUNK 65536
#define HEADER_MAX ((size_t)256 << 10)
#define TEXT_MAX ((size_t)64 << 10)
#define VALUE_MAX 300
#define LINE_WIDTH 76
#define LINE_MAX_BYTES 900

static const char default_text[] =
    "The attachment {name} was infected ({threat}) and was removed by "
    "{hostname}.";

/* --- what goes in --------------------------------------------------------- */

static void
add_value(struct buf *out, const char *value, const char *none)
{
	if (value[0] == '\0')
		value = none;
	escape_text(out, slice_head(slice_str(value), VALUE_MAX));
}

static bool
fill_in(struct buf *out, struct slice *rest, const char *word,
	const char *value, const char *none)
{
	if (!slice_starts(*rest, slice_str(word)))
		return false;
	add_value(out, value, none);
	*rest = slice_from(*rest, strlen(word));
	return true;
}

static void
expand(struct buf *out, const struct clean_req *req,
       const struct clean_part *part)
{
	const char *text = req->replacement;
	struct slice rest;

	if (!text || text[0] == '\0')
		text = default_text;
	rest = slice_str(text);
	while (rest.n > 0) {
		size_t plain = slice_find(rest, '{');

		buf_add_slice(out, slice_head(rest, plain));
		rest = slice_from(rest, plain);
		if (rest.n == 0 ||
		    fill_in(out, &rest, "{name}", part->name, "(no name)") ||
		    fill_in(out, &rest, "{threat}", part->threat, "virus") ||
		    fill_in(out, &rest, "{hostname}", req->hostname, ""))
			continue;
		buf_add_byte(out, rest.p[0]);
		rest = slice_from(rest, 1);
	}
}

/* One line of the administrator's, wrapped at spaces. */
static void
add_wrapped(struct buf *out, struct slice line)
{
	struct slice word;
	size_t column = 0;

	while (slice_split(&line, ' ', &word)) {
		if (column > 0 && column + 1 + word.n > LINE_WIDTH) {
			buf_add_str(out, "\r\n");
			column = 0;
		} else if (column > 0) {
			buf_add_byte(out, ' ');
			column++;
		}
		buf_add_slice(out, word);
		column += word.n;
	}
	buf_add_str(out, "\r\n");
}

/* Fit to stand as it is. */
static bool
is_plain(struct slice text)
{
	struct slice line;

	if (!utf8_is_ascii(text))
		return false;
	while (slice_split(&text, '\n', &line)) {
		if (line.n > LINE_MAX_BYTES)
			return false;
	}
	return true;
}

static void
make_text(struct buf *out, const struct clean_req *req,
	  const struct clean_part *part)
{
	struct buf raw;
	struct slice rest, line;

	buf_init(&raw, TEXT_MAX);
	expand(&raw, req, part);
	rest = buf_slice(&raw);
	while (slice_split(&rest, '\n', &line)) {
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		add_wrapped(out, line);
	}
	buf_fini(&raw);
}

/* --- the copy ---------------------------------------------------------------
 */

struct copy {
	const struct clean_req *req;
	uint64_t at; /* of the original; what is before it was dealt with */
	char *chunk;
	struct buf out;
};

static int
read_range(struct copy *copy, uint64_t at, uint64_t end, struct buf *out)
{
	while (at < end) {
		size_t n = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
		char *room = buf_reserve(out, n);
		int64_t got;

		if (!room)
			return GW_EINVAL; /* no header is so long */
		got = copy->req->read(copy->req->read_arg, at, room, n);
		if (got <= 0)
			return got < 0 ? (int)got : GW_ECORRUPT;
		out->n += (size_t)got;
		at += (uint64_t)got;
	}
	return 0;
}

static void
flush(struct copy *copy)
{
	if (copy->out.n > 0)
		copy->req->write(copy->req->write_arg, buf_slice(&copy->out));
	buf_clear(&copy->out);
}

/* As it is, up to here. */
static int
pass(struct copy *copy, uint64_t end)
{
	const struct clean_req *req = copy->req;

	while (copy->at < end) {
		uint64_t left = end - copy->at;
		int64_t got = req->read(req->read_arg, copy->at, copy->chunk,
					left < CHUNK ? (size_t)left : CHUNK);

		if (got <= 0)
			return got < 0 ? (int)got : GW_ECORRUPT;
		req->write(req->write_arg, slice_of(copy->chunk, (size_t)got));
		copy->at += (uint64_t)got;
	}
	return 0;
}

/* Without the end of its last line where the part had none either. */
static void
put_text(struct copy *copy, struct slice text, const struct clean_part *part)
{
	bool last = part->end == copy->req->length;

	if (!last && text.n >= 2)
		text.n -= 2;
	buf_add_slice(&copy->out, text);
}

static int
replace_part(struct copy *copy, const struct clean_part *part)
{
	const struct clean_req *req = copy->req;
	bool top = part->head == 0;
	struct clean_edit edit = {.content = true};
	struct buf header, text, encoded;
	bool plain;
	int err;

	buf_init(&header, HEADER_MAX);
	buf_init(&text, 2 * TEXT_MAX);
	buf_init(&encoded, 4 * TEXT_MAX);
	if (top && req->subject && req->subject[0] != '\0')
		edit.subject = req->subject;
	err = read_range(copy, part->head, part->begin, &header);
	make_text(&text, req, part);
	plain = is_plain(buf_slice(&text));
	if (err == 0) {
		clean_copy_fields(&copy->out, buf_slice(&header), &edit);
		if (top && !clean_has_field(buf_slice(&header),
					    SLICE_LIT("MIME-Version")))
			buf_add_str(&copy->out, "MIME-Version: 1.0\r\n");
		buf_printf(&copy->out,
			   "Content-Type: text/plain; charset=%s\r\n"
			   "Content-Transfer-Encoding: %s\r\n"
			   "Content-Disposition: inline\r\n\r\n",
			   plain ? "us-ascii" : "utf-8",
			   plain ? "7bit" : "base64");
		if (!plain)
			own_text_base64(&encoded, buf_slice(&text));
		put_text(copy, buf_slice(plain ? &text : &encoded), part);
		flush(copy);
	}
	buf_fini(&header);
	buf_fini(&text);
	buf_fini(&encoded);
	return err;
}

/* It stands in a text: no header, and nothing that text may not hold. */
static void
replace_uu(struct copy *copy, const struct clean_part *part)
{
	struct buf text;

	buf_init(&text, 2 * TEXT_MAX);
	make_text(&text, copy->req, part);
	for (size_t i = 0; i < text.n; i++) {
		if ((unsigned char)text.p[i] >= 0x80 || text.p[i] == '=')
			text.p[i] = '?';
	}
	buf_add_slice(&copy->out, buf_slice(&text));
	flush(copy);
	buf_fini(&text);
}

/* The header of the message, whose end is found here. */
static int
copy_top(struct copy *copy)
{
	const struct clean_req *req = copy->req;
	struct clean_edit edit = {.subject = req->subject};
	uint64_t want =
	    req->length < HEADER_MAX ? req->length : (uint64_t)HEADER_MAX;
	struct slice field, rest;
	struct buf header;
	int err;

	buf_init(&header, HEADER_MAX);
	err = read_range(copy, 0, want, &header);
	rest = buf_slice(&header);
	for (bool first = true; err == 0 && clean_next_field(&rest, &field);
	     first = false) {
		if (first && !clean_is_field(field) && !clean_is_end(field))
			break;
		if (!clean_is_end(field))
			continue;
		copy->at = (uint64_t)(field.p - header.p);
		clean_copy_fields(
		    &copy->out,
		    slice_head(buf_slice(&header), (size_t)copy->at), &edit);
		flush(copy);
		break;
	}
	/* None, or no end of it: it stays as it is. */
	buf_fini(&header);
	return err;
}

static bool
is_at_begin_line(const struct clean_req *req, const struct clean_part *part)
{
	char word[6];

	return part->end - part->begin >= sizeof(word) &&
	       req->read(req->read_arg, part->begin, word, sizeof(word)) ==
		   (int64_t)sizeof(word) &&
	       memcmp(word, "begin ", sizeof(word)) == 0;
}

static bool
is_possible(const struct clean_req *req)
{
	uint64_t at = 0;

	for (size_t i = 0; i < req->count; i++) {
		const struct clean_part *part = &req->parts[i];

		if (part->head < at || part->begin < part->head ||
		    part->end < part->begin || part->end > req->length ||
		    part->begin - part->head > HEADER_MAX)
			return false;
		if (part->encoding == MIME_UUENCODE &&
		    (part->head != part->begin || !is_at_begin_line(req, part)))
			return false;
		at = part->end;
	}
	return req->count > 0;
}

static int
copy_part(struct copy *copy, const struct clean_part *part)
{
	int err = pass(copy, part->head);

	if (err != 0)
		return err;
	if (part->encoding == MIME_UUENCODE)
		replace_uu(copy, part);
	else
		err = replace_part(copy, part);
	copy->at = part->end;
	return err;
}

int
clean_copy(const struct clean_req *req)
{
	struct copy copy = {.req = req};
	bool subject = req->subject && req->subject[0] != '\0';
	int err = 0;

	if (!is_possible(req))
		return GW_EINVAL;
	buf_init(&copy.out, HEADER_MAX + 8 * TEXT_MAX);
	copy.chunk = mem_alloc(CHUNK);
	if (subject &&
	    (req->parts[0].head > 0 || req->parts[0].encoding == MIME_UUENCODE))
		err = copy_top(&copy);
	if (err == 0 && copy.at > req->parts[0].head)
		err = GW_EINVAL;
	for (size_t i = 0; i < req->count && err == 0; i++)
		err = copy_part(&copy, &req->parts[i]);
	if (err == 0)
		err = pass(&copy, req->length);
	if (err == 0 && copy.out.overflow)
		err = GW_EINVAL;
	free(copy.chunk);
	buf_fini(&copy.out);
	return err;
}
