#include <stdlib.h>
#include <string.h>

#include "gateway/smtp/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool true_always)
{
	if (!true_always)
		abort();
}

/* What was taken for an address goes into command lines and log lines. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of(data, size);
	struct path path, again;
	size_t i;

	if (path_parse(&rest, &path) != PATH_FINE)
		return 0;
	require(rest.n <= size);
	require(path.address.n <= PATH_ADDRESS_MAX);
	require(path.local.n <= PATH_LOCAL_MAX);
	require(path.domain.n <= PATH_DOMAIN_MAX);
	for (i = 0; i < path.address.n; i++)
		require((unsigned char)path.address.p[i] >= ' ' &&
			path.address.p[i] != 0x7f);
	if (path.address.n == 0)
		return 0;
	require(path.domain.n > 0
		    ? path.address.n == path.local.n + 1 + path.domain.n
		    : path_is_postmaster(&path));
	/* Without its brackets and route it is the same address. */
	rest = path.address;
	require(path_parse(&rest, &again) == PATH_FINE && rest.n == 0);
	require(slice_eq(again.address, path.address) &&
		slice_eq(again.domain, path.domain));
	return 0;
}
