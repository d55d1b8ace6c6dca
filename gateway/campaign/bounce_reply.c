/* A reply in the form that the tables compare. */
#include <string.h>

#include "gateway/campaign/bounce_int.h"

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void
fold(struct bounce_reply *reply, struct slice text)
{
	bool blank = true; /* none in front */

	text = slice_head(text, BOUNCE_TEXT_MAX);
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c + ('a' - 'A'));
		if (c == '\0' || c == '\t' || c == '\r' || c == '\n')
			c = ' ';
		if (c != ' ' || !blank)
			reply->text[reply->n++] = c;
		blank = c == ' ';
	}
	reply->text[reply->n] = '\0';
}

/* Digits, at most four; how many bytes they are, 0: none. */
static size_t
number(const char *p, uint16_t *value)
{
	size_t n = 0;

	*value = 0;
	while (n < 4 && is_digit(p[n]))
		*value = (uint16_t)(*value * 10 + (p[n++] - '0'));
	return is_digit(p[n]) ? 0 : n;
}

/* "5.7.515", and not a piece of an address or of a version. */
static bool
is_code_at(struct bounce_reply *reply, size_t at)
{
	const char *p = reply->text + at;
	uint16_t v[3];
	size_t n = 0, digits;

	if (at > 0 && (is_digit(p[-1]) || p[-1] == '.'))
		return false;
	for (size_t i = 0; i < 3; i++) {
		digits = number(p + n, &v[i]);
		n += digits;
		if (digits == 0 || (i < 2 && p[n++] != '.'))
			return false;
	}
	if (v[0] != reply->code / 100 || (p[n] == '.' && is_digit(p[n + 1])))
		return false;
	reply->class = v[0];
	reply->subject = v[1];
	reply->detail = v[2];
	return true;
}

/* Exchange has numbers over 255, qmail writes "(#5.1.1)" at the end. */
static void
find_code(struct bounce_reply *reply)
{
	for (size_t i = 0; i < reply->n; i++) {
		if ((reply->text[i] == '4' || reply->text[i] == '5') &&
		    is_code_at(reply, i))
			return;
	}
}

void
bounce_reply_read(struct bounce_reply *reply, int code,
		  const uint8_t enhanced[3], struct slice text)
{
	reply->code = code;
	reply->class = enhanced[0];
	reply->subject = enhanced[1];
	reply->detail = enhanced[2];
	reply->n = 0;
	fold(reply, text);
	if (reply->subject == 0 && reply->detail == 0 && code != 0)
		find_code(reply);
}

bool
bounce_reply_says(const struct bounce_reply *reply, const char *phrases)
{
	struct slice rest = slice_str(phrases), phrase;

	while (slice_split(&rest, '|', &phrase)) {
		if (memmem(reply->text, reply->n, phrase.p, phrase.n))
			return true;
	}
	return false;
}
