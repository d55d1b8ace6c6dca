/*
 * sluice suppress list|add|del|export; import is cmd_suppress_import.c. An
 * export has one line an address, in the order in which import reads it:
 * address, why, since when, and what was said.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/escape.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/listing.h"
#include "gateway/control/suppress_text.h"
#include "gateway/control/text.h"
#include "gateway/smtp/path.h"

#define LIST_SLICE 500
#define SOFT_BOUNCES 3

/* --- list and export --------------------------------------------------------
 */

struct list {
	struct call *call;
	struct json json;
	char after[SUPPRESS_ADDRESS_SIZE];
	const char *part; /* NULL: all */
	uint64_t given, limit;
	int64_t now_s;
	size_t width;
	bool full, export;
};

static void
put_why(struct buf *out, const struct suppress_entry *entry)
{
	if (entry->counting)
		buf_printf(out, "(%" PRIu32 " of %d)", entry->count,
			   SOFT_BOUNCES);
	else
		buf_add_str(out, suppress_reason_word(entry->reason));
}

static void
put_line(struct list *list, const struct suppress_entry *entry)
{
	struct buf *out = &list->call->out;
	struct buf why = {.cap = 64};
	char since[CLOCK_HUMAN_SIZE];

	put_why(&why, entry);
	clock_human(entry->since_wall_s, list->now_s, since);
	buf_printf(out, "%-12s  %-16s  ", buf_cstr(&why), since);
	text_last(out, slice_str(entry->address),
		  list->width == 0 ? 0 : list->width - 32);
	buf_add_byte(out, '\n');
	if (entry->text != NULL && entry->text[0] != '\0') {
		buf_add_str(out, "              ");
		text_kept(out, slice_str(entry->text),
			  list->width == 0 ? 0 : list->width - 14);
		buf_add_byte(out, '\n');
	}
	buf_fini(&why);
}

/* A file for import is exact; on a terminal it is looked at. */
static void
put_export(struct buf *out, bool tty, const struct suppress_entry *entry)
{
	char since[CLOCK_ISO_SIZE];

	clock_iso(entry->since_wall_s * 1000, since);
	if (tty)
		escape_text(out, slice_str(entry->address));
	else if (entry->address[0] == '#') /* no comment */
		buf_printf(out, "<%s>", entry->address);
	else
		buf_add_str(out, entry->address);
	buf_printf(out, "\t%s\t%s\t", suppress_reason_word(entry->reason),
		   since);
	escape_again(out, slice_str(entry->text));
	buf_add_byte(out, '\n');
}

static void
json_entry(struct json *j, const struct suppress_entry *entry)
{
	json_open_object(j, NULL);
	json_str(j, "address", entry->address);
	json_str(j, "why", suppress_reason_word(entry->reason));
	json_bool(j, "suppressed", !entry->counting);
	json_u64(j, "bounces", entry->count);
	json_time(j, "since", entry->since_wall_s);
	json_time(j, "last", entry->last_wall_s);
	json_str(j, "text", entry->text);
	json_close_object(j);
}

static bool
matches(const struct list *list, const struct suppress_entry *entry)
{
	return (!list->export || !entry->counting) &&
	       (list->part == NULL ||
		strcasestr(entry->address, list->part) != NULL);
}

static bool
on_entry(void *arg, const struct suppress_entry *entry)
{
	struct list *list = arg;

	if (matches(list, entry)) {
		list->full = list->limit != 0 && list->given == list->limit;
		if (list->full)
			return false;
		list->given++;
		if (list->call->request.json)
			json_entry(&list->json, entry);
		else if (list->export)
			put_export(&list->call->out, list->call->request.tty,
				   entry);
		else
			put_line(list, entry);
	}
	snprintf(list->after, sizeof(list->after), "%s", entry->address);
	return true;
}

static enum call_next
list_slice(struct call *call)
{
	struct list *list = call->state;
	char after[SUPPRESS_ADDRESS_SIZE];
	int n;

	memcpy(after, list->after, sizeof(after));
	n = suppress_list(spool_store(call->control->spool), slice_str(after),
			  LIST_SLICE, on_entry, list);
	if (n == LIST_SLICE && !list->full)
		return CALL_MORE;
	if (n < 0)
		call_fail(call, "the list is not complete: %s", gw_err_text(n));
	return listing_end(call, &list->json, list->given, list->full,
			   list->export ? NULL
			   : list->part == NULL
			       ? "Nobody is suppressed."
			       : "No such address is suppressed.");
}

static struct list *
list_create(struct call *call)
{
	struct list *list = mem_zalloc(sizeof(*list));

	call->state = list;
	call->step = list_slice;
	list->call = call;
	list->now_s = clock_wall_s();
	list->width = call_width(call);
	json_init(&list->json, &call->out);
	return list;
}

enum call_next
command_suppress_list(struct call *call)
{
	struct list *list = list_create(call);

	if (!suppress_there(call))
		return CALL_DONE;
	list->part = command_operand(&call->line, 0);
	list->limit = listing_usual_limit(call);
	if (!listing_limit(call, &list->limit))
		return CALL_DONE;
	if (call->request.json)
		json_open_array(&list->json, NULL);
	else if (call->request.tty)
		buf_printf(&call->out, "%-12s  %-16s  %s\n\n", "WHY", "SINCE",
			   "ADDRESS");
	return list_slice(call);
}

enum call_next
command_suppress_export(struct call *call)
{
	struct list *list = list_create(call);

	if (!suppress_there(call))
		return CALL_DONE;
	list->export = true;
	if (call->request.json)
		json_open_array(&list->json, NULL);
	return list_slice(call);
}

/* --- add and del ------------------------------------------------------------
 */

bool
suppress_there(struct call *call)
{
	if (call->control->suppress != NULL)
		return true;
	call_fail(call, "there is no such list in this daemon");
	return false;
}

bool
suppress_as_option(struct call *call, enum suppress_reason *reason)
{
	const char *as = command_option(&call->line, "as");

	*reason = SUPPRESS_MANUAL;
	if (as == NULL || suppress_reason_find(slice_str(as), reason) == 0)
		return true;
	call_usage(call, "--as is %s, %s, %s, %s or %s",
		   suppress_reason_word(SUPPRESS_MANUAL),
		   suppress_reason_word(SUPPRESS_UNSUBSCRIBED),
		   suppress_reason_word(SUPPRESS_COMPLAINT),
		   suppress_reason_word(SUPPRESS_HARD),
		   suppress_reason_word(SUPPRESS_SOFT));
	return false;
}

/* A run that has no room is not added at all, so there is room for more than is
 * kept. */
void
suppress_text_put(char text[SUPPRESS_TEXT_MAX], const char *head,
		  struct slice given)
{
	struct buf out = {.cap = (size_t)16 * SUPPRESS_TEXT_MAX};
	size_t n;

	escape_again(&out, slice_head(slice_str(head), SUPPRESS_TEXT_MAX));
	escape_again(&out, slice_head(given, (size_t)2 * SUPPRESS_TEXT_MAX));
	n = out.n;
	if (n >= SUPPRESS_TEXT_MAX) /* never half a character */
		for (n = SUPPRESS_TEXT_MAX - 1;
		     n > 0 && ((unsigned char)out.p[n] & 0xc0) == 0x80;)
			n--;
	if (n > 0)
		memcpy(text, out.p, n);
	text[n] = '\0';
	buf_fini(&out);
}

void
suppress_author_text(struct call *call, const struct change *change,
		     char text[SUPPRESS_TEXT_MAX])
{
	const char *given = command_option(&call->line, "reason");
	char head[SUPPRESS_TEXT_MAX];

	snprintf(head, sizeof(head), "by %s%s", change_author(change),
		 given != NULL ? ": " : "");
	suppress_text_put(text, head, slice_str(given));
}

static enum call_next
told(struct call *call)
{
	const bool *add = call->state;
	struct buf *out = &call->out;
	struct json j;

	call_check_durable(call);
	if (call->request.json) {
		json_init(&j, out);
		json_open_object(&j, NULL);
		json_str(&j, "address", command_operand(&call->line, 0));
		json_str(&j, "result", *add ? "added" : "deleted");
		json_bool(&j, "durable", call->commit_err == 0);
		json_close_object(&j);
		buf_add_byte(out, '\n');
		return CALL_DONE;
	}
	buf_add_str(out, *add ? "Mass mailings leave out "
			      : "Mass mailings write again to ");
	escape_text(out, slice_str(command_operand(&call->line, 0)));
	buf_add_str(out, ".\n");
	return CALL_DONE;
}

static int
add_one(struct call *call, const struct change *change,
	enum suppress_reason reason, struct arena *arena,
	struct store_change *row)
{
	char text[SUPPRESS_TEXT_MAX];
	const struct suppress_entry entry = {
	    .address = command_operand(&call->line, 0),
	    .reason = reason,
	    .count = 1,
	    .since_wall_s = clock_wall_s(),
	    .last_wall_s = clock_wall_s(),
	    .text = text,
	};

	suppress_author_text(call, change, text);
	return suppress_add(call->control->suppress, &entry, arena, row);
}

static void
not_address(struct call *call)
{
	call_usage(call, "ADDRESS is a mail address, such as bob@example.com");
}

/* As a client may give it, and import reads it. */
static bool
is_address(const char *text)
{
	struct slice rest = slice_str(text);
	struct path path;

	return text[0] != '<' && path_parse(&rest, &path) == PATH_FINE &&
	       path.domain.n > 0 && rest.n == 0;
}

static enum call_next
change_one(struct call *call, bool add, enum suppress_reason reason)
{
	struct arena *arena = arena_create(1024);
	struct change *change = call_change(call);
	bool *state = mem_zalloc(sizeof(*state));
	struct store_change row;
	int err;

	*state = add;
	call->state = state;
	err = add ? add_one(call, change, reason, arena, &row)
		  : suppress_remove(call->control->suppress,
				    slice_str(command_operand(&call->line, 0)),
				    arena, &row);
	if (err == 0) {
		change_add(change, &row);
		call->step = told;
		call_commit(call, &change);
	} else {
		change_destroy(&change);
		if (err == GW_EINVAL)
			not_address(call);
		else if (err == GW_ENOENT)
			call_fail(call, "it is not suppressed ('sluice "
					"suppress list')");
		else
			call_fail(call, "the list is full: %s",
				  gw_err_text(err));
	}
	arena_destroy(&arena);
	return err == 0 ? CALL_WAIT : CALL_DONE;
}

enum call_next
command_suppress_add(struct call *call)
{
	enum suppress_reason reason;

	if (!suppress_there(call) || !suppress_as_option(call, &reason))
		return CALL_DONE;
	if (!is_address(command_operand(&call->line, 0))) {
		not_address(call);
		return CALL_DONE;
	}
	return change_one(call, true, reason);
}

enum call_next
command_suppress_del(struct call *call)
{
	if (!suppress_there(call))
		return CALL_DONE;
	return change_one(call, false, SUPPRESS_MANUAL);
}
