/*
 * The text is kept as it came and fields are offsets into it, so a fold costs
 * nothing and X-Violations-Found keeps its lines. Each byte is looked at once:
 * `line` remembers where the unfinished line began.
 *
 * Lenient where servers are known to be sloppy and nothing hangs on it (bare
 * LF, lines that are no field), never about size: both caps end it.
 */
#include "gateway/icap/head.h"

void
icap_head_init(struct icap_head *h)
{
	buf_init(&h->text, ICAP_HEAD_BYTES_MAX);
	icap_head_reset(h);
}

void
icap_head_fini(struct icap_head *h)
{
	buf_fini(&h->text);
}

void
icap_head_reset(struct icap_head *h)
{
	buf_clear(&h->text);
	h->line = 0;
	h->start_n = 0;
	h->count = 0;
	h->started = false;
	h->open = false;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static enum icap_head_step
field_add(struct icap_head *h, struct slice line)
{
	size_t colon = slice_find(line, ':');
	struct slice name = slice_trim(slice_head(line, colon));
	struct slice value = slice_trim(slice_from(line, colon + 1));
	struct icap_field *f;

	h->open = false;
	if (colon == line.n || name.n == 0)
		return ICAP_HEAD_MORE;
	if (h->count == ICAP_HEAD_FIELDS_MAX)
		return ICAP_HEAD_BAD;
	f = &h->fields[h->count++];
	f->name = (uint32_t)(name.p - h->text.p);
	f->name_n = (uint32_t)name.n;
	f->value = value.n > 0 ? (uint32_t)(value.p - h->text.p)
			       : (uint32_t)(h->line + line.n);
	f->value_n = (uint32_t)value.n;
	h->open = true;
	return ICAP_HEAD_MORE;
}

/* line is a continuation: the open field's value ends with it. */
static void
field_go_on(struct icap_head *h, struct slice line)
{
	struct slice more = slice_trim(line);
	struct icap_field *f;
	size_t end;

	if (!h->open || more.n == 0)
		return;
	f = &h->fields[h->count - 1];
	if (f->value_n == 0)
		f->value = (uint32_t)(more.p - h->text.p);
	end = (size_t)(more.p - h->text.p) + more.n;
	f->value_n = (uint32_t)(end - f->value);
}

/* The text ends with a whole line, LF included. */
static enum icap_head_step
line_end(struct icap_head *h)
{
	struct slice line = slice_from(buf_slice(&h->text), h->line);
	enum icap_head_step step = ICAP_HEAD_MORE;

	line.n--;
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (!h->started) {
		if (line.n == 0) {
			buf_clear(&h->text);
			return ICAP_HEAD_MORE;
		}
		h->started = true;
		h->start_n = line.n;
	} else if (line.n == 0) {
		return ICAP_HEAD_DONE;
	} else if (is_blank(line.p[0])) {
		field_go_on(h, line);
	} else {
		step = field_add(h, line);
	}
	h->line = h->text.n;
	return step;
}

enum icap_head_step
icap_head_add(struct icap_head *h, struct slice *in)
{
	enum icap_head_step step = ICAP_HEAD_MORE;

	while (in->n > 0 && step == ICAP_HEAD_MORE) {
		size_t at = slice_find(*in, '\n');
		bool whole = at < in->n;
		size_t n = whole ? at + 1 : in->n;

		buf_add(&h->text, in->p, n);
		if (h->text.overflow)
			return ICAP_HEAD_BAD;
		*in = slice_from(*in, n);
		if (whole)
			step = line_end(h);
	}
	return step;
}

struct slice
icap_head_text(const struct icap_head *h)
{
	return buf_slice(&h->text);
}

struct slice
icap_head_start(const struct icap_head *h)
{
	return slice_head(buf_slice(&h->text), h->start_n);
}

bool
icap_head_next(const struct icap_head *h, const char *name, uint32_t *at,
	       struct slice *value)
{
	struct slice wanted = slice_str(name);

	for (uint32_t i = *at; i < h->count; i++) {
		const struct icap_field *f = &h->fields[i];

		if (!slice_ieq(slice_of(h->text.p + f->name, f->name_n),
			       wanted))
			continue;
		*value = slice_of(h->text.p + f->value, f->value_n);
		*at = i + 1;
		return true;
	}
	return false;
}

struct slice
icap_head_get(const struct icap_head *h, const char *name)
{
	struct slice value = SLICE_NONE;
	uint32_t at = 0;

	(void)icap_head_next(h, name, &at, &value);
	return value;
}

bool
icap_head_lists(const struct icap_head *h, const char *name, const char *word)
{
	struct slice value, token, wanted = slice_str(word);
	uint32_t at = 0;

	while (icap_head_next(h, name, &at, &value)) {
		while (slice_split(&value, ',', &token)) {
			if (slice_ieq(slice_trim(token), wanted))
				return true;
		}
	}
	return false;
}
