/* base64, hex and xtext: what decodes is encoded back to the same bytes, and
 * what was encoded always decodes; a refused text leaves the output alone. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "gateway/base/encode.h"

#define CAP (1 << 20)

typedef int decode_fn(struct buf *out, struct slice s);
typedef void encode_fn(struct buf *out, struct slice s);

static void
check(decode_fn *decode, encode_fn *encode, struct slice s, bool canonical)
{
	struct buf plain = {.cap = CAP}, coded = {.cap = CAP};
	struct buf again = {.cap = CAP};

	if (decode(&plain, s) == 0) {
		encode(&coded, buf_slice(&plain));
		if (canonical && !slice_eq(buf_slice(&coded), s))
			abort();
	} else if (plain.n != 0) {
		abort();
	}
	buf_clear(&coded);
	encode(&coded, s);
	if (coded.overflow || decode(&again, buf_slice(&coded)) != 0 ||
	    !slice_eq(buf_slice(&again), s))
		abort();
	buf_fini(&plain);
	buf_fini(&coded);
	buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice s = slice_of(data, size);

	check(base64_decode, base64_encode, s, true);
	/* both cases of letters decode; xtext need not code what it does */
	check(hex_decode, hex_encode, s, false);
	check(xtext_decode, xtext_encode, s, false);
	return 0;
}
