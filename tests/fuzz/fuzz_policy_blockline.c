/* The input as a line of an export: what is read is written as one printable
 * line that reads the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "policy/block_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert would be gone in a release build. */
static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
same(const struct block *a, const struct block *b)
{
	must(a->kind == b->kind && a->action == b->action &&
	     a->flags == b->flags);
	must(a->until_wall_s == b->until_wall_s &&
	     a->since_wall_s == b->since_wall_s &&
	     a->made_wall_s == b->made_wall_s);
	must(strcmp(a->value, b->value) == 0 &&
	     strcmp(a->author, b->author) == 0 &&
	     strcmp(a->reason, b->reason) == 0);
}

static void
written(const struct block *block)
{
	struct buf line, scratch, error;
	struct block again;

	buf_init(&line, 4 * BLOCK_LINE_MAX + 4096);
	buf_init(&scratch, 8 * BLOCK_LINE_MAX);
	buf_init(&error, 1000);
	block_line_write(block, &line);
	must(!line.overflow);
	for (size_t i = 0; i < line.n; i++)
		must((uint8_t)line.p[i] >= ' ' && line.p[i] != 0x7f);
	/* escaping may make a line longer than one may be */
	if (line.n <= BLOCK_LINE_MAX) {
		must(block_line_parse(buf_slice(&line), &again, &scratch,
				      &error) == 0);
		same(block, &again);
	}
	buf_fini(&line);
	buf_fini(&scratch);
	buf_fini(&error);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf scratch, error;
	struct block block;
	int err;

	buf_init(&scratch, 2 * BLOCK_LINE_MAX);
	buf_init(&error, 1000);
	err = block_line_parse(slice_of(data, size), &block, &scratch, &error);
	must(err == 0 || err == GW_EINVAL || err == GW_ENOENT);
	must((error.n > 0) == (err == GW_EINVAL));
	if (err == 0)
		written(&block);
	buf_fini(&scratch);
	buf_fini(&error);
	return 0;
}
