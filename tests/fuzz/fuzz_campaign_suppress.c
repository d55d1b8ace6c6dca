/* The input as a record of STORE_SUPPRESS, its key up to the first NUL, and as
 * an address: what is read is written as it was, and a key is its own key. */
#include <stdlib.h>
#include <string.h>

#include "gateway/campaign/suppress_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert would be gone in a release build. */
static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
record(struct slice in)
{
	size_t end = slice_find(in, '\0');
	struct slice value = slice_from(in, end + 1);
	struct buf again = {.cap = SUPPRESS_RECORD_MAX};
	struct suppress_record r;

	if (suppress_decode(slice_head(in, end), value, &r) != 0)
		return;
	suppress_encode(&r.entry, &again);
	must(slice_eq(buf_slice(&again), value));
	buf_fini(&again);
}

static void
address(struct slice in)
{
	char once[SUPPRESS_KEY_MAX], twice[SUPPRESS_KEY_MAX];
	size_t n = suppress_key(in, once), m;

	must(n <= SUPPRESS_KEY_MAX);
	if (n == 0)
		return;
	m = suppress_key(slice_of(once, n), twice);
	must(m == n && memcmp(once, twice, n) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	record(in);
	address(in);
	return 0;
}
