/* sluice undo, and sluice trash, which lists what can be undone. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/escape.h"
#include "gateway/base/id.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/campaign_trash.h"
#include "gateway/control/control_int.h"
#include "gateway/control/plan_text.h"
#include "gateway/control/text.h"
#include "gateway/control/trail.h"

#define PURGES_SHOWN 1000

/* --- undo -------------------------------------------------------------------
 */

struct undo {
	struct json json;
	uint64_t id;
	struct change *change;
};

static void
undo_fini(void *state)
{
	struct undo *undo = state;

	change_destroy(&undo->change);
}

/* An id of something else, perhaps: then it says of what. */
static void
nothing_there(struct call *call, uint64_t id)
{
	struct buf command = {.cap = 4 * TOLD_SIZE};
	struct told told;
	char text[ID_TEXT_SIZE];

	id_format(id, text);
	trail_find(call, id, &told);
	escape_text(&command, slice_str(told.command));
	if (!told.found)
		call_fail(call,
			  "there is nothing to bring back under %s ('sluice "
			  "trash' lists what there is)",
			  text);
	else
		call_fail(call,
			  "%s has nothing in the trash: it took nothing, was "
			  "undone, or its 24 hours are over. It was: sluice %s",
			  text, buf_cstr(&command));
	buf_fini(&command);
}

static enum call_next
undone(struct call *call)
{
	struct undo *undo = call->state;
	const struct back_work *work = &call->work;
	struct json *j = &undo->json;
	char id[ID_TEXT_SIZE];

	id_format(undo->id, id);
	if (work->err == GW_ENOENT)
		nothing_there(call, undo->id);
	else if (work->err != 0)
		call_fail(call, "not all of it came back: %s: try again",
			  gw_err_text(work->err));
	if (call->request.json) {
		json_open_object(j, NULL);
		json_str(j, "id", id);
		json_u64(j, "messages", work->messages);
		json_u64(j, "recipients", work->recipients);
		json_str(j, "result", work->err == 0 ? "undone" : "failed");
		json_close_object(j);
		buf_add_byte(&call->out, '\n');
	} else if (work->err == 0) {
		buf_add_str(&call->out, "Brought back ");
		amounts_text(&call->out, work);
		buf_add_str(&call->out, ".\n");
	}
	return CALL_DONE;
}

static enum call_next
undo_work(struct call *call)
{
	struct undo *undo = call->state;
	struct work_req req = {
	    .verb = BACK_UNDO, .trash = undo->id, .tell = undo->change};

	if (call->commit_err != 0) {
		call_fail(call,
			  "nothing was done: the disk does not take it: %s",
			  gw_err_text(call->commit_err));
		return CALL_DONE;
	}
	undo->change = NULL;
	call->step = undone;
	call_work(call, &req);
	return CALL_WAIT;
}

/* A campaign would stay canceled, and its mail would never leave. */
static bool
is_for_undo(struct call *call, uint64_t id)
{
	struct told told;
	uint64_t campaign;

	trail_find(call, id, &told);
	campaign = told.found ? campaign_trash_of(told.command) : 0;
	if (campaign == 0)
		return true;
	call_usage(call,
		   "that was campaign C%" PRIu64
		   ": sluice campaign cancel C%" PRIu64 " --undo",
		   campaign, campaign);
	return false;
}

enum call_next
command_undo(struct call *call)
{
	struct undo *undo = mem_zalloc(sizeof(*undo));
	const char *text = command_operand(&call->line, 0);
	struct change *change;

	call->state = undo;
	call->state_fini = undo_fini;
	json_init(&undo->json, &call->out);
	if (id_parse(slice_str(text), &undo->id) != 0 || undo->id == 0) {
		call_usage(call, "ID is 13 letters and digits, as purge told "
				 "it ('sluice trash' lists them)");
		return CALL_DONE;
	}
	if (!is_for_undo(call, undo->id))
		return CALL_DONE;
	change = call_change(call);
	change_effect(change, "begun");
	undo->change = change_again(change);
	call->step = undo_work;
	call_commit(call, &change);
	return CALL_WAIT;
}

/* --- trash ------------------------------------------------------------------
 */

static void
put_purge(struct call *call, const struct spool_trash *trash, int64_t now_s)
{
	size_t width = call_width(call);
	struct buf *out = &call->out;
	char id[ID_TEXT_SIZE], until[CLOCK_HUMAN_SIZE];
	struct told told;

	trail_find(call, trash->trash, &told);
	id_format(trash->trash, id);
	clock_human(trash->until_wall_s, now_s, until);
	buf_printf(out, "%s %10" PRIu64 " %10" PRIu64 "  %s\n", id,
		   trash->messages, trash->recipients, until);
	if (!told.found)
		return;
	buf_add_str(out, "  ");
	text_last(out, slice_str(told.author), 24);
	buf_add_str(out, ": ");
	text_last(out, slice_str(told.command), width == 0 ? 0 : width - 28);
	buf_add_byte(out, '\n');
}

static void
json_purge(struct call *call, struct json *j, const struct spool_trash *trash)
{
	char id[ID_TEXT_SIZE];
	struct told told;

	trail_find(call, trash->trash, &told);
	id_format(trash->trash, id);
	json_open_object(j, NULL);
	json_str(j, "id", id);
	json_u64(j, "messages", trash->messages);
	json_u64(j, "recipients", trash->recipients);
	json_time(j, "until", trash->until_wall_s);
	json_str(j, "author", told.found ? told.author : NULL);
	json_str(j, "command", told.found ? told.command : NULL);
	json_str(j, "reason", told.found ? told.reason : NULL);
	json_close_object(j);
}

enum call_next
command_trash(struct call *call)
{
	struct spool_trash *trash = mem_array(PURGES_SHOWN, sizeof(*trash));
	size_t count =
	    spool_trash_list(call->control->spool, trash, PURGES_SHOWN);
	int64_t now_s = clock_wall_s();
	struct json j;

	json_init(&j, &call->out);
	if (call->request.json)
		json_open_array(&j, NULL);
	else if (call->request.tty && count > 0)
		buf_printf(&call->out, "%-13s %10s %10s  %s\n", "ID",
			   "MESSAGES", "RECIPIENTS", "UNTIL");
	for (size_t i = 0; i < count && i < PURGES_SHOWN; i++) {
		if (call->request.json)
			json_purge(call, &j, &trash[i]);
		else
			put_purge(call, &trash[i], now_s);
	}
	if (call->request.json) {
		json_close_array(&j);
		buf_add_byte(&call->out, '\n');
	} else if (call->request.tty && count == 0) {
		buf_add_str(&call->out, "The trash is empty.\n");
	}
	free(trash);
	return CALL_DONE;
}
