/*
 * base64 as mail clients read it (RFC 2045, 6.8: what is outside the alphabet
 * is ignored).
 *
 * Behind padding some readers stop and some go on; an attachment that only the
 * latter show must be seen, so this one goes on, and says `bad`. Whole groups
 * of four go through four tables at once, since a message's time is spent
 * here; everything else (line ends, padding, strays) one character at a time.
 */
#include <endian.h>
#include <pthread.h>
#include <string.h>

#include "gateway/mime/decode_int.h"

#define STRAY 0xff
#define BLANK 0xfe
#define PAD 0xfd
#define NO_GROUP UINT32_C(1) /* low byte: of no use to a group's 24 bits */

enum {
	RUN,	/* in a run of groups */
	PADDED, /* behind its padding */
};

/* group[i][c]: c's six bits where the i-th of four has them, shifted up by 8
 * so that a big-endian store writes the three bytes first. */
static uint32_t group[4][256];
static uint8_t value[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
make_tables(void)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";

	memset(value, STRAY, sizeof(value));
	value['\r'] = value['\n'] = value[' '] = value['\t'] = BLANK;
	value['='] = PAD;
	for (uint8_t i = 0; i < 64; i++)
		value[(uint8_t)digits[i]] = i;
	for (unsigned c = 0; c < 256; c++)
		for (unsigned i = 0; i < 4; i++)
			group[i][c] = value[c] < 64
					  ? (uint32_t)value[c] << (26 - 6 * i)
					  : NO_GROUP;
}

/* Whole groups from *at on; stops before what is none. */
static uint8_t *
decode_groups(const uint8_t *p, size_t n, size_t *at, uint8_t *out)
{
	size_t i = *at;

	while (n - i >= 4) {
		uint32_t v = group[0][p[i]] | group[1][p[i + 1]] |
			     group[2][p[i + 2]] | group[3][p[i + 3]];

		if (v & NO_GROUP)
			break;
		v = htobe32(v);
		memcpy(out, &v, sizeof(v)); /* the fourth is written over */
		out += 3;
		i += 4;
	}
	*at = i;
	return out;
}

/* What an unfinished group holds: one character is no byte. */
static uint8_t *
flush_group(struct mime_decoder *d, uint8_t *out)
{
	if (d->have == 1)
		d->bad = true;
	if (d->have == 2)
		*out++ = (uint8_t)(d->bits >> 4);
	if (d->have == 3) {
		*out++ = (uint8_t)(d->bits >> 10);
		*out++ = (uint8_t)(d->bits >> 2);
	}
	d->have = 0;
	d->bits = 0;
	return out;
}

static uint8_t *
take_pad(struct mime_decoder *d, uint8_t *out)
{
	if (d->state == PADDED) {
		if (d->pad < UINT8_MAX)
			d->pad++;
		if (d->pad > d->want)
			d->bad = true;
		return out;
	}
	if (d->have < 2)
		d->bad = true;
	d->want = d->have < 2 ? 1 : (uint8_t)(4 - d->have);
	d->pad = 1;
	d->state = PADDED;
	return flush_group(d, out);
}

static uint8_t *
take_digit(struct mime_decoder *d, uint8_t digit, uint8_t *out)
{
	if (d->state == PADDED) {
		d->bad = true;
		d->state = RUN;
	}
	d->bits = d->bits << 6 | digit;
	if (++d->have == 4) {
		*out++ = (uint8_t)(d->bits >> 16);
		*out++ = (uint8_t)(d->bits >> 8);
		*out++ = (uint8_t)d->bits;
		d->have = 0;
		d->bits = 0;
	}
	return out;
}

size_t
mime_base64_decode(struct mime_decoder *d, struct slice in, bool end,
		   uint8_t *out)
{
	const uint8_t *p = (const uint8_t *)in.p;
	uint8_t *start = out;
	size_t i = 0;

	pthread_once(&once, make_tables);
	while (i < in.n) {
		uint8_t v;

		if (d->have == 0 && d->state == RUN) {
			out = decode_groups(p, in.n, &i, out);
			if (i == in.n)
				break;
		}
		v = value[p[i++]];
		if (v < 64)
			out = take_digit(d, v, out);
		else if (v == PAD)
			out = take_pad(d, out);
		else if (v == STRAY)
			d->bad = true;
	}
	if (end) {
		if (d->have > 0 || (d->state == PADDED && d->pad < d->want))
			d->bad = true;
		out = flush_group(d, out);
	}
	return (size_t)(out - start);
}
