/* The head of an HTTP request: what a part of it decides, more does not
 * change. */
#include <stdint.h>
#include <stdlib.h>

#include "gateway/control/http_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct http_head head, part;
	int got = http_parse(in, &head);

	if (got == 1) {
		if (head.path.n == 0 || head.path.p[0] != '/' ||
		    head.method.n == 0)
			abort();
		(void)http_host_is_local(head.host);
	}
	if (http_parse(slice_head(in, size / 2), &part) == 1 && got != 1)
		abort();
	(void)http_host_is_local(in);
	return 0;
}
