#ifndef GATEWAY_MIME_DECODE_INT_H
#define GATEWAY_MIME_DECODE_INT_H

#include "gateway/mime/decode.h"

/* Of the unit only: each as mime_decode, for its encoding. */
size_t mime_base64_decode(struct mime_decoder *d, struct slice in, bool end,
			  uint8_t *out);
size_t mime_qp_decode(struct mime_decoder *d, struct slice in, bool end,
		      uint8_t *out);
size_t mime_uu_decode(struct mime_decoder *d, struct slice in, bool end,
		      uint8_t *out);

#endif
