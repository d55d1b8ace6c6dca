/* Sizes, times, counts: what is read is written and read back to the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "gateway/base/units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice s = slice_of(data, size);
	struct buf text = {.cap = 200};
	uint64_t bytes, bytes_again, count;
	int64_t ms, ms_again;

	if (units_size(s, &bytes) == 0) {
		units_format_size(&text, bytes);
		if (units_size(buf_slice(&text), &bytes_again) != 0 ||
		    bytes != bytes_again)
			abort();
	}
	buf_clear(&text);
	if (units_time_ms(s, &ms) == 0) {
		if (ms < 0)
			abort();
		units_format_time(&text, ms);
		if (units_time_ms(buf_slice(&text), &ms_again) != 0 ||
		    ms != ms_again)
			abort();
	}
	/* a count is a size without a unit */
	if (units_count(s, &count) == 0 &&
	    (units_size(s, &bytes) != 0 || bytes != count))
		abort();
	buf_fini(&text);
	return 0;
}
