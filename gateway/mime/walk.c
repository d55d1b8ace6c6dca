/*
 * The walker's life and its loop: bytes go to the header or to the content of
 * the innermost open entity, whichever is open.
 *
 * Invariants: what is found does not depend on how the bytes were cut; each
 * byte is looked at a bounded number of times; memory is the stack of
 * depth_max entities, one header and one line.
 *
 * Line ends are CRLF, and LF where a message has those; a bare CR ends no line
 * (smtp/lines.h lets none pass) and is called ambiguous in headers.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/mime/walk_int.h"

#define PARTS_MAX 10000
#define DEPTH_MAX 32
#define HEADER_MAX 102400 /* as smtp/header.h: what front lets in */

struct mime_walk *
mime_walk_create(const struct mime_opts *opts)
{
	struct mime_walk *w = mem_zalloc(sizeof(*w));

	w->opts = *opts;
	if (w->opts.parts_max == 0)
		w->opts.parts_max = PARTS_MAX;
	if (w->opts.depth_max == 0)
		w->opts.depth_max = DEPTH_MAX;
	if (w->opts.header_max == 0)
		w->opts.header_max = HEADER_MAX;
	w->frames =
	    mem_array((size_t)w->opts.depth_max + 1, sizeof(*w->frames));
	mime_head_init(&w->head, w->opts.header_max);
	buf_init(&w->line, w->opts.header_max > MIME_LINE_MAX
			       ? w->opts.header_max
			       : MIME_LINE_MAX + 1);
	buf_init(&w->scratch[0], w->opts.header_max);
	buf_init(&w->scratch[1], w->opts.header_max);
	mime_entity_open(w, 0);
	return w;
}

static void
drop_frames(struct mime_walk *w)
{
	while (w->frame_count > 0) {
		free(w->frames[--w->frame_count].boundary);
		w->frames[w->frame_count].boundary = NULL;
	}
}

void
mime_walk_destroy(struct mime_walk **walk)
{
	struct mime_walk *w = *walk;

	if (w == NULL)
		return;
	drop_frames(w);
	free(w->frames);
	mime_head_fini(&w->head);
	buf_fini(&w->line);
	buf_fini(&w->scratch[0]);
	buf_fini(&w->scratch[1]);
	mime_sink_fini(&w->sink);
	mime_sink_fini(&w->uu_sink);
	free(w);
	*walk = NULL;
}

void
mime_walk_reset(struct mime_walk *w)
{
	drop_frames(w);
	mime_sink_drop(&w->sink);
	mime_sink_drop(&w->uu_sink);
	buf_fini(&w->line);
	buf_fini(&w->scratch[0]);
	buf_fini(&w->scratch[1]);
	w->sum = (struct mime_summary){0};
	w->offset = 0;
	w->stopped = false;
	w->uu = MIME_UU_NONE;
	mime_entity_open(w, 0);
}

void
mime_ambiguous(struct mime_walk *w, const char *why, uint64_t at)
{
	if (w->sum.why == NULL) {
		w->sum.why = why;
		w->sum.why_at = at;
	}
	w->sum.flags |= MIME_AMBIGUOUS;
}

void
mime_stop(struct mime_walk *w, uint32_t flag)
{
	w->sum.flags |= flag;
	w->stopped = true;
}

struct mime_frame *
mime_top(struct mime_walk *w)
{
	return &w->frames[w->frame_count - 1];
}

static void
head_line(struct mime_walk *w, struct slice line, uint64_t at)
{
	struct slice ending, text = mime_line_text(line, &ending);

	if (text.n == 0) {
		mime_entity_begin(w, at + line.n);
		return;
	}
	if (slice_starts(text, SLICE_LIT("--")) &&
	    mime_boundary_take(w, text, at, at + line.n))
		return;
	mime_head_line(&w->head, text);
	if (w->head.odd != NULL)
		mime_ambiguous(w, w->head.odd, at);
}

static void feed(struct mime_walk *w, struct slice in);

/*
 * A header over its cap. When its first line was no field and nothing in it
 * said what it is, then it is a text without a header: one that a program
 * piped in, without an empty line for 100 KB.
 */
static void
head_too_big(struct mime_walk *w)
{
	struct buf line = w->line;

	if (!w->head.headless || w->head.has_type ||
	    w->head.current == MIME_FIELD_TYPE) {
		mime_stop(w, MIME_HEADER_TOO_BIG);
		return;
	}
	buf_init(&w->line, line.cap);
	w->offset -= line.n;
	mime_entity_begin(w, w->offset);
	feed(w, buf_slice(&line));
	buf_fini(&line);
}

/* One line, or what there is of it; returns the bytes it took. */
static size_t
head_take(struct mime_walk *w, struct slice in)
{
	const char *nl = memchr(in.p, '\n', in.n);
	size_t n = nl != NULL ? (size_t)(nl - in.p) + 1 : in.n;
	uint64_t at = w->offset - w->line.n;
	struct slice line = slice_of(in.p, n);

	if (w->head_bytes + n > w->opts.header_max) {
		head_too_big(w);
		return 0;
	}
	w->head_bytes += n;
	if (nl == NULL || w->line.n > 0) {
		buf_add_slice(&w->line, line);
		line = buf_slice(&w->line);
	}
	if (nl == NULL)
		return n;
	buf_clear(&w->line); /* its bytes stay until the next line's */
	head_line(w, line, at);
	return n;
}

static void
feed(struct mime_walk *w, struct slice in)
{
	while (in.n > 0 && !w->stopped) {
		size_t n = mime_top(w)->place == MIME_IN_HEAD
			       ? head_take(w, in)
			       : mime_body_take(w, in);

		w->offset += n;
		in = slice_from(in, n);
	}
}

void
mime_walk_add(struct mime_walk *w, struct slice bytes)
{
	feed(w, bytes);
}

/* The last line may have no end, and be a boundary all the same. */
static void
finish_line(struct mime_walk *w)
{
	struct slice line = buf_slice(&w->line);

	if (mime_top(w)->place != MIME_IN_HEAD) {
		mime_body_end(w);
	} else if (line.n > 0) {
		buf_clear(&w->line);
		head_line(w, line, w->offset - line.n);
	}
}

void
mime_walk_end(struct mime_walk *w, struct mime_summary *summary)
{
	if (!w->stopped)
		finish_line(w);
	while (w->frame_count > 0 && !w->stopped)
		mime_entity_close(w, w->offset);
	*summary = w->sum;
}
