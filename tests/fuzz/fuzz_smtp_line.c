#include "tests/fuzz/smtp_engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One command line over and over, made longer than the caps by repetition:
 * octet 1 says how often. The line buffer and its caps. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_server_opts opts = {
	    .hostname = "mx",
	    .size_max = 1000,
	    .rcpt_max = 5,
	    .mechanisms = "PLAIN",
	    .error_max = 1000,
	};
	struct buf in;
	size_t times;

	if (size < 3)
		return 0;
	buf_init(&in, 1 << 17);
	for (times = (size_t)data[1] * 8; times > 0 && in.n < 1 << 16; times--)
		buf_add(&in, data + 2, size - 2);
	buf_add_str(&in, "\r\nNOOP\r\n");
	driven_compare(&opts, "EHLO x\r\n", buf_slice(&in), data[0]);
	buf_fini(&in);
	return 0;
}
