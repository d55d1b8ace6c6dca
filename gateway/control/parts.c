#include "gateway/control/parts.h"

#include <stdlib.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"

#define PIECE_BYTES 65536

/* 0, GW_EIO, GW_ECORRUPT. */
static int
read_all(const struct parts_source *source, struct attachments *attachments,
	 struct digest *digest)
{
	char *piece = mem_alloc(PIECE_BYTES);
	uint64_t at = 0;
	int err = 0;

	while (at < source->bytes && err == 0) {
		uint64_t left = source->bytes - at;
		size_t want = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
		int64_t n = source->read(source->arg, at, piece, want);

		if (n <= 0) {
			err = n < 0 ? (int)n : GW_ECORRUPT;
			break;
		}
		attachments_add(attachments, slice_of(piece, (size_t)n));
		digest_add(digest, slice_of(piece, (size_t)n));
		at += (uint64_t)n;
	}
	free(piece);
	return err;
}

int
parts_find(const struct parts_source *source, struct parts *parts)
{
	struct digest *digest = digest_create();
	int err;

	parts->attachments = attachments_create(source->texts);
	err = read_all(source, parts->attachments, digest);
	if (err == 0) {
		digest_final(digest, parts->digest);
		attachments_end(parts->attachments, source->bytes,
				parts->digest);
	} else {
		attachments_destroy(&parts->attachments);
	}
	digest_destroy(&digest);
	return err;
}
