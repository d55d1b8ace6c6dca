/*
 * Content, cut into lines only where a line could mean something: most of a
 * message is base64, and that is handed on in long runs between one look at
 * each line's first byte.
 *
 * The CRLF before a boundary is the boundary's, so the line end in front of
 * anything that is looked at (and the one at the end of a piece) is held back
 * in `tail`. A line that is looked at must be whole: its start waits in `line`
 * for the next piece. A line longer than MIME_LINE_MAX is none of those that
 * are looked for.
 */
#include <string.h>
#include <strings.h>

#include "gateway/mime/walk_int.h"

void
mime_body_begin(struct mime_walk *w, uint8_t watching)
{
	w->watching = watching;
	w->line_start = true;
	w->tail_n = 0;
	w->uu = MIME_UU_NONE;
	buf_clear(&w->line);
}

struct slice
mime_line_text(struct slice line, struct slice *ending)
{
	size_t n = line.n;

	if (n > 0 && line.p[n - 1] == '\n')
		n--;
	if (n > 0 && line.p[n - 1] == '\r')
		n--;
	*ending = slice_of(line.p + n, line.n - n);
	return slice_head(line, n);
}

static void
pass(struct mime_walk *w, struct slice bytes)
{
	if (bytes.n == 0)
		return;
	if (w->sink.on)
		mime_sink_add(&w->sink, bytes);
	if (w->uu_sink.on)
		mime_sink_add(&w->uu_sink, bytes);
}

static void
pass_tail(struct mime_walk *w)
{
	pass(w, slice_of(w->tail, w->tail_n));
	w->tail_n = 0;
}

static void
set_tail(struct mime_walk *w, struct slice ending)
{
	if (ending.n > 0)
		memcpy(w->tail, ending.p, ending.n);
	w->tail_n = (uint8_t)ending.n;
}

/* Passes a run of whole lines, or of what there is of the last one; its line
 * end is held back. */
static void
pass_run(struct mime_walk *w, struct slice run)
{
	struct slice ending, text;

	if (run.n == 0)
		return;
	pass_tail(w);
	text = mime_line_text(run, &ending);
	pass(w, text);
	set_tail(w, ending);
}

static const uint8_t first_byte[256] = {
    ['-'] = MIME_WATCH_DASH,	['b'] = MIME_WATCH_BEGIN,
    ['e'] = MIME_WATCH_END,	['='] = MIME_WATCH_OTHER,
    ['('] = MIME_WATCH_OTHER,	['c'] = MIME_WATCH_CONTENT,
    ['C'] = MIME_WATCH_CONTENT,
};

/* As far as it is there, since more may come. */
static bool
may_start(struct slice s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncasecmp(s.p, prefix, n < s.n ? n : s.n) == 0;
}

/* s begins a line, with a first byte that is watched for. */
static bool
is_watched(const struct mime_walk *w, struct slice s)
{
	if (w->watching & MIME_WATCH_ANY)
		return true;
	switch (s.p[0]) {
	case '-':
		return may_start(s, "--");
	case 'b':
		return may_start(s, "begin");
	case 'e':
		return may_start(s, "end");
	case '=':
		return may_start(s, "=ybegin");
	case '(':
		return may_start(s, "(This file must");
	default:
		return may_start(s, "content-");
	}
}

/* A whole line that is looked at. True: it was a boundary, and what follows is
 * something else. Otherwise it has been passed on. */
static bool
take_line(struct mime_walk *w, struct slice line, uint64_t at)
{
	struct slice ending, text = mime_line_text(line, &ending);

	if (slice_starts(text, SLICE_LIT("--")) &&
	    mime_boundary_take(w, text, at, at + line.n))
		return true;
	pass_tail(w);
	mime_uu_line(w, text, at);
	pass(w, text);
	mime_uu_line_end(w, text, at + text.n);
	set_tail(w, ending);
	w->line_start = true;
	return false;
}

/* The start of a line that is too long; it has not been passed on. */
static void
take_long_line(struct mime_walk *w, struct slice line, uint64_t at)
{
	struct slice text = slice_head(line, MIME_LINE_MAX);

	if (slice_starts(text, SLICE_LIT("--")))
		mime_boundary_suspect(w, text, at);
	pass_tail(w);
	mime_uu_line(w, text, at);
}

/* Completes the line that waits. */
static size_t
resume_line(struct mime_walk *w, struct slice in)
{
	struct slice piece = slice_head(in, MIME_LINE_MAX + 1 - w->line.n);
	size_t nl = slice_find(piece, '\n');
	struct slice line;

	piece = slice_head(piece, nl + 1);
	buf_add_slice(&w->line, piece);
	line = buf_slice(&w->line);
	if (line.n > MIME_LINE_MAX) {
		buf_clear(&w->line); /* its bytes stay until the next line's */
		take_long_line(w, line, w->line_at);
		pass_run(w, line);
		w->line_start = nl < piece.n;
	} else if (nl < piece.n) {
		buf_clear(&w->line);
		(void)take_line(w, line, w->line_at);
	}
	return piece.n;
}

/* A line at `from` of in that is looked at. Returns where the next one begins,
 * or in.n with *over set when in is used up or the rest is something else. */
static size_t
look(struct mime_walk *w, struct slice in, size_t from, size_t *run, bool *over)
{
	struct slice rest = slice_from(in, from);
	size_t nl = slice_find(rest, '\n');
	struct slice line = slice_head(rest, nl + 1);
	uint64_t at = w->offset + from;

	pass_run(w, slice_of(in.p + *run, from - *run));
	*run = from;
	if (line.n > MIME_LINE_MAX) {
		take_long_line(w, line, at);
		w->line_start = nl < rest.n;
		return from + line.n;
	}
	*run = from + line.n;
	if (nl == rest.n) {
		buf_add_slice(&w->line, line);
		w->line_at = at;
		*over = true;
	} else {
		*over = take_line(w, line, at);
	}
	return from + line.n;
}

static size_t
scan(struct mime_walk *w, struct slice in)
{
	size_t at = 0, run = 0; /* run: not passed on yet */
	bool over = false;

	while (at < in.n) {
		const char *nl;

		if (w->line_start &&
		    ((first_byte[(uint8_t)in.p[at]] | MIME_WATCH_ANY) &
		     w->watching) != 0 &&
		    is_watched(w, slice_from(in, at))) {
			at = look(w, in, at, &run, &over);
			if (over)
				return at;
			continue;
		}
		nl = memchr(in.p + at, '\n', in.n - at);
		w->line_start = nl != NULL;
		at = nl != NULL ? (size_t)(nl - in.p) + 1 : in.n;
	}
	pass_run(w, slice_of(in.p + run, in.n - run));
	return in.n;
}

size_t
mime_body_take(struct mime_walk *w, struct slice in)
{
	if (w->watching == 0) {
		pass(w, in);
		return in.n;
	}
	if (w->line.n > 0)
		return resume_line(w, in);
	if (w->tail_n == 1 && w->tail[0] == '\r') {
		if (in.p[0] == '\n') {
			w->tail[1] = '\n';
			w->tail_n = 2;
			w->line_start = true;
			return 1;
		}
		pass_tail(w);
	}
	return scan(w, in);
}

void
mime_body_end(struct mime_walk *w)
{
	struct slice line = buf_slice(&w->line);

	buf_clear(&w->line);
	if (line.n > 0 && take_line(w, line, w->line_at))
		return;
	pass_tail(w);
}
