#include "gateway/icap/text.h"

#include <string.h>

#include "gateway/base/escape.h"

#define TAKEN_MAX 1000 /* each byte is four at most */

void
icap_text_add(struct buf *out, struct slice s)
{
	escape_text(out, slice_head(s, TAKEN_MAX));
}

void
icap_text_put(char *out, size_t size, struct slice text)
{
	size_t n = text.n;

	if (n >= size) {
		n = size - 1;
		while (n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
			n--;
	}
	if (n > 0)
		memcpy(out, text.p, n);
	out[n] = '\0';
}

void
icap_text_escape(char *out, size_t size, struct slice s)
{
	struct buf b = {.cap = ICAP_TEXT_MAX};

	icap_text_add(&b, s);
	icap_text_put(out, size, buf_slice(&b));
	buf_fini(&b);
}
