/*
 * Quoted-printable (RFC 2045, 6.7). What is no code stays as it stands, as
 * every reader does it. Blanks at the ends of lines stay, too: the RFC wants
 * them gone, but no reader of note does it, and the content's digest should be
 * theirs.
 */
#include <string.h>

#include "gateway/mime/decode_int.h"

enum {
	TEXT,
	EQUALS, /* behind '=' */
	DIGIT,	/* behind '=' and one hexadecimal digit, in hold[0] */
	BREAK,	/* behind '=' and blanks or CR: a line end must come */
};

static int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* One character of a code; false: it is none of it, and must be read again. */
static bool
take_code(struct mime_decoder *d, uint8_t c, uint8_t **out)
{
	if (d->state == BREAK) {
		if (c == ' ' || c == '\t' || c == '\r')
			return true;
		d->state = TEXT;
		if (c == '\n')
			return true;
		d->bad = true; /* a bare CR, or blanks behind '=' */
		return false;
	}
	if (d->state == DIGIT) {
		d->state = TEXT;
		if (hex_value(c) >= 0) {
			*(*out)++ = (uint8_t)(hex_value(d->hold[0]) << 4 |
					      hex_value(c));
			return true;
		}
		*(*out)++ = '=';
		*(*out)++ = d->hold[0];
	} else if (hex_value(c) >= 0) {
		d->hold[0] = c;
		d->state = DIGIT;
		return true;
	} else if (c == '\n' || c == '\r' || c == ' ' || c == '\t') {
		/* "= CRLF": some take the blank for a broken code */
		if (c == ' ' || c == '\t')
			d->bad = true;
		d->state = c == '\n' ? TEXT : BREAK;
		return true;
	} else {
		d->state = TEXT;
		*(*out)++ = '=';
	}
	d->bad = true;
	return false;
}

static uint8_t *
take_end(struct mime_decoder *d, uint8_t *out)
{
	/* '=' as the last of all: the soft break's line end was the one
	 * before a boundary */
	if (d->state == DIGIT) {
		d->bad = true;
		*out++ = '=';
		*out++ = d->hold[0];
	}
	d->state = TEXT;
	return out;
}

size_t
mime_qp_decode(struct mime_decoder *d, struct slice in, bool end, uint8_t *out)
{
	const uint8_t *p = (const uint8_t *)in.p;
	uint8_t *start = out;
	size_t i = 0;

	while (i < in.n) {
		size_t n;

		if (d->state != TEXT) {
			if (take_code(d, p[i], &out))
				i++;
			continue;
		}
		n = slice_find(slice_from(in, i), '=');
		memcpy(out, p + i, n);
		out += n;
		i += n;
		if (i < in.n) {
			d->state = EQUALS;
			i++;
		}
	}
	if (end)
		out = take_end(d, out);
	return (size_t)(out - start);
}
