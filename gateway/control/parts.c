#include "gateway/control/parts.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/mime/walk.h"

#define PARTS_MAX 1000
#define PIECE_BYTES 65536

struct find {
	struct arena *arena;
	struct scan_part *v;
	size_t count, size;
	bool texts;
	bool too_many;
};

static struct scan_part *
add_part(struct find *find)
{
	struct scan_part *grown;

	if (find->count == find->size) {
		find->size = find->size > 0 ? 2 * find->size : 8;
		grown = arena_alloc(find->arena, find->size * sizeof(*grown));
		if (find->count > 0)
			memcpy(grown, find->v, find->count * sizeof(*grown));
		find->v = grown;
	}
	return &find->v[find->count++];
}

static void
on_part(void *arg, const struct mime_part *part)
{
	struct find *find = arg;
	struct scan_part *to;

	if ((part->flags & MIME_ATTACHMENT) == 0 && !find->texts)
		return;
	if (part->begin == part->end) /* nothing in it for anybody */
		return;
	if (find->count == PARTS_MAX) {
		find->too_many = true;
		return;
	}
	to = add_part(find);
	*to = (struct scan_part){
	    .begin = part->begin,
	    .end = part->end,
	    .decoded_bytes = part->decoded_bytes,
	    .encoding = part->encoding,
	    .name = arena_dup(find->arena, slice_str(part->name)),
	    .type = arena_dup(find->arena, slice_str(part->type)),
	};
	memcpy(to->digest, part->digest, DIGEST_SIZE);
}

/* 0, GW_EIO, GW_ECORRUPT. */
static int
read_all(const struct parts_source *source, struct mime_walk *walk,
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
		mime_walk_add(walk, slice_of(piece, (size_t)n));
		digest_add(digest, slice_of(piece, (size_t)n));
		at += (uint64_t)n;
	}
	free(piece);
	return err;
}

static enum scan_why
why_unscannable(const struct find *find, uint32_t flags)
{
	if ((flags & (MIME_TOO_MANY | MIME_TOO_DEEP | MIME_HEADER_TOO_BIG)) !=
		0 ||
	    find->too_many)
		return SCAN_WHY_STRUCTURE;
	if ((flags & MIME_PARTIAL) != 0)
		return SCAN_WHY_PARTIAL;
	if ((flags & MIME_EXTERNAL) != 0)
		return SCAN_WHY_EXTERNAL;
	return SCAN_WHY_NONE;
}

/* All of it as one more part, where it reads in two ways or was not seen to its
 * end. */
static void
add_whole(struct find *find, uint64_t bytes, const uint8_t *digest)
{
	struct scan_part *to = add_part(find);

	*to = (struct scan_part){
	    .end = bytes,
	    .decoded_bytes = bytes,
	    .encoding = MIME_IDENTITY,
	    .name = "",
	    .type = "message/rfc822",
	};
	memcpy(to->digest, digest, DIGEST_SIZE);
}

int
parts_find(const struct parts_source *source, struct arena *arena,
	   struct parts *parts)
{
	struct find find = {.arena = arena, .texts = source->texts};
	const struct mime_opts opts = {
	    .digest_all = source->texts, .part = on_part, .arg = &find};
	struct mime_walk *walk = mime_walk_create(&opts);
	struct digest *digest = digest_create();
	struct mime_summary summary;
	int err;

	memset(parts, 0, sizeof(*parts));
	err = read_all(source, walk, digest);
	if (err == 0) {
		mime_walk_end(walk, &summary);
		digest_final(digest, parts->digest);
		parts->why = why_unscannable(&find, summary.flags);
		if (parts->why != SCAN_WHY_NONE ||
		    (summary.flags & MIME_AMBIGUOUS) != 0)
			add_whole(&find, source->bytes, parts->digest);
		parts->v = find.v;
		parts->count = find.count;
	}
	mime_walk_destroy(&walk);
	digest_destroy(&digest);
	return err;
}
