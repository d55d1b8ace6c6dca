/* A time is on its side of now, and says the same twice. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "gateway/control/when.h"

#define NOW INT64_C(1795357820)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice s = slice_of(data, size);
	int64_t at, again, span;

	if (when_until(s, NOW, &at) == 0 &&
	    (at <= NOW || when_until(s, NOW, &again) != 0 || at != again))
		abort();
	if (when_since(s, NOW, &at) == 0 && at > NOW)
		abort();
	if (when_span(s, &span) == 0 && (span <= 0 || span > WHEN_MOST_S))
		abort();
	return 0;
}
