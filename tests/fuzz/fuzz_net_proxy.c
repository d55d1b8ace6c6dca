/* A header that was taken must be taken again when its bytes come alone, and
 * a shorter input must ask for more: what the front relies on when it reads
 * the header in pieces. */
#include <stdlib.h>

#include "gateway/net/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sock_addr source, destination;
	enum proxy_result result;
	size_t used = 0, again = 0;

	result =
	    proxy_parse(slice_of(data, size), &used, &source, &destination);
	switch (result) {
	case PROXY_MORE:
		if (size >= PROXY_HEADER_MAX)
			abort();
		break;
	case PROXY_ADDR:
	case PROXY_LOCAL:
		if (used == 0 || used > size ||
		    proxy_parse(slice_of(data, used), &again, &source,
				&destination) != result ||
		    again != used ||
		    proxy_parse(slice_of(data, used - 1), &again, &source,
				&destination) != PROXY_MORE)
			abort();
		break;
	case PROXY_BAD:
		break;
	}
	return 0;
}
