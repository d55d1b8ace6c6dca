/*
 * sluice block import: what a line of it is, and how it gets into the list.
 * That a mistake anywhere means that nothing is added, and that it is done in
 * portions, is import.c's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/user.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/import.h"
#include "gateway/control/rule.h"
#include "gateway/control/text.h"

#define LINE_SCRATCH 16384
#define ENTRIES_MAX 1000000

struct block_import {
	struct import import; /* its added: new or renewed */
	struct buf scratch, cred;
	char author[128];
	uint64_t over; /* their time is */
	uint64_t renewed;
	bool holds_less; /* a hold was renewed: what it held is looked at */
};

static void
block_import_fini(void *state)
{
	struct block_import *blocks = state;
	const struct import *import = &blocks->import;

	if (import->applying)
		log_event(GW_LOG_WARN, "import-abandoned",
			  LF_U64("added", import->added - blocks->renewed),
			  LF_U64("renewed", blocks->renewed),
			  LF_U64("of", import->entries));
	buf_fini(&blocks->scratch);
	buf_fini(&blocks->cred);
	import_fini(&blocks->import);
}

/* --- a line -----------------------------------------------------------------
 */

/* An entry: 1; 0: an empty line, a comment, one that is over; GW_EINVAL
 * with a sentence in error. */
static int
read_entry(struct call *call, struct slice line, struct block *block)
{
	struct block_import *blocks = call->state;
	struct import *import = &blocks->import;
	int err =
	    block_line_parse(line, block, &blocks->scratch, &import->error);

	if (err == GW_ENOENT)
		return 0;
	if (err != 0)
		return GW_EINVAL;
	if (block->kind == BLOCK_CRED) {
		buf_clear(&blocks->cred);
		if (user_normalise(slice_str(block->value),
				   call->control->conf.auth_domain,
				   &blocks->cred) != 0) {
			buf_add_str(&import->error, "That is no login.");
			return GW_EINVAL;
		}
		block->value = buf_cstr(&blocks->cred);
	}
	if (block->made_wall_s == 0)
		block->made_wall_s = import->now_s;
	if (block->author == NULL || block->author[0] == '\0')
		block->author = blocks->author;
	return block->until_wall_s != 0 && block->until_wall_s <= import->now_s
		   ? 0
		   : 1;
}

static int
check_line(struct call *call, struct slice line)
{
	struct block_import *blocks = call->state;
	struct buf value = {.cap = 512};
	struct block block;
	int got = read_entry(call, line, &block);

	if (got >= 0 && block.value != NULL &&
	    blocklist_normalise(block.kind, slice_str(block.value), &value,
				&blocks->import.error) != 0)
		got = GW_EINVAL;
	if (got == 0 && block.value != NULL)
		blocks->over++;
	buf_fini(&value);
	return got;
}

static int
add_block(struct call *call, struct block *block, struct change *change)
{
	struct block_import *blocks = call->state;
	struct control *control = call->control;
	struct buf key = {.cap = BLOCK_RECORD_MAX};
	struct buf value = {.cap = BLOCK_RECORD_MAX};
	struct store_change row;
	uint64_t id;
	int err;

	block->id = id_next();
	err = blocklist_add(control->blocklist, block, &id,
			    &blocks->import.error);
	if (err != 0 && err != GW_EEXIST)
		return err;
	blocks->renewed += err == GW_EEXIST;
	if (err == GW_EEXIST && block->action == BLOCK_HOLD)
		blocks->holds_less = true;
	if (block->kind == BLOCK_CRED && block->action == BLOCK_REFUSE)
		auth_pool_forget(control->auth, slice_str(block->value));
	blocklist_change(control->blocklist, id, &key, &value, &row);
	change_add(change, &row);
	buf_fini(&key);
	buf_fini(&value);
	return 1;
}

static int
add_line(struct call *call, struct slice line, struct change *change)
{
	struct block block;
	int got = read_entry(call, line, &block);

	return got > 0 ? add_block(call, &block, change) : 0;
}

/* --- what is said of it ----------------------------------------------------
 */

static void
put_effect(const struct call *call, struct change *change)
{
	const struct block_import *blocks = call->state;
	const struct import *import = &blocks->import;

	change_effect(
	    change,
	    "%" PRIu64 " new and %" PRIu64 " renewed of %" PRIu64 " entries",
	    import->added - blocks->renewed, blocks->renewed, import->entries);
}

static void
put_counts(const struct call *call, struct json *j)
{
	const struct block_import *blocks = call->state;

	json_u64(j, "added", blocks->import.added - blocks->renewed);
	json_u64(j, "renewed", blocks->renewed);
	json_u64(j, "over", blocks->over);
}

static void
imported(struct call *call)
{
	const struct block_import *blocks = call->state;
	const struct import *import = &blocks->import;

	if (blocks->holds_less)
		rule_look_again(call->control, 0);
	if (call->request.json)
		return;
	buf_add_str(&call->out, "Imported ");
	text_count(&call->out, import->entries);
	buf_add_str(&call->out, " entries: ");
	text_count(&call->out, import->added - blocks->renewed);
	buf_add_str(&call->out, " new, ");
	text_count(&call->out, blocks->renewed);
	buf_add_str(&call->out, " renewed");
	if (blocks->over > 0) {
		buf_add_str(&call->out, "; ");
		text_count(&call->out, blocks->over);
		buf_add_str(&call->out, " were over already");
	}
	buf_add_str(&call->out, ".\n");
}

enum call_next
command_block_import(struct call *call)
{
	static const struct import_kind kind = {
	    .entries = "entries",
	    .there = "in force",
	    .max = ENTRIES_MAX,
	    .check = check_line,
	    .add = add_line,
	    .put_effect = put_effect,
	    .put_counts = put_counts,
	    .done = imported,
	};
	struct block_import *blocks = mem_zalloc(sizeof(*blocks));

	call->state = blocks;
	call->state_fini = block_import_fini;
	buf_init(&blocks->scratch, LINE_SCRATCH);
	buf_init(&blocks->cred, 1024);
	import_init(call, &kind);
	snprintf(blocks->author, sizeof(blocks->author), "uid %u (%s)",
		 (unsigned)call->uid, change_author(blocks->import.tell));
	return import_begin(call);
}
