#include "gateway/smtp/lines.h"

#include <string.h>

#include "gateway/base/error.h"

/*
 * Decides what a line is, inbound. What to answer is the server's.
 *
 * The hot path is run_scan: whole lines are recognised with memchr and shown
 * as one span of the caller's bytes. Only what a cut can split goes through
 * the states: a CR whose LF is not there yet, and a dot at a line's start.
 *
 * Invariants: (1) END is reached only through AT_START, '.', CR, LF, and
 * AT_START only through CR LF or the message's beginning; a line that began
 * after a normalised ending is LOOSE and can never end the data. (2) A scan
 * never looks further than one permitted line, so that hostile input (bare CRs
 * by the thousand) costs no more than a constant a byte. (3) What comes out
 * does not depend on the cuts: a fault stops the output at the octet that made
 * it, not at the line or the block.
 */

enum state {
	AT_START,  /* behind CRLF, or at the beginning */
	IN_TEXT,   /* inside a line */
	AFTER_CR,  /* a CR is held back */
	START_DOT, /* AT_START, then a dot, held back */
	DOT_CR,	   /* and then a CR */
	LOOSE,	   /* behind a bare CR or LF that became CRLF */
	LOOSE_DOT, /* the same two for a LOOSE line */
	LOOSE_DOT_CR,
};

static const struct slice crlf = {"\r\n", 2};

void
lines_init(struct lines *l, enum line_ending_policy policy, bool dots)
{
	*l = (struct lines){.policy = policy, .state = AT_START, .dots = dots};
}

static void
fault_set(struct lines *l, enum lines_fault fault)
{
	if (l->fault == LINES_FINE)
		l->fault = fault;
}

/* Nothing comes out behind a fault. */
static void
show(const struct lines *l, struct slice s, struct slice *out)
{
	if (l->fault == LINES_FINE)
		*out = s;
}

static void
go(struct lines *l, enum state state, uint32_t column)
{
	l->state = (uint8_t)state;
	l->column = column;
}

static enum lines_step
bare(struct lines *l, struct slice *out)
{
	if (l->policy == LINE_REFUSE) {
		fault_set(l, LINES_FAULT_BARE);
		return LINES_BARE;
	}
	go(l, LOOSE, 0);
	show(l, crlf, out);
	return LINES_MORE;
}

static bool
eightbit_in(const char *p, size_t n)
{
	uint64_t any = 0, word;

	for (; n >= sizeof(word); p += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		any |= word;
	}
	for (; n > 0; p++, n--)
		any |= (unsigned char)*p;
	return (any & 0x8080808080808080U) != 0;
}

/* The scanned octets, as far as the first NUL. */
static void
span_show(struct lines *l, struct slice span, struct slice *out)
{
	const char *nul;

	if (l->fault != LINES_FINE || span.n == 0)
		return;
	nul = memchr(span.p, '\0', span.n);
	if (nul != NULL)
		span.n = (size_t)(nul - span.p);
	if (!l->eightbit)
		l->eightbit = eightbit_in(span.p, span.n);
	show(l, span, out);
	if (nul != NULL)
		fault_set(l, LINES_FAULT_NUL);
}

/* How far to look for this line's end: what is still permitted and CRLF. Once
 * there is a fault the lines may be of any length. */
static size_t
window(const struct lines *l, size_t n)
{
	size_t most = LINES_TEXT_MAX - l->column + sizeof("\r\n") - 1;

	return n < most ? n : most;
}

/* Text from *at on without CR or LF, n octets. False: the line is too long
 * now, and *at stands behind what still fitted. */
static bool
text_take(struct lines *l, const char **at, size_t n)
{
	size_t room = LINES_TEXT_MAX - l->column;

	if (l->fault != LINES_FINE) {
		*at += n;
		go(l, IN_TEXT, 0);
		return true;
	}
	if (n <= room) {
		*at += n;
		if (n > 0)
			go(l, IN_TEXT, l->column + (uint32_t)n);
		return true;
	}
	*at += room;
	return false;
}

/*
 * Lines and parts of lines, up to a dot at a line's start, a CR that has no LF
 * in sight, a bare LF, or a fault.
 */
static enum lines_step
run_scan(struct lines *l, struct slice *in, struct slice *out)
{
	const char *p = in->p, *end = p + in->n, *at = p, *cr, *lf, *stop;
	bool held_cr = false, too_long = false, bare_lf = false;

	while (at < end) {
		if (l->state == AT_START && l->dots && *at == '.')
			break;
		stop = at + window(l, (size_t)(end - at));
		lf = memchr(at, '\n', (size_t)(stop - at));
		if (lf != NULL)
			stop = lf;
		cr = memchr(at, '\r', (size_t)(stop - at));
		if (cr != NULL)
			stop = cr;
		if (!text_take(l, &at, (size_t)(stop - at))) {
			too_long = true;
			break;
		}
		if (cr != NULL && cr + 1 == lf) {
			at = lf + 1;
			go(l, AT_START, 0);
		} else if (cr != NULL) {
			held_cr = true;
			break;
		} else if (lf != NULL) {
			bare_lf = true;
			break;
		}
	}
	span_show(l, slice_of(p, (size_t)(at - p)), out);
	if (too_long) {
		fault_set(l, LINES_FAULT_LONG);
		go(l, IN_TEXT, 0);
	}
	*in = slice_from(*in, (size_t)(at - p));
	if (held_cr) {
		*in = slice_from(*in, 1);
		go(l, AFTER_CR, l->column);
	} else if (bare_lf && at == p) {
		if (l->policy == LINE_NORMALISE)
			*in = slice_from(*in, 1);
		return bare(l, out);
	} else if (bare_lf) {
		go(l, IN_TEXT, l->column); /* the next call starts at it */
	}
	return LINES_MORE;
}

/* A line that starts with a dot and began where data may end. */
static enum lines_step
dot_step(struct lines *l, struct slice *in)
{
	if (l->state == START_DOT && in->p[0] == '\r') {
		*in = slice_from(*in, 1);
		go(l, DOT_CR, 0);
	} else if (l->state == START_DOT) {
		go(l, IN_TEXT, 0); /* the dot was stuffing */
	} else if (in->p[0] == '\n') {
		*in = slice_from(*in, 1);
		return LINES_END;
	} else {
		go(l, AFTER_CR, 0);
	}
	return LINES_MORE;
}

/* The same behind a normalised ending: a lone dot is text. */
static void
loose_dot_step(struct lines *l, struct slice *in, struct slice *out)
{
	char c = in->p[0];

	if (l->state == LOOSE_DOT && c == '\r') {
		*in = slice_from(*in, 1);
		go(l, LOOSE_DOT_CR, 0);
	} else if (l->state == LOOSE_DOT && c != '\n') {
		go(l, IN_TEXT, 0);
	} else if (l->state == LOOSE_DOT) {
		show(l, SLICE_LIT("."), out);
		go(l, IN_TEXT, 1);
	} else if (c == '\n') {
		*in = slice_from(*in, 1);
		show(l, SLICE_LIT(".\r\n"), out);
		go(l, AT_START, 0);
	} else {
		show(l, SLICE_LIT("."), out);
		go(l, AFTER_CR, 1);
	}
}

enum lines_step
lines_next(struct lines *l, struct slice *in, struct slice *out)
{
	*out = SLICE_NONE;
	if (in->n == 0)
		return LINES_MORE;
	switch ((enum state)l->state) {
	case AT_START:
	case LOOSE:
		if (l->dots && in->p[0] == '.') {
			*in = slice_from(*in, 1);
			go(l, l->state == LOOSE ? LOOSE_DOT : START_DOT, 0);
			return LINES_MORE;
		}
		return run_scan(l, in, out);
	case IN_TEXT:
		return run_scan(l, in, out);
	case AFTER_CR:
		if (in->p[0] != '\n')
			return bare(l, out);
		*in = slice_from(*in, 1);
		show(l, crlf, out);
		go(l, AT_START, 0);
		return LINES_MORE;
	case START_DOT:
	case DOT_CR:
		return dot_step(l, in);
	case LOOSE_DOT:
	case LOOSE_DOT_CR:
		loose_dot_step(l, in, out);
		return LINES_MORE;
	}
	return LINES_MORE;
}

enum lines_step
lines_finish(struct lines *l, struct slice *out)
{
	*out = SLICE_NONE;
	if (l->state == AFTER_CR)
		return bare(l, out);
	if (l->state == IN_TEXT) {
		show(l, crlf, out);
		go(l, AT_START, 0);
	}
	return LINES_MORE;
}
