/*
 * A next hop's replies. The first byte is the size of the pieces the rest is
 * given in: whatever they are, the outcome is the same as in one piece.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/smtp/reply_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	enum reply_step step;
	struct smtp_reply reply;
	size_t used;
};

static void
run(struct reply_parse *r, struct slice in, size_t piece, struct outcome *o)
{
	struct slice seen = slice_of(in.p, 0), line;
	size_t given = 0;

	reply_parse_init(r);
	memset(o, 0, sizeof(*o));
	o->step = REPLY_MORE;
	while (given < in.n && o->step == REPLY_MORE) {
		size_t n = piece < in.n - given ? piece : in.n - given;

		seen.n += n;
		given += n;
		do {
			o->step = reply_parse_next(r, &seen, &line);
		} while (o->step == REPLY_LINE);
	}
	o->used = given - seen.n;
	reply_parse_get(r, &o->reply);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reply_parse a, b;
	struct outcome whole, pieces;
	struct slice in;

	if (size < 2)
		return 0;
	in = slice_of(data + 1, size - 1);
	run(&a, in, in.n, &whole);
	run(&b, in, data[0] > 0 ? data[0] : 1, &pieces);
	if (whole.step != pieces.step)
		abort();
	if (whole.step != REPLY_DONE)
		return 0;
	if (whole.used != pieces.used ||
	    whole.reply.code != pieces.reply.code ||
	    !slice_eq(whole.reply.text, pieces.reply.text) ||
	    memcmp(whole.reply.enhanced, pieces.reply.enhanced, 3) != 0)
		abort();
	if (whole.reply.code < 200 || whole.reply.code > 599 ||
	    whole.reply.text.n > REPLY_TEXT_MAX)
		abort();
	for (size_t i = 0; i < whole.reply.text.n; i++) {
		if ((uint8_t)whole.reply.text.p[i] < ' ')
			abort();
	}
	return 0;
}
