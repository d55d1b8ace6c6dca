/*
 * What a header makes of its entity: a multipart, a message, or a leaf with a
 * type, a name and an encoding, shown or attached.
 *
 * Shown is only what every client shows and none offers as a file: plain and
 * HTML text, without a name, not called an attachment, in the place where a
 * message's text is, and not inside of a message that is itself attached.
 * Everything else is an attachment, also pictures in the text.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/mime/name.h"
#include "gateway/mime/walk_int.h"

#define UNKNOWN_TYPE "application/octet-stream"

/* The two fields of a header, parsed. */
struct content {
	struct mime_params type, disposition;
	bool has_type, has_disposition;
	bool unknown; /* its type is none */
	const char *odd;
};

void
mime_entity_open(struct mime_walk *w, uint64_t at)
{
	struct mime_frame *parent = w->frame_count > 0 ? mime_top(w) : NULL;
	struct mime_frame frame = {.place = MIME_IN_HEAD, .head = at};

	if (++w->sum.part_count > w->opts.parts_max) {
		mime_stop(w, MIME_TOO_MANY);
		return;
	}
	if (w->frame_count > w->opts.depth_max) {
		mime_stop(w, MIME_TOO_DEEP);
		return;
	}
	if (parent != NULL) {
		frame.attached =
		    parent->attached || parent->place == MIME_IN_MESSAGE;
		frame.encrypted = parent->encrypted;
		frame.aside =
		    parent->aside || (parent->has_parts && !parent->choice);
		parent->has_parts = true;
	}
	w->frames[w->frame_count++] = frame;
	w->head_bytes = 0;
	w->tail_n = 0;
	buf_clear(&w->line);
	mime_head_clear(&w->head);
}

/* A digest's parts are messages; only the parent knows. */
static const char *
default_type(const struct mime_walk *w)
{
	if (w->frame_count > 1 && w->frames[w->frame_count - 2].digest)
		return "message/rfc822";
	return "text/plain";
}

/* "type/subtype" in lower case; false: it is none. */
static bool
copy_type(struct slice value, char out[MIME_TYPE_SIZE])
{
	size_t slashes = 0;

	if (value.n < 3 || value.n >= MIME_TYPE_SIZE || value.p[0] == '/' ||
	    value.p[value.n - 1] == '/')
		return false;
	for (size_t i = 0; i < value.n; i++) {
		uint8_t c = (uint8_t)value.p[i];

		if (c <= ' ' || c >= 0x7f || strchr("()<>@,;:\\\"[]?=", c))
			return false;
		slashes += c == '/';
		out[i] = (char)tolower(c);
	}
	out[value.n] = '\0';
	return slashes == 1;
}

static void
note(struct content *c, const char *why)
{
	if (c->odd == NULL)
		c->odd = why;
}

static void
read_content(struct mime_walk *w, struct content *c)
{
	c->has_type = w->head.has_type;
	c->has_disposition = w->head.has_disposition;
	c->unknown = false;
	c->odd = NULL;
	strcpy(w->part.type, default_type(w));
	if (c->has_type) {
		mime_params_parse(&c->type, buf_slice(&w->head.type),
				  &w->scratch[0]);
		note(c, c->type.odd);
		if (!copy_type(c->type.value, w->part.type)) {
			strcpy(w->part.type,
			       slice_istarts(c->type.value,
					     SLICE_LIT("multipart/"))
				   ? "multipart/mixed"
				   : UNKNOWN_TYPE);
			note(c, "a content type that is none");
			c->unknown = true;
		}
	}
	if (c->has_disposition) {
		mime_params_parse(&c->disposition,
				  buf_slice(&w->head.disposition),
				  &w->scratch[1]);
		note(c, c->disposition.odd);
		if (c->disposition.value.n == 0)
			note(c, "a disposition that is none");
	}
}

static bool
is_type(const struct mime_walk *w, const char *type)
{
	return strcmp(w->part.type, type) == 0;
}

/* One of Content-Type's parameters, short, in lower case; "" if there is
 * none. */
static void
type_param(struct content *c, const char *name, char out[32])
{
	struct buf b = {.cap = 31};
	const char *odd = NULL;

	out[0] = '\0';
	if (c->has_type && (mime_params_get(&c->type, name, true, &b, &odd) ||
			    mime_params_get(&c->type, name, false, &b, &odd))) {
		for (size_t i = 0; i < b.n; i++)
			out[i] = (char)tolower((uint8_t)b.p[i]);
		out[b.n] = '\0';
	}
	buf_fini(&b);
}

static void
set_boundary(struct mime_walk *w, struct content *c)
{
	struct mime_frame *f = mime_top(w);
	struct buf b = {.cap = MIME_BOUNDARY_MAX};
	const char *odd = NULL;
	size_t n;

	if (!mime_params_get(&c->type, "boundary", true, &b, &odd)) {
		if (mime_params_get(&c->type, "boundary", false, &b, &odd))
			note(c, "an extended boundary");
	} else if (mime_params_get(&c->type, "boundary", false, &b, &odd)) {
		note(c, "two boundaries");
		buf_clear(&b);
	}
	n = b.overflow ? 0 : b.n;
	while (n > 0 && (b.p[n - 1] == ' ' || b.p[n - 1] == '\t'))
		n--;
	if (n < b.n)
		note(c, b.overflow ? "a long boundary"
				   : "a boundary that ends with a blank");
	note(c, odd);
	if (n > 0) {
		note(c, mime_boundary_check(w, slice_of(b.p, n)));
		f->boundary = slice_dup(slice_of(b.p, n));
		f->boundary_n = n;
	} else {
		note(c, "a multipart without boundary");
	}
	buf_fini(&b);
}

static void
begin_multipart(struct mime_walk *w, struct content *c)
{
	struct mime_frame *f = mime_top(w);

	set_boundary(w, c);
	f->digest = is_type(w, "multipart/digest");
	f->choice = is_type(w, "multipart/alternative");
	if (is_type(w, "multipart/signed"))
		w->sum.flags |= MIME_SIGNED;
	if (is_type(w, "multipart/encrypted")) {
		f->encrypted = true;
		if (w->frame_count == 1)
			w->sum.flags |= MIME_SEALED;
	}
	f->place = MIME_IN_PREAMBLE;
	mime_body_begin(w, MIME_WATCH_OUTSIDE);
	/* RFC 2045, 6.4: not allowed. Should there be no boundary in it, then
	 * a reader that decodes it first may find some behind the encoding. */
	if (w->head.encoding != MIME_IDENTITY) {
		note(c, "an encoded multipart");
		w->part.flags |= MIME_ATTACHMENT;
		if (!w->opts.structure_only)
			mime_sink_start(&w->sink, w->part.encoding, true);
	}
}

static void
read_smime(struct mime_walk *w, struct content *c)
{
	char kind[32];

	type_param(c, "smime-type", kind);
	if (strcmp(kind, "certs-only") == 0 ||
	    strcmp(kind, "compressed-data") == 0)
		return;
	if (strcmp(kind, "signed-data") == 0 || kind[0] == '\0')
		w->sum.flags |= MIME_SIGNED;
	if (strcmp(kind, "signed-data") != 0)
		w->part.flags |= MIME_ENCRYPTED;
}

static void
read_type(struct mime_walk *w, struct content *c)
{
	struct mime_part *part = &w->part;

	if (is_type(w, "application/pkcs7-mime") ||
	    is_type(w, "application/x-pkcs7-mime"))
		read_smime(w, c);
	if (is_type(w, "application/pgp-encrypted") ||
	    is_type(w, "application/pgp") || mime_top(w)->encrypted)
		part->flags |= MIME_ENCRYPTED;
	if ((part->flags & MIME_ENCRYPTED) && w->frame_count == 1)
		w->sum.flags |= MIME_SEALED;
	if (is_type(w, "application/ms-tnef") ||
	    is_type(w, "application/vnd.ms-tnef") ||
	    slice_ieq(slice_str(part->name), SLICE_LIT("winmail.dat")))
		part->flags |= MIME_TNEF;
	if (is_type(w, "message/partial"))
		w->sum.flags |= MIME_PARTIAL;
	if (is_type(w, "message/external-body"))
		w->sum.flags |= MIME_EXTERNAL;
}

/* Also one of which nothing is left here: "a.html/" is a name to others. */
static bool
has_name(const struct mime_params *params)
{
	for (size_t i = 0; i < params->count; i++) {
		const struct mime_param *p = &params->list[i];

		if (p->value.n > 0 &&
		    (slice_ieq(p->name, SLICE_LIT("name")) ||
		     slice_ieq(p->name, SLICE_LIT("filename"))))
			return true;
	}
	return false;
}

static bool
is_shown(struct mime_walk *w, const struct content *c)
{
	const struct mime_frame *f = mime_top(w);

	if (c->unknown || w->head.repeated || f->attached ||
	    w->part.name[0] != '\0')
		return false;
	if ((c->has_type && has_name(&c->type)) ||
	    (c->has_disposition && has_name(&c->disposition)))
		return false;
	if (c->has_disposition &&
	    !slice_ieq(c->disposition.value, SLICE_LIT("inline")))
		return false;
	return is_type(w, "text/plain") || is_type(w, "text/html");
}

static bool
has_boundaries(const struct mime_walk *w)
{
	for (size_t i = 0; i + 1 < w->frame_count; i++)
		if (w->frames[i].boundary != NULL)
			return true;
	return false;
}

static void
begin_leaf(struct mime_walk *w, struct content *c)
{
	struct mime_part *part = &w->part;
	bool text = slice_starts(slice_str(part->type), SLICE_LIT("text/"));
	uint8_t watching = has_boundaries(w) ? MIME_WATCH_DASH : 0;

	mime_name_choose(c->has_type ? &c->type : NULL,
			 c->has_disposition ? &c->disposition : NULL,
			 part->name, &c->odd);
	read_type(w, c);
	if (!is_shown(w, c))
		part->flags |= MIME_ATTACHMENT;
	else if (mime_top(w)->aside)
		part->flags |= MIME_ATTACHMENT | MIME_ASIDE;
	if (w->head.encoding_unknown)
		part->flags |= MIME_BAD_ENCODING;
	if (text && part->encoding == MIME_IDENTITY)
		watching |= MIME_WATCH_BEGIN | MIME_WATCH_OTHER;
	mime_top(w)->place = MIME_IN_LEAF;
	mime_body_begin(w, watching);
	if (w->opts.structure_only)
		return;
	mime_sink_start(&w->sink, part->encoding,
			w->opts.digest_all ||
			    (part->flags & MIME_ATTACHMENT) != 0);
	w->sink.watching = text && part->encoding != MIME_IDENTITY;
}

static bool
is_message(const struct mime_walk *w)
{
	return is_type(w, "message/rfc822") || is_type(w, "message/global") ||
	       is_type(w, "message/rfc2822") || is_type(w, "message/news");
}

/* Python's email package walks into whatever is called a message. */
static bool
is_odd_message(const struct mime_walk *w)
{
	static const char *known[] = {"message/delivery-status",
				      "message/disposition-notification",
				      "message/feedback-report",
				      "message/global-delivery-status",
				      "message/global-disposition-notification",
				      "message/global-headers",
				      "message/partial",
				      "message/external-body"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (is_type(w, known[i]))
			return false;
	return strncmp(w->part.type, "message/", 8) == 0;
}

/*
 * A message that is to be saved as something else: its header is looked at by
 * nobody, and a script may be written to look like one ("a:eval(...)").
 */
static bool
is_misnamed(struct mime_walk *w, struct content *c)
{
	static const char *known[] = {".eml", ".msg", ".mht", ".mim", ".txt"};
	struct slice name;

	mime_name_choose(c->has_type ? &c->type : NULL,
			 c->has_disposition ? &c->disposition : NULL,
			 w->part.name, &c->odd);
	name = slice_str(w->part.name);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_iends(name, slice_str(known[i])))
			return false;
	return memchr(name.p, '.', name.n) != NULL;
}

void
mime_entity_begin(struct mime_walk *w, uint64_t at)
{
	struct mime_frame *f = mime_top(w);
	struct content c;

	mime_head_end(&w->head);
	if (w->head.odd != NULL)
		mime_ambiguous(w, w->head.odd, f->head);
	w->part = (struct mime_part){
	    .head = f->head,
	    .begin = at,
	    .encoding = w->head.encoding,
	    .depth = (uint32_t)w->frame_count - 1,
	};
	read_content(w, &c);
	if (strncmp(w->part.type, "multipart/", 10) == 0) {
		begin_multipart(w, &c);
	} else if (is_message(w) && w->head.encoding == MIME_IDENTITY) {
		if (is_misnamed(w, &c))
			note(&c, "a message with the name of another file");
		f->place = MIME_IN_MESSAGE;
	} else {
		if (is_message(w))
			note(&c, "an encoded message");
		else if (is_odd_message(w))
			note(&c, "an unknown kind of message");
		begin_leaf(w, &c);
	}
	if (c.odd != NULL)
		mime_ambiguous(w, c.odd, f->head);
	if (f->place == MIME_IN_MESSAGE)
		mime_entity_open(w, at);
}

void
mime_part_give(struct mime_walk *w, struct mime_part *part,
	       struct mime_sink *sink)
{
	if (sink->on) {
		mime_sink_end(sink, part);
		if (part->flags & MIME_BAD_ENCODING)
			mime_ambiguous(w, "a bad encoding", part->begin);
		if (sink->uu_seen)
			mime_ambiguous(w, "a uuencoded file in encoded text",
				       part->begin);
	}
	if (part->flags & MIME_ATTACHMENT)
		w->sum.attachment_count++;
	if (w->opts.part != NULL)
		w->opts.part(w->opts.arg, part);
}

void
mime_entity_close(struct mime_walk *w, uint64_t end)
{
	struct mime_frame *f = mime_top(w);

	if (f->place == MIME_IN_HEAD) {
		/* a message may be a header and nothing else */
		if (w->frame_count > 1)
			mime_ambiguous(w, "a header without end", f->head);
		mime_entity_begin(w, end);
		if (w->stopped)
			return;
		f = mime_top(w);
	}
	switch (f->place) {
	case MIME_IN_LEAF:
		mime_uu_close(w, end);
		w->part.end = end;
		if (!w->stopped)
			mime_part_give(w, &w->part, &w->sink);
		break;
	case MIME_IN_PREAMBLE:
		mime_ambiguous(w, "a multipart without parts", f->head);
		mime_uu_close(w, end);
		w->part.end = end;
		if (w->part.flags & MIME_ATTACHMENT)
			mime_part_give(w, &w->part, &w->sink);
		break;
	case MIME_IN_PARTS:
		mime_ambiguous(w, "a multipart without end", f->head);
		break;
	case MIME_IN_EPILOGUE:
		mime_uu_close(w, end);
		break;
	case MIME_IN_MESSAGE:
	case MIME_IN_HEAD: /* of the message just begun: next time */
		break;
	}
	if (f->place == MIME_IN_HEAD)
		return;
	free(f->boundary);
	f->boundary = NULL;
	w->frame_count--;
}
