#include "gateway/control/listing.h"

#include "gateway/base/units.h"

#define TTY_LIMIT 1000

uint64_t
listing_usual_limit(const struct call *call)
{
	return call->request.tty && !call->request.json ? TTY_LIMIT : 0;
}

bool
listing_limit(struct call *call, uint64_t *limit)
{
	const char *text = command_option(&call->line, "limit");

	if (text == NULL || units_count(slice_str(text), limit) == 0)
		return true;
	call_usage(call, "--limit takes a number");
	return false;
}

enum call_next
listing_end(struct call *call, struct json *json, uint64_t given, bool full,
	    const char *nothing)
{
	if (call->request.json) {
		json_close_array(json);
		buf_add_byte(&call->out, '\n');
	} else if (call->request.tty && given == 0 && nothing) {
		buf_printf(&call->out, "%s\n", nothing);
	} else if (call->request.tty && full) {
		buf_add_str(&call->out,
			    "... and more: --limit N, or --limit 0 for all\n");
	}
	return CALL_DONE;
}
