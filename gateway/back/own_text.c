#include "gateway/back/own_text.h"

#include "gateway/base/encode.h"
#include "gateway/smtp/utf8.h"

void
own_text_base64(struct buf *out, struct slice text)
{
	while (text.n > 0) {
		struct slice line = slice_head(text, OWN_TEXT_LINE);

		base64_encode(out, line);
		buf_add_str(out, "\r\n");
		text = slice_from(text, line.n);
	}
}

void
own_text_put(struct buf *out, struct slice text)
{
	bool ascii = utf8_is_ascii(text);

	buf_printf(out,
		   "Content-Type: text/plain; charset=%s\r\n"
		   "Content-Transfer-Encoding: %s\r\n\r\n",
		   ascii ? "us-ascii" : "utf-8", ascii ? "7bit" : "base64");
	if (ascii)
		buf_add_slice(out, text);
	else
		own_text_base64(out, text);
}
