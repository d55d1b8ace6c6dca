/*
 * Everything that is wrong with a configuration, gathered so that one run
 * tells all of it. The list is capped: a file of another program would fill a
 * terminal with nothing.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/escape.h"
#include "gateway/base/mem.h"
#include "gateway/config_int.h"

#define PROBLEMS_MAX 200
#define LINE_BYTES_MAX 1024
#define WORD_BYTES_MAX 256 /* of a file's word inside a message */

struct problem {
	struct config_place at;
	size_t order;
	bool warning;
	char *line;
};

struct config_problems {
	struct problem *v;
	size_t count, size;
	size_t errors;
	size_t dropped;
};

struct config_problems *
config_problems_create(void)
{
	return mem_zalloc(sizeof(struct config_problems));
}

void
config_problems_destroy(struct config_problems **problems)
{
	struct config_problems *p = *problems;

	if (p == NULL)
		return;
	*problems = NULL;
	for (size_t i = 0; i < p->count; i++)
		free(p->v[i].line);
	free(p->v);
	free(p);
}

static void
add(struct config_problems *p, struct config_place at, bool warning,
    const char *text)
{
	struct buf line = {.cap = LINE_BYTES_MAX};

	if (!warning)
		p->errors++;
	if (p->count == PROBLEMS_MAX) {
		p->dropped++;
		return;
	}
	if (p->count == p->size) {
		p->size = p->size > 0 ? 2 * p->size : 16;
		p->v = mem_resize(p->v, p->size * sizeof(*p->v));
	}
	if (at.line > 0)
		buf_printf(&line, "%s:%u:%u: ", at.file, at.line, at.column);
	else
		buf_printf(&line, "%s: ", at.file != NULL ? at.file : "-");
	if (warning)
		buf_add_str(&line, "warning: ");
	buf_add(&line, text, strnlen(text, line.cap - line.n));
	p->v[p->count] = (struct problem){.at = at,
					  .order = p->count,
					  .warning = warning,
					  .line = mem_strdup(buf_cstr(&line))};
	p->count++;
	buf_fini(&line);
}

__attribute__((format(printf, 4, 0))) static void
add_args(struct config_problems *problems, struct config_place at, bool warning,
	 const char *fmt, va_list args)
{
	char text[LINE_BYTES_MAX];

	vsnprintf(text, sizeof(text), fmt, args);
	add(problems, at, warning, text);
}

void
config_error(struct config_problems *problems, struct config_place at,
	     const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_args(problems, at, false, fmt, args);
	va_end(args);
}

void
config_warn(struct config_problems *problems, struct config_place at,
	    const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_args(problems, at, true, fmt, args);
	va_end(args);
}

static int
by_place(const void *a, const void *b)
{
	const struct problem *x = a, *y = b;

	if (x->at.file_no != y->at.file_no)
		return x->at.file_no < y->at.file_no ? -1 : 1;
	if (x->at.line != y->at.line)
		return x->at.line < y->at.line ? -1 : 1;
	if (x->at.column != y->at.column)
		return x->at.column < y->at.column ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

void
config_problems_sort(struct config_problems *p)
{
	if (p->count > 1)
		qsort(p->v, p->count, sizeof(*p->v), by_place);
}

size_t
config_problems_errors(const struct config_problems *p)
{
	return p->errors;
}

size_t
config_problems_count(const struct config_problems *p)
{
	return p->count;
}

const char *
config_problems_line(const struct config_problems *p, size_t i, bool *warning)
{
	if (warning != NULL)
		*warning = p->v[i].warning;
	return p->v[i].line;
}

void
config_problems_print(const struct config_problems *p, struct buf *out)
{
	for (size_t i = 0; i < p->count; i++)
		buf_printf(out, "%s\n", p->v[i].line);
	if (p->dropped > 0)
		buf_printf(out, "and %zu more\n", p->dropped);
}

const char *
config_word_text(struct arena *arena, const char *word)
{
	struct buf text = {.cap = 4 * WORD_BYTES_MAX + 8};
	struct slice s = slice_str(word);
	const char *kept;

	escape_text(&text, slice_head(s, WORD_BYTES_MAX));
	if (s.n > WORD_BYTES_MAX)
		buf_add_str(&text, "...");
	kept = arena_dup(arena, slice_str(buf_cstr(&text)));
	buf_fini(&text);
	return kept;
}

#define NEAREST_MAX 32

static size_t
least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Edits, with a swap of neighbours as one. */
static size_t
edit_distance(const char *a, size_t n, const char *b, size_t m)
{
	size_t d[NEAREST_MAX + 1][NEAREST_MAX + 1];

	for (size_t i = 0; i <= n; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			size_t other = a[i - 1] != b[j - 1];

			d[i][j] = least(d[i - 1][j] + 1, d[i][j - 1] + 1,
					d[i - 1][j - 1] + other);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	}
	return d[n][m];
}

const char *
config_nearest(struct arena *arena, const char *word,
	       const char *const *candidates, size_t count)
{
	size_t n = strlen(word), best = n / 3 + 1;
	const char *hit = NULL;
	struct buf text = {.cap = 256};

	for (size_t i = 0; i < count && n <= NEAREST_MAX; i++) {
		size_t m = strlen(candidates[i]), d;

		if (m > NEAREST_MAX)
			continue;
		d = edit_distance(word, n, candidates[i], m);
		if (d < m && (d < best || (d == best && hit == NULL))) {
			best = d;
			hit = candidates[i];
		}
	}
	if (hit == NULL)
		return "";
	buf_printf(&text, ", did you mean '%s'?", hit);
	hit = arena_dup(arena, slice_str(buf_cstr(&text)));
	buf_fini(&text);
	return hit;
}
