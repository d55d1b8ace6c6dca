/*
 * Which line ends which entity (RFC 2046, 5.1). A line is a boundary of any of
 * the open multiparts when it is "--" and the boundary and nothing but blanks,
 * or "--" between them; the innermost one goes first. What only begins so is
 * one for some readers: it is content here, and ambiguous.
 *
 * After its end a multipart stays open until its parent's next boundary, since
 * some readers take up a part that follows all the same.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/mime/walk_int.h"

#define BOUNDARY_LAWFUL 70

const char *
mime_boundary_check(struct mime_walk *w, struct slice boundary)
{
	for (size_t i = 0; i + 1 < w->frame_count; i++) {
		struct slice other =
		    slice_of(w->frames[i].boundary, w->frames[i].boundary_n);

		if (other.p != NULL && (slice_starts(other, boundary) ||
					slice_starts(boundary, other)))
			return "boundaries that begin alike";
	}
	return boundary.n > BOUNDARY_LAWFUL ? "a long boundary" : NULL;
}

enum match {
	MATCH_NONE,
	MATCH_START, /* the line only begins with it */
	MATCH_PART,
	MATCH_END,
};

/* text: behind its "--", without blanks at the end */
static enum match
match(const struct mime_frame *f, struct slice text)
{
	if (f->boundary == NULL || text.n < f->boundary_n ||
	    memcmp(text.p, f->boundary, f->boundary_n) != 0)
		return MATCH_NONE;
	text = slice_from(text, f->boundary_n);
	if (text.n == 0)
		return MATCH_PART;
	return slice_eq(text, SLICE_LIT("--")) ? MATCH_END : MATCH_START;
}

/* The frame whose boundary it is, counted from 1; 0: none. */
static size_t
find(struct mime_walk *w, struct slice text, enum match *how, bool *starts)
{
	*starts = false;
	for (size_t i = w->frame_count; i > 0; i--) {
		*how = match(&w->frames[i - 1], text);
		if (*how == MATCH_PART || *how == MATCH_END)
			return i;
		*starts |= *how == MATCH_START;
	}
	return 0;
}

static struct slice
behind_dashes(struct slice text)
{
	text = slice_from(text, 2);
	while (text.n > 0 &&
	       (text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t'))
		text.n--;
	return text;
}

/* Of a multipart whose header did not say: some readers take the first line
 * that looks like one. */
static bool
guess(struct mime_walk *w, struct slice text)
{
	struct mime_frame *top = mime_top(w);

	if (top->place != MIME_IN_PREAMBLE || top->boundary != NULL ||
	    text.n == 0 || text.n > MIME_BOUNDARY_MAX)
		return false;
	top->boundary = slice_dup(text);
	top->boundary_n = text.n;
	return true;
}

static bool
is_all(struct slice s, char c)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != c)
			return false;
	return true;
}

/* Frame `count` counted from 1 is the one whose boundary stands at `at`. */
static void
turn(struct mime_walk *w, size_t count, enum match how, uint64_t at,
     uint64_t next)
{
	uint64_t end = at - w->tail_n;
	struct mime_frame *f = &w->frames[count - 1];

	w->tail_n = 0;
	while (w->frame_count > count && !w->stopped)
		mime_entity_close(w, end);
	if (w->stopped)
		return;
	if (f->place != MIME_IN_PARTS)
		mime_uu_close(w, end);
	mime_sink_drop(&w->sink);
	if (how == MATCH_END) {
		if (f->place == MIME_IN_PREAMBLE)
			mime_ambiguous(w, "a multipart without parts", at);
		f->place = MIME_IN_EPILOGUE;
		mime_body_begin(w, MIME_WATCH_OUTSIDE);
		return;
	}
	if (f->place == MIME_IN_EPILOGUE)
		mime_ambiguous(w, "a part behind the last one", at);
	f->place = MIME_IN_PARTS;
	mime_entity_open(w, next);
}

bool
mime_boundary_take(struct mime_walk *w, struct slice text, uint64_t at,
		   uint64_t next)
{
	struct slice rest = behind_dashes(text);
	enum mime_place place = mime_top(w)->place;
	enum match how = MATCH_NONE;
	bool starts;
	size_t count = find(w, rest, &how, &starts);

	if (count == 0 && guess(w, rest)) {
		count = w->frame_count;
		how = MATCH_PART;
	}
	if (count > 0) {
		turn(w, count, how, at, next);
		return true;
	}
	if (starts)
		mime_ambiguous(w, "a line that begins like a boundary", at);
	else if ((place == MIME_IN_PREAMBLE || place == MIME_IN_EPILOGUE) &&
		 !is_all(rest, '-'))
		mime_ambiguous(w, "a boundary outside of the parts", at);
	return false;
}

void
mime_boundary_suspect(struct mime_walk *w, struct slice text, uint64_t at)
{
	enum match how;
	bool starts;

	if (find(w, behind_dashes(text), &how, &starts) > 0 || starts)
		mime_ambiguous(w, "a line that begins like a boundary", at);
}
