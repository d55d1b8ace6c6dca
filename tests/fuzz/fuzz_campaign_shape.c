#include <stdlib.h>
#include <string.h>

#include "gateway/campaign/shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct shape_facts
facts_of(struct slice in, size_t piece)
{
	struct shape *shape = shape_create();
	struct shape_facts facts;

	while (in.n > 0) {
		struct slice now = slice_head(in, piece);
		char *copy = malloc(now.n); /* so that a byte over is seen */

		memcpy(copy, now.p, now.n);
		shape_add(shape, slice_of(copy, now.n));
		free(copy);
		in = slice_from(in, piece);
	}
	shape_end(shape, &facts);
	shape_destroy(&shape);
	return facts;
}

/* The first byte says in which pieces: it is all the same. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct shape_facts whole, cut;

	if (size == 0)
		return 0;
	in = slice_from(in, 1);
	whole = facts_of(in, in.n + 1);
	cut = facts_of(in, 1 + data[0] % 64);
	if (whole.fuzzy != cut.fuzzy || whole.list != cut.list ||
	    whole.precedence != cut.precedence ||
	    whole.unsubscribe != cut.unsubscribe || whole.shown != cut.shown ||
	    memcmp(whole.exact, cut.exact, sizeof(cut.exact)) != 0)
		abort();
	return 0;
}
