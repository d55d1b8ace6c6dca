/*
 * Block entries as lines of text:
 *
 *   KIND VALUE [hold] [stealth] [until=T] [since=T] [made=T] [author=A]
 *   [reason=R]
 *
 * T is "2026-11-21T23:05:29Z" or seconds since 1970. A word with blanks or
 * with bytes that a terminal should not see stands in double quotes, with \",
 * \\ and \xNN inside. What is written is read back as the same entry; the id
 * and the hits stay behind. The value's normal form is blocklist_add's.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/escape.h"
#include "policy/block_int.h"

static void
put_time(struct buf *out, const char *name, int64_t wall_s)
{
	char text[CLOCK_ISO_SIZE];

	if (wall_s == 0)
		return;
	clock_iso(wall_s * 1000, text);
	/* 2026-11-21T23:05:29.000Z */
	buf_printf(out, " %s=%.19sZ", name, text);
}

static void
put_text(struct buf *out, const char *name, const char *text)
{
	if (text == NULL || *text == '\0')
		return;
	buf_printf(out, " %s=", name);
	escape_logfmt(out, slice_str(text));
}

void
block_line_write(const struct block *block, struct buf *out)
{
	buf_printf(out, "%s ", block_kind_name(block->kind));
	escape_logfmt(out, slice_str(block->value));
	if (block->action == BLOCK_HOLD)
		buf_add_str(out, " hold");
	if (block->flags & BLOCK_STEALTH)
		buf_add_str(out, " stealth");
	put_time(out, "until", block->until_wall_s);
	put_time(out, "since", block->since_wall_s);
	put_time(out, "made", block->made_wall_s);
	put_text(out, "author", block->author);
	put_text(out, "reason", block->reason);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One escaped byte behind a backslash; *rest moves on. */
static bool
read_escape(struct slice *rest, char *c)
{
	int high, low;

	if (rest->n == 0)
		return false;
	if (rest->p[0] == '"' || rest->p[0] == '\\') {
		*c = rest->p[0];
		*rest = slice_from(*rest, 1);
		return true;
	}
	if (rest->n < 3 || rest->p[0] != 'x')
		return false;
	high = hex_digit(rest->p[1]);
	low = hex_digit(rest->p[2]);
	if (high < 0 || low < 0)
		return false;
	*c = (char)(high << 4 | low);
	*rest = slice_from(*rest, 3);
	return *c != '\0';
}

static bool
read_quoted(struct slice *rest, struct buf *scratch)
{
	while (rest->n > 0) {
		char c = rest->p[0];

		*rest = slice_from(*rest, 1);
		if (c == '"')
			return rest->n == 0 || rest->p[0] == ' ' ||
			       rest->p[0] == '\t';
		if (c == '\\' && !read_escape(rest, &c))
			return false;
		buf_add_byte(scratch, c);
	}
	return false;
}

/* The next word, bare or quoted, NUL-terminated in scratch, which has room. */
static bool
read_word(struct slice *rest, struct buf *scratch, const char **word)
{
	*word = scratch->p + scratch->n;
	if (rest->n > 0 && rest->p[0] == '"') {
		*rest = slice_from(*rest, 1);
		if (!read_quoted(rest, scratch))
			return false;
	} else {
		size_t n = 0;

		while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t' &&
		       rest->p[n] != '"')
			n++;
		if (n < rest->n && rest->p[n] == '"')
			return false;
		buf_add_slice(scratch, slice_head(*rest, n));
		*rest = slice_from(*rest, n);
	}
	buf_add_byte(scratch, '\0');
	return true;
}

static bool
digits(const char *text, size_t n, int *value)
{
	*value = 0;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*value = *value * 10 + (text[i] - '0');
	}
	return true;
}

static bool
read_time(const char *text, int64_t *wall_s)
{
	static const char form[] = "0000-00-00T00:00:00Z";
	struct tm tm = {0}, again;
	uint64_t seconds;
	time_t at;

	if (slice_u64(slice_str(text), &seconds)) {
		*wall_s = (int64_t)seconds;
		return seconds > 0 && seconds <= BLOCK_TIME_MAX;
	}
	if (strlen(text) != sizeof(form) - 1)
		return false;
	for (size_t i = 0; form[i] != '\0'; i++) {
		if (form[i] != '0' && form[i] != text[i])
			return false;
	}
	if (!digits(text, 4, &tm.tm_year) || !digits(text + 5, 2, &tm.tm_mon) ||
	    !digits(text + 8, 2, &tm.tm_mday) ||
	    !digits(text + 11, 2, &tm.tm_hour) ||
	    !digits(text + 14, 2, &tm.tm_min) ||
	    !digits(text + 17, 2, &tm.tm_sec))
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	again = tm;
	at = timegm(&again);
	/* timegm makes the 31st of April the 1st of May */
	if (at <= 0 || again.tm_mon != tm.tm_mon ||
	    again.tm_mday != tm.tm_mday || again.tm_hour != tm.tm_hour ||
	    again.tm_min != tm.tm_min || again.tm_sec != tm.tm_sec)
		return false;
	*wall_s = at;
	return true;
}

static int
set_time(const char *name, const char *text, int64_t *wall_s, struct buf *error)
{
	if (*wall_s != 0)
		return block_error(error, "%s= stands twice.", name);
	if (!read_time(text, wall_s))
		return block_error(
		    error, "%s= is no time like 2026-11-21T23:05:29Z.", name);
	return 0;
}

static int
set_text(const char *name, const char *text, const char **field,
	 struct buf *error)
{
	if (*field != NULL)
		return block_error(error, "%s= stands twice.", name);
	*field = text;
	return 0;
}

static int
set_field(struct slice name, const char *text, struct block *block,
	  struct buf *error)
{
	if (slice_eq(name, SLICE_LIT("until")))
		return set_time("until", text, &block->until_wall_s, error);
	if (slice_eq(name, SLICE_LIT("since")))
		return set_time("since", text, &block->since_wall_s, error);
	if (slice_eq(name, SLICE_LIT("made")))
		return set_time("made", text, &block->made_wall_s, error);
	if (slice_eq(name, SLICE_LIT("author")))
		return set_text("author", text, &block->author, error);
	if (slice_eq(name, SLICE_LIT("reason")))
		return set_text("reason", text, &block->reason, error);
	return block_error(error, "Only until=, since=, made=, author= and "
				  "reason= have a value.");
}

static int
set_flag(struct slice name, struct block *block, struct buf *error)
{
	if (slice_eq(name, SLICE_LIT("hold")) && block->action != BLOCK_HOLD)
		block->action = BLOCK_HOLD;
	else if (slice_eq(name, SLICE_LIT("stealth")) && block->flags == 0)
		block->flags = BLOCK_STEALTH;
	else
		return block_error(error, "Behind the value stand hold, "
					  "stealth, until=, since=, made=, "
					  "author= and reason=, once each.");
	return 0;
}

/* hold, stealth, NAME=WORD */
static int
read_option(struct slice *rest, struct block *block, struct buf *scratch,
	    struct buf *error)
{
	struct slice name;
	const char *text;
	size_t n = 0;

	while (n < rest->n && rest->p[n] >= 'a' && rest->p[n] <= 'z')
		n++;
	name = slice_head(*rest, n);
	*rest = slice_from(*rest, n);
	if (rest->n == 0 || rest->p[0] == ' ' || rest->p[0] == '\t')
		return set_flag(name, block, error);
	if (rest->p[0] != '=')
		return set_flag(SLICE_NONE, block, error);
	*rest = slice_from(*rest, 1);
	if (!read_word(rest, scratch, &text))
		return block_error(error, "The quotes of %.*s= are not whole.",
				   (int)name.n, name.p);
	return set_field(name, text, block, error);
}

static int
read_block(struct slice rest, struct block *block, struct buf *scratch,
	   struct buf *error)
{
	size_t n = 0;
	int err;

	while (n < rest.n && rest.p[n] != ' ' && rest.p[n] != '\t')
		n++;
	if (block_kind_parse(slice_head(rest, n), &block->kind) != 0)
		return block_error(error, "A line begins with cred, ip, from, "
					  "domain or hash.");
	rest = slice_trim(slice_from(rest, n));
	if (!read_word(&rest, scratch, &block->value))
		return block_error(error,
				   "The quotes of the value are not whole.");
	if (block->value[0] == '\0')
		return block_error(error, "There is no value.");
	for (rest = slice_trim(rest); rest.n > 0; rest = slice_trim(rest)) {
		err = read_option(&rest, block, scratch, error);
		if (err != 0)
			return err;
	}
	if (block->author == NULL)
		block->author = "";
	if (block->reason == NULL)
		block->reason = "";
	return block_check(block, error);
}

int
block_line_parse(struct slice line, struct block *block, struct buf *scratch,
		 struct buf *error)
{
	struct slice rest;

	*block = (struct block){0};
	if (line.n > 0 && line.p[line.n - 1] == '\n')
		line.n--;
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	rest = slice_trim(line);
	if (rest.n == 0 || rest.p[0] == '#')
		return GW_ENOENT;
	if (slice_find(rest, '\0') != rest.n)
		return block_error(error, "There is a NUL byte in the line.");
	/* Unescaped text is never longer, and one NUL more a word: with the
	 * room made at once the strings stay where they are. */
	buf_clear(scratch);
	if (rest.n > BLOCK_LINE_MAX || buf_reserve(scratch, rest.n + 8) == NULL)
		return block_error(error, "The line is too long.");
	return read_block(rest, block, scratch, error);
}
