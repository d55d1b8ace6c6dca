#include <string.h>

#include "gateway/base/error.h"
#include "gateway/smtp/lines.h"

/*
 * The outbound half: whatever the spool holds, a next hop gets an end of data
 * from lines_stuff_end and from nothing else. The spool's bytes came through
 * lines_next, so a bare CR or LF here means that they were altered or that we
 * have a bug; either way they must not leave.
 */

enum state {
	AT_START,
	IN_TEXT,
	AFTER_CR,
};

void
lines_stuff_init(struct lines_stuff *s)
{
	s->state = AT_START;
}

/* The length of the good line at p with its CRLF, or, of an unfinished one,
 * without the CR at its very end; 0: a bare CR or LF. */
static size_t
line_measure(const char *p, size_t n, bool *whole, bool *held)
{
	const char *lf = memchr(p, '\n', n);
	const char *cr = memchr(p, '\r', lf != NULL ? (size_t)(lf - p) : n);

	*whole = lf != NULL;
	*held = false;
	if (lf != NULL)
		return cr != NULL && cr + 1 == lf ? (size_t)(lf - p) + 1 : 0;
	if (cr == NULL)
		return n;
	*held = true;
	return cr + 1 == p + n ? n : 0;
}

int
lines_stuff(struct lines_stuff *s, struct slice in, struct buf *out)
{
	size_t at = 0, from = 0, n;
	bool whole, held = false;

	if (in.n == 0)
		return out->overflow ? GW_ETOOBIG : GW_OK;
	if (memchr(in.p, '\0', in.n) != NULL)
		return GW_EPROTO;
	if (s->state == AFTER_CR) {
		if (in.p[0] != '\n')
			return GW_EPROTO;
		buf_add_str(out, "\r\n");
		s->state = AT_START;
		at = from = 1;
	}
	while (at < in.n) {
		if (s->state == AT_START && in.p[at] == '.') {
			buf_add(out, in.p + from, at - from);
			buf_add_byte(out, '.');
			from = at;
		}
		n = line_measure(in.p + at, in.n - at, &whole, &held);
		if (n == 0)
			return GW_EPROTO;
		at += n;
		s->state = whole ? AT_START : held ? AFTER_CR : IN_TEXT;
	}
	buf_add(out, in.p + from, at - from - (held ? 1 : 0));
	return out->overflow ? GW_ETOOBIG : GW_OK;
}

int
lines_stuff_end(struct lines_stuff *s, struct buf *out)
{
	if (s->state == AFTER_CR)
		return GW_EPROTO;
	if (s->state == IN_TEXT)
		buf_add_str(out, "\r\n");
	buf_add_str(out, ".\r\n");
	s->state = AT_START;
	return out->overflow ? GW_ETOOBIG : GW_OK;
}
