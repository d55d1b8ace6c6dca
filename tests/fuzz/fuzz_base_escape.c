/*
 * The four escapes: nothing comes out that a terminal, a log reader or a mail
 * client would act on, and for text and logfmt nothing is lost: the output
 * tells the input. The look for controls is byte-wise and its own code, so
 * that it does not share a mistake with the unit's UTF-8 reader.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/escape.h"

#define CAP ((size_t)8 << 20)

static void
no_controls(const struct buf *out)
{
	static const char *const forbidden[] = {
	    "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaa", "\xe2\x80\xab",
	    "\xe2\x80\xac", "\xe2\x80\xad", "\xe2\x80\xae", "\xe2\x81\xa6",
	    "\xe2\x81\xa7", "\xe2\x81\xa8", "\xe2\x81\xa9", "\xd8\x9c",
	    "\xe2\x80\x8e", "\xe2\x80\x8f", "\xef\xbb\xbf",
	};

	if (out->overflow)
		abort();
	for (size_t i = 0; i < out->n; i++) {
		uint8_t u = (uint8_t)out->p[i];

		if (u < 0x20 || u == 0x7f)
			abort();
		/* C1 in UTF-8, and bytes UTF-8 never has */
		if (u == 0xc2 &&
		    (i + 1 == out->n || (uint8_t)out->p[i + 1] < 0xa0))
			abort();
		if (u == 0xc0 || u == 0xc1 || u > 0xf4)
			abort();
	}
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		if (out->n > 0 && memmem(out->p, out->n, forbidden[i],
					 strlen(forbidden[i])) != NULL)
			abort();
	}
}

static int
hex_digit(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Undo \xNN and \C; both forms write nothing else after a backslash. */
static void
tells(struct slice escaped, struct slice in)
{
	size_t at = 0;

	for (size_t i = 0; i < escaped.n; i++, at++) {
		char c = escaped.p[i];

		if (c == '\\') {
			c = escaped.p[++i];
			if (c == 'x') {
				c = (char)(hex_digit(escaped.p[i + 1]) * 16 +
					   hex_digit(escaped.p[i + 2]));
				i += 2;
			}
		}
		if (at >= in.n || in.p[at] != c)
			abort();
	}
	if (at != in.n)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size), s;
	struct buf out = {.cap = CAP};

	escape_text(&out, in);
	no_controls(&out);
	tells(buf_slice(&out), in);

	buf_clear(&out);
	escape_logfmt(&out, in);
	no_controls(&out);
	s = buf_slice(&out);
	if (s.p[0] == '"') {
		if (s.n < 2 || s.p[s.n - 1] != '"')
			abort();
		s = slice_head(slice_from(s, 1), s.n - 2);
	} else if (slice_find(s, ' ') != s.n || slice_find(s, '=') != s.n) {
		abort();
	}
	tells(s, in);

	buf_clear(&out);
	escape_json(&out, in);
	no_controls(&out);
	if (out.n < 2 || out.p[0] != '"' || out.p[out.n - 1] != '"')
		abort();

	buf_clear(&out);
	escape_reply(&out, in);
	for (size_t i = 0; i < out.n; i++) {
		if (out.p[i] < ' ' || out.p[i] > '~')
			abort();
	}
	if (out.n != size)
		abort();
	buf_fini(&out);
	return 0;
}
