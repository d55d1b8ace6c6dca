#include "gateway/mime/sink.h"

#include <string.h>

#define SLICE_BYTES 8192 /* decoded at once, on the stack */
#define NOT_HERE 0xff

void
mime_sink_fini(struct mime_sink *sink)
{
	digest_destroy(&sink->digest);
}

void
mime_sink_start(struct mime_sink *sink, enum mime_encoding encoding,
		bool digest)
{
	mime_sink_drop(sink);
	if (digest && sink->digest == NULL)
		sink->digest = digest_create();
	sink->on = true;
	sink->digesting = digest;
	sink->watching = sink->uu_seen = false;
	sink->matched = 0;
	sink->bytes = 0;
	mime_decoder_init(&sink->decoder, encoding);
}

/*
 * "begin 644 name" or "begin  name" at the start of a line of decoded text: a
 * reader that looks for uuencode after decoding shows a file here.
 */
static void
watch(struct mime_sink *sink, const uint8_t *p, size_t n)
{
	static const char begin[] = "begin ";
	size_t i = 0;

	while (i < n && !sink->uu_seen) {
		const uint8_t *nl;
		uint8_t k = sink->matched;

		if (k < 6 && p[i] == (uint8_t)begin[k]) {
			sink->matched++;
			i++;
			continue;
		}
		if (k >= 6 && k < 9 && p[i] >= '0' && p[i] <= '7') {
			sink->matched++;
			sink->uu_seen = k == 8;
			i++;
			continue;
		}
		sink->uu_seen = k == 6 && p[i] == ' ';
		sink->matched = NOT_HERE;
		nl = memchr(p + i, '\n', n - i);
		if (nl == NULL)
			return;
		sink->matched = 0;
		i = (size_t)(nl - p) + 1;
	}
}

static void
pass(struct mime_sink *sink, const uint8_t *p, size_t n)
{
	sink->bytes += n;
	if (sink->digesting && n > 0)
		digest_add(sink->digest, slice_of(p, n));
	if (sink->watching)
		watch(sink, p, n);
}

void
mime_sink_add(struct mime_sink *sink, struct slice bytes)
{
	uint8_t room[MIME_DECODED_MAX(SLICE_BYTES)];

	if (sink->decoder.encoding == MIME_IDENTITY) {
		pass(sink, (const uint8_t *)bytes.p, bytes.n);
		return;
	}
	while (bytes.n > 0) {
		struct slice in = slice_head(bytes, SLICE_BYTES);

		pass(sink, room, mime_decode(&sink->decoder, in, false, room));
		bytes = slice_from(bytes, in.n);
	}
}

void
mime_sink_end(struct mime_sink *sink, struct mime_part *part)
{
	uint8_t room[MIME_DECODED_MAX(0)];

	pass(sink, room, mime_decode(&sink->decoder, SLICE_NONE, true, room));
	part->decoded_bytes = sink->bytes;
	if (sink->decoder.bad)
		part->flags |= MIME_BAD_ENCODING;
	if (sink->digesting)
		digest_final(sink->digest, part->digest);
	sink->on = false;
}

void
mime_sink_drop(struct mime_sink *sink)
{
	if (sink->on && sink->digesting)
		digest_reset(sink->digest);
	sink->on = false;
}
