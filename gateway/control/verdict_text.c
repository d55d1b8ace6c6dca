#include "gateway/control/verdict_text.h"

#include "gateway/base/escape.h"
#include "gateway/scan/words.h"

const char *
verdict_why_text(enum scan_why why)
{
	switch (why) {
	case SCAN_WHY_NONE:
		break;
	case SCAN_WHY_ENCRYPTED:
		return "it is encrypted";
	case SCAN_WHY_TOO_BIG:
		return "it is too big for the scanner";
	case SCAN_WHY_CONTAINER:
		return "it is packed too deep, or too much is in it";
	case SCAN_WHY_POLICY:
		return "the scanner does not allow it";
	case SCAN_WHY_PARTIAL:
		return "it is a piece of a message";
	case SCAN_WHY_EXTERNAL:
		return "its content lies elsewhere";
	case SCAN_WHY_STRUCTURE:
		return "it has too many parts";
	case SCAN_WHY_DOWN:
		return "no scanner can be asked";
	case SCAN_WHY_TIMEOUT:
		return "no answer in time";
	case SCAN_WHY_PROTOCOL:
		return "the scanner's answer makes no sense";
	case SCAN_WHY_SERVER:
		return "the scanner failed";
	case SCAN_WHY_CANCELED:
		return "given up";
	case SCAN_WHY_READ:
		return "our own bytes cannot be read";
	}
	return "no reason given";
}

void
verdict_text(const struct scan_verdict *verdict, struct buf *out)
{
	bool fact =
	    verdict->kind == SCAN_CLEAN || (verdict->kind == SCAN_INFECTED);

	buf_add_str(out, verdict->kind == SCAN_ERROR
			     ? "no verdict"
			     : scan_kind_word(verdict->kind));
	if (verdict->kind == SCAN_INFECTED) {
		buf_add_str(out, ": ");
		if (verdict->threat[0] != '\0')
			escape_text(out, slice_str(verdict->threat));
		else
			buf_add_str(out, "the scanner gave no name");
	} else if (!fact) {
		buf_printf(out, ": %s", verdict_why_text(verdict->why));
	}
	if (verdict->server[0] != '\0') {
		buf_add_str(out, " (");
		escape_text(out, slice_str(verdict->server));
		buf_add_byte(out, ')');
	}
}
