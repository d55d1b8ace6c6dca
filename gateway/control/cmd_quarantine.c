/*
 * sluice quarantine list|show. A listing goes on from the last id it saw;
 * what is released or deleted meanwhile is left out. Of a message with many
 * recipients some are shown a turn, out of what was read at the beginning.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/encode.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/listing.h"
#include "gateway/control/quarantine_text.h"
#include "gateway/control/queue_text.h"
#include "gateway/control/selection.h"
#include "gateway/control/text.h"
#include "gateway/control/verdict_text.h"
#include "gateway/scan/words.h"

#define LIST_SLICE 100
#define RCPT_SLICE 2000

/* --- list -------------------------------------------------------------------
 */

struct list {
	struct json json;
	uint64_t after;
	uint64_t given, limit; /* limit 0: none */
	int64_t now_s;
	size_t width;
	char cred[SELECTION_VALUE_SIZE]; /* "": any */
	bool full;
};

static void
put_verdict_line(struct list *list, const struct quarantine_entry *entry,
		 struct buf *out)
{
	struct buf line = {.cap = 2048};

	if (entry->part_name[0] != '\0')
		buf_printf(&line, "%s: ", entry->part_name);
	buf_add_str(&line, scan_kind_word(entry->verdict.kind));
	if (entry->verdict.threat[0] != '\0')
		buf_printf(&line, ", %s", entry->verdict.threat);
	buf_add_str(out, "  ");
	text_last(out, buf_slice(&line),
		  list->width == 0 ? 0 : list->width - 2);
	buf_add_byte(out, '\n');
	buf_fini(&line);
}

static void
put_line(struct list *list, const struct quarantine_entry *entry,
	 struct buf *out)
{
	char id[ID_TEXT_SIZE], stored[CLOCK_HUMAN_SIZE];

	id_format(entry->id, id);
	clock_human(entry->stored_wall_s, list->now_s, stored);
	buf_printf(out, "%s  %-16s  ", id, stored);
	text_cell(out, slice_str(entry->cred[0] ? entry->cred : "-"), 20);
	buf_add_byte(out, ' ');
	text_last(out, slice_str(entry->mail_from[0] ? entry->mail_from : "<>"),
		  list->width == 0 ? 0 : list->width - 54);
	buf_add_byte(out, '\n');
	put_verdict_line(list, entry, out);
}

static void
list_one(struct call *call, struct list *list, uint64_t id)
{
	struct quarantine *quarantine = call->control->quarantine;
	struct arena *arena = arena_create(1024);
	struct quarantine_entry entry;
	char text[ID_TEXT_SIZE];
	int err = quarantine_get(quarantine, id, arena, &entry);

	if (err == 0 &&
	    (list->cred[0] == '\0' || strcmp(list->cred, entry.cred) == 0)) {
		list->given++;
		if (call->request.json) {
			json_open_object(&list->json, NULL);
			quarantine_json(&list->json, &entry);
			json_close_object(&list->json);
		} else {
			put_line(list, &entry, &call->out);
		}
	} else if (err != 0 && err != GW_ENOENT) {
		id_format(id, text);
		call_fail(call, "%s cannot be read: %s", text,
			  gw_err_text(err));
	}
	arena_destroy(&arena);
}

static enum call_next
list_slice(struct call *call)
{
	struct list *list = call->state;
	uint64_t ids[LIST_SLICE];
	int n = quarantine_list(call->control->quarantine, list->after, ids,
				LIST_SLICE);

	for (int i = 0; i < n && !list->full; i++) {
		list->full = list->limit != 0 && list->given == list->limit;
		if (!list->full)
			list_one(call, list, ids[i]);
		list->after = ids[i];
	}
	if (n == LIST_SLICE && !list->full)
		return CALL_MORE;
	if (n < 0)
		call_fail(call, "the list is not complete: %s", gw_err_text(n));
	return listing_end(call, &list->json, list->given, list->full,
			   "Nothing is quarantined.");
}

enum call_next
command_quarantine_list(struct call *call)
{
	struct list *list = mem_zalloc(sizeof(*list));
	const char *cred = command_option(&call->line, "cred");

	call->state = list;
	call->step = list_slice;
	list->now_s = clock_wall_s();
	list->width = call_width(call);
	list->limit = listing_usual_limit(call);
	if (!quarantine_there(call))
		return CALL_DONE;
	if (!listing_limit(call, &list->limit))
		return CALL_DONE;
	if (cred != NULL && !cred_parse(call, "--cred", cred, list->cred))
		return CALL_DONE;
	json_init(&list->json, &call->out);
	if (call->request.json)
		json_open_array(&list->json, NULL);
	else if (call->request.tty)
		buf_printf(&call->out, "%-13s  %-16s  %-20s %s\n\n", "ID",
			   "SINCE", "LOGIN", "FROM");
	return list_slice(call);
}

/* --- show -------------------------------------------------------------------
 */

struct show {
	struct json json;
	struct arena *arena;
	struct quarantine_entry entry;
	uint32_t next;
};

static void
show_fini(void *state)
{
	arena_destroy(&((struct show *)state)->arena);
}

static void
put_field(struct buf *out, const char *name, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	buf_printf(out, "%-11s ", name);
	text_last(out, slice_str(value), 0);
	buf_add_byte(out, '\n');
}

static void
put_time(struct buf *out, const char *name, int64_t wall_s)
{
	char at[CLOCK_RFC5322_SIZE];

	clock_rfc5322(wall_s, at);
	put_field(out, name, at);
}

static void
put_entry(struct buf *out, const struct quarantine_entry *entry)
{
	struct buf text = {.cap = 1024};
	char id[ID_TEXT_SIZE], ip[IP_TEXT_SIZE];

	id_format(entry->id, id);
	ip_format(&entry->client, ip);
	put_field(out, "id", id);
	verdict_text(&entry->verdict, &text);
	buf_printf(out, "%-11s %s\n", "verdict", buf_cstr(&text));
	put_field(out, "part", entry->part_name);
	put_field(out, "subject", entry->subject);
	put_time(out, "accepted", entry->accepted_wall_ms / 1000);
	put_time(out, "quarantined", entry->stored_wall_s);
	put_time(out, "until", entry->expires_wall_s);
	if (entry->cred[0] != '\0') {
		put_field(out, "login", entry->cred);
		put_field(out, "client", ip);
		put_field(out, "session", entry->session);
	}
	put_field(out, "owner", entry->owner);
	put_field(out, "from", entry->mail_from[0] ? entry->mail_from : "<>");
	buf_clear(&text);
	text_size(&text, entry->prefix.n + entry->bytes);
	put_field(out, "size", buf_cstr(&text));
	buf_clear(&text);
	hex_encode(&text, slice_of(entry->digest, DIGEST_SIZE));
	put_field(out, "sha256", buf_cstr(&text));
	put_field(out, "definitions", entry->verdict.istag);
	id_format(entry->linked, id);
	if (entry->linked != 0)
		put_field(out, "cleaned as", id);
	buf_fini(&text);
}

static enum call_next
show_slice(struct call *call)
{
	struct show *show = call->state;
	const struct quarantine_entry *entry = &show->entry;
	uint32_t end = show->next + RCPT_SLICE;

	if (end > entry->rcpt_count)
		end = entry->rcpt_count;
	for (; show->next < end; show->next++) {
		const char *address = entry->rcpts[show->next].address;

		if (call->request.json)
			json_str(&show->json, NULL, address);
		else
			put_field(&call->out, "to", address);
	}
	if (show->next < entry->rcpt_count)
		return CALL_MORE;
	if (call->request.json) {
		json_close_array(&show->json);
		json_close_object(&show->json);
		buf_add_byte(&call->out, '\n');
	}
	return CALL_DONE;
}

enum call_next
command_quarantine_show(struct call *call)
{
	struct show *show = mem_zalloc(sizeof(*show));
	struct json *j = &show->json;

	call->state = show;
	call->state_fini = show_fini;
	call->step = show_slice;
	show->arena = arena_create(1024);
	if (!quarantine_there(call) ||
	    !quarantine_find(call, show->arena, &show->entry))
		return CALL_DONE;
	json_init(j, &call->out);
	if (call->request.json) {
		json_open_object(j, NULL);
		quarantine_json(j, &show->entry);
		json_open_array(j, "recipients");
	} else {
		put_entry(&call->out, &show->entry);
	}
	return show_slice(call);
}
