/*
 * The one place that decides which bytes of a peer a person gets to see. A
 * terminal acts on C0, DEL and C1; an editor or a browser on bidirectional
 * controls; log readers on line separators; and invisible characters hide a
 * difference between two names. All of these, and every byte that is not part
 * of well-formed UTF-8, are spelled out. Everything written here is printable,
 * so what was escaped once can go anywhere.
 */
#include "gateway/base/escape.h"

#include <string.h>

static const char hex[] = "0123456789abcdef";

/* Length of the well-formed sequence at p (RFC 3629: no overlong form, no
 * surrogate, nothing over U+10FFFF), or 0. */
static size_t
utf8_sequence(const char *p, size_t n, uint32_t *point)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t lead = (uint8_t)p[0];
	uint32_t c;
	size_t len;

	if (lead < 0x80) {
		*point = lead;
		return 1;
	}
	if (lead >= 0xc2 && lead <= 0xdf)
		len = 2;
	else if (lead >= 0xe0 && lead <= 0xef)
		len = 3;
	else if (lead >= 0xf0 && lead <= 0xf4)
		len = 4;
	else
		return 0;
	if (len > n)
		return 0;
	c = lead & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		uint8_t next = (uint8_t)p[i];

		if ((next & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (next & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*point = c;
	return len;
}

static bool
point_shows(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} hidden[] = {
	    {0x0000, 0x001f}, {0x007f, 0x009f},	  {0x00ad, 0x00ad},
	    {0x061c, 0x061c}, {0x180e, 0x180e},	  {0x200b, 0x200b},
	    {0x200e, 0x200f}, {0x2028, 0x202e},	  {0x2060, 0x206f},
	    {0xfdd0, 0xfdef}, {0xfeff, 0xfeff},	  {0xfff0, 0xfffb},
	    {0xfffe, 0xffff}, {0xe0000, 0xe0fff},
	};

	if (c < 0x7f)
		return c >= 0x20;
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		if (c <= hidden[i].last)
			return c < hidden[i].first;
	}
	return true;
}

static bool
is_special(char c, const char *special)
{
	return c != '\0' && strchr(special, c) != NULL;
}

/*
 * How many bytes at p pass as they are. `special` ends the run, too: of the
 * quote and the backslash, those that the form treats its own way.
 */
static size_t
passing(const char *p, size_t n, const char *special)
{
	size_t at = 0;

	while (at < n) {
		char c = p[at];
		uint32_t point;
		size_t len;

		if (c >= ' ' && c <= '~' && c != '"' && c != '\\') {
			at++;
			continue;
		}
		if (is_special(c, special))
			break;
		len = utf8_sequence(p + at, n - at, &point);
		if (len == 0 || !point_shows(point))
			break;
		at += len;
	}
	return at;
}

static void
add_hex_byte(struct buf *out, char c)
{
	uint8_t u = (uint8_t)c;
	char text[4] = {'\\', 'x', hex[u >> 4], hex[u & 15]};

	buf_add(out, text, sizeof(text));
}

/* The common body of the two backslash forms. */
static void
add_escaped(struct buf *out, struct slice s, const char *special)
{
	while (s.n > 0) {
		size_t run = passing(s.p, s.n, special);
		uint32_t point;
		size_t len;

		buf_add(out, s.p, run);
		s = slice_from(s, run);
		if (s.n == 0)
			break;
		if (is_special(s.p[0], special)) {
			char pair[2] = {'\\', s.p[0]};

			buf_add(out, pair, sizeof(pair));
			s = slice_from(s, 1);
			continue;
		}
		len = utf8_sequence(s.p, s.n, &point);
		if (len == 0)
			len = 1;
		for (size_t i = 0; i < len; i++)
			add_hex_byte(out, s.p[i]);
		s = slice_from(s, len);
	}
}

void
escape_text(struct buf *out, struct slice s)
{
	add_escaped(out, s, "\\");
}

void
escape_again(struct buf *out, struct slice s)
{
	add_escaped(out, s, "");
}

static bool
is_plain_word(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c <= ' ' || c > '~' || c == '"' || c == '=' || c == '\\')
			return false;
	}
	return s.n > 0;
}

void
escape_logfmt(struct buf *out, struct slice s)
{
	if (is_plain_word(s)) {
		buf_add_slice(out, s);
		return;
	}
	buf_add_byte(out, '"');
	add_escaped(out, s, "\"\\");
	buf_add_byte(out, '"');
}

static void
add_json_unit(struct buf *out, uint32_t unit)
{
	char text[6] = {'\\',
			'u',
			hex[unit >> 12 & 15],
			hex[unit >> 8 & 15],
			hex[unit >> 4 & 15],
			hex[unit & 15]};

	buf_add(out, text, sizeof(text));
}

static void
add_json_point(struct buf *out, uint32_t c)
{
	if (c == '"' || c == '\\') {
		char pair[2] = {'\\', (char)c};

		buf_add(out, pair, sizeof(pair));
	} else if (c == '\n') {
		buf_add_str(out, "\\n");
	} else if (c == '\r') {
		buf_add_str(out, "\\r");
	} else if (c == '\t') {
		buf_add_str(out, "\\t");
	} else if (c < 0x10000) {
		add_json_unit(out, c);
	} else {
		add_json_unit(out, 0xd800 + ((c - 0x10000) >> 10));
		add_json_unit(out, 0xdc00 + ((c - 0x10000) & 0x3ff));
	}
}

void
escape_json(struct buf *out, struct slice s)
{
	buf_add_byte(out, '"');
	while (s.n > 0) {
		size_t run = passing(s.p, s.n, "\"\\");
		uint32_t point;
		size_t len;

		buf_add(out, s.p, run);
		s = slice_from(s, run);
		if (s.n == 0)
			break;
		len = utf8_sequence(s.p, s.n, &point);
		if (len == 0) {
			point = (uint8_t)s.p[0];
			len = 1;
		}
		add_json_point(out, point);
		s = slice_from(s, len);
	}
	buf_add_byte(out, '"');
}

void
escape_reply(struct buf *out, struct slice s)
{
	char *room = buf_reserve(out, s.n);

	if (room == NULL)
		return;
	for (size_t i = 0; i < s.n; i++)
		room[i] = s.p[i] >= ' ' && s.p[i] <= '~' ? s.p[i] : '?';
	out->n += s.n;
}
