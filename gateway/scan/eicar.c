#include "gateway/scan/eicar.h"

#include <assert.h>
#include <string.h>

void
eicar_write(char out[EICAR_SIZE])
{
	static const char *const pieces[] = {
	    "X5O!P%@A", "P[4\\PZX5", "4(P^)7CC", ")7}$EIC", "AR-STAND",
	    "ARD-ANTI", "VIRUS-TE",  "ST-FIL",	 "E!$H+H",  "*",
	};
	size_t n = 0, len;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		len = strlen(pieces[i]);
		assert(n + len <= EICAR_SIZE);
		memcpy(out + n, pieces[i], len);
		n += len;
	}
	assert(n == EICAR_SIZE);
}
