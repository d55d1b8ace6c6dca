#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/smtp/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * The line-ending policy. Octet 0: policy, DATA or BDAT, and how to cut. What
 * comes out holds nothing but good lines, does not depend on the cuts, and can
 * be stuffed for a next hop, where it comes out again as it went in.
 */
static void
require(bool true_always)
{
	if (!true_always)
		abort();
}

struct result {
	struct buf out;
	size_t used;
	enum lines_step step;
	enum lines_fault fault;
};

static void
decode(struct slice in, enum line_ending_policy policy, bool dots, size_t piece,
       struct result *r)
{
	struct lines l;
	struct slice part, out;
	size_t all = in.n;

	buf_init(&r->out, 4 << 20);
	r->step = LINES_MORE;
	lines_init(&l, policy, dots);
	while (in.n > 0 && r->step == LINES_MORE) {
		struct slice rest = slice_head(in, piece);

		part = rest;
		while (rest.n > 0 && r->step == LINES_MORE) {
			r->step = lines_next(&l, &rest, &out);
			buf_add_slice(&r->out, out);
		}
		in = slice_from(in, part.n - rest.n);
	}
	r->used = all - in.n;
	if (!dots && r->step == LINES_MORE) {
		r->step = lines_finish(&l, &out);
		buf_add_slice(&r->out, out);
	}
	r->fault = l.fault;
	require(!r->out.overflow);
}

static void
require_lines(const struct buf *b)
{
	size_t i, column = 0;

	for (i = 0; i < b->n; i++) {
		require(b->p[i] != '\0');
		if (b->p[i] == '\r') {
			require(i + 1 == b->n || b->p[i + 1] == '\n');
			continue;
		}
		if (b->p[i] == '\n') {
			require(i > 0 && b->p[i - 1] == '\r');
			column = 0;
			continue;
		}
		require(++column <= LINES_TEXT_MAX);
	}
	require(b->n == 0 || b->p[b->n - 1] != '\r');
}

static void
round_trip(const struct buf *b)
{
	struct lines_stuff s;
	struct result back;
	struct buf wire;

	buf_init(&wire, 8 << 20);
	lines_stuff_init(&s);
	require(lines_stuff(&s, buf_slice(b), &wire) == GW_OK);
	require(lines_stuff_end(&s, &wire) == GW_OK);
	decode(buf_slice(&wire), LINE_REFUSE, true, SIZE_MAX, &back);
	require(back.step == LINES_END && back.used == wire.n);
	require(back.out.n >= b->n && back.out.n <= b->n + 2);
	require(b->n == 0 || memcmp(back.out.p, b->p, b->n) == 0);
	buf_fini(&wire);
	buf_fini(&back.out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum line_ending_policy policy;
	struct result whole, cut;
	struct slice in;
	bool dots;

	if (size == 0)
		return 0;
	policy = (data[0] & 1) != 0 ? LINE_NORMALISE : LINE_REFUSE;
	dots = (data[0] & 2) == 0;
	in = slice_of(data + 1, size - 1);
	decode(in, policy, dots, SIZE_MAX, &whole);
	require_lines(&whole.out);
	decode(in, policy, dots, 1 + (data[0] >> 2), &cut);
	require(cut.out.n == whole.out.n && cut.used == whole.used);
	require(whole.out.n == 0 ||
		memcmp(cut.out.p, whole.out.p, whole.out.n) == 0);
	require(cut.step == whole.step && cut.fault == whole.fault);
	if (whole.fault == LINES_FINE)
		round_trip(&whole.out);
	buf_fini(&whole.out);
	buf_fini(&cut.out);
	return 0;
}
