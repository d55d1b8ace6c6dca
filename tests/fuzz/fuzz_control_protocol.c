/* Frames and requests from whoever can open the socket: a request that is
 * understood is written back to the same bytes, and its words to a command. */
#include <stdlib.h>
#include <string.h>

#include "gateway/control/commands.h"
#include "gateway/control/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
one_request(struct slice body)
{
	struct buf again = {.cap = FRAME_MAX}, error = {.cap = 512};
	struct request request;
	struct command_line line;

	if (request_decode(body, &request) == 0) {
		if (request_encode(&request, &again) == 0 &&
		    !slice_eq(buf_slice(&again), body))
			abort();
		if (command_parse(request.words, request.count, &line,
				  &error) != 0 &&
		    error.n == 0)
			abort();
	}
	buf_fini(&again);
	buf_fini(&error);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of(data, size);
	struct frame frame;
	size_t used;

	while (frame_get(rest, &frame, &used) == 1) {
		if (used > rest.n || frame.body.n + FRAME_HEADER_SIZE != used)
			abort();
		if (frame.type == FRAME_REQUEST)
			one_request(frame.body);
		rest = slice_from(rest, used);
	}
	return 0;
}
