/*
 * sluice block import. All or nothing as far as it can be known beforehand:
 * first every line is read, and one mistake anywhere means that nothing is
 * added; then they are added, APPLY_SLICE at a time, and each slice is
 * committed before the next one begins. So neither the main loop nor the store
 * belongs to it for more than a few milliseconds, whatever is in the file.
 *
 * When the disk fails, or the client goes, in the middle, what was added stays;
 * the trail and the log tell how far it came.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/user.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/escape.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/rule.h"
#include "gateway/control/text.h"

#define CHECK_SLICE 1000
#define APPLY_SLICE 500
#define ERRORS_SHOWN 20
#define LINE_SCRATCH 16384
#define ENTRIES_MAX 1000000

struct import {
	struct json json;
	struct buf scratch, error, cred;
	struct slice rest; /* of the input */
	struct change *tell;
	char author[128];
	int64_t now_s;
	uint64_t line, entries; /* entries: to be added */
	uint64_t wrong, over;	/* over: their time is */
	uint64_t added, renewed;
	bool applying;
	bool holds_less; /* a hold was renewed: what it held is looked at */
};

static void
import_fini(void *state)
{
	struct import *import = state;

	if (import->applying)
		log_event(GW_LOG_WARN, "import-abandoned",
			  LF_U64("added", import->added),
			  LF_U64("renewed", import->renewed),
			  LF_U64("of", import->entries));
	buf_fini(&import->scratch);
	buf_fini(&import->error);
	buf_fini(&import->cred);
	change_destroy(&import->tell);
}

static void
start_over(struct import *import, const struct call *call)
{
	import->rest = buf_slice(&call->input);
	import->line = 0;
}

/* The next entry: 1; 0: an empty line, a comment, one that is over; GW_EINVAL
 * with a sentence in error. */
static int
read_entry(struct call *call, struct import *import, struct slice line,
	   struct block *block)
{
	int err;

	buf_clear(&import->error);
	err = block_line_parse(line, block, &import->scratch, &import->error);
	if (err == GW_ENOENT)
		return 0;
	if (err != 0)
		return GW_EINVAL;
	if (block->kind == BLOCK_CRED) {
		buf_clear(&import->cred);
		if (user_normalise(slice_str(block->value),
				   call->control->conf.auth_domain,
				   &import->cred) != 0) {
			buf_add_str(&import->error, "That is no login.");
			return GW_EINVAL;
		}
		block->value = buf_cstr(&import->cred);
	}
	if (block->made_wall_s == 0)
		block->made_wall_s = import->now_s;
	if (block->author == NULL || block->author[0] == '\0')
		block->author = import->author;
	return block->until_wall_s != 0 && block->until_wall_s <= import->now_s
		   ? 0
		   : 1;
}

/* --- first: is every line right? -------------------------------------------
 */

static void
tell_wrong(struct call *call, struct import *import)
{
	if (++import->wrong > ERRORS_SHOWN)
		return;
	if (call->request.json) {
		json_open_object(&import->json, NULL);
		json_u64(&import->json, "line", import->line);
		json_slice(&import->json, "what", buf_slice(&import->error));
		json_close_object(&import->json);
	} else {
		buf_printf(&call->err, "line %" PRIu64 ": ", import->line);
		buf_add_slice(&call->err, buf_slice(&import->error));
		buf_add_byte(&call->err, '\n');
	}
}

static void
check_line(struct call *call, struct import *import, struct slice line)
{
	struct buf value = {.cap = 512};
	struct block block;
	int got = read_entry(call, import, line, &block);

	if (got >= 0 && block.value != NULL &&
	    blocklist_normalise(block.kind, slice_str(block.value), &value,
				&import->error) != 0)
		got = GW_EINVAL;
	if (got == 0 && block.value != NULL)
		import->over++;
	if (got > 0)
		import->entries++;
	if (got < 0)
		tell_wrong(call, import);
	buf_fini(&value);
}

static enum call_next
import_end(struct call *call, struct import *import, const char *result)
{
	struct json *j = &import->json;

	import->applying = false;
	if (call->request.json) {
		json_close_array(j);
		json_str(j, "result", result);
		json_u64(j, "entries", import->entries);
		json_u64(j, "added", import->added);
		json_u64(j, "renewed", import->renewed);
		json_u64(j, "over", import->over);
		json_u64(j, "wrong", import->wrong);
		json_bool(j, "durable", call->commit_err == 0);
		json_close_object(j);
		buf_add_byte(&call->out, '\n');
	}
	return CALL_DONE;
}

static enum call_next apply_slice(struct call *call);

static enum call_next
checked(struct call *call, struct import *import)
{
	if (import->wrong > ERRORS_SHOWN)
		call_fail(call, "and %" PRIu64 " lines more",
			  import->wrong - ERRORS_SHOWN);
	if (import->wrong > 0) {
		call_fail(call,
			  "%" PRIu64 " of %" PRIu64
			  " lines are wrong: nothing was imported",
			  import->wrong, import->line);
		return import_end(call, import, "refused");
	}
	if (import->entries > ENTRIES_MAX) {
		call_fail(call,
			  "%" PRIu64 " entries are more than the list holds "
			  "(%d): nothing was imported",
			  import->entries, ENTRIES_MAX);
		return import_end(call, import, "refused");
	}
	start_over(import, call);
	import->applying = true;
	call->step = apply_slice;
	return CALL_MORE;
}

static enum call_next
check_slice(struct call *call)
{
	struct import *import = call->state;
	struct slice line;

	for (int i = 0; i < CHECK_SLICE; i++) {
		if (!slice_split(&import->rest, '\n', &line))
			return checked(call, import);
		import->line++;
		check_line(call, import, line);
	}
	return CALL_MORE;
}

/* --- then: add them ---------------------------------------------------------
 */

static bool
add_entry(struct call *call, struct import *import, struct block *block,
	  struct change *change)
{
	struct control *control = call->control;
	struct buf key = {.cap = BLOCK_RECORD_MAX};
	struct buf value = {.cap = BLOCK_RECORD_MAX};
	struct store_change row;
	uint64_t id;
	int err;

	block->id = id_next();
	err = blocklist_add(control->blocklist, block, &id, &import->error);
	if (err != 0 && err != GW_EEXIST)
		return false;
	import->added += err == 0;
	import->renewed += err == GW_EEXIST;
	if (err == GW_EEXIST && block->action == BLOCK_HOLD)
		import->holds_less = true;
	if (block->kind == BLOCK_CRED && block->action == BLOCK_REFUSE)
		auth_pool_forget(control->auth, slice_str(block->value));
	blocklist_change(control->blocklist, id, &key, &value, &row);
	change_add(change, &row);
	buf_fini(&key);
	buf_fini(&value);
	return true;
}

static enum call_next
not_all(struct call *call, struct import *import, const char *what)
{
	call_fail(call,
		  "line %" PRIu64 ": %s: %" PRIu64 " of %" PRIu64
		  " entries are in force, the last %d perhaps not durable",
		  import->line, what, import->added + import->renewed,
		  import->entries, APPLY_SLICE);
	return import_end(call, import, "incomplete");
}

static enum call_next
imported(struct call *call, struct import *import)
{
	if (!call->request.json) {
		buf_add_str(&call->out, "Imported ");
		text_count(&call->out, import->entries);
		buf_add_str(&call->out, " entries: ");
		text_count(&call->out, import->added);
		buf_add_str(&call->out, " new, ");
		text_count(&call->out, import->renewed);
		buf_add_str(&call->out, " renewed");
		if (import->over > 0) {
			buf_add_str(&call->out, "; ");
			text_count(&call->out, import->over);
			buf_add_str(&call->out, " were over already");
		}
		buf_add_str(&call->out, ".\n");
	}
	return import_end(call, import, "imported");
}

static enum call_next
apply_slice(struct call *call)
{
	struct import *import = call->state;
	struct change *change;
	struct block block;
	struct slice line;
	int count = 0, got;

	if (call->commit_err != 0)
		return not_all(call, import, gw_err_text(call->commit_err));
	change = change_again(import->tell);
	while (count < APPLY_SLICE && slice_split(&import->rest, '\n', &line)) {
		import->line++;
		got = read_entry(call, import, line, &block);
		if (got <= 0)
			continue;
		if (!add_entry(call, import, &block, change)) {
			change_commit(&change, NULL, NULL);
			return not_all(call, import, buf_cstr(&import->error));
		}
		count++;
	}
	if (count == 0) {
		change_destroy(&change);
		if (import->holds_less)
			rule_look_again(call->control, 0);
		return imported(call, import);
	}
	change_effect(change,
		      "%" PRIu64 " new and %" PRIu64 " renewed of %" PRIu64
		      " entries",
		      import->added, import->renewed, import->entries);
	call_commit(call, &change);
	return CALL_WAIT;
}

enum call_next
command_block_import(struct call *call)
{
	struct import *import = mem_zalloc(sizeof(*import));

	call->state = import;
	call->state_fini = import_fini;
	call->step = check_slice;
	buf_init(&import->scratch, LINE_SCRATCH);
	buf_init(&import->error, 1024);
	buf_init(&import->cred, 1024);
	json_init(&import->json, &call->out);
	import->now_s = clock_wall_s();
	import->tell = call_change(call);
	snprintf(import->author, sizeof(import->author), "uid %u (%s)",
		 (unsigned)call->uid, change_author(import->tell));
	start_over(import, call);
	if (!call->request.input) {
		call_usage(call, "a file is missing");
		return CALL_DONE;
	}
	if (call->request.json) {
		json_open_object(&import->json, NULL);
		json_open_array(&import->json, "errors");
	}
	return check_slice(call);
}
