/* sluice audit: the trail, the latest first, in slices. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/id.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/listing.h"
#include "gateway/control/text.h"
#include "policy/audit.h"

#define AUDIT_SLICE 200
#define DEFAULT_LIMIT 50

struct listing {
	struct call *call;
	struct json json;
	uint64_t before; /* the last one looked at */
	uint64_t given, limit;
	int64_t since_wall_s, now_s;
	size_t width;
	bool over; /* the rest is older than --since, or too much */
};

/* Words and what people typed go to the end of a line that is cut. */
static void
put_rest(struct listing *listing, const char *label, const char *text)
{
	struct buf *out = &listing->call->out;

	if (text[0] == '\0')
		return;
	buf_printf(out, "  %s ", label);
	text_last(out, slice_str(text),
		  listing->width == 0 ? 0 : listing->width - 3 - strlen(label));
	buf_add_byte(out, '\n');
}

static void
put_entry(struct listing *listing, const struct audit_entry *entry)
{
	struct buf *out = &listing->call->out;
	char id[ID_TEXT_SIZE], at[CLOCK_HUMAN_SIZE];

	id_format(entry->id, id);
	clock_human(entry->wall_s, listing->now_s, at);
	buf_printf(out, "%s  %s  ", id, at);
	text_last(out, slice_str(entry->author), 24);
	buf_printf(out, " (uid %" PRIu32 ", pid %" PRIu32 ")\n", entry->uid,
		   entry->pid);
	put_rest(listing, "sluice", entry->command);
	put_rest(listing, "why:", entry->reason);
	put_rest(listing, "=>", entry->effect);
}

static void
json_entry(struct json *j, const struct audit_entry *entry)
{
	char id[ID_TEXT_SIZE];

	id_format(entry->id, id);
	json_open_object(j, NULL);
	json_str(j, "id", id);
	json_time(j, "time", entry->wall_s);
	json_u64(j, "uid", entry->uid);
	json_u64(j, "pid", entry->pid);
	json_str(j, "author", entry->author);
	json_str(j, "command", entry->command);
	json_str(j, "reason", entry->reason);
	json_str(j, "effect", entry->effect);
	json_close_object(j);
}

static bool
on_entry(void *arg, const struct audit_entry *entry)
{
	struct listing *listing = arg;

	if (entry->wall_s < listing->since_wall_s ||
	    (listing->limit != 0 && listing->given == listing->limit)) {
		listing->over = true;
		return false;
	}
	listing->given++;
	listing->before = entry->id;
	if (listing->call->request.json)
		json_entry(&listing->json, entry);
	else
		put_entry(listing, entry);
	return true;
}

static enum call_next
list_slice(struct call *call)
{
	struct listing *listing = call->state;
	size_t n = audit_each(spool_store(call->control->spool),
			      listing->before, AUDIT_SLICE, on_entry, listing);

	if (n == AUDIT_SLICE && !listing->over)
		return CALL_MORE;
	return listing_end(call, &listing->json, listing->given,
			   listing->given == listing->limit && listing->over,
			   "Nothing was changed.");
}

enum call_next
command_audit(struct call *call)
{
	struct listing *listing = mem_zalloc(sizeof(*listing));

	call->state = listing;
	call->step = list_slice;
	listing->call = call;
	listing->limit = DEFAULT_LIMIT;
	listing->now_s = clock_wall_s();
	listing->width = call_width(call);
	if (!since_option(call, "since", &listing->since_wall_s))
		return CALL_DONE;
	/* since a time: all of it, unless it is said */
	if (listing->since_wall_s != 0)
		listing->limit = 0;
	if (!listing_limit(call, &listing->limit))
		return CALL_DONE;
	json_init(&listing->json, &call->out);
	if (call->request.json)
		json_open_array(&listing->json, NULL);
	return list_slice(call);
}
