/*
 * Framing goes through a small machine byte by byte, data in one piece. What
 * is no framing is BAD at once: behind a wrong size everything would be read
 * as something else.
 */
#include "gateway/icap/chunked.h"

void
icap_chunked_init(struct icap_chunked *c)
{
	*c = (struct icap_chunked){.state = CHUNKED_AT_SIZE};
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The size line has ended. */
static enum icap_chunked_state
size_end(struct icap_chunked *c)
{
	c->spent = 0;
	return c->left > 0 ? CHUNKED_AT_DATA : CHUNKED_AT_TRAILER;
}

static enum icap_chunked_state
at_size(struct icap_chunked *c, char byte)
{
	int digit = hex_value(byte);

	if (digit >= 0) {
		if (c->left > UINT64_MAX >> 4)
			return CHUNKED_AT_BAD;
		c->left = c->left << 4 | (uint64_t)digit;
		c->digits = true;
		return CHUNKED_AT_SIZE;
	}
	if (!c->digits)
		return CHUNKED_AT_BAD;
	switch (byte) {
	case ' ':
	case '\t':
		return CHUNKED_AT_PAD;
	case ';':
		return CHUNKED_AT_EXT;
	case '\r':
		return CHUNKED_AT_SIZE_LF;
	case '\n':
		return size_end(c);
	default:
		return CHUNKED_AT_BAD;
	}
}

static enum icap_chunked_state
at_trailer(char byte)
{
	if (byte == '\n')
		return CHUNKED_AT_END;
	return byte == '\r' ? CHUNKED_AT_LAST_LF : CHUNKED_AT_TRAILING;
}

static enum icap_chunked_state
next_chunk(struct icap_chunked *c, char byte)
{
	if (byte != '\n')
		return CHUNKED_AT_BAD;
	icap_chunked_init(c);
	return CHUNKED_AT_SIZE;
}

static enum icap_chunked_state
step(struct icap_chunked *c, char byte)
{
	switch (c->state) {
	case CHUNKED_AT_SIZE:
		return at_size(c, byte);
	case CHUNKED_AT_PAD:
		/* a digit behind a blank is another number */
		return hex_value(byte) >= 0 ? CHUNKED_AT_BAD : at_size(c, byte);
	case CHUNKED_AT_EXT:
		return byte == '\n' ? size_end(c) : CHUNKED_AT_EXT;
	case CHUNKED_AT_SIZE_LF:
		return byte == '\n' ? size_end(c) : CHUNKED_AT_BAD;
	case CHUNKED_AT_DATA_CR:
		if (byte == '\r')
			return CHUNKED_AT_DATA_LF;
		return next_chunk(c, byte);
	case CHUNKED_AT_DATA_LF:
		return next_chunk(c, byte);
	case CHUNKED_AT_TRAILER:
		return at_trailer(byte);
	case CHUNKED_AT_TRAILING:
		return byte == '\n' ? CHUNKED_AT_TRAILER : CHUNKED_AT_TRAILING;
	case CHUNKED_AT_LAST_LF:
		return byte == '\n' ? CHUNKED_AT_END : CHUNKED_AT_BAD;
	case CHUNKED_AT_DATA:
	case CHUNKED_AT_END:
	case CHUNKED_AT_BAD:
		break;
	}
	return CHUNKED_AT_BAD;
}

static bool
in_trailers(const struct icap_chunked *c)
{
	return c->state == CHUNKED_AT_TRAILER ||
	       c->state == CHUNKED_AT_TRAILING ||
	       c->state == CHUNKED_AT_LAST_LF;
}

enum icap_chunked_step
icap_chunked_next(struct icap_chunked *c, struct slice *in, struct slice *data)
{
	while (c->state != CHUNKED_AT_END && c->state != CHUNKED_AT_BAD) {
		if (in->n == 0)
			return ICAP_CHUNKED_MORE;
		if (c->state == CHUNKED_AT_DATA) {
			*data = slice_head(
			    *in, c->left < in->n ? (size_t)c->left : in->n);
			*in = slice_from(*in, data->n);
			c->left -= data->n;
			if (c->left == 0)
				c->state = CHUNKED_AT_DATA_CR;
			return ICAP_CHUNKED_DATA;
		}
		if (++c->spent >
		    (in_trailers(c) ? ICAP_TRAILER_MAX : ICAP_CHUNK_LINE_MAX)) {
			c->state = CHUNKED_AT_BAD;
			break;
		}
		c->state = step(c, in->p[0]);
		*in = slice_from(*in, 1);
	}
	return c->state == CHUNKED_AT_END ? ICAP_CHUNKED_END : ICAP_CHUNKED_BAD;
}
