#include "gateway/mime/decode.h"

#include <string.h>

#include "gateway/mime/decode_int.h"

void
mime_decoder_init(struct mime_decoder *d, enum mime_encoding encoding)
{
	*d = (struct mime_decoder){.encoding = encoding};
}

size_t
mime_decode(struct mime_decoder *d, struct slice in, bool end, uint8_t *out)
{
	switch (d->encoding) {
	case MIME_IDENTITY:
		break;
	case MIME_BASE64:
		return mime_base64_decode(d, in, end, out);
	case MIME_QP:
		return mime_qp_decode(d, in, end, out);
	case MIME_UUENCODE:
		return mime_uu_decode(d, in, end, out);
	}
	if (in.n > 0)
		memcpy(out, in.p, in.n);
	return in.n;
}
