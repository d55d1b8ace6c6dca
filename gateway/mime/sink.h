#ifndef GATEWAY_MIME_SINK_H
#define GATEWAY_MIME_SINK_H

#include "gateway/base/digest.h"
#include "gateway/mime/decode.h"

/*
 * Where a part's content goes while it is walked: decoder, count, digest. The
 * digest's state is kept from one part to the next.
 */
struct mime_sink {
	bool on;
	bool digesting;
	bool watching; /* for a uuencoded file in what is decoded */
	bool uu_seen;  /* there is one */
	uint8_t matched;
	uint64_t bytes; /* decoded */
	struct mime_decoder decoder;
	struct digest *digest;
};

void mime_sink_fini(struct mime_sink *sink);
void mime_sink_start(struct mime_sink *sink, enum mime_encoding encoding,
		     bool digest);
void mime_sink_add(struct mime_sink *sink, struct slice bytes);
/* Fills in decoded_bytes, digest, MIME_BAD_ENCODING. */
void mime_sink_end(struct mime_sink *sink, struct mime_part *part);
void mime_sink_drop(struct mime_sink *sink);

#endif
