/*
 * The list of what is to be scanned. A part is kept as offsets and a digest,
 * so a message of a thousand attachments costs some hundred bytes for each; a
 * message without any costs the walk and nothing else.
 *
 * All of the message is a part in two cases. Where mail clients differ about
 * the structure, each of them must find what it sees looked at. And where the
 * walk ended early, what lies behind is to be looked at before a lenient class
 * lets it pass: the message stays unscannable, but a virus in it is found.
 */
#include "gateway/scan/attachments.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/arena.h"
#include "gateway/base/mem.h"

#define FIRST_ROOM 8
#define ARENA_BYTES 512

static struct scan_part *
next_part(struct attachments *a)
{
	if (a->count == a->room) {
		a->room = a->room == 0 ? FIRST_ROOM : a->room * 2;
		a->parts = mem_resize(a->parts, a->room * sizeof(*a->parts));
	}
	if (a->arena == NULL)
		a->arena = arena_create(ARENA_BYTES);
	return &a->parts[a->count++];
}

static void
on_part(void *arg, const struct mime_part *part)
{
	struct attachments *a = arg;
	struct scan_part *kept;

	if ((part->flags & MIME_ATTACHMENT) == 0 && !a->texts)
		return;
	if (part->begin == part->end) /* nothing in it for anybody */
		return;
	if (a->count == ATTACHMENTS_MAX) {
		a->too_many = true;
		return;
	}
	kept = next_part(a);
	*kept = (struct scan_part){
	    .head = part->head,
	    .begin = part->begin,
	    .end = part->end,
	    .decoded_bytes = part->decoded_bytes,
	    .encoding = part->encoding,
	    .name = arena_dup(a->arena, slice_str(part->name)),
	    .type = arena_dup(a->arena, slice_str(part->type)),
	};
	memcpy(kept->digest, part->digest, DIGEST_SIZE);
}

struct attachments *
attachments_create(bool texts)
{
	struct attachments *a = mem_zalloc(sizeof(*a));
	const struct mime_opts opts = {
	    .digest_all = texts,
	    .part = on_part,
	    .arg = a,
	};

	a->texts = texts;
	a->walk = mime_walk_create(&opts);
	return a;
}

void
attachments_destroy(struct attachments **attachments)
{
	struct attachments *a = *attachments;

	if (a == NULL)
		return;
	*attachments = NULL;
	mime_walk_destroy(&a->walk);
	arena_destroy(&a->arena);
	free(a->parts);
	free(a);
}

void
attachments_add(struct attachments *a, struct slice bytes)
{
	mime_walk_add(a->walk, bytes);
}

enum scan_why
attachments_flaw(const struct attachments *a)
{
	const uint32_t caps =
	    MIME_TOO_MANY | MIME_TOO_DEEP | MIME_HEADER_TOO_BIG;

	if (a->too_many || (a->summary.flags & caps) != 0)
		return SCAN_WHY_STRUCTURE;
	if ((a->summary.flags & MIME_PARTIAL) != 0)
		return SCAN_WHY_PARTIAL;
	if ((a->summary.flags & MIME_EXTERNAL) != 0)
		return SCAN_WHY_EXTERNAL;
	return SCAN_WHY_NONE;
}

void
attachments_end(struct attachments *a, uint64_t bytes,
		const uint8_t digest[DIGEST_SIZE])
{
	struct scan_part *part;

	mime_walk_end(a->walk, &a->summary);
	mime_walk_destroy(&a->walk); /* the wait for a verdict may be long */
	if ((a->summary.flags & MIME_AMBIGUOUS) == 0 &&
	    attachments_flaw(a) == SCAN_WHY_NONE)
		return;
	part = next_part(a);
	*part = (struct scan_part){
	    .end = bytes,
	    .decoded_bytes = bytes,
	    .encoding = MIME_IDENTITY,
	    .name = "",
	    .type = "message/rfc822",
	};
	memcpy(part->digest, digest, DIGEST_SIZE);
	a->whole = true;
}
