/*
 * A field that stands twice is where readers differ most: GMime takes the
 * last, others the first. Here the one is kept that leads further in: a
 * multipart or a message before any leaf, an encoding before none.
 *
 * A line that is no field is passed over: a reader that takes it for the
 * body's first line is one of those an ambiguity is reported for.
 */
#include "gateway/mime/head.h"

#include <string.h>

#include "gateway/base/mem.h"

#define KEEP_BYTES 4096 /* of a buffer, from one entity to the next */

void
mime_head_init(struct mime_head *head, size_t field_max)
{
	*head = (struct mime_head){0};
	buf_init(&head->type, field_max);
	buf_init(&head->disposition, field_max);
	buf_init(&head->value, field_max);
}

void
mime_head_fini(struct mime_head *head)
{
	buf_fini(&head->type);
	buf_fini(&head->disposition);
	buf_fini(&head->value);
}

static void
empty(struct buf *b)
{
	if (b->size > KEEP_BYTES)
		buf_fini(b);
	else
		buf_clear(b);
}

void
mime_head_clear(struct mime_head *head)
{
	empty(&head->type);
	empty(&head->disposition);
	empty(&head->value);
	head->has_type = head->has_disposition = head->has_encoding = false;
	head->encoding = MIME_IDENTITY;
	head->encoding_unknown = head->repeated = head->headless = false;
	head->lines = 0;
	head->odd = NULL;
	head->current = MIME_FIELD_OTHER;
}

static void
odd(struct mime_head *head, const char *why)
{
	if (head->odd == NULL)
		head->odd = why;
}

static void
take_encoding(struct mime_head *head, struct slice value)
{
	static const struct {
		struct slice name;
		enum mime_encoding encoding;
	} names[] = {
	    {SLICE_LIT("7bit"), MIME_IDENTITY},
	    {SLICE_LIT("8bit"), MIME_IDENTITY},
	    {SLICE_LIT("binary"), MIME_IDENTITY},
	    {SLICE_LIT("base64"), MIME_BASE64},
	    {SLICE_LIT("quoted-printable"), MIME_QP},
	    {SLICE_LIT("x-uuencode"), MIME_UUENCODE},
	    {SLICE_LIT("x-uue"), MIME_UUENCODE},
	    {SLICE_LIT("uuencode"), MIME_UUENCODE},
	};
	enum mime_encoding encoding = MIME_IDENTITY;
	bool known = false;
	size_t n = 0;

	/* a blank behind it makes it another word for Python */
	if (slice_trim(value).n > 0 &&
	    strchr(" \t", value.p[value.n - 1]) != NULL)
		odd(head, "text behind a transfer encoding");
	value = slice_trim(value);
	while (n < value.n && strchr(" \t;(\"", value.p[n]) == NULL)
		n++;
	/* "base64" in quotes: some take it */
	if (n == 0 && value.n > 0 && value.p[0] == '"') {
		value = slice_from(value, 1);
		n = slice_find(value, '"');
		odd(head, "a transfer encoding in quotes");
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (slice_ieq(slice_head(value, n), names[i].name)) {
			encoding = names[i].encoding;
			known = true;
		}
	}
	head->encoding_unknown |= !known;
	if (!known)
		odd(head, "an unknown transfer encoding");
	else if (n < value.n)
		odd(head, "text behind a transfer encoding");
	if (head->has_encoding)
		odd(head, "Content-Transfer-Encoding twice");
	if (!head->has_encoding || head->encoding == MIME_IDENTITY)
		head->encoding = encoding;
	head->repeated |= head->has_encoding;
	head->has_encoding = true;
}

static bool
is_composite(const struct buf *value)
{
	struct slice s = slice_trim(buf_slice(value));

	return slice_istarts(s, SLICE_LIT("multipart/")) ||
	       slice_istarts(s, SLICE_LIT("message/"));
}

static void
take_value(struct mime_head *head, struct buf *kept, bool *has,
	   const char *twice)
{
	if (*has) {
		odd(head, twice);
		head->repeated = true;
	}
	if (!*has || (!is_composite(kept) && is_composite(&head->value))) {
		buf_clear(kept);
		buf_add_slice(kept, buf_slice(&head->value));
	}
	*has = true;
}

/* The field is whole: the line behind it is not folded. */
static void
field_end(struct mime_head *head)
{
	switch (head->current) {
	case MIME_FIELD_OTHER:
		return;
	case MIME_FIELD_TYPE:
		take_value(head, &head->type, &head->has_type,
			   "Content-Type twice");
		break;
	case MIME_FIELD_DISPOSITION:
		take_value(head, &head->disposition, &head->has_disposition,
			   "Content-Disposition twice");
		break;
	case MIME_FIELD_ENCODING:
		take_encoding(head, buf_slice(&head->value));
		break;
	}
	head->current = MIME_FIELD_OTHER;
	buf_clear(&head->value);
}

static enum mime_field
field_of(struct slice name)
{
	if (name.n < 12 || (name.p[0] | 0x20) != 'c')
		return MIME_FIELD_OTHER;
	if (slice_ieq(name, SLICE_LIT("content-type")))
		return MIME_FIELD_TYPE;
	if (slice_ieq(name, SLICE_LIT("content-disposition")))
		return MIME_FIELD_DISPOSITION;
	if (slice_ieq(name, SLICE_LIT("content-transfer-encoding")))
		return MIME_FIELD_ENCODING;
	return MIME_FIELD_OTHER;
}

static bool
is_name(struct slice name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] == 0x7f)
			return false;
	return name.n > 0;
}

/* What an mbox or a forwarding client left in front of a message. */
static bool
is_mbox_line(struct slice line)
{
	return slice_starts(line, SLICE_LIT("From ")) ||
	       slice_starts(line, SLICE_LIT(">From "));
}

static void
take_field(struct mime_head *head, struct slice line)
{
	size_t colon = slice_find(line, ':');
	struct slice name = slice_trim(slice_head(line, colon));

	if (colon == line.n || !is_name(name)) {
		if (head->lines == 0 && is_mbox_line(line))
			return;
		head->headless |= head->lines == 0;
		odd(head, "a header line that is none");
		return;
	}
	if (name.n < colon)
		odd(head, "a blank before a header's colon");
	head->current = field_of(name);
	if (head->current != MIME_FIELD_OTHER)
		buf_add_slice(&head->value, slice_from(line, colon + 1));
}

void
mime_head_line(struct mime_head *head, struct slice line)
{
	head->odd = NULL;
	if (memchr(line.p, '\r', line.n) != NULL)
		odd(head, "a bare CR in a header");
	if (memchr(line.p, '\0', line.n) != NULL)
		odd(head, "a NUL in a header");
	if (line.p[0] == ' ' || line.p[0] == '\t') {
		if (slice_trim(line).n == 0)
			odd(head, "a header line of blanks");
		if (head->lines == 0)
			odd(head, "a folded line first");
		if (head->current != MIME_FIELD_OTHER)
			buf_add_slice(&head->value, line);
	} else {
		field_end(head);
		take_field(head, line);
	}
	head->lines++;
}

void
mime_head_end(struct mime_head *head)
{
	head->odd = NULL;
	field_end(head);
}
