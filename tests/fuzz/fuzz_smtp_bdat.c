#include "tests/fuzz/smtp_engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* From the first chunk on. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_server_opts opts = {
	    .hostname = "mx",
	    .size_max = 1000,
	    .rcpt_max = 5,
	};

	if (size < 2)
		return 0;
	opts.line_endings = (data[1] & 1) != 0 ? LINE_NORMALISE : LINE_REFUSE;
	driven_compare(&opts, "EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<a@x>\r\n",
		       slice_of(data + 2, size - 2), data[0]);
	return 0;
}
