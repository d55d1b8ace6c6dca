#include <stdlib.h>
#include <string.h>

#include "gateway/base/digest.h"
#include "gateway/mime/decode.h"
#include "gateway/mime/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	struct slice message;
	bool decode; /* what the digests were taken of */
	uint32_t parts, attachments;
	uint64_t end;
	struct digest *all; /* of every part's fields */
};

static void
require(bool true_always)
{
	if (!true_always)
		abort();
}

static void
check_content(const struct seen *seen, const struct mime_part *part)
{
	struct slice in =
	    slice_from(slice_head(seen->message, part->end), part->begin);
	struct digest *digest = digest_create();
	uint8_t *room = malloc(MIME_DECODED_MAX(in.n));
	uint8_t sum[DIGEST_SIZE];
	struct mime_decoder d;
	size_t n;

	mime_decoder_init(&d, part->encoding);
	n = mime_decode(&d, in, true, room);
	require(n == part->decoded_bytes);
	require(!d.bad || (part->flags & MIME_BAD_ENCODING));
	digest_add(digest, slice_of(room, n));
	digest_final(digest, sum);
	require(memcmp(sum, part->digest, sizeof(sum)) == 0);
	digest_destroy(&digest);
	free(room);
}

static void
take_part(void *arg, const struct mime_part *part)
{
	struct seen *seen = arg;
	uint64_t numbers[] = {part->head, part->begin, part->end, part->depth};

	require(part->head <= part->begin && part->begin <= part->end);
	require(part->end <= seen->message.n && part->end >= seen->end);
	require(memchr(part->name, '\0', sizeof(part->name)) != NULL);
	require(memchr(part->type, '\0', sizeof(part->type)) != NULL);
	require(strpbrk(part->name, "/\\\r\n\t\x7f") == NULL);
	require(strchr(part->type, '/') != NULL);
	if (seen->decode)
		check_content(seen, part);
	seen->end = part->end;
	seen->parts++;
	seen->attachments += part->flags & MIME_ATTACHMENT;
	digest_add(seen->all, slice_of(numbers, sizeof(numbers)));
	digest_add(seen->all, slice_str(part->name));
	digest_add(seen->all, slice_str(part->type));
}

static void
walk(struct slice in, size_t piece, bool decode, struct seen *seen,
     struct mime_summary *sum)
{
	struct mime_opts opts = {.parts_max = 200,
				 .depth_max = 8,
				 .header_max = 2000,
				 .digest_all = true,
				 .structure_only = !decode,
				 .part = take_part,
				 .arg = seen};
	struct mime_walk *w = mime_walk_create(&opts);

	*seen = (struct seen){
	    .message = in, .decode = decode, .all = digest_create()};
	while (in.n > 0) {
		struct slice now = slice_head(in, piece);
		char *copy = malloc(now.n);

		memcpy(copy, now.p, now.n);
		mime_walk_add(w, slice_of(copy, now.n));
		free(copy);
		in = slice_from(in, now.n);
	}
	mime_walk_end(w, sum);
	require(sum->attachment_count == seen->attachments);
	require(sum->part_count >= seen->parts || sum->flags != 0);
	require(((sum->flags & MIME_AMBIGUOUS) != 0) == (sum->why != NULL));
	require(sum->why_at <= seen->message.n);
	mime_walk_destroy(&w);
}

/* However the message was cut, the same is seen; what is decoded from the
 * message at a part's offsets is what its digest was taken of. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mime_summary sums[3];
	uint8_t all[3][DIGEST_SIZE];
	struct seen seen;
	struct slice in;

	if (size == 0)
		return 0;
	in = slice_of(data + 1, size - 1);
	for (unsigned i = 0; i < 3; i++) {
		size_t piece = i == 0 ? 1 + (size_t)data[0] % 64 : SIZE_MAX;

		memset(&sums[i], 0, sizeof(sums[i]));
		walk(in, piece, i < 2, &seen, &sums[i]);
		digest_final(seen.all, all[i]);
		digest_destroy(&seen.all);
	}
	require(memcmp(&sums[0], &sums[1], sizeof(sums[0])) == 0);
	require(memcmp(all[0], all[1], DIGEST_SIZE) == 0);
	require(memcmp(all[0], all[2], DIGEST_SIZE) == 0);
	require(sums[0].part_count == sums[2].part_count);
	return 0;
}
