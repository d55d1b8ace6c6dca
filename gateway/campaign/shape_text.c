/*
 * A text as 64 bits of which few change when few of its words do.
 *
 * Its features are pairs of neighbouring words. Each feature falls into some of
 * 64 buckets by its hash; the least hash of a bucket gives one bit (MinHash in
 * one permutation, empty buckets borrow from their neighbours). So two texts
 * differ in about 32 * (1 - J) bits, J being the share of features that they
 * have in common: a changed word in a hundred changes one bit, two texts
 * without a common sentence differ in about 32. With the usual SimHash it is
 * the root of the share: one word of forty would change five bits.
 *
 * What comes first counts more: a short mail above a long disclaimer is what
 * it says, not what stands below it.
 *
 * Left out: a first line of a few words (a salutation), and what has a digit,
 * an @ or a // in it (numbers, addresses, links). Of HTML the markup, comments,
 * and what a style or script says. Charsets are not undone: one client writes
 * one text in one of them.
 */
#include "gateway/campaign/shape_text.h"

#include <string.h>

#define MULTIPLY 0x9e3779b97f4a7c15ULL

enum { HTML_TEXT, HTML_NAME, HTML_TAG, HTML_COMMENT, HTML_ENTITY };

static uint64_t
mix(uint64_t x)
{
	x ^= x >> 32;
	x *= MULTIPLY;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ULL;
	return x ^ x >> 32;
}

void
shape_text_init(struct shape_text *text)
{
	*text = (struct shape_text){0};
	memset(text->least, 0xff, sizeof(text->least));
}

bool
shape_text_full(const struct shape_text *text)
{
	return text->bytes >= SHAPE_TEXT_MAX || text->words >= SHAPE_WORDS_MAX;
}

/* --- words ---------------------------------------------------------------- */

static void
take_word(struct shape_text *text, uint64_t word)
{
	static const uint64_t odd[] = {
	    0x9e3779b97f4a7c15ULL, 0xd6e8feb86659fd93ULL, 0xc2b2ae3d27d4eb4fULL,
	    0xa0761d6478bd642fULL, 0xe7037ed1a0b428dbULL, 0x8ebc6af09c88c6e3ULL,
	    0x589965cc75374cc3ULL, 0x1d8e4e27c47d124fULL,
	};
	uint64_t feature = mix(text->before * 3 + word);
	uint32_t at = text->words++;
	unsigned copies = at < 32 ? 8 : at < 64 ? 4 : at < 128 ? 2 : 1;

	text->before = word;
	if (at == 0)
		return;
	for (unsigned i = 0; i < copies; i++) {
		uint64_t hash = feature * odd[i];
		uint64_t *least = &text->least[hash >> 58];

		hash &= UINT64_MAX >> 6;
		if (hash < *least)
			*least = hash;
	}
}

static void
first_word(struct shape_text *text, uint64_t word)
{
	if (text->first_count < SHAPE_FIRST_WORDS) {
		text->first[text->first_count++] = word;
		return;
	}
	for (unsigned i = 0; i < text->first_count; i++)
		take_word(text, text->first[i]);
	text->in_first = false;
	take_word(text, word);
}

static void
end_word(struct shape_text *text)
{
	static const uint64_t www = /* as take_letters makes it */
	    ((('w' * MULTIPLY ^ 'w') * MULTIPLY) ^ 'w') * MULTIPLY;

	if (text->word == 0)
		return;
	text->line_busy = true;
	if (text->word == www || text->chunk_count == SHAPE_CHUNK_WORDS)
		text->dropped = true;
	else
		text->chunk[text->chunk_count++] = text->word;
	text->word = 0;
}

static void
end_chunk(struct shape_text *text)
{
	end_word(text);
	if (!text->dropped) {
		for (unsigned i = 0; i < text->chunk_count; i++) {
			if (text->in_first)
				first_word(text, text->chunk[i]);
			else
				take_word(text, text->chunk[i]);
		}
	}
	text->chunk_count = 0;
	text->dropped = text->slash = false;
}

static void
end_line(struct shape_text *text)
{
	end_chunk(text);
	if (text->in_first && text->first_count > 0)
		text->in_first = false;
	/* "-- ": what stands below is a signature */
	if (text->dashes == 2 && !text->line_busy && !text->html)
		text->over = true;
	text->dashes = 0;
	text->line_busy = false;
}

/* What a byte is: one table look-up each. */
enum { OTHER, LETTER, SPACE, LINE, DROP, SLASH };

static const uint8_t kinds[256] = {
    ['\t'] = SPACE,	    [' '] = SPACE,
    ['\r'] = SPACE,	    ['\n'] = LINE,
    ['0' ... '9'] = DROP,   ['@'] = DROP,
    ['a' ... 'z'] = LETTER, ['A' ... 'Z'] = LETTER,
    ['/'] = SLASH,	    [0x80 ... 0xff] = LETTER,
};

/* A run of letters; returns how many. */
static size_t
take_letters(struct shape_text *text, const unsigned char *p, size_t n)
{
	uint64_t word = text->word;
	size_t i;

	for (i = 0; i < n && kinds[p[i]] == LETTER; i++)
		word = (word ^ (p[i] | 0x20u)) * MULTIPLY;
	text->word = word;
	text->slash &= i == 0;
	return i;
}

static void
take(struct shape_text *text, unsigned char c)
{
	switch (kinds[c]) {
	case LETTER:
		(void)take_letters(text, &c, 1);
		break;
	case SPACE:
		end_chunk(text);
		break;
	case LINE:
		end_line(text);
		break;
	case DROP:
		text->dropped = text->line_busy = true;
		break;
	case SLASH:
		text->dropped |= text->slash;
		end_word(text);
		text->slash = true;
		break;
	default:
		end_word(text);
		text->slash = false;
		if (c == '-' && text->dashes < 3)
			text->dashes++;
		break;
	}
}

/* Asked for each byte, so that it does not matter how they were cut. */
static bool
is_done(const struct shape_text *text)
{
	return text->over || text->words >= SHAPE_WORDS_MAX;
}

static void
add_plain(struct shape_text *text, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n && !is_done(text);) {
		size_t letters = take_letters(text, p + i, n - i);

		if (letters == 0)
			take(text, p[i++]);
		else
			i += letters;
	}
}

/* --- HTML ----------------------------------------------------------------- */

static bool
is_one_of(const char *name, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(name, *list) == 0)
			return true;
	return false;
}

static void
end_tag(struct shape_text *text)
{
	static const char *const blocks[] = {"p",  "br", "div", "tr", "td",
					     "li", "h1", "h2",	"h3", "table",
					     "ul", "ol", "hr",	NULL};
	static const char *const hidden[] = {"style", "script", "title", NULL};
	const char *name = text->name;

	text->name[text->name_n] = '\0';
	if (text->until != NULL) {
		if (*name == '/' && strcmp(name + 1, text->until) == 0)
			text->until = NULL;
		return;
	}
	for (const char *const *h = hidden; *h != NULL; h++)
		if (strcmp(name, *h) == 0)
			text->until = *h;
	if (is_one_of(*name == '/' ? name + 1 : name, blocks))
		end_line(text);
}

static void
end_entity(struct shape_text *text, unsigned char c)
{
	static const char *const spaces[] = {"nbsp", "lt",   "gt",
					     "amp",  "quot", NULL};

	text->state = HTML_TEXT;
	text->name[text->name_n] = '\0';
	if (is_one_of(text->name, spaces) ||
	    (text->name_n > 0 && text->name[0] == '#'))
		take(text, ' ');
	else /* a letter that is the same in all copies */
		take(text, (unsigned char)(0x80 | text->name[0]));
	if (c != ';')
		take(text, c);
}

static void
html_name(struct shape_text *text, unsigned char c)
{
	bool first = text->name_n == 0;

	if (c == '>' || c == ' ' || c == '\t' || c == '\r' || c == '\n') {
		end_tag(text);
		text->state = c == '>' ? HTML_TEXT : HTML_TAG;
		return;
	}
	if (first && c == '!') {
		text->state = HTML_COMMENT;
		text->comment = 0;
		return;
	}
	if (c == '/' && !first) /* <br/> */
		return;
	if (text->name_n < sizeof(text->name) - 1)
		text->name[text->name_n++] =
		    (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

/* "<!-- a > b -->"; "<!doctype html>" ends with its first >. */
static void
html_comment(struct shape_text *text, unsigned char c)
{
	bool dash = c == '-';

	switch (text->comment) {
	case 0: /* behind "<!" */
	case 1:
		text->comment = dash ? text->comment + 1 : 5;
		break;
	case 2: /* inside */
		text->comment += dash;
		break;
	case 3:
		text->comment = dash ? 4 : 2;
		break;
	case 4: /* "--" */
		if (!dash && c != '>')
			text->comment = 2;
		break;
	case 5: /* no comment */
		break;
	}
	if (c == '>' && text->comment >= 4)
		text->state = HTML_TEXT;
}

static void
take_html(struct shape_text *text, unsigned char c)
{
	switch (text->state) {
	case HTML_TEXT:
		if (c == '<') {
			text->state = HTML_NAME;
			text->name_n = 0;
		} else if (text->until != NULL) {
			break;
		} else if (c == '&') {
			text->state = HTML_ENTITY;
			text->name_n = 0;
		} else {
			take(text, c == '\n' ? ' ' : c);
		}
		break;
	case HTML_NAME:
		html_name(text, c);
		break;
	case HTML_TAG:
		if (c == '>')
			text->state = HTML_TEXT;
		break;
	case HTML_COMMENT:
		html_comment(text, c);
		break;
	case HTML_ENTITY:
		if (c == ';' || kinds[c] == SPACE || kinds[c] == LINE ||
		    text->name_n == sizeof(text->name) - 1)
			end_entity(text, c);
		else
			text->name[text->name_n++] = (char)c;
		break;
	}
}

static void
add_html(struct shape_text *text, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n && !is_done(text);) {
		size_t letters = 0;

		if (text->state == HTML_TEXT && text->until == NULL)
			letters = take_letters(text, p + i, n - i);
		if (letters == 0)
			take_html(text, p[i++]);
		else
			i += letters;
	}
}

/* --- parts ---------------------------------------------------------------- */

void
shape_text_part(struct shape_text *text, bool html)
{
	text->html = html;
	text->state = HTML_TEXT;
	text->until = NULL;
	text->in_first = true;
	text->first_count = 0;
	text->over = text->line_busy = false;
	text->dashes = 0;
}

void
shape_text_add(struct shape_text *text, struct slice bytes)
{
	const unsigned char *p = (const unsigned char *)bytes.p;

	if (bytes.n > SHAPE_TEXT_MAX - text->bytes)
		bytes.n = SHAPE_TEXT_MAX - text->bytes;
	text->bytes += (uint32_t)bytes.n;
	if (text->html)
		add_html(text, p, bytes.n);
	else
		add_plain(text, p, bytes.n);
}

void
shape_text_part_end(struct shape_text *text)
{
	/* An only line is what it says, however short. */
	if (text->in_first) {
		end_chunk(text);
		for (unsigned i = 0; text->in_first && i < text->first_count;
		     i++)
			take_word(text, text->first[i]);
		text->in_first = false;
	}
	end_chunk(text);
}

uint64_t
shape_text_fuzzy(const struct shape_text *text)
{
	uint64_t fuzzy = 0;

	if (text->words < SHAPE_WORDS_LEAST)
		return 0;
	for (unsigned i = 0; i < 64; i++) {
		unsigned far = 0;

		while (text->least[(i + far) % 64] == UINT64_MAX)
			far++; /* some bucket has one: there are 7 pairs */
		fuzzy |= mix(text->least[(i + far) % 64] + far) >> 63 << i;
	}
	return fuzzy != 0 ? fuzzy : 1;
}
