/* The input as a reply: its first three bytes the enhanced code, the next two
 * the code. No text is read past its end, and what passes is never hard. */
#include <stdlib.h>

#include "gateway/campaign/bounce.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct bounce_throttle *throttle;
	enum bounce_class class;
	struct slice text;
	int code;

	if (size < 5)
		return 0;
	code = data[3] << 8 | data[4];
	text = slice_of(data + 5, size - 5);
	class = bounce_class_of(code, data, text);
	if ((unsigned)class >= BOUNCE_CLASSES)
		abort();
	if (code > 0 && code < 500 && bounce_lasting_of(class) == BOUNCE_HARD)
		abort();
	throttle = bounce_throttle_of(code, data, text);
	if (throttle && (throttle->pause_ms < 0 || throttle->slow_ms < 0))
		abort();
	return 0;
}
