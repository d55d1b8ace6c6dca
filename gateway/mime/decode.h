#ifndef GATEWAY_MIME_DECODE_H
#define GATEWAY_MIME_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/slice.h"
#include "gateway/mime/walk.h"

/*
 * Streaming decoders of a part's content. They take what mail clients take:
 * characters outside the alphabet are passed over, a base64 run may begin
 * again behind its padding; what readers disagree on sets `bad`. The result
 * does not depend on how the input was cut.
 */
struct mime_decoder {
	enum mime_encoding encoding;
	bool bad;
	/* internal */
	uint32_t bits;
	uint8_t have, state, want, pad;
	uint8_t hold[96];
	size_t held;
};

void mime_decoder_init(struct mime_decoder *d, enum mime_encoding encoding);
/* Decodes all of in; out has room for MIME_DECODED_MAX(in.n) and is not in.
 * Returns the bytes written. The last call has end set. */
#define MIME_DECODED_MAX(n) ((n) + 96)
size_t mime_decode(struct mime_decoder *d, struct slice in, bool end,
		   uint8_t *out);

#endif
