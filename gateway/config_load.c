/*
 * Statements to a struct config, row by row: defaults first, then what the
 * file says, then what is missing. What the parts mean together is checked in
 * config_check.c.
 *
 * A directive that was wrong still counts as given: one mistake, one message.
 */
#include <string.h>

#include "gateway/base/hash.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"
#include "gateway/config_int.h"
#include "gateway/dkim/keys.h"

/* Names of blocks seen, by row: "relay" "hub". */
struct seen {
	UT_hash_handle hh;
	const char *key;
	struct config_place at;
};

struct loader {
	struct config_reading r;
	struct config *config;
	struct seen *seen;
};

static void *
field_of(struct config_block *block, const struct config_row *row)
{
	return (char *)block + row->field;
}

/* "hub" or, of a block without a name, "tls". */
static const char *
title(struct loader *l, const struct config_block *block)
{
	struct buf text = {.cap = 512};
	const char *kept;

	buf_add_str(&text, block->scope);
	if (block->name != NULL) {
		buf_add_byte(&text, ' ');
		buf_add_str(&text, config_word_text(l->r.arena, block->name));
	}
	kept = arena_dup(l->r.arena, buf_slice(&text));
	buf_fini(&text);
	return kept;
}

/* --- defaults --- */

static void
set_default(struct loader *l, const struct config_row *row, void *field)
{
	struct config_word words[16] = {{.text = config_row_name(row)}};
	struct config_node node = {.words = words, .count = 1};
	struct config_lex lex;

	config_lex_init(&lex, slice_str(row->value),
			(struct config_place){.line = 1, .column = 1},
			l->r.arena, l->r.problems);
	do {
		config_lex_next(&lex, &words[node.count]);
	} while (words[node.count].token == TOKEN_WORD && ++node.count < 16);
	config_value_read(&l->r, row, &node, field);
}

static void
init_block(struct loader *l, struct config_block *block, const char *scope)
{
	size_t first, count;

	config_scope(scope, &first, &count);
	block->scope = scope;
	block->origins =
	    arena_alloc(l->r.arena, count * sizeof(*block->origins));
	memset(block->origins, 0, count * sizeof(*block->origins));
	for (size_t i = first; i < first + count; i++) {
		const struct config_row *row = config_row(i);
		void *field = field_of(block, row);

		if (row->kind == CONFIG_BLOCK)
			init_block(l, field, row->path);
		else if (row->value != NULL)
			set_default(l, row, field);
		else if (row->kind == CONFIG_CHOICE)
			*(int *)field = -1;
		else if (row->kind == CONFIG_COUNT_OR)
			*(int64_t *)field = -1;
	}
}

/* --- what the file says --- */

static void read_nodes(struct loader *l, struct config_block *block,
		       const struct config_node *nodes);

static void
unknown(struct loader *l, const struct config_block *block,
	const struct config_word *word)
{
	const char *names[128], *hint = "";
	const char *text = config_word_text(l->r.arena, word->text);
	size_t first, count, n = 0;

	config_scope(block->scope, &first, &count);
	for (size_t i = first; i < first + count && n < 127; i++)
		names[n++] = config_row_name(config_row(i));
	names[n++] = "include";
	hint = config_nearest(l->r.arena, word->text, names, n);
	if (block->scope[0] != '\0' &&
	    config_row_find("", word->text) != NULL) {
		config_error(l->r.problems, word->at,
			     "'%s' cannot stand inside '%s': it belongs "
			     "outside of all blocks",
			     text, block->scope);
		return;
	}
	for (size_t i = 0; i < config_row_count() && hint[0] == '\0'; i++) {
		const struct config_row *row = config_row(i);
		const char *dot = strchr(row->path, '.');

		if (dot == NULL || strcmp(dot + 1, word->text) != 0)
			continue;
		config_error(l->r.problems, word->at,
			     "'%s' stands inside '%.*s { }'", text,
			     (int)(dot - row->path), row->path);
		return;
	}
	if (block->scope[0] == '\0')
		config_error(l->r.problems, word->at,
			     "unknown directive '%s'%s", text, hint);
	else
		config_error(l->r.problems, word->at,
			     "unknown directive '%s' in '%s'%s", text,
			     block->scope, hint);
}

static void
read_single(struct loader *l, struct config_block *block,
	    const struct config_row *row, const struct config_node *node)
{
	struct config_block *inner = field_of(block, row);

	if (node->count > 1) {
		config_error(l->r.problems, node->words[1].at,
			     "'%s' has no name: write '%s { ... }'", row->path,
			     row->path);
	}
	inner->at = node->words[0].at;
	read_nodes(l, inner, node->children);
}

/* gcc's analyzer takes uthash's table, which HASH_CLEAR frees, for a leak. */
#ifndef __clang__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

/* False: told. */
static bool
new_name(struct loader *l, const struct config_row *row,
	 const struct config_word *name)
{
	struct buf key = {.cap = 256};
	struct seen *seen;

	buf_printf(&key, "%s %s", row->path, name->text);
	HASH_FIND(hh, l->seen, key.p, key.n, seen);
	if (seen != NULL) {
		config_error(l->r.problems, name->at,
			     "a second '%s'; the first is at %s:%u:%u",
			     seen->key, seen->at.file, seen->at.line,
			     seen->at.column);
		buf_fini(&key);
		return false;
	}
	seen = arena_alloc(l->r.arena, sizeof(*seen));
	seen->key = arena_dup(l->r.arena, buf_slice(&key));
	seen->at = name->at;
	HASH_ADD_KEYPTR(hh, l->seen, seen->key, key.n, seen);
	buf_fini(&key);
	return true;
}

static void
read_named(struct loader *l, struct config_block *block,
	   const struct config_row *row, const struct config_node *node)
{
	struct config_blocks *list = field_of(block, row);
	const struct config_word *name = &node->words[1];
	struct config_block *inner, **to;

	if (node->count != 2) {
		config_error(l->r.problems, node->words[0].at,
			     "'%s' takes one name: write '%s NAME { ... }'",
			     row->path, row->path);
		return;
	}
	if (!config_is_name(name->text)) {
		config_error(l->r.problems, name->at,
			     "'%s' is no name: a name has up to 63 letters, "
			     "digits, '.', '_' and '-'",
			     config_word_text(l->r.arena, name->text));
		return;
	}
	if (list->count >= row->max) {
		config_error(l->r.problems, node->words[0].at,
			     "more than %zu '%s' blocks", (size_t)row->max,
			     row->path);
		return;
	}
	inner = arena_alloc(l->r.arena, row->size);
	memset(inner, 0, row->size);
	init_block(l, inner, row->path);
	inner->name = name->text;
	inner->at = node->words[0].at;
	if (new_name(l, row, name)) {
		to =
		    config_list_add(l->r.arena, (void **)&list->v, &list->count,
				    sizeof(struct config_block *));
		*to = inner;
	}
	read_nodes(l, inner, node->children);
}

#ifndef __clang__
#pragma GCC diagnostic pop
#endif

static void
read_node(struct loader *l, struct config_block *block,
	  const struct config_row *row, const struct config_node *node)
{
	struct config_problems *problems = l->r.problems;
	const struct config_word *word = &node->words[0];
	size_t first, count;
	struct config_origin *origin;

	config_scope(block->scope, &first, &count);
	origin = &block->origins[row - config_row(first)];
	if (origin->at.line > 0 && row->kind != CONFIG_NAMED &&
	    (row->flags & CONFIG_REPEAT) == 0) {
		config_error(problems, word->at,
			     "a second '%s'; the first is at %s:%u:%u",
			     config_row_name(row), origin->at.file,
			     origin->at.line, origin->at.column);
		return;
	}
	if (origin->at.line == 0)
		origin->at = word->at;
	if (config_row_is_block(row) != node->block) {
		config_error(problems, word->at,
			     node->block ? "'%s' is not a block: it takes "
					   "values and ends with ';'"
					 : "'%s' is a block: write '%s ... { "
					   "... }'",
			     config_row_name(row), config_row_name(row));
		return;
	}
	if (row->kind == CONFIG_BLOCK)
		read_single(l, block, row, node);
	else if (row->kind == CONFIG_NAMED)
		read_named(l, block, row, node);
	else
		config_value_read(&l->r, row, node, field_of(block, row));
}

static void
tell_missing(struct loader *l, const struct config_block *block)
{
	struct config_place at = block->at;
	size_t first, count;

	config_scope(block->scope, &first, &count);
	for (size_t i = 0; i < count; i++) {
		const struct config_row *row = config_row(first + i);

		if ((row->flags & CONFIG_REQUIRED) == 0 ||
		    block->origins[i].at.line > 0)
			continue;
		if (block->scope[0] == '\0')
			config_error(l->r.problems, at, "'%s' is missing",
				     row->path);
		else
			config_error(l->r.problems, at, "'%s' has no '%s'",
				     title(l, block), config_row_name(row));
	}
}

static void
read_nodes(struct loader *l, struct config_block *block,
	   const struct config_node *nodes)
{
	for (const struct config_node *n = nodes; n != NULL; n = n->next) {
		const struct config_row *row =
		    config_row_find(block->scope, n->words[0].text);

		if (row == NULL)
			unknown(l, block, &n->words[0]);
		else
			read_node(l, block, row, n);
	}
	tell_missing(l, block);
}

/* --- whole --- */

static int
load(struct config **config, const char *path, const struct slice *text,
     unsigned flags, struct config_problems *problems)
{
	struct config *c = mem_zalloc(sizeof(*c));
	struct loader l = {.config = c};
	struct config_node *nodes;
	size_t before = config_problems_errors(problems);

	c->arena = arena_create(16384);
	l.r = (struct config_reading){c->arena, problems, flags};
	init_block(&l, &c->block, "");
	c->block.at =
	    (struct config_place){.file = arena_dup(c->arena, slice_str(path)),
				  .line = 1,
				  .column = 1};
	nodes = config_tree_read(path, text, flags, c->arena, problems);
	/* a file that cannot be read is one error, not a dozen */
	if (nodes != NULL || config_problems_errors(problems) == before) {
		read_nodes(&l, &c->block, nodes);
		config_check(&l.r, c);
	}
	HASH_CLEAR(hh, l.seen);
	config_problems_sort(problems);
	if (config_problems_errors(problems) > before) {
		config_destroy(&c);
		*config = NULL;
		return GW_EINVAL;
	}
	*config = c;
	return 0;
}

int
config_load(struct config **config, const char *path, unsigned flags,
	    struct config_problems *problems)
{
	return load(config, path, NULL, flags, problems);
}

int
config_load_text(struct config **config, const char *name, struct slice text,
		 unsigned flags, struct config_problems *problems)
{
	return load(config, name, &text, flags, problems);
}

void
config_destroy(struct config **config)
{
	struct config *c = *config;

	if (c == NULL)
		return;
	*config = NULL;
	for (size_t i = 0; i < c->relays.count; i++) {
		char *password = config_relay(c, i)->login.password;

		if (password != NULL)
			secret_wipe(password, strlen(password));
	}
	for (size_t i = 0; i < c->scan.token_keys.count; i++) {
		struct config_token_key *key = &c->scan.token_keys.v[i];

		if (key->secret != NULL)
			secret_wipe(key->secret, key->secret_bytes);
	}
	tls_ctx_destroy(&c->tls_ctx);
	dkim_keys_release(&c->dkim_keys);
	arena_destroy(&c->arena);
	free(c);
}

const struct config_listen *
config_listen(const struct config *c, size_t i)
{
	return (const struct config_listen *)c->listens.v[i];
}

const struct config_relay *
config_relay(const struct config *c, size_t i)
{
	return (const struct config_relay *)c->relays.v[i];
}

const struct config_route *
config_route(const struct config *c, size_t i)
{
	return (const struct config_route *)c->routes.v[i];
}

const struct config_relay *
config_relay_find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->relays.count; i++) {
		if (strcmp(c->relays.v[i]->name, name) == 0)
			return config_relay(c, i);
	}
	return NULL;
}
