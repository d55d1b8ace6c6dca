/*
 * uuencode, from the line "begin MODE NAME" to "end"; what stands before and
 * behind is passed over. A second file behind the first is decoded, too, and
 * called bad: most readers stop.
 *
 * A line that lost its last blanks gives what is left of it and not the zeroes
 * they were: output never is longer than input, whatever a line claims.
 */
#include <string.h>

#include "gateway/mime/decode_int.h"

enum {
	SEEK,	   /* at a line's start or behind `have` bytes of "begin " */
	SEEK_REST, /* in a line that is no "begin" line */
	BEGIN,	   /* in the rest of one, whose words are counted in `have` */
	LENGTH,	   /* at a line's start in the data */
	DATA,
	DATA_REST,
	END, /* behind `have` bytes of "end" */
};

/* Of mime_decoder.pad: what has been seen. */
enum {
	SEEN_END = 1 << 0,   /* an "end" line */
	SEEN_EMPTY = 1 << 1, /* the line of no bytes that stands before it */
};

static uint8_t *
flush_group(struct mime_decoder *d, uint8_t *out)
{
	uint32_t bits = d->bits << (6 * (4 - d->have));

	for (unsigned i = 0; i + 1 < d->have && d->want > 0; i++, d->want--)
		*out++ = (uint8_t)(bits >> (16 - 8 * i));
	d->have = 0;
	d->bits = 0;
	return out;
}

static void
take_length(struct mime_decoder *d, uint8_t c)
{
	if (c == '\r')
		return;
	if (c == 'e') {
		d->state = END;
		d->have = 1;
	} else if (c == '\n') {
		d->bad = true; /* an empty line: some stop here */
	} else if (c < ' ' || c > '`') {
		d->bad = true;
		d->state = DATA_REST;
	} else {
		d->want = (c - ' ') & 63;
		d->state = d->want > 0 ? DATA : DATA_REST;
		/* behind a line of no bytes some stop */
		if (d->want > 0 && (d->pad & SEEN_EMPTY))
			d->bad = true;
		if (d->want == 0)
			d->pad |= SEEN_EMPTY;
	}
}

static uint8_t *
take_data(struct mime_decoder *d, uint8_t c, uint8_t *out)
{
	if (c == '\r')
		return out;
	if (c == '\n') {
		out = flush_group(d, out);
		if (d->want > 0)
			d->bad = true;
		d->state = LENGTH;
		return out;
	}
	if (c < ' ' || c > '`')
		d->bad = true;
	d->bits = d->bits << 6 | (uint32_t)((c - ' ') & 63);
	if (++d->have == 4)
		out = flush_group(d, out);
	if (d->want == 0)
		d->state = DATA_REST;
	return out;
}

static void
take_end_line(struct mime_decoder *d, uint8_t c)
{
	if (d->have < 3 && c == (uint8_t) "end"[d->have]) {
		d->have++;
		return;
	}
	if (d->have == 3 && (c == '\r' || c == ' ' || c == '\t'))
		return;
	if (d->have == 3 && c == '\n') {
		d->state = SEEK;
		d->pad |= SEEN_END;
	} else {
		d->bad = true;
		d->state = c == '\n' ? LENGTH : DATA_REST;
	}
	d->have = 0;
}

static void
take_seek(struct mime_decoder *d, uint8_t c)
{
	if (c == (uint8_t) "begin "[d->have]) {
		if (++d->have < 6)
			return;
		if (d->pad & SEEN_END)
			d->bad = true;
		d->pad &= (uint8_t)~SEEN_EMPTY;
		d->state = BEGIN;
	} else if (c != '\n') {
		d->state = SEEK_REST;
	}
	d->have = 0;
}

/* "begin 644 name": what some readers would not call that is bad. */
static void
take_begin(struct mime_decoder *d, uint8_t c)
{
	enum { MODE, DIGITS, BLANK, NAME };

	if (c == '\n') {
		if (d->have != NAME)
			d->bad = true;
		d->state = LENGTH;
		d->have = 0;
	} else if (d->have < BLANK && c >= '0' && c <= '7') {
		d->have = DIGITS;
	} else if (d->have == DIGITS && c == ' ') {
		d->have = BLANK;
	} else if (d->have == BLANK) {
		if (c != '\r' && c != ' ')
			d->have = NAME;
	} else if (d->have != NAME) {
		d->bad = true;
		d->have = NAME;
	}
}

/* Of the states in which the rest of a line means nothing: behind data there
 * should be none. */
static size_t
skip_line(struct mime_decoder *d, struct slice rest)
{
	size_t n = slice_find(rest, '\n');

	for (size_t i = 0; i < n && !d->bad; i++)
		d->bad = d->state == DATA_REST ? rest.p[i] != '\r'
			 : d->pad & SEEN_END   ? (uint8_t)rest.p[i] > ' '
					       : false;
	if (n == rest.n)
		return n;
	d->state = d->state == SEEK_REST ? SEEK : LENGTH;
	return n + 1;
}

static uint8_t *
take_finish(struct mime_decoder *d, uint8_t *out)
{
	if (d->state == DATA)
		out = flush_group(d, out);
	if (d->state == END && d->have == 3)
		d->pad |= SEEN_END;
	else if (d->state != SEEK && d->state != SEEK_REST)
		d->bad = true;
	if (!(d->pad & SEEN_END))
		d->bad = true; /* no file, or none with an end */
	return out;
}

size_t
mime_uu_decode(struct mime_decoder *d, struct slice in, bool end, uint8_t *out)
{
	const uint8_t *p = (const uint8_t *)in.p;
	uint8_t *start = out;
	size_t i = 0;

	while (i < in.n) {
		switch (d->state) {
		case SEEK:
			take_seek(d, p[i++]);
			break;
		case BEGIN:
			take_begin(d, p[i++]);
			break;
		case LENGTH:
			take_length(d, p[i++]);
			break;
		case DATA:
			out = take_data(d, p[i++], out);
			break;
		case END:
			take_end_line(d, p[i++]);
			break;
		default: /* SEEK_REST, DATA_REST */
			i += skip_line(d, slice_from(in, i));
			break;
		}
	}
	if (end)
		out = take_finish(d, out);
	return (size_t)(out - start);
}
