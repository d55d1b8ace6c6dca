#include "gateway/dkim/message.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/dkim/canon.h"

struct dkim_message {
	struct buf header;
	size_t line; /* where the unfinished line of it begins */
	struct dkim_body body;
	uint8_t digest[DIGEST_SIZE];
	bool done, bad;
};

struct dkim_message *
dkim_message_create(void)
{
	struct dkim_message *m = mem_zalloc(sizeof(*m));

	buf_init(&m->header, DKIM_HEADER_MAX);
	dkim_body_init(&m->body);
	return m;
}

void
dkim_message_destroy(struct dkim_message **message)
{
	if (*message == NULL)
		return;
	buf_fini(&(*message)->header);
	dkim_body_fini(&(*message)->body);
	free(*message);
	*message = NULL;
}

static void
give_up(struct dkim_message *m)
{
	m->bad = true;
	buf_fini(&m->header);
}

/* --- lines -----------------------------------------------------------------
 */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The name of the field that begins here; none: it is no field. */
static struct slice
name_of(struct slice line)
{
	size_t colon = slice_find(line, ':');
	struct slice name = slice_trim(slice_head(line, colon));

	if (colon == line.n || name.n == 0 || name.p != line.p)
		return SLICE_NONE;
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] >= 0x7f)
			return SLICE_NONE;
	return name;
}

/* line: with its LF. */
static bool
is_fine(struct slice line, bool first)
{
	struct slice text = slice_head(line, line.n - 2);

	if (line.n < 2 || line.p[line.n - 2] != '\r' ||
	    slice_find(text, '\r') < text.n || slice_find(text, '\0') < text.n)
		return false;
	if (is_blank(line.p[0]))
		return !first;
	return name_of(line).n > 0;
}

/* A whole line stands at the header's end. */
static void
take_line(struct dkim_message *m)
{
	struct slice line = slice_from(buf_slice(&m->header), m->line);

	if (slice_eq(line, SLICE_LIT("\r\n"))) {
		m->done = true;
		m->header.n = m->line;
		return;
	}
	if (!is_fine(line, m->line == 0))
		give_up(m);
	m->line = m->header.n;
}

void
dkim_message_add(struct dkim_message *m, struct slice bytes)
{
	while (!m->bad && !m->done && bytes.n > 0) {
		size_t lf = slice_find(bytes, '\n');
		size_t n = lf < bytes.n ? lf + 1 : lf;

		buf_add_slice(&m->header, slice_head(bytes, n));
		if (m->header.overflow)
			give_up(m);
		else if (lf < bytes.n)
			take_line(m);
		bytes = slice_from(bytes, n);
	}
	if (m->done)
		dkim_body_add(&m->body, bytes);
}

void
dkim_message_end(struct dkim_message *m)
{
	if (!m->done && !m->bad && m->line < m->header.n)
		give_up(m); /* a hop would have to end its last line */
	dkim_body_end(&m->body, m->digest);
}

/* --- what is known ---------------------------------------------------------
 */

bool
dkim_message_header_done(const struct dkim_message *m)
{
	return m->done;
}

bool
dkim_message_bad(const struct dkim_message *m)
{
	return m->bad;
}

struct slice
dkim_message_header(const struct dkim_message *m)
{
	return buf_slice(&m->header);
}

const uint8_t *
dkim_message_digest(const struct dkim_message *m)
{
	return m->digest;
}

bool
dkim_field_next(struct slice *rest, struct dkim_field *field)
{
	size_t end = 0;

	if (rest->n == 0)
		return false;
	do {
		end += slice_find(slice_from(*rest, end), '\n');
		end += end < rest->n;
	} while (end < rest->n && is_blank(rest->p[end]));
	field->raw = slice_head(*rest, end);
	field->name = name_of(field->raw);
	*rest = slice_from(*rest, end);
	return field->name.n > 0;
}

static unsigned
count(const struct dkim_message *m, struct slice name, struct slice *value)
{
	struct slice rest = buf_slice(&m->header);
	struct dkim_field field;
	unsigned n = 0;

	*value = SLICE_NONE;
	while (dkim_field_next(&rest, &field)) {
		if (!slice_ieq(field.name, name))
			continue;
		if (n++ == 0)
			*value = slice_from(field.raw,
					    slice_find(field.raw, ':') + 1);
	}
	return n;
}

struct slice
dkim_message_from(const struct dkim_message *m)
{
	struct slice value;

	if (count(m, SLICE_LIT("From"), &value) != 1 || value.n < 2)
		return SLICE_NONE;
	return slice_head(value, value.n - 2);
}

bool
dkim_message_has(const struct dkim_message *m, const char *name)
{
	struct slice value;

	return count(m, slice_str(name), &value) > 0;
}
