/*
 * sluice block add|del|list|export; import is cmd_import.c. A change is in
 * force when the block list has taken it; what follows is the disk, and back,
 * which looks again at what an entry that went had held.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/user.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/escape.h"
#include "gateway/base/id.h"
#include "gateway/base/mem.h"
#include "gateway/control/block_text.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/listing.h"
#include "gateway/control/rule.h"
#include "gateway/control/text.h"

#define LIST_SLICE 500

/* --- add and del ---------------------------------------------------------- */

struct entry {
	struct json json;
	struct rule rule;
	char value[SELECTION_VALUE_SIZE];
	uint64_t change; /* its entry in the trail, and the trash */
	bool reject_queued;
	int64_t trash_until_wall_s;
};

static void
put_value(struct buf *out, const struct entry *entry)
{
	buf_printf(out, "%s ", block_kind_name(entry->rule.kind));
	escape_text(out, slice_str(entry->value));
}

static void
in_force(struct call *call, const struct entry *entry, const char *what)
{
	struct buf text = {.cap = 1024};

	put_value(&text, entry);
	if (call->commit_err != 0)
		call_fail(call,
			  "%s is %s: in force, but not durable (a restart "
			  "forgets it): %s",
			  buf_cstr(&text), what, gw_err_text(call->commit_err));
	buf_fini(&text);
}

static bool
kind_and_value(struct call *call, struct entry *entry)
{
	const char *kind = command_operand(&call->line, 0);
	struct buf shown = {.cap = 256};

	entry->rule.value = entry->value;
	if (block_kind_parse(slice_str(kind), &entry->rule.kind) == 0)
		return value_parse(call, entry->rule.kind,
				   command_operand(&call->line, 1),
				   entry->value);
	escape_text(&shown, slice_head(slice_str(kind), 40));
	call_usage(call, "KIND is cred, ip, from, domain or hash, not '%s'",
		   buf_cstr(&shown));
	buf_fini(&shown);
	return false;
}

static void
json_result(struct call *call, struct entry *entry, const char *result)
{
	struct json *j = &entry->json;

	json_str(j, "result", result);
	json_bool(j, "durable", call->commit_err == 0);
}

static bool
add_fields(void *arg, const struct block *block)
{
	block_json(block, arg);
	return false;
}

static void
put_purged(struct call *call, struct entry *entry)
{
	const struct back_work *work = &call->work;
	struct buf *out = &call->out;
	char id[ID_TEXT_SIZE];

	id_format(entry->change, id);
	if (work->err != 0)
		call_fail(call, "its queued mail was not purged: %s",
			  gw_err_text(work->err));
	if (call->request.json) {
		json_open_object(&entry->json, "purged");
		json_str(&entry->json, "id", id);
		json_u64(&entry->json, "messages", work->messages);
		json_u64(&entry->json, "recipients", work->recipients);
		json_u64(&entry->json, "busy", work->busy);
		json_close_object(&entry->json);
	} else if (work->err == 0) {
		buf_add_str(out, "Purged ");
		text_times(out, work->messages, "message");
		buf_printf(out, "; for 24 hours: sluice undo %s\n", id);
	}
}

static void
put_added(struct call *call, struct entry *entry)
{
	struct buf *out = &call->out;
	char until[CLOCK_HUMAN_SIZE], id[ID_TEXT_SIZE];
	int64_t now_s = clock_wall_s();

	id_format(entry->rule.id, id);
	buf_add_str(out, entry->rule.renewed ? "Blocked already, and renewed: "
					     : "Blocked: ");
	put_value(out, entry);
	if (entry->rule.until_wall_s != 0) {
		clock_human(entry->rule.until_wall_s, now_s, until);
		buf_printf(out, " until %s", until);
	}
	buf_printf(out, " (%s).\n", id);
	if (!entry->reject_queued)
		buf_add_str(out, "What it has in the queue is held.\n");
}

static enum call_next
added(struct call *call)
{
	struct entry *entry = call->state;
	struct json *j = &entry->json;

	in_force(call, entry, "blocked");
	if (call->request.json) {
		json_open_object(j, NULL);
		/* gone: deleted by another command, or over, meanwhile */
		(void)blocklist_get(call->control->blocklist, entry->rule.id,
				    add_fields, j);
		json_result(call, entry,
			    entry->rule.renewed ? "renewed" : "blocked");
	} else {
		put_added(call, entry);
	}
	if (entry->reject_queued)
		put_purged(call, entry);
	if (call->request.json) {
		json_close_object(j);
		buf_add_byte(&call->out, '\n');
	}
	return CALL_DONE;
}

/* Behind the commit: what the trash is named after is on disk then. */
static enum call_next
reject_queued(struct call *call)
{
	struct entry *entry = call->state;
	struct work_req req = {
	    .verb = BACK_PURGE,
	    .trash = entry->change,
	    .trash_until_wall_s = entry->trash_until_wall_s,
	    .tell = entry->rule.tell,
	};

	entry->rule.tell = NULL;
	call->step = added;
	if (call->commit_err != 0) {
		change_destroy(&req.tell);
		call->work.err = call->commit_err;
		return added(call);
	}
	(void)selection_of_rule(entry->rule.kind, entry->value, &req.what);
	call_work(call, &req);
	return CALL_WAIT;
}

static void
entry_fini(void *state)
{
	struct entry *entry = state;

	change_destroy(&entry->rule.tell);
}

static struct entry *
entry_create(struct call *call)
{
	struct entry *entry = mem_zalloc(sizeof(*entry));

	call->state = entry;
	call->state_fini = entry_fini;
	json_init(&entry->json, &call->out);
	return entry;
}

enum call_next
command_block_add(struct call *call)
{
	struct entry *entry = entry_create(call);
	struct rule *rule = &entry->rule;

	entry->reject_queued =
	    command_option(&call->line, "reject-queued") != NULL;
	rule->action = BLOCK_REFUSE;
	rule->reason = command_option(&call->line, "reason");
	if (command_option(&call->line, "stealth") != NULL)
		rule->flags = BLOCK_STEALTH;
	if (!kind_and_value(call, entry) ||
	    !until_option(call, &rule->until_wall_s))
		return CALL_DONE;
	if (rule->flags != 0 && rule->kind != BLOCK_CRED) {
		call_usage(call, "--stealth is for logins: block add cred "
				 "NAME --stealth");
		return CALL_DONE;
	}
	if (!rule_add(call, rule))
		return CALL_DONE;
	entry->change = change_id(rule->tell);
	entry->trash_until_wall_s = clock_wall_s() + TRASH_S;
	call->step = entry->reject_queued ? reject_queued : added;
	return CALL_WAIT;
}

static enum call_next
deleted(struct call *call)
{
	struct entry *entry = call->state;
	struct buf *out = &call->out;
	uint64_t freed = call->work.err == 0 ? call->work.recipients : 0;
	char id[ID_TEXT_SIZE];

	in_force(call, entry, "not blocked any more");
	if (call->request.json) {
		id_format(entry->rule.id, id);
		json_open_object(&entry->json, NULL);
		json_str(&entry->json, "id", id);
		json_str(&entry->json, "kind",
			 block_kind_name(entry->rule.kind));
		json_str(&entry->json, "value", entry->value);
		json_u64(&entry->json, "recipients_freed", freed);
		json_result(call, entry, "deleted");
		json_close_object(&entry->json);
		buf_add_byte(out, '\n');
		return CALL_DONE;
	}
	buf_add_str(out, "Not blocked any more: ");
	put_value(out, entry);
	buf_add_str(out, ".\n");
	if (freed > 0) {
		text_times(out, freed, "recipient");
		buf_add_str(out, " that it held: what nothing else holds "
				 "goes out.\n");
	}
	return CALL_DONE;
}

enum call_next
command_block_del(struct call *call)
{
	struct entry *entry = entry_create(call);
	struct buf text = {.cap = 1024};

	entry->rule.action = BLOCK_REFUSE;
	if (!kind_and_value(call, entry))
		return CALL_DONE;
	if (rule_del(call, &entry->rule)) {
		call->step = deleted;
		return CALL_WAIT;
	}
	put_value(&text, entry);
	entry->rule.action = BLOCK_HOLD;
	if (rule_find(call, &entry->rule, NULL))
		call_fail(call,
			  "%s is not blocked, only held: see 'sluice "
			  "release --help'",
			  buf_cstr(&text));
	else
		call_fail(call,
			  "%s is not in the block list ('sluice block "
			  "list' shows it)",
			  buf_cstr(&text));
	buf_fini(&text);
	return CALL_DONE;
}

/* --- list and export -------------------------------------------------------
 */

struct list {
	struct json json;
	struct call *call;
	uint64_t after, given, limit; /* limit 0: none */
	size_t width, looked;
	int64_t now_s;
	int kind; /* -1: any */
	char value[SELECTION_VALUE_SIZE];
	bool lines; /* as import reads them */
	bool full;
};

static void
put_entry(struct list *list, const struct block *block)
{
	struct buf *out = &list->call->out;

	if (list->call->request.json) {
		json_open_object(&list->json, NULL);
		block_json(block, &list->json);
		json_close_object(&list->json);
	} else if (list->lines) {
		block_line_write(block, out);
		buf_add_byte(out, '\n');
	} else {
		block_text(block, list->now_s, list->width, out);
	}
}

static bool
on_block(void *arg, const struct block *block)
{
	struct list *list = arg;

	list->looked++;
	if ((list->kind < 0 || block->kind == (enum block_kind)list->kind) &&
	    (list->value[0] == '\0' ||
	     strcmp(list->value, block->value) == 0)) {
		if (list->limit != 0 && list->given == list->limit) {
			list->full = true;
			return false;
		}
		list->given++;
		put_entry(list, block);
	}
	list->after = block->id;
	return true;
}

static enum call_next
list_slice(struct call *call)
{
	struct list *list = call->state;

	list->looked = 0;
	blocklist_each(call->control->blocklist, list->after, LIST_SLICE,
		       on_block, list);
	if (list->looked == LIST_SLICE && !list->full)
		return CALL_MORE;
	return listing_end(call, &list->json, list->given, list->full,
			   list->kind < 0 ? "Nothing is blocked."
					  : "Nothing of that is blocked.");
}

static struct list *
list_create(struct call *call, bool lines)
{
	struct list *list = mem_zalloc(sizeof(*list));

	call->state = list;
	call->step = list_slice;
	list->call = call;
	list->kind = -1;
	list->lines = lines;
	list->now_s = clock_wall_s();
	list->width = call_width(call);
	json_init(&list->json, &call->out);
	return list;
}

enum call_next
command_block_list(struct call *call)
{
	struct list *list = list_create(call, false);
	struct entry entry = {.rule = {.kind = BLOCK_CRED}};

	list->limit = listing_usual_limit(call);
	if (!listing_limit(call, &list->limit))
		return CALL_DONE;
	if (call->line.operand_count == 2) {
		if (!kind_and_value(call, &entry))
			return CALL_DONE;
		memcpy(list->value, entry.value, sizeof(list->value));
		list->kind = (int)entry.rule.kind;
	} else if (call->line.operand_count == 1) {
		if (block_kind_parse(slice_str(call->line.operands[0]),
				     &entry.rule.kind) != 0) {
			call_usage(call, "KIND is cred, ip, from, domain or "
					 "hash");
			return CALL_DONE;
		}
		list->kind = (int)entry.rule.kind;
	}
	if (call->request.json)
		json_open_array(&list->json, NULL);
	else if (call->request.tty)
		block_text_head(&call->out);
	return list_slice(call);
}

enum call_next
command_block_export(struct call *call)
{
	struct list *list = list_create(call, true);
	char at[CLOCK_ISO_SIZE];

	if (call->request.json) {
		json_open_array(&list->json, NULL);
	} else {
		clock_iso(list->now_s * 1000, at);
		buf_printf(&call->out, "# sluice block export, %s\n", at);
	}
	return list_slice(call);
}
