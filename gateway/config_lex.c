/*
 * gateway.conf's bytes to words, braces and semicolons. A word ends at blank,
 * brace, semicolon or quote; '#' begins a comment where a word could begin. A
 * column counts characters, not bytes, as editors do. What cannot be read is
 * told and left out, so that the rest of the file is still checked.
 *
 * Words come out as C strings: a NUL, like every other control character, is
 * an error and never part of a word.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/config_int.h"

void
config_lex_init(struct config_lex *lex, struct slice in,
		struct config_place start, struct arena *arena,
		struct config_problems *problems)
{
	*lex = (struct config_lex){
	    .in = in, .here = start, .arena = arena, .problems = problems};
	if (slice_starts(in, SLICE_LIT("\xef\xbb\xbf")))
		lex->at = 3; /* a byte order mark, as some editors write */
}

static int
peek(const struct config_lex *lex)
{
	return lex->at < lex->in.n ? (unsigned char)lex->in.p[lex->at] : -1;
}

static void
step(struct config_lex *lex)
{
	unsigned char c = (unsigned char)lex->in.p[lex->at++];

	if (c == '\n') {
		lex->here.line++;
		lex->here.column = 1;
		lex->line_used = false;
	} else if ((c & 0xc0) != 0x80) {
		lex->here.column++;
	}
}

static bool
is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
is_control(int c)
{
	return (c >= 0 && c < 0x20 && !is_blank(c)) || c == 0x7f;
}

static bool
ends_word(int c)
{
	return c < 0 || is_blank(c) || c == '{' || c == '}' || c == ';' ||
	       c == '"';
}

static void
skip_blank(struct config_lex *lex)
{
	for (int c = peek(lex); is_blank(c) || c == '#'; c = peek(lex)) {
		if (c != '#') {
			step(lex);
			continue;
		}
		while (c >= 0 && c != '\n') {
			step(lex);
			c = peek(lex);
		}
	}
}

static void
bad_control(struct config_lex *lex, int c)
{
	config_error(lex->problems, lex->here, "control character 0x%02x",
		     (unsigned)c);
}

static void
read_bare(struct config_lex *lex, char *to, size_t *n)
{
	for (int c = peek(lex); !ends_word(c); c = peek(lex)) {
		if (is_control(c))
			bad_control(lex, c);
		else
			to[(*n)++] = (char)c;
		step(lex);
	}
	if (peek(lex) == '"') {
		config_error(lex->problems, lex->here,
			     "a quote inside a word: a space is missing, or "
			     "the whole word belongs in quotes");
	}
}

static void
read_escape(struct config_lex *lex, char *to, size_t *n)
{
	struct config_place at = lex->here;
	int c;

	step(lex);
	c = peek(lex);
	if (c < 0)
		return; /* the missing quote is told by the caller */
	switch (c) {
	case '"':
	case '\\':
		to[(*n)++] = (char)c;
		break;
	case 't':
		to[(*n)++] = '\t';
		break;
	default:
		config_error(lex->problems, at,
			     "unknown escape in a quoted string: there are "
			     "\\\", \\\\ and \\t");
	}
	/* a line's end is left for the caller, who sees the missing quote */
	if (c != '\n' && c != '\r')
		step(lex);
}

/* One line at most: a forgotten quote shall not swallow the file. */
static void
read_quoted(struct config_lex *lex, char *to, size_t *n)
{
	struct config_place open = lex->here;
	int c;

	step(lex);
	for (c = peek(lex); c >= 0 && c != '"' && c != '\n'; c = peek(lex)) {
		if (c == '\\') {
			read_escape(lex, to, n);
			continue;
		}
		if (is_control(c) || c == '\r')
			bad_control(lex, c);
		else
			to[(*n)++] = (char)c;
		step(lex);
	}
	if (c != '"') {
		config_error(lex->problems, open,
			     "the quoted string has no end on its line");
		return;
	}
	step(lex);
	c = peek(lex);
	if (c == '"' || !ends_word(c)) {
		config_error(lex->problems, lex->here,
			     "a space is missing behind the quoted string");
	}
}

/* Where a word begins: no fewer bytes than it will have. */
static size_t
longest(const struct config_lex *lex)
{
	bool quoted = peek(lex) == '"';
	size_t at = lex->at + (quoted ? 1 : 0);

	for (; at < lex->in.n; at++) {
		unsigned char c = (unsigned char)lex->in.p[at];

		if (quoted ? c == '"' || c == '\n' : ends_word(c))
			break;
		if (quoted && c == '\\')
			at++;
	}
	return at - lex->at;
}

static void
read_word(struct config_lex *lex, struct config_word *word)
{
	char *to = arena_alloc(lex->arena, longest(lex) + 1);
	size_t n = 0;

	word->token = TOKEN_WORD;
	word->quoted = peek(lex) == '"';
	if (word->quoted)
		read_quoted(lex, to, &n);
	else
		read_bare(lex, to, &n);
	to[n] = '\0';
	word->text = to;
}

void
config_lex_next(struct config_lex *lex, struct config_word *word)
{
	int c;

	memset(word, 0, sizeof(*word));
	skip_blank(lex);
	word->at = lex->here;
	word->first = !lex->line_used;
	lex->line_used = true;
	c = peek(lex);
	if (c < 0)
		word->token = TOKEN_END;
	else if (c == '{')
		word->token = TOKEN_OPEN;
	else if (c == '}')
		word->token = TOKEN_CLOSE;
	else if (c == ';')
		word->token = TOKEN_SEMICOLON;
	else
		read_word(lex, word);
	if (c == '{' || c == '}' || c == ';')
		step(lex);
	word->end = lex->here;
}
