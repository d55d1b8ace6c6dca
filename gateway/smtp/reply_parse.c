/*
 * Reads what a next hop answers. Decides what a reply is: three digits from
 * 200 to 599, the same on each line, then a space, a hyphen or the end of the
 * line. Everything else is garbage, and garbage ends the connection: a client
 * that guesses which command an answer belongs to sends mail twice. A line
 * that ends in a bare LF is taken, since nothing depends on it here.
 *
 * The text goes to logs and bounces, so it is escaped here, once, and cut
 * where a reader sees no half character.
 */
#include "gateway/smtp/reply_parse.h"

#include <string.h>

#include "gateway/base/escape.h"

void
reply_parse_init(struct reply_parse *r)
{
	/* not the text: it is 512 bytes, and this runs for each reply */
	r->code = 0;
	r->lines = 0;
	r->full = false;
	r->text_n = 0;
	memset(r->enhanced, 0, sizeof(r->enhanced));
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int
line_code(struct slice line)
{
	int code = 0;

	if (line.n < 3)
		return -1;
	for (size_t i = 0; i < 3; i++) {
		if (!is_digit(line.p[i]))
			return -1;
		code = code * 10 + (line.p[i] - '0');
	}
	return code >= 200 && code <= 599 ? code : -1;
}

/* "2.1.5 " in front of text, if its class is that of the code. Numbers over
 * 255 do not exist in the registry and are left in the text. */
static bool
enhanced_cut(struct slice *text, int code, uint8_t out[3])
{
	uint8_t parts[3];
	size_t at = 0;

	for (size_t i = 0; i < 3; i++) {
		unsigned value = 0;
		size_t digits = 0;

		while (at < text->n && digits < 4 && is_digit(text->p[at])) {
			value = value * 10 + (unsigned)(text->p[at] - '0');
			at++;
			digits++;
		}
		if (digits == 0 || value > UINT8_MAX)
			return false;
		parts[i] = (uint8_t)value;
		if (i < 2 && (at == text->n || text->p[at++] != '.'))
			return false;
	}
	if (parts[0] != code / 100)
		return false;
	if (at < text->n && text->p[at] != ' ' && text->p[at] != '\t')
		return false;
	memcpy(out, parts, sizeof(parts));
	*text = slice_trim(slice_from(*text, at));
	return true;
}

static bool
is_plain(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < ' ' || s.p[i] > '~' || s.p[i] == '\\')
			return false;
	}
	return true;
}

/* The length of what must not be cut: a character or an escape. */
static size_t
atom_size(struct slice s)
{
	unsigned char lead = (unsigned char)s.p[0];

	if (lead == '\\')
		return s.n > 1 && s.p[1] == 'x' ? 4 : 2;
	if (lead < 0x80)
		return 1;
	if (lead < 0xe0)
		return 2;
	return lead < 0xf0 ? 3 : 4;
}

static size_t
fitting(struct slice s, size_t room)
{
	size_t at = 0;

	if (s.n <= room)
		return s.n;
	for (;;) {
		size_t next = at + atom_size(slice_from(s, at));

		if (next > room)
			return at;
		at = next;
	}
}

size_t
reply_text_copy(char *out, size_t room, struct slice escaped)
{
	size_t n = fitting(escaped, room);

	if (n > 0)
		memcpy(out, escaped.p, n);
	return n;
}

bool
reply_text_add(char out[REPLY_TEXT_MAX], size_t *n, struct slice text)
{
	struct buf escaped = {.cap = (size_t)4 * REPLY_LINE_MAX};
	bool whole = text.n <= REPLY_LINE_MAX;
	size_t took;

	text = slice_head(text, REPLY_LINE_MAX);
	if (!is_plain(text)) {
		escape_text(&escaped, text);
		text = buf_slice(&escaped);
	}
	took = reply_text_copy(out + *n, REPLY_TEXT_MAX - *n, text);
	whole = whole && took == text.n;
	*n += took;
	buf_fini(&escaped);
	return whole;
}

static void
add_text(struct reply_parse *r, struct slice text)
{
	if (r->full || text.n == 0)
		return;
	if (r->text_n > 0 &&
	    !reply_text_add(r->text, &r->text_n, SLICE_LIT(" "))) {
		r->full = true;
		return;
	}
	r->full = !reply_text_add(r->text, &r->text_n, text);
}

/* line is without its end. */
static enum reply_step
take_line(struct reply_parse *r, struct slice line, struct slice *rest)
{
	int code = line_code(line);
	bool last = line.n == 3 || (line.n > 3 && line.p[3] == ' ');
	struct slice text;

	if (code < 0 || (r->code != 0 && code != r->code))
		return REPLY_BROKEN;
	if (!last && line.p[3] != '-')
		return REPLY_BROKEN;
	if (++r->lines > REPLY_LINES_MAX)
		return REPLY_BROKEN;
	r->code = code;
	*rest = slice_from(line, 4);
	text = slice_trim(*rest);
	(void)enhanced_cut(&text, code, r->enhanced);
	add_text(r, text);
	return last ? REPLY_DONE : REPLY_LINE;
}

enum reply_step
reply_parse_next(struct reply_parse *r, struct slice *in, struct slice *line)
{
	struct slice window = slice_head(*in, REPLY_LINE_MAX);
	size_t end = slice_find(window, '\n');
	struct slice text = slice_head(window, end);

	if (end == window.n)
		return window.n == REPLY_LINE_MAX ? REPLY_BROKEN : REPLY_MORE;
	if (text.n > 0 && text.p[text.n - 1] == '\r')
		text.n--;
	*in = slice_from(*in, end + 1);
	return take_line(r, text, line);
}

void
reply_parse_get(const struct reply_parse *r, struct smtp_reply *reply)
{
	reply->err = 0;
	reply->code = r->code;
	memcpy(reply->enhanced, r->enhanced, sizeof(reply->enhanced));
	reply->text = slice_of(r->text, r->text_n);
}
