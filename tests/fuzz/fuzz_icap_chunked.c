/*
 * A chunked body. The first byte is the size of the pieces the rest is given
 * in: the same bytes come out. What we write ourselves comes out as it went
 * in.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/icap/chunked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum icap_chunked_step
run(struct slice in, size_t piece, struct buf *body, size_t *left)
{
	enum icap_chunked_step step = ICAP_CHUNKED_MORE;
	struct slice part, data;
	struct icap_chunked c;

	icap_chunked_init(&c);
	while (in.n > 0 && step == ICAP_CHUNKED_MORE) {
		part = slice_head(in, piece);
		in = slice_from(in, part.n);
		while ((step = icap_chunked_next(&c, &part, &data)) ==
		       ICAP_CHUNKED_DATA) {
			if (data.n == 0)
				abort();
			buf_add_slice(body, data);
		}
		in.p = part.p;
		in.n += part.n;
	}
	*left = step == ICAP_CHUNKED_BAD ? 0 : in.n;
	return step;
}

/* Written in chunks of that size. */
static void
round_trip(struct slice in, size_t piece)
{
	struct buf out = {.cap = SIZE_MAX / 2}, body = {.cap = SIZE_MAX / 2};
	struct slice rest = in, part;
	size_t left;

	while (rest.n > 0) {
		part = slice_head(rest, piece);
		rest = slice_from(rest, part.n);
		buf_printf(&out, "%zx\r\n", part.n);
		buf_add_slice(&out, part);
		buf_add_str(&out, "\r\n");
	}
	buf_add_str(&out, "0\r\n\r\n");
	if (run(buf_slice(&out), out.n, &body, &left) != ICAP_CHUNKED_END ||
	    left != 0 || !slice_eq(buf_slice(&body), in))
		abort();
	buf_fini(&out);
	buf_fini(&body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = {.cap = SIZE_MAX / 2};
	struct buf pieces = {.cap = SIZE_MAX / 2};
	size_t piece, left[2];
	struct slice in;

	if (size < 2)
		return 0;
	piece = data[0] > 0 ? data[0] : 1;
	in = slice_of(data + 1, size - 1);
	if (run(in, in.n, &whole, &left[0]) !=
		run(in, piece, &pieces, &left[1]) ||
	    left[0] != left[1] ||
	    !slice_eq(buf_slice(&whole), buf_slice(&pieces)))
		abort();
	round_trip(in, piece);
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
