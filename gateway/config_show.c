/*
 * The configuration in force, said in its own grammar or as JSON; and what a
 * reload cannot change. Passwords are not in here: a login shows its file.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/escape.h"
#include "gateway/base/json.h"
#include "gateway/config_int.h"

#define VALUE_BYTES_MAX ((size_t)4 << 20)

/* Called for each value; line: the directive's words behind its name. */
struct visitor {
	void (*open)(void *arg, const struct config_block *block);
	void (*value)(void *arg, const struct config_block *block,
		      const struct config_row *row,
		      const struct config_origin *origin, size_t i,
		      struct slice words);
	void (*close)(void *arg, const struct config_block *block);
	void *arg;
};

static void
visit_row(const struct visitor *v, const struct config_block *block,
	  const struct config_row *row, const struct config_origin *origin)
{
	const void *field = (const char *)block + row->field;
	struct buf words = {.cap = VALUE_BYTES_MAX};

	for (size_t i = 0; config_value_print(row, field, i, &words); i++) {
		v->value(v->arg, block, row, origin, i, buf_slice(&words));
		buf_clear(&words);
	}
	buf_fini(&words);
}

static void
visit(const struct visitor *v, const struct config_block *block)
{
	size_t first, count;

	config_scope(block->scope, &first, &count);
	v->open(v->arg, block);
	for (size_t i = 0; i < count; i++) {
		const struct config_row *row = config_row(first + i);
		const char *field = (const char *)block + row->field;
		const struct config_blocks *list;

		if (row->kind == CONFIG_BLOCK) {
			visit(v, (const struct config_block *)field);
		} else if (row->kind == CONFIG_NAMED) {
			list = (const struct config_blocks *)field;
			for (size_t j = 0; j < list->count; j++)
				visit(v, list->v[j]);
		} else {
			visit_row(v, block, row, &block->origins[i]);
		}
	}
	v->close(v->arg, block);
}

static void
add_origin(struct buf *out, const struct config_place *at)
{
	if (at->line == 0) {
		buf_add_str(out, "default");
		return;
	}
	escape_text(out, slice_str(at->file));
	buf_printf(out, ":%u:%u", at->line, at->column);
}

/* --- text --- */

struct text {
	struct buf *out;
	bool origins;
	const struct config_block *waiting; /* opened, nothing said in it */
	bool inside;
};

static void
text_open(void *arg, const struct config_block *block)
{
	struct text *t = arg;

	/* a block that says nothing is left out, unless the file has it */
	t->waiting = block->scope[0] != '\0' ? block : NULL;
}

static void
text_head(struct text *t)
{
	const struct config_block *block = t->waiting;

	if (block == NULL)
		return;
	t->waiting = NULL;
	t->inside = true;
	buf_add_str(t->out, block->scope);
	if (block->name != NULL)
		buf_printf(t->out, " %s", block->name);
	buf_add_str(t->out, " {");
	if (t->origins && block->at.line > 0) {
		buf_add_str(t->out, "\t# ");
		add_origin(t->out, &block->at);
	}
	buf_add_byte(t->out, '\n');
}

static void
text_value(void *arg, const struct config_block *block,
	   const struct config_row *row, const struct config_origin *origin,
	   size_t i, struct slice words)
{
	struct text *t = arg;

	(void)block;
	(void)i;
	text_head(t);
	buf_printf(t->out, "%s%s ", t->inside ? "\t" : "",
		   config_row_name(row));
	buf_add_slice(t->out, words);
	buf_add_byte(t->out, ';');
	if (t->origins) {
		buf_add_str(t->out, "\t# ");
		add_origin(t->out, &origin->at);
		if (row->kind == CONFIG_LOGIN)
			buf_add_str(t->out, ", password (hidden)");
		if (row->kind == CONFIG_TOKEN)
			buf_add_str(t->out, ", secret (hidden)");
		if (origin->pending)
			buf_add_str(t->out, ", waits for a restart");
	}
	buf_add_byte(t->out, '\n');
}

static void
text_close(void *arg, const struct config_block *block)
{
	struct text *t = arg;

	if (t->inside && block->scope[0] != '\0')
		buf_add_str(t->out, "}\n");
	t->inside = false;
	t->waiting = NULL;
}

void
config_show(const struct config *config, struct buf *out, bool origins)
{
	struct text t = {.out = out, .origins = origins};
	struct visitor v = {text_open, text_value, text_close, &t};

	visit(&v, &config->block);
}

/* --- JSON --- */

static void
json_nothing(void *arg, const struct config_block *block)
{
	(void)arg;
	(void)block;
}

static void
json_value(void *arg, const struct config_block *block,
	   const struct config_row *row, const struct config_origin *origin,
	   size_t i, struct slice words)
{
	struct json *j = arg;
	struct buf place = {.cap = 16384};

	(void)i;
	add_origin(&place, &origin->at);
	json_open_object(j, NULL);
	json_str(j, "directive", row->path);
	json_str(j, "block", block->name);
	json_slice(j, "value", words);
	if (row->kind == CONFIG_LOGIN)
		json_str(j, "password", "(hidden)");
	json_slice(j, "origin", buf_slice(&place));
	json_bool(j, "waits_for_restart", origin->pending);
	json_close_object(j);
	buf_fini(&place);
}

void
config_show_json(const struct config *config, struct buf *out)
{
	struct json j;
	struct visitor v = {json_nothing, json_value, json_nothing, &j};

	json_init(&j, out);
	json_open_array(&j, NULL);
	visit(&v, &config->block);
	json_close_array(&j);
}

/* --- what waits for a restart --- */

static void
print_all(const struct config_row *row, const struct config_block *block,
	  struct buf *out)
{
	const void *field = (const char *)block + row->field;

	for (size_t i = 0; config_value_print(row, field, i, out); i++)
		buf_add_byte(out, '\n');
}

static size_t
mark_block(const struct config_block *old, struct config_block *next,
	   struct buf *lines)
{
	size_t first, count, marked = 0;

	config_scope(next->scope, &first, &count);
	for (size_t i = 0; i < count; i++) {
		const struct config_row *row = config_row(first + i);
		struct buf was = {.cap = VALUE_BYTES_MAX};
		struct buf is = {.cap = VALUE_BYTES_MAX};
		struct config_place at;

		if (row->kind == CONFIG_BLOCK)
			marked += mark_block(
			    (const struct config_block *)((const char *)old +
							  row->field),
			    (struct config_block *)((char *)next + row->field),
			    lines);
		if ((row->flags & CONFIG_RESTART) == 0)
			continue;
		print_all(row, old, &was);
		print_all(row, next, &is);
		if (!slice_eq(buf_slice(&was), buf_slice(&is))) {
			next->origins[i].pending = true;
			at = config_place_of(next, config_row_name(row));
			buf_printf(lines,
				   "%s:%u:%u: '%s' changes with a restart "
				   "only\n",
				   at.file, at.line, at.column,
				   config_row_name(row));
			marked++;
		}
		buf_fini(&was);
		buf_fini(&is);
	}
	return marked;
}

size_t
config_mark_restart(const struct config *old, struct config *next,
		    struct buf *lines)
{
	return mark_block(&old->block, &next->block, lines);
}
