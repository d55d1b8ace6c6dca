#include <assert.h>
#include <string.h>

#include "gateway/smtp/engine.h"
#include "gateway/smtp/utf8.h"

/* Octets of the character at s that may leave; 0: '?' goes in its place. */
static size_t
shows(struct slice s, bool utf8)
{
	unsigned char c = (unsigned char)s.p[0];

	if (c < 0x80)
		return c >= ' ' && c != 0x7f ? 1 : 0;
	return utf8 ? utf8_measure(s) : 0;
}

/* Text that needs nothing done to it, which is nearly all of it. */
static size_t
plain_measure(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || (unsigned char)s.p[i] > '~')
			break;
	return i;
}

size_t
engine_reply_format(char out[ENGINE_REPLY_MAX + 1], int code,
		    const char *enhanced, const char *text, bool utf8)
{
	struct slice rest = slice_str(text);
	size_t room = ENGINE_REPLY_MAX - 2, n, used = 0;

	assert(code >= 200 && code <= 599);
	out[used++] = (char)('0' + code / 100);
	out[used++] = (char)('0' + code / 10 % 10);
	out[used++] = (char)('0' + code % 10);
	out[used++] = ' ';
	if (enhanced != NULL && enhanced[0] != '\0') {
		n = strnlen(enhanced, 11);
		memcpy(out + used, enhanced, n);
		used += n;
		out[used++] = ' ';
	}
	n = plain_measure(slice_head(rest, room - used));
	if (n > 0)
		memcpy(out + used, rest.p, n);
	used += n;
	rest = slice_from(rest, n);
	while (rest.n > 0) {
		n = shows(rest, utf8);
		if (used + (n > 0 ? n : 1) > room)
			break;
		if (n > 0)
			memcpy(out + used, rest.p, n);
		else
			out[used] = '?';
		used += n > 0 ? n : 1;
		rest = slice_from(rest, n > 0 ? n : 1);
	}
	memcpy(out + used, "\r\n", sizeof("\r\n"));
	return used + 2;
}

const char *
engine_reply_default(int code)
{
	switch (code / 100) {
	case 2:
		return "OK";
	case 3:
		return "End data with <CR><LF>.<CR><LF>";
	case 4:
		return "Not now, try again later";
	default:
		return "Refused";
	}
}
