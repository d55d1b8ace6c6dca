/*
 * Message bytes in CHUNKs through the part's decoder; what the reader has no
 * room for waits in `out`. A part of blank lines alone is read to its end in
 * one call: its size is bounded by the message's, and the thread is ours.
 */
#include "gateway/scan/source.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/mime/decode.h"

#define CHUNK 32768

struct source {
	const struct scan_part *part;
	int64_t (*read)(void *arg, uint64_t offset, void *p, size_t n);
	void *read_arg;
	struct mime_decoder decoder;
	uint64_t raw_at; /* in the message */
	uint64_t at;	 /* decoded bytes handed out */
	size_t out_at, out_n;
	bool ended; /* the decoder has all */
	char raw[CHUNK];
	uint8_t out[MIME_DECODED_MAX(CHUNK)];
};

static void
rewind_to_start(struct source *source)
{
	mime_decoder_init(&source->decoder, source->part->encoding);
	source->raw_at = source->part->begin;
	source->at = 0;
	source->out_at = source->out_n = 0;
	source->ended = false;
}

struct source *
source_create(const struct scan_part *part,
	      int64_t (*read)(void *arg, uint64_t offset, void *p, size_t n),
	      void *read_arg)
{
	struct source *source = mem_alloc(sizeof(*source));

	source->part = part;
	source->read = read;
	source->read_arg = read_arg;
	rewind_to_start(source);
	return source;
}

void
source_destroy(struct source **sourcep)
{
	free(*sourcep);
	*sourcep = NULL;
}

/* One chunk more; false: it cannot be read. */
static bool
fill(struct source *source)
{
	uint64_t left = source->part->end - source->raw_at;
	size_t want = left < CHUNK ? (size_t)left : CHUNK;
	int64_t got = 0;

	if (want > 0) {
		got = source->read(source->read_arg, source->raw_at,
				   source->raw, want);
		if (got <= 0 || (uint64_t)got > want)
			return false;
	}
	source->raw_at += (uint64_t)got;
	source->ended = source->raw_at == source->part->end;
	source->out_at = 0;
	source->out_n =
	    mime_decode(&source->decoder, slice_of(source->raw, (size_t)got),
			source->ended, source->out);
	return true;
}

int64_t
source_read(void *arg, uint64_t offset, void *p, size_t n)
{
	struct source *source = arg;
	uint64_t left;

	if (offset == 0 && source->at > 0)
		rewind_to_start(source);
	if (offset != source->at)
		return GW_EINVAL;
	while (source->out_at == source->out_n && !source->ended) {
		if (!fill(source))
			return GW_EIO;
	}
	left = source->part->decoded_bytes - source->at;
	if (n > source->out_n - source->out_at)
		n = source->out_n - source->out_at;
	/* Fewer, or more, than the walker counted. */
	if ((n == 0) != (left == 0) || n > left)
		return GW_ECORRUPT;
	memcpy(p, source->out + source->out_at, n);
	source->out_at += n;
	source->at += n;
	return (int64_t)n;
}
