#include <assert.h>

#include "gateway/base/error.h"
#include "gateway/smtp/client_int.h"
#include "gateway/smtp/lines.h"

#define AHEAD_BYTES ((size_t)64 * 1024)
#define READ_BYTES ((size_t)16 * 1024)

int
client_body_fill(struct buf *out, struct lines_stuff *stuff,
		 int64_t (*read)(void *arg, void *p, size_t n), void *arg)
{
	char block[READ_BYTES];
	int64_t n;
	int err;

	buf_clear(out);
	while (out->n < AHEAD_BYTES) {
		n = read(arg, block, sizeof(block));
		if (n < 0)
			return (int)n;
		if (n == 0)
			return lines_stuff_end(stuff, out);
		assert((uint64_t)n <= sizeof(block));
		err = lines_stuff(stuff, slice_of(block, (size_t)n), out);
		if (err != 0)
			return err;
	}
	return 1;
}
