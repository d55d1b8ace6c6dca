/*
 * Content-Type and Content-Disposition fields, read as the most lenient reader
 * does: an unquoted value goes to the next semicolon, a quote that never ends
 * to the end. The strict reader would give up there and show the part as
 * something else, so everything that is not in the grammar is odd; and so are
 * comments, which nobody writes and few can skip.
 *
 * Invariant: scratch never grows while slices into it are being made (its room
 * is reserved first), so they stay valid.
 */
#include "gateway/mime/param.h"

#include <string.h>

#include "gateway/mime/charset.h"

struct scan {
	struct slice rest;
	struct buf *scratch;
	const char *odd;
};

static void
odd(struct scan *s, const char *why)
{
	if (s->odd == NULL)
		s->odd = why;
}

/* RFC 2045's token: what needs no quotes. */
static bool
is_token_byte(char c)
{
	return c > ' ' && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

static bool
is_token(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_token_byte(s.p[i]))
			return false;
	return s.n > 0;
}

static void
skip_comment(struct scan *s)
{
	unsigned depth = 0;
	size_t i = 0;

	odd(s, "a comment in a content field");
	do {
		if (s->rest.p[i] == '(')
			depth++;
		else if (s->rest.p[i] == ')')
			depth--;
		else if (s->rest.p[i] == '\\' && i + 1 < s->rest.n)
			i++;
		i++;
	} while (i < s->rest.n && depth > 0);
	s->rest = slice_from(s->rest, i);
}

static void
skip_blanks(struct scan *s)
{
	for (;;) {
		if (s->rest.n > 0 &&
		    (s->rest.p[0] == ' ' || s->rest.p[0] == '\t'))
			s->rest = slice_from(s->rest, 1);
		else if (s->rest.n > 0 && s->rest.p[0] == '(')
			skip_comment(s);
		else
			return;
	}
}

/* Up to one of stop, trimmed. */
static struct slice
take_until(struct scan *s, const char *stop)
{
	struct slice word = s->rest;
	size_t n = 0;

	while (n < word.n && (word.p[n] == '\0' || !strchr(stop, word.p[n])))
		n++;
	s->rest = slice_from(s->rest, n);
	return slice_trim(slice_head(word, n));
}

static struct slice
take_quoted(struct scan *s)
{
	struct buf *b = s->scratch;
	size_t at = b->n, i = 1;
	bool closed = false;

	for (; i < s->rest.n && !closed; i++) {
		char c = s->rest.p[i];

		if (c == '"') {
			closed = true;
		} else if (c == '\\' && i + 1 < s->rest.n) {
			c = s->rest.p[++i];
			/* C:\name: some take the backslash for itself */
			if (c != '"' && c != '\\')
				odd(s, "a backslash in a parameter");
			buf_add_byte(b, c);
		} else {
			buf_add_byte(b, c);
		}
	}
	if (!closed)
		odd(s, "a quoted string without end");
	s->rest = slice_from(s->rest, i);
	return slice_of(b->p + at, b->n - at);
}

static void
take_value(struct scan *s, struct mime_param *param)
{
	skip_blanks(s);
	if (s->rest.n > 0 && s->rest.p[0] == '"') {
		param->value = take_quoted(s);
		param->plain = true;
		skip_blanks(s);
		if (s->rest.n > 0 && s->rest.p[0] != ';') {
			odd(s, "text behind a quoted string");
			(void)take_until(s, ";");
		}
		return;
	}
	param->value = take_until(s, ";");
	param->plain = is_token(param->value);
	for (size_t i = 0; i < param->value.n; i++)
		if (strchr("(\"\\", param->value.p[i]) != NULL)
			odd(s, "a quote or comment inside a word");
}

/* name, name*, name*N, name*N* */
static void
take_name(struct scan *s, struct mime_param *param, struct slice name)
{
	size_t star = slice_find(name, '*');
	struct slice tail = slice_from(name, star + 1);
	uint64_t section;

	param->name = slice_head(name, star);
	param->section = MIME_WHOLE;
	if (star < name.n) {
		param->extended =
		    tail.n == 0 || slice_iends(tail, SLICE_LIT("*"));
		if (param->extended && tail.n > 0)
			tail.n--;
		if (tail.n > 0 && slice_u64(tail, &section) &&
		    section < MIME_SECTION_MAX &&
		    (tail.n == 1 || tail.p[0] != '0'))
			param->section = (int)section;
		else if (tail.n > 0 || !param->extended)
			odd(s, "a parameter's section without number");
	}
	if (!is_token(param->name))
		odd(s, "a parameter's name");
}

static void
check_bytes(struct scan *s, struct slice field)
{
	for (size_t i = 0; i < field.n; i++) {
		uint8_t c = (uint8_t)field.p[i];

		if (c >= 0x80)
			odd(s, "eight bits in a content field");
		else if (c == 0x7f || (c < ' ' && c != '\t'))
			odd(s, "a control character in a content field");
	}
}

static bool
is_repeated(const struct mime_params *params, const struct mime_param *param)
{
	for (size_t i = 0; i < params->count; i++) {
		const struct mime_param *p = &params->list[i];

		if (p->section == param->section &&
		    (p->section != MIME_WHOLE ||
		     p->extended == param->extended) &&
		    slice_ieq(p->name, param->name))
			return true;
	}
	return false;
}

static void
take_param(struct scan *s, struct mime_params *out)
{
	struct mime_param param = {0};
	struct slice name;

	skip_blanks(s);
	name = take_until(s, "=;(");
	skip_blanks(s);
	if (s->rest.n == 0 || s->rest.p[0] != '=') {
		if (name.n > 0 || (s->rest.n > 0 && s->rest.p[0] != ';'))
			odd(s, "a parameter without value");
		(void)take_until(s, ";");
		return;
	}
	s->rest = slice_from(s->rest, 1);
	take_name(s, &param, name);
	take_value(s, &param);
	if (out->count == MIME_PARAM_MAX) {
		odd(s, "too many parameters");
		s->rest = SLICE_NONE;
	} else if (is_repeated(out, &param)) {
		odd(s, "a parameter twice");
	} else {
		out->list[out->count++] = param;
	}
}

void
mime_params_parse(struct mime_params *out, struct slice field,
		  struct buf *scratch)
{
	struct scan s = {.rest = field, .scratch = scratch};

	buf_clear(scratch);
	(void)buf_reserve(scratch, field.n);
	out->count = 0;
	check_bytes(&s, field);
	skip_blanks(&s);
	out->value = take_until(&s, ";( \t");
	skip_blanks(&s);
	if (s.rest.n > 0 && s.rest.p[0] != ';') {
		odd(&s, "text behind a content field's word");
		(void)take_until(&s, ";");
	}
	while (s.rest.n > 0) {
		s.rest = slice_from(s.rest, 1); /* the semicolon */
		take_param(&s, out);
	}
	out->odd = s.odd;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		return (c | 0x20) - 'a' + 10;
	return -1;
}

static void
percent_decode(struct slice in, struct buf *out, const char **why)
{
	for (size_t i = 0; i < in.n; i++) {
		int high, low;

		if (in.p[i] != '%') {
			buf_add_byte(out, in.p[i]);
			continue;
		}
		high = i + 2 < in.n ? hex_value(in.p[i + 1]) : -1;
		low = i + 2 < in.n ? hex_value(in.p[i + 2]) : -1;
		if (high < 0 || low < 0) {
			*why = "a broken percent code";
			buf_add_byte(out, '%');
			continue;
		}
		buf_add_byte(out, (char)(uint8_t)(high << 4 | low));
		i += 2;
	}
}

/* charset'language'text: cuts the first two off. */
static struct slice
take_charset(struct slice *value, const char **why)
{
	struct slice charset = slice_head(*value, slice_find(*value, '\''));
	struct slice rest = slice_from(*value, charset.n + 1);
	size_t second = slice_find(rest, '\'');

	if (second == rest.n) {
		*why = "an extended parameter without charset";
		return SLICE_LIT("utf-8");
	}
	*value = slice_from(rest, second + 1);
	return charset.n > 0 ? charset : SLICE_LIT("utf-8");
}

static const struct mime_param *
find(const struct mime_params *params, const char *name, int section,
     bool extended)
{
	for (size_t i = 0; i < params->count; i++) {
		const struct mime_param *p = &params->list[i];

		if (p->section == section &&
		    (section != MIME_WHOLE || p->extended == extended) &&
		    slice_ieq(p->name, slice_str(name)))
			return p;
	}
	return NULL;
}

static size_t
section_count(const struct mime_params *params, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < params->count; i++)
		count += params->list[i].section != MIME_WHOLE &&
			 slice_ieq(params->list[i].name, slice_str(name));
	return count;
}

/* Sections that are extended are decoded, the others are as they are; all are
 * in the first one's charset. */
static void
join(const struct mime_params *params, const char *name, struct buf *out,
     const char **why)
{
	const struct mime_param *p = find(params, name, MIME_WHOLE, true);
	struct slice charset = SLICE_LIT("utf-8");
	struct buf raw = {.cap = out->cap};
	size_t count = section_count(params, name), done = 0;
	bool whole = p != NULL;

	if (!whole)
		p = find(params, name, 0, false);
	for (; p != NULL; p = find(params, name, (int)done, false)) {
		struct slice value = p->value;

		if (p->extended && done == 0)
			charset = take_charset(&value, why);
		if (p->extended)
			percent_decode(value, &raw, why);
		else
			buf_add_slice(&raw, value);
		if (whole)
			break;
		done++;
	}
	if (whole && count > 0)
		*why = "a parameter whole and in sections";
	else if (done < count)
		*why = "a parameter's section is missing";
	if (!mime_charset_decode(charset, buf_slice(&raw), out))
		*why = "an unknown charset";
	if (raw.overflow)
		out->overflow = true;
	buf_fini(&raw);
}

bool
mime_params_get(const struct mime_params *params, const char *name, bool plain,
		struct buf *out, const char **why)
{
	const struct mime_param *p = find(params, name, MIME_WHOLE, false);

	if (plain) {
		if (p == NULL)
			return false;
		if (!p->plain)
			*why = "a parameter that should be quoted";
		buf_add_slice(out, p->value);
		return true;
	}
	if (find(params, name, MIME_WHOLE, true) == NULL &&
	    section_count(params, name) == 0)
		return false;
	join(params, name, out, why);
	return true;
}
