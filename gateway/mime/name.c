/*
 * RFC 2047 words are not allowed inside parameters, and most clients write
 * them there all the same, so they are decoded. Neighbours of one charset are
 * joined before they are converted: clients cut words in the middle of a
 * character.
 */
#include "gateway/mime/name.h"

#include <string.h>

#include "gateway/mime/charset.h"
#include "gateway/mime/decode.h"

#define TEXT_MAX 4096 /* decoded; a name is cut far below */
#define RUN_MAX 16    /* of words of one charset: nobody needs two */

struct word {
	struct slice charset, text;
	bool base64;
	size_t n; /* of all of it, "=?" to "?=" */
};

/* Whether an encoded word starts here. */
static bool
read_word(struct slice s, struct word *word)
{
	struct slice rest, mode;
	size_t end, star;

	if (!slice_starts(s, SLICE_LIT("=?")))
		return false;
	rest = slice_from(s, 2);
	if (!slice_split(&rest, '?', &word->charset) ||
	    !slice_split(&rest, '?', &mode) || mode.n != 1 ||
	    strchr("bBqQ", mode.p[0]) == NULL || word->charset.n == 0)
		return false;
	word->base64 = mode.p[0] == 'b' || mode.p[0] == 'B';
	end = slice_find(rest, '?');
	if (end + 1 >= rest.n || rest.p[end + 1] != '=')
		return false;
	word->text = slice_head(rest, end);
	star = slice_find(word->charset, '*'); /* RFC 2231's language */
	word->charset = slice_head(word->charset, star);
	word->n = (size_t)(rest.p + end + 2 - s.p);
	return true;
}

/* Q: '_' is a blank, and no line ends are soft. */
static void
decode_q(struct slice text, struct buf *out)
{
	struct mime_decoder d;

	mime_decoder_init(&d, MIME_QP);
	for (size_t i = 0; i < text.n && !out->overflow; i++) {
		uint8_t room[MIME_DECODED_MAX(1)];
		struct slice in =
		    text.p[i] == '_' ? SLICE_LIT(" ") : slice_of(text.p + i, 1);

		buf_add(out, room, mime_decode(&d, in, i + 1 == text.n, room));
	}
}

static void
decode_b(struct slice text, struct buf *out)
{
	struct mime_decoder d;

	mime_decoder_init(&d, MIME_BASE64);
	while (text.n > 0 && !out->overflow) {
		uint8_t room[MIME_DECODED_MAX(256)];
		struct slice in = slice_head(text, 256);

		text = slice_from(text, in.n);
		buf_add(out, room, mime_decode(&d, in, text.n == 0, room));
	}
}

static size_t
blanks(struct slice s)
{
	size_t n = 0;

	while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\t'))
		n++;
	return n;
}

/* A run of words of one charset from the start of *text on, cut off it. */
static void
take_run(struct slice *text, struct word word, struct buf *out,
	 const char **odd)
{
	struct slice charset = word.charset;
	struct buf raw = {.cap = TEXT_MAX};

	for (;;) {
		struct slice rest;

		if (word.base64)
			decode_b(word.text, &raw);
		else
			decode_q(word.text, &raw);
		*text = slice_from(*text, word.n);
		rest = slice_from(*text, blanks(*text));
		if (!read_word(rest, &word))
			break;
		*text = rest; /* blanks between two words are none */
		if (!slice_ieq(word.charset, charset))
			break;
	}
	if (!mime_charset_decode(charset, buf_slice(&raw), out))
		*odd = "an unknown charset";
	if (raw.overflow)
		out->overflow = true;
	buf_fini(&raw);
}

void
mime_words_decode(struct slice text, struct buf *out, const char **odd)
{
	unsigned runs = 0;

	while (text.n > 0 && !out->overflow) {
		struct word word;
		size_t n = slice_find(text, '=');

		buf_add_slice(out, slice_head(text, n));
		text = slice_from(text, n);
		if (!read_word(text, &word)) {
			buf_add_slice(out, slice_head(text, 1));
			text = slice_from(text, 1);
		} else if (runs++ < RUN_MAX) {
			take_run(&text, word, out, odd);
		} else {
			*odd = "too many encoded words";
			return;
		}
	}
}

/* C0, DEL, C1, and what turns a name's reading around or hides in it. */
static bool
is_unwanted(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) ||
	       point == 0x61c || (point >= 0x200b && point <= 0x200f) ||
	       (point >= 0x2028 && point <= 0x202e) ||
	       (point >= 0x2060 && point <= 0x206f) || point == 0xfeff;
}

void
mime_name_clean(struct slice text, char out[MIME_NAME_SIZE])
{
	size_t n = 0, step;

	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '/' || text.p[i] == '\\')
			n = i + 1;
	text = slice_trim(slice_from(text, n));
	for (n = 0; text.n > 0; text = slice_from(text, step)) {
		const char *p = text.p;
		uint32_t point = 0;

		step = mime_utf8_measure(text, &point);
		if (step == 0) {
			step = 1;
			p = "?";
		} else if (is_unwanted(point)) {
			continue;
		}
		if (n + step >= MIME_NAME_SIZE)
			break;
		memcpy(out + n, p, step);
		n += step;
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
	if (strcmp(out, ".") == 0 || strcmp(out, "..") == 0)
		out[0] = '\0';
}

static void
consider(const struct mime_params *params, const char *name, bool plain,
	 char out[MIME_NAME_SIZE], const char **odd)
{
	struct buf text = {.cap = TEXT_MAX}, decoded = {.cap = TEXT_MAX};
	char clean[MIME_NAME_SIZE];

	if (!mime_params_get(params, name, plain, &text, odd))
		return;
	/* words in sections, too: some clients fold both ways at once */
	mime_words_decode(buf_slice(&text), &decoded, odd);
	if (text.overflow || decoded.overflow)
		*odd = "a file name without end";
	mime_name_clean(buf_slice(&decoded), clean);
	buf_fini(&text);
	buf_fini(&decoded);
	if (out[0] == '\0')
		memcpy(out, clean, sizeof(clean));
	else if (strcmp(out, clean) != 0)
		*odd = "two file names";
}

void
mime_name_choose(const struct mime_params *type,
		 const struct mime_params *disposition,
		 char out[MIME_NAME_SIZE], const char **odd)
{
	out[0] = '\0';
	if (disposition != NULL) {
		consider(disposition, "filename", false, out, odd);
		consider(disposition, "filename", true, out, odd);
	}
	if (type != NULL) {
		consider(type, "name", false, out, odd);
		consider(type, "name", true, out, odd);
	}
}
