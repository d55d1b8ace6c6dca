#include <stdlib.h>
#include <string.h>

#include "gateway/back/clean.h"
#include "gateway/base/buf.h"

/*
 * All attachments are cut out, or, by the first byte, what the next four say:
 * the copy is the same however it is read, and what is before the first part
 * and behind the last is there still.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PARTS 16

struct input {
	struct slice message;
	size_t chunk;
	struct clean_part parts[PARTS];
	size_t count;
};

static void
require(bool true_always)
{
	if (!true_always)
		abort();
}

static int64_t
read_some(void *arg, uint64_t offset, void *p, size_t n)
{
	struct input *in = arg;
	struct slice rest = slice_head(slice_from(in->message, offset), n);

	require(offset <= in->message.n);
	if (n > 6)
		rest = slice_head(rest, in->chunk);
	if (rest.n > 0)
		memcpy(p, rest.p, rest.n);
	return (int64_t)rest.n;
}

static void
write_some(void *arg, struct slice bytes)
{
	buf_add_slice(arg, bytes);
}

static void
on_part(void *arg, const struct mime_part *part)
{
	struct input *in = arg;

	if (!(part->flags & MIME_ATTACHMENT) || in->count == PARTS)
		return;
	in->parts[in->count++] = (struct clean_part){
	    .head = part->head,
	    .begin = part->begin,
	    .end = part->end,
	    .encoding = part->encoding,
	    .name = part->type[0] == 'a' ? "a\r\nb.zip" : "",
	    .threat = "Worm"};
}

static int
copy(struct input *in, size_t chunk, struct buf *out)
{
	struct clean_req req = {.parts = in->parts,
				.count = in->count,
				.length = in->message.n,
				.hostname = "gate.test",
				.subject = "[x]",
				.read = read_some,
				.read_arg = in,
				.write = write_some,
				.write_arg = out};

	in->chunk = chunk;
	return clean_copy(&req);
}

static void
find_parts(struct input *in, const uint8_t *data, size_t size)
{
	struct mime_opts opts = {.part = on_part, .arg = in};
	struct mime_summary summary;
	struct mime_walk *walk;

	if (size > 5 && data[0] < 16) {
		in->message = slice_of(data + 5, size - 5);
		in->count = 1;
		in->parts[0] = (struct clean_part){.head = data[1],
						   .begin = data[2],
						   .end = data[3],
						   .encoding = data[4] % 4,
						   .name = "",
						   .threat = ""};
		return;
	}
	in->message = slice_of(data, size);
	walk = mime_walk_create(&opts);
	mime_walk_add(walk, in->message);
	mime_walk_end(walk, &summary);
	mime_walk_destroy(&walk);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {.count = 0};
	struct buf whole, pieces;
	struct slice tail;
	int err;

	find_parts(&in, data, size);
	buf_init(&whole, 4 << 20);
	buf_init(&pieces, 4 << 20);
	err = copy(&in, 1 << 20, &whole);
	require(copy(&in, 7, &pieces) == err);
	if (err == 0) {
		require(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
		tail = slice_from(in.message, in.parts[in.count - 1].end);
		require(whole.n >= tail.n && memcmp(whole.p + whole.n - tail.n,
						    tail.p, tail.n) == 0);
	}
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
