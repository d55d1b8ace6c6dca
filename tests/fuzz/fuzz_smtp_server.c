#include "tests/fuzz/smtp_engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A whole session. STARTTLS is not offered: what stands behind it in one block
 * ends the session, and does not when it comes later, as it must. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_server_opts opts = {
	    .hostname = "mx",
	    .size_max = 4000,
	    .rcpt_max = 5,
	    .mechanisms = "PLAIN LOGIN",
	};

	if (size < 2)
		return 0;
	opts.line_endings = (data[1] & 1) != 0 ? LINE_NORMALISE : LINE_REFUSE;
	opts.require_auth = (data[1] & 2) != 0;
	opts.offer_utf8 = (data[1] & 4) != 0;
	driven_compare(&opts, NULL, slice_of(data + 2, size - 2), data[0]);
	return 0;
}
