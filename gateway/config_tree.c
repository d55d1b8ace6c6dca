/*
 * Words to statements: `name arg... ;` and `name arg... { ... }`, with the
 * files that `include` names put in their place.
 *
 * The table is asked one thing: whether a word that begins a line is a
 * directive. That tells a forgotten ';' or '}' where it was forgotten, and
 * lets the rest of the file be checked as it was meant, instead of a single
 * complaint at its end.
 *
 * Bounds: files, their bytes, the depth of includes and of blocks. A block
 * begins and ends in one file.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/config_int.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define TOTAL_BYTES_MAX ((size_t)8 << 20)
#define FILES_MAX 256
#define INCLUDE_DEPTH_MAX 8
#define BLOCK_DEPTH_MAX 8

struct open_file {
	const struct open_file *outer;
	const char *path;
	dev_t dev;
	ino_t ino;
	unsigned depth;
};

struct tree {
	struct arena *arena;
	struct config_problems *problems;
	unsigned flags;
	uint32_t file_count;
	size_t total;
};

/* One file being read: the next word is always looked at already. */
struct parser {
	struct tree *tree;
	const struct open_file *file;
	struct config_lex lex;
	struct config_word word;
};

/* The block whose statements are read; scope NULL: not a known one. */
struct level {
	const struct level *outer;
	const char *scope;
	const struct config_node *node; /* NULL: the file itself */
	unsigned depth;
};

struct list {
	struct config_node *first;
	struct config_node **end;
};

static void read_file(struct tree *tree, const char *path,
		      const struct open_file *outer, struct config_place from,
		      const struct level *level, struct list *out);

static void
advance(struct parser *p)
{
	config_lex_next(&p->lex, &p->word);
}

static bool
knows(const char *scope, const char *word)
{
	return scope != NULL && (config_row_find(scope, word) != NULL ||
				 strcmp(word, "include") == 0);
}

/*
 * Does the word that begins this line show that the block was to end before?
 * It is no directive here but one of the file, and stands no further to the
 * right than the block's own name.
 */
static bool
outgrows(const struct parser *p, const struct level *level)
{
	const struct config_word *w = &p->word;

	return level->node != NULL && w->token == TOKEN_WORD && w->first &&
	       !w->quoted && !knows(level->scope, w->text) &&
	       config_row_find("", w->text) != NULL &&
	       w->at.column <= level->node->words[0].at.column;
}

/* The words up to ';', '{' or what cannot belong to the statement. */
static void
read_words(struct parser *p, const struct level *level,
	   struct config_node *node)
{
	size_t size = 0;

	while (p->word.token == TOKEN_WORD) {
		if (node->count > 0 && p->word.first && !p->word.quoted &&
		    (knows(level->scope, p->word.text) || outgrows(p, level)))
			return;
		if (node->count == size) {
			struct config_word *old = node->words;

			size = size > 0 ? 2 * size : 4;
			node->words =
			    arena_alloc(p->tree->arena, size * sizeof(*old));
			if (old != NULL)
				memcpy(node->words, old,
				       node->count * sizeof(*old));
		}
		node->words[node->count++] = p->word;
		advance(p);
	}
}

static void
missing_semicolon(struct parser *p, const struct config_node *node)
{
	const struct config_word *last = &node->words[node->count - 1];

	config_error(p->tree->problems, last->end, "missing ';' behind '%s'",
		     config_word_text(p->tree->arena, last->text));
}

/* A pattern may name a folder that is not there; one that cannot be read is
 * told, or its files would be missing without a word. */
static int
unreadable(const char *path, int errnum)
{
	(void)path;
	return errnum != ENOENT && errnum != ENOTDIR;
}

static void
include_files(struct parser *p, const struct config_node *node,
	      const struct level *level, struct list *out)
{
	const struct config_word *arg = &node->words[1];
	struct tree *tree = p->tree;
	const char *pattern, *slash;
	struct buf path = {.cap = 4096};
	glob_t found;
	int err;

	if (node->count != 2 || node->block) {
		config_error(tree->problems, node->words[0].at,
			     "'include' takes one file or pattern");
		return;
	}
	if ((tree->flags & CONFIG_NO_INCLUDE) != 0)
		return;
	slash = strrchr(p->file->path, '/');
	if (arg->text[0] != '/' && slash != NULL)
		buf_add(&path, p->file->path,
			(size_t)(slash - p->file->path) + 1);
	buf_add_str(&path, arg->text);
	pattern = arena_dup(tree->arena, slice_str(buf_cstr(&path)));
	buf_fini(&path);
	err = glob(pattern, 0, unreadable, &found);
	if (err == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			read_file(tree, found.gl_pathv[i], p->file, arg->at,
				  level, out);
		globfree(&found);
	} else if (err != GLOB_NOMATCH || strpbrk(pattern, "*?[") == NULL) {
		config_error(tree->problems, arg->at, "cannot include '%s': %s",
			     config_word_text(tree->arena, pattern),
			     err == GLOB_NOMATCH ? "no such file"
						 : "cannot be read");
	}
}

/* Behind a '{' that nests too deep: to its '}'. */
static void
skip_block(struct parser *p)
{
	size_t depth = 1;

	while (depth > 0 && p->word.token != TOKEN_END) {
		if (p->word.token == TOKEN_OPEN)
			depth++;
		if (p->word.token == TOKEN_CLOSE)
			depth--;
		if (depth > 0)
			advance(p);
	}
}

static void read_statements(struct parser *p, const struct level *level,
			    struct list *out);

static void
read_block(struct parser *p, const struct level *outer,
	   struct config_node *node)
{
	const struct config_row *row = NULL;
	struct level level = {
	    .outer = outer, .node = node, .depth = outer->depth + 1};
	struct list children = {.end = &children.first};
	const char *name =
	    config_word_text(p->tree->arena, node->words[0].text);

	node->block = true;
	advance(p);
	if (level.depth > BLOCK_DEPTH_MAX) {
		config_error(p->tree->problems, node->words[0].at,
			     "blocks are nested deeper than %d",
			     BLOCK_DEPTH_MAX);
		skip_block(p);
	} else {
		if (outer->scope != NULL)
			row =
			    config_row_find(outer->scope, node->words[0].text);
		if (row != NULL && config_row_is_block(row))
			level.scope = row->path;
		read_statements(p, &level, &children);
		node->children = children.first;
	}
	if (p->word.token == TOKEN_CLOSE) {
		advance(p);
		return;
	}
	if (p->word.token == TOKEN_END) {
		config_error(p->tree->problems, node->words[0].at,
			     "'%s' is never closed: missing '}'", name);
		return;
	}
	config_error(p->tree->problems, p->word.at,
		     "missing '}' before '%s': '%s' of line %u is still open",
		     config_word_text(p->tree->arena, p->word.text), name,
		     node->words[0].at.line);
}

static void
read_statement(struct parser *p, const struct level *level, struct list *out)
{
	struct config_node *node = arena_alloc(p->tree->arena, sizeof(*node));

	memset(node, 0, sizeof(*node));
	read_words(p, level, node);
	if (p->word.token == TOKEN_OPEN) {
		read_block(p, level, node);
	} else if (p->word.token == TOKEN_SEMICOLON) {
		advance(p);
	} else {
		missing_semicolon(p, node);
	}
	if (!node->words[0].quoted &&
	    strcmp(node->words[0].text, "include") == 0) {
		include_files(p, node, level, out);
		return;
	}
	*out->end = node;
	out->end = &node->next;
}

/* To the '}' or the end of the file, which is left for the caller. */
static void
read_statements(struct parser *p, const struct level *level, struct list *out)
{
	for (;;) {
		switch (p->word.token) {
		case TOKEN_END:
			return;
		case TOKEN_CLOSE:
			if (level->node != NULL)
				return;
			config_error(p->tree->problems, p->word.at,
				     "this '}' closes nothing");
			advance(p);
			break;
		case TOKEN_SEMICOLON:
			config_error(p->tree->problems, p->word.at,
				     "';' without a directive");
			advance(p);
			break;
		case TOKEN_OPEN:
			config_error(p->tree->problems, p->word.at,
				     "'{' without a directive");
			advance(p);
			skip_block(p);
			if (p->word.token == TOKEN_CLOSE)
				advance(p);
			break;
		case TOKEN_WORD:
			if (outgrows(p, level))
				return;
			read_statement(p, level, out);
			break;
		}
	}
}

static void
read_text(struct tree *tree, const struct open_file *file, struct slice text,
	  const struct level *level, struct list *out)
{
	/* Statements of an included file belong to the block that includes,
	 * but its braces are its own. */
	struct level here = {.scope = level->scope, .depth = level->depth};
	struct parser p = {.tree = tree, .file = file};
	struct config_place start = {
	    .file = arena_dup(tree->arena, slice_str(file->path)),
	    .file_no = tree->file_count++,
	    .line = 1,
	    .column = 1};

	config_lex_init(&p.lex, text, start, tree->arena, tree->problems);
	advance(&p);
	read_statements(&p, &here, out);
}

/* p has FILE_BYTES_MAX + 1 bytes. */
static const char *
slurp(struct tree *tree, int fd, char *p, struct slice *text)
{
	size_t n = 0;

	for (;;) {
		ssize_t got = read(fd, p + n, FILE_BYTES_MAX + 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return strerror(errno);
		if (got == 0)
			break;
		n += (size_t)got;
		if (n > FILE_BYTES_MAX)
			return "larger than 1M";
	}
	tree->total += n;
	if (tree->total > TOTAL_BYTES_MAX)
		return "with it all files together are larger than 8M";
	*text = slice_of(p, n);
	return NULL;
}

/* Why a file may not be opened, or NULL. */
static const char *
open_checked(struct tree *tree, struct open_file *file, int *fd)
{
	struct stat st;

	if (file->depth > INCLUDE_DEPTH_MAX)
		return "includes are nested deeper than 8";
	if (tree->file_count >= FILES_MAX)
		return "more than 256 files";
	/* without blocking: somebody might have left a FIFO there */
	*fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (*fd < 0)
		return strerror(errno);
	if (fstat(*fd, &st) != 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	file->dev = st.st_dev;
	file->ino = st.st_ino;
	for (const struct open_file *f = file->outer; f != NULL; f = f->outer) {
		if (f->dev == file->dev && f->ino == file->ino)
			return "it is being read already: an include loop";
	}
	return NULL;
}

static void
read_file(struct tree *tree, const char *path, const struct open_file *outer,
	  struct config_place from, const struct level *level, struct list *out)
{
	struct open_file file = {
	    .outer = outer,
	    .path = path,
	    .depth = outer != NULL ? outer->depth + 1 : 0,
	};
	struct slice text = SLICE_NONE;
	int fd = -1;
	const char *why = open_checked(tree, &file, &fd);
	char *room = mem_alloc(FILE_BYTES_MAX + 1);

	if (why == NULL)
		why = slurp(tree, fd, room, &text);
	if (fd >= 0)
		close(fd);
	if (why == NULL) {
		read_text(tree, &file, text, level, out);
	} else if (outer == NULL) {
		from.file = path;
		config_error(tree->problems, from, "%s", why);
	} else {
		config_error(tree->problems, from, "cannot include '%s': %s",
			     config_word_text(tree->arena, path), why);
	}
	free(room);
}

struct config_node *
config_tree_read(const char *path, const struct slice *text, unsigned flags,
		 struct arena *arena, struct config_problems *problems)
{
	struct tree tree = {
	    .arena = arena, .problems = problems, .flags = flags};
	struct level top = {.scope = ""};
	struct list out = {.end = &out.first};
	struct open_file file = {.path = path};

	if (text != NULL)
		read_text(&tree, &file, *text, &top, &out);
	else
		read_file(&tree, path, NULL, (struct config_place){0}, &top,
			  &out);
	return out.first;
}
