/*
 * Files inside texts, as mail had them before MIME: uuencode is decoded and
 * given as a part of its own; what else some client decodes in a text (yEnc,
 * BinHex, base64 under "begin-base64") is ambiguous. The text stays what it
 * is, the file's lines in it.
 *
 * "begin 644 name" is a file when the next line could be data; prose that only
 * begins so is not decoded, but ambiguous. Two blanks instead of a mode are
 * enough for Outlook.
 */
#include <string.h>

#include "gateway/mime/name.h"
#include "gateway/mime/walk_int.h"

#define UU_LINE_MAX 90 /* 63 bytes make 84 characters, and some checksum */

static bool
is_outside(struct mime_walk *w)
{
	return mime_top(w)->place != MIME_IN_LEAF;
}

/* name: behind the mode */
static bool
is_begin(struct slice text, struct slice *name)
{
	struct slice rest = slice_from(text, 6);
	bool two_blanks = rest.n > 0 && rest.p[0] == ' ';
	size_t n = 0;

	if (!slice_starts(text, SLICE_LIT("begin ")))
		return false;
	rest = slice_trim(rest);
	while (n < rest.n && rest.p[n] >= '0' && rest.p[n] <= '7')
		n++;
	if (n >= 3 && n <= 6 && (n == rest.n || rest.p[n] == ' ')) {
		*name = slice_trim(slice_from(rest, n));
		return true;
	}
	*name = rest;
	return two_blanks && rest.n > 0;
}

/* Whether a line could be the first one of a file's data. */
static bool
is_data(struct slice text)
{
	size_t bytes;

	if (text.n == 0 || text.n > UU_LINE_MAX)
		return false;
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < ' ' || text.p[i] > '`')
			return false;
	bytes = (size_t)(text.p[0] - ' ') & 63;
	/* blanks at its end may be lost, and a checksum there */
	return bytes > 0 ? text.n <= 1 + (bytes + 2) / 3 * 4 + 2 : text.n <= 2;
}

static bool
is_end(struct slice text)
{
	return slice_starts(text, SLICE_LIT("end")) &&
	       slice_trim(slice_from(text, 3)).n == 0;
}

static void
begin(struct mime_walk *w, struct slice name, uint64_t at)
{
	struct mime_part *part = &w->uu_part;

	if (is_outside(w))
		mime_ambiguous(w, "a file outside of the parts", at);
	*part = (struct mime_part){
	    .head = at,
	    .begin = at,
	    .encoding = MIME_UUENCODE,
	    .flags = MIME_ATTACHMENT,
	    .depth = (uint32_t)w->frame_count - 1,
	    .type = "application/octet-stream",
	};
	if (mime_top(w)->encrypted)
		part->flags |= MIME_ENCRYPTED;
	mime_name_clean(name, part->name);
	if (!w->opts.structure_only)
		mime_sink_start(&w->uu_sink, MIME_UUENCODE, true);
	w->uu = MIME_UU_BEGUN;
	w->watching |= MIME_WATCH_ANY;
}

static void
set_watching(struct mime_walk *w, enum mime_uu uu)
{
	w->watching &= (uint8_t) ~(MIME_WATCH_ANY | MIME_WATCH_END);
	if (uu == MIME_UU_DATA)
		w->watching |= MIME_WATCH_END;
	w->uu = uu;
}

static void
finish(struct mime_walk *w, uint64_t end)
{
	set_watching(w, MIME_UU_NONE);
	w->uu_part.end = end;
	if (++w->sum.part_count > w->opts.parts_max)
		mime_stop(w, MIME_TOO_MANY);
	else
		mime_part_give(w, &w->uu_part, &w->uu_sink);
}

/* It was none. */
static void
give_up(struct mime_walk *w)
{
	mime_sink_drop(&w->uu_sink);
	mime_ambiguous(w, "a uuencoded file without data", w->uu_part.begin);
	set_watching(w, MIME_UU_NONE);
}

static void
look_for_others(struct mime_walk *w, struct slice text, uint64_t at)
{
	static const struct {
		struct slice start;
		const char *why;
	} others[] = {
	    {SLICE_LIT("begin-base64 "), "a base64 file in a text"},
	    {SLICE_LIT("=ybegin "), "a yEnc file in a text"},
	    {SLICE_LIT("(This file must be converted with BinHex"),
	     "a BinHex file in a text"},
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (slice_istarts(text, others[i].start))
			mime_ambiguous(w, others[i].why, at);
	if (is_outside(w) &&
	    (slice_istarts(text, SLICE_LIT("content-type:")) ||
	     slice_istarts(text, SLICE_LIT("content-disposition:")) ||
	     slice_istarts(text, SLICE_LIT("content-transfer-encoding:"))))
		mime_ambiguous(w, "a part's header outside of the parts", at);
}

void
mime_uu_line(struct mime_walk *w, struct slice text, uint64_t at)
{
	struct slice name;

	if ((w->watching & MIME_WATCH_BEGIN) == 0)
		return;
	if (w->uu == MIME_UU_BEGUN && slice_trim(text).n > 0) {
		if (is_data(text))
			set_watching(w, MIME_UU_DATA);
		else
			give_up(w);
	}
	look_for_others(w, text, at);
	if (w->uu == MIME_UU_BEGUN || !is_begin(text, &name))
		return;
	if (w->uu == MIME_UU_DATA) {
		mime_ambiguous(w, "a uuencoded file without end", at);
		finish(w, at);
	}
	begin(w, name, at);
}

void
mime_uu_line_end(struct mime_walk *w, struct slice text, uint64_t end)
{
	if (w->uu == MIME_UU_DATA && is_end(text))
		finish(w, end);
}

void
mime_uu_close(struct mime_walk *w, uint64_t end)
{
	if (w->uu == MIME_UU_BEGUN) {
		give_up(w);
	} else if (w->uu == MIME_UU_DATA) {
		mime_ambiguous(w, "a uuencoded file without end", end);
		finish(w, end);
	}
}
