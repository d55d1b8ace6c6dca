/*
 * A message's shape while it streams by: a few fields of its header, the text
 * that is shown (shape_text.c), and a digest of everything behind the header.
 *
 * The structure is read plainly, as the client that wrote it meant it: nothing
 * is decided here that a sender could gain by hiding from (gateway/mime's
 * walker is for that). A header line is kept up to a kilobyte, a few
 * boundaries are, and of the texts the first SHAPE_TEXT_MAX bytes are looked
 * at; attachments only as far as it takes to find their ends.
 *
 * A message of a few words and nothing else is what its subject says: alarms
 * with an empty body are the same behind the header, and no mailing.
 */
#include "gateway/campaign/shape.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/campaign/shape_text.h"
#include "gateway/mime/decode.h"
#include "gateway/mime/head.h"
#include "gateway/mime/param.h"

#define LINE_MAX_BYTES 1000
#define BOUNDARY_MAX 200
#define DEPTH_MAX 4
#define FIELD_MAX 2048
#define PARTS_MAX 64
#define PIECE 512
#define LITTLE 512 /* bytes behind the header */

enum shape_place { IN_HEAD, IN_CONTENT, IN_TEXT };

struct shape {
	enum shape_place place;
	bool top; /* the header is the message's own */
	bool line_start;
	bool in_shown; /* the field is To or Cc */
	bool in_subject;
	bool html, ended;
	uint32_t parts;
	size_t line_n;
	char line[LINE_MAX_BYTES];
	struct mime_head head;
	struct mime_decoder decoder;
	struct shape_text text;
	struct shape_facts facts;
	size_t depth;
	struct {
		size_t n;
		char text[BOUNDARY_MAX];
	} boundaries[DEPTH_MAX];
	/* of all behind the header */
	uint64_t sum[2], bytes;
	uint64_t subject;
	uint8_t rest[8];
	uint8_t rest_n;
};

struct shape *
shape_create(void)
{
	struct shape *shape = mem_alloc(sizeof(*shape));

	memset(shape, 0, offsetof(struct shape, line));
	shape->top = true;
	shape->line_start = true;
	mime_head_init(&shape->head, FIELD_MAX);
	shape_text_init(&shape->text);
	shape->facts = (struct shape_facts){0};
	shape->depth = 0;
	shape->sum[0] = 0x243f6a8885a308d3ULL;
	shape->sum[1] = 0x13198a2e03707344ULL;
	shape->bytes = 0;
	shape->subject = 0;
	shape->rest_n = 0;
	return shape;
}

void
shape_destroy(struct shape **shape)
{
	if (*shape == NULL)
		return;
	mime_head_fini(&(*shape)->head);
	free(*shape);
	*shape = NULL;
}

bool
shape_alike(uint64_t a, uint64_t b)
{
	return a != 0 && b != 0 && __builtin_popcountll(a ^ b) <= SHAPE_BITS;
}

/* --- the digest of all ---------------------------------------------------- */

/* Two lanes of multiply and rotate: quick, and good enough to tell one
 * sender's messages apart; who makes two that collide has joined his own. */
static void
sum_word(struct shape *shape, uint64_t word)
{
	uint64_t a = (shape->sum[0] ^ word) * 0x9e3779b97f4a7c15ULL;
	uint64_t b = (shape->sum[1] + word) * 0xd6e8feb86659fd93ULL;

	shape->sum[0] = a << 31 | a >> 33;
	shape->sum[1] = (b ^ b >> 32) + a;
}

static void
sum_add(struct shape *shape, struct slice s)
{
	uint64_t word;

	shape->bytes += s.n;
	while (s.n > 0 && (shape->rest_n > 0 || s.n < 8)) {
		shape->rest[shape->rest_n++] = (uint8_t)*s.p;
		s = slice_from(s, 1);
		if (shape->rest_n == 8) {
			memcpy(&word, shape->rest, 8);
			sum_word(shape, word);
			shape->rest_n = 0;
		}
	}
	for (; s.n >= 8; s = slice_from(s, 8)) {
		memcpy(&word, s.p, 8);
		sum_word(shape, word);
	}
	if (s.n > 0)
		memcpy(shape->rest, s.p, s.n);
	shape->rest_n = (uint8_t)(shape->rest_n + s.n);
}

static void
sum_end(struct shape *shape)
{
	uint64_t word = 0;

	if (shape->facts.fuzzy == 0 && shape->bytes < LITTLE)
		sum_word(shape, shape->subject);
	memcpy(&word, shape->rest, shape->rest_n);
	sum_word(shape, word);
	sum_word(shape, shape->bytes);
	for (int i = 0; i < 4; i++)
		sum_word(shape, shape->sum[0]);
	memcpy(shape->facts.exact, shape->sum, sizeof(shape->sum));
}

/* --- header --------------------------------------------------------------- */

static void
add_subject(struct shape *shape, struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		shape->subject =
		    (shape->subject ^ (uint8_t)s.p[i]) * 0x9e3779b97f4a7c15ULL;
}

static void
look_at_field(struct shape *shape, struct slice line)
{
	size_t colon = slice_find(line, ':');
	struct slice name = slice_trim(slice_head(line, colon));
	struct slice value = slice_trim(slice_from(line, colon + 1));

	shape->in_shown = slice_ieq(name, SLICE_LIT("to")) ||
			  slice_ieq(name, SLICE_LIT("cc"));
	shape->in_subject = slice_ieq(name, SLICE_LIT("subject"));
	if (colon == line.n)
		return;
	if (shape->in_subject)
		add_subject(shape, value);
	if (slice_istarts(name, SLICE_LIT("list-")))
		shape->facts.list = true;
	if (slice_ieq(name, SLICE_LIT("list-unsubscribe")))
		shape->facts.unsubscribe = true;
	if (slice_ieq(name, SLICE_LIT("precedence")) &&
	    (slice_ieq(value, SLICE_LIT("bulk")) ||
	     slice_ieq(value, SLICE_LIT("list")) ||
	     slice_ieq(value, SLICE_LIT("junk"))))
		shape->facts.precedence = true;
}

static void
look_at_line(struct shape *shape, struct slice line)
{
	if (line.p[0] != ' ' && line.p[0] != '\t')
		look_at_field(shape, line);
	else if (shape->in_subject)
		add_subject(shape, line);
	for (size_t i = 0; shape->in_shown && i < line.n; i++)
		shape->facts.shown += line.p[i] == '@';
}

static void
push_boundary(struct shape *shape, struct mime_params *params)
{
	struct buf out;
	const char *odd;

	buf_init(&out, BOUNDARY_MAX);
	if (shape->depth < DEPTH_MAX &&
	    mime_params_get(params, "boundary", true, &out, &odd) &&
	    out.n > 0 && !out.overflow) {
		memcpy(shape->boundaries[shape->depth].text, out.p, out.n);
		shape->boundaries[shape->depth++].n = out.n;
	}
	buf_fini(&out);
}

/* What the entity is whose header is over. */
static void
begin_content(struct shape *shape)
{
	struct mime_head *head = &shape->head;
	struct mime_params params;
	struct buf scratch;
	bool attached;

	mime_head_end(head);
	attached = slice_istarts(slice_trim(buf_slice(&head->disposition)),
				 SLICE_LIT("attachment"));
	shape->place = IN_CONTENT;
	shape->html = false;
	buf_init(&scratch, FIELD_MAX);
	mime_params_parse(&params, buf_slice(&head->type), &scratch);
	if (slice_istarts(params.value, SLICE_LIT("multipart/"))) {
		push_boundary(shape, &params);
	} else if (!attached && !shape_text_full(&shape->text) &&
		   (!head->has_type ||
		    slice_istarts(params.value, SLICE_LIT("text/")))) {
		shape->place = IN_TEXT;
		shape->html = slice_ieq(params.value, SLICE_LIT("text/html"));
		mime_decoder_init(&shape->decoder, head->encoding);
		shape_text_part(&shape->text, shape->html);
	}
	buf_fini(&scratch);
	mime_head_clear(head);
}

static void
end_header_line(struct shape *shape)
{
	struct slice line = slice_of(shape->line, shape->line_n);

	shape->line_n = 0;
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (line.n == 0) {
		shape->top = false;
		shape->line_start = true;
		begin_content(shape);
		return;
	}
	mime_head_line(&shape->head, line);
	if (shape->top)
		look_at_line(shape, line);
}

static void
keep(struct shape *shape, struct slice s)
{
	size_t room = sizeof(shape->line) - shape->line_n;

	s = slice_head(s, room);
	if (s.n > 0)
		memcpy(shape->line + shape->line_n, s.p, s.n);
	shape->line_n += s.n;
}

static size_t
add_head(struct shape *shape, struct slice in)
{
	size_t n = slice_find(in, '\n');

	keep(shape, slice_head(in, n));
	if (n == in.n)
		return n;
	end_header_line(shape);
	return n + 1;
}

/* --- content -------------------------------------------------------------- */

static void
add_text(struct shape *shape, struct slice s, bool end)
{
	uint8_t out[MIME_DECODED_MAX(PIECE)];

	if (shape->place != IN_TEXT)
		return;
	if (shape->decoder.encoding == MIME_IDENTITY) {
		shape_text_add(&shape->text, s);
		s.n = 0;
	}
	while (s.n > 0 && !shape_text_full(&shape->text)) {
		size_t n = mime_decode(&shape->decoder, slice_head(s, PIECE),
				       false, out);

		shape_text_add(&shape->text, slice_of(out, n));
		s = slice_from(s, PIECE);
	}
	if (end && shape->decoder.encoding != MIME_IDENTITY)
		shape_text_add(
		    &shape->text,
		    slice_of(out, mime_decode(&shape->decoder, SLICE_NONE, true,
					      out)));
	if (end)
		shape_text_part_end(&shape->text);
	if (end || shape_text_full(&shape->text))
		shape->place = IN_CONTENT;
}

/* A line that begins with "--" is complete. */
static bool
take_boundary(struct shape *shape)
{
	struct slice line = slice_of(shape->line, shape->line_n);

	while (line.n > 0 &&
	       (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == ' ' ||
		line.p[line.n - 1] == '\n'))
		line.n--;
	for (size_t i = shape->depth; i > 0; i--) {
		struct slice boundary = slice_of(shape->boundaries[i - 1].text,
						 shape->boundaries[i - 1].n);
		struct slice rest = slice_from(line, 2);

		if (!slice_starts(rest, boundary))
			continue;
		rest = slice_from(rest, boundary.n);
		if (rest.n != 0 && !slice_eq(rest, SLICE_LIT("--")))
			continue;
		add_text(shape, SLICE_NONE, true);
		shape->depth = rest.n == 0 ? i : i - 1;
		shape->place = IN_CONTENT;
		if (rest.n == 0 && ++shape->parts <= PARTS_MAX)
			shape->place = IN_HEAD;
		return true;
	}
	return false;
}

/* What may be a boundary is collected; else it is content. */
static size_t
add_line(struct shape *shape, struct slice in)
{
	size_t n = slice_find(in, '\n');
	bool whole = n < in.n;

	n += whole;
	if (n > sizeof(shape->line) - shape->line_n) {
		whole = false;
		n = sizeof(shape->line) - shape->line_n;
	}
	keep(shape, slice_head(in, n));
	if (!whole && shape->line_n < sizeof(shape->line))
		return n;
	shape->line_start = whole;
	if (!whole || !take_boundary(shape))
		add_text(shape, slice_of(shape->line, shape->line_n), false);
	shape->line_n = 0;
	return n;
}

static size_t
add_content(struct shape *shape, struct slice in)
{
	size_t n = 0;

	if (shape->depth == 0) {
		add_text(shape, in, false);
		return in.n;
	}
	if (shape->line_n > 0 || (shape->line_start && in.p[0] == '-'))
		return add_line(shape, in);
	/* up to the next line that begins with a dash */
	do {
		n += slice_find(slice_from(in, n), '\n');
		shape->line_start = n < in.n;
		n += shape->line_start;
	} while (n < in.n && in.p[n] != '-');
	add_text(shape, slice_head(in, n), false);
	return n;
}

void
shape_add(struct shape *shape, struct slice bytes)
{
	while (bytes.n > 0) {
		bool top = shape->top;
		size_t n = shape->place == IN_HEAD ? add_head(shape, bytes)
						   : add_content(shape, bytes);

		if (!top)
			sum_add(shape, slice_head(bytes, n));
		bytes = slice_from(bytes, n);
	}
}

void
shape_end(struct shape *shape, struct shape_facts *facts)
{
	if (shape->place == IN_HEAD && shape->line_n > 0)
		end_header_line(shape);
	if (shape->place != IN_HEAD && shape->line_n > 0 &&
	    !take_boundary(shape))
		add_text(shape, slice_of(shape->line, shape->line_n), false);
	add_text(shape, SLICE_NONE, true);
	shape->facts.fuzzy = shape_text_fuzzy(&shape->text);
	sum_end(shape);
	*facts = shape->facts;
}
