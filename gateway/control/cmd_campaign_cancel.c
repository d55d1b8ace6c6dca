/*
 * sluice campaign cancel: nothing of it starts from the moment that the state
 * says so, then what is left goes into the trash, from which --undo brings it
 * back within a day. What is under way just then is left alone; what of it
 * comes back to the queue is taken by the chore (campaign_chores.c).
 *
 * Which purge was of which campaign is not written down twice: the trail has
 * the command under the purge's own id.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/campaign_do.h"
#include "gateway/control/campaign_text.h"
#include "gateway/control/campaign_trash.h"
#include "gateway/control/control_int.h"
#include "gateway/control/plan_text.h"
#include "gateway/control/rule.h"
#include "gateway/control/text.h"

struct cancel {
	struct json json;
	struct campaign_view view; /* as it was */
	struct change *change;	   /* the intention */
	uint64_t trash;
	int64_t until_wall_s;
	uint64_t messages, recipients; /* changed */
	char number[24];
};

static void
cancel_fini(void *state)
{
	change_destroy(&((struct cancel *)state)->change);
}

/* The trail first; then the call goes on with next. */
static enum call_next
announce(struct call *call, struct change *change, call_fn *next)
{
	struct cancel *cancel = call->state;

	change_effect(change, "begun");
	cancel->change = change_again(change);
	cancel->trash = change_id(change);
	call->step = next;
	call_commit(call, &change);
	return CALL_WAIT;
}

/* The command as it is looked for later, whatever the order of its words. */
static struct change *
change_of(struct call *call)
{
	struct cancel *cancel = call->state;
	const char *words[4] = {"campaign", "cancel", cancel->number};
	struct change_who who = {
	    .uid = call->uid,
	    .pid = call->pid,
	    .words = words,
	    .word_count = 3,
	    .reason = command_option(&call->line, "reason"),
	};

	snprintf(cancel->number, sizeof(cancel->number), "C%" PRIu64,
		 cancel->view.id);
	if (command_option(&call->line, "bounce") != NULL)
		words[who.word_count++] = "--bounce";
	if (command_option(&call->line, "undo") != NULL)
		words[who.word_count++] = "--undo";
	return change_create(call->control->changes, &who);
}

static void
json_end(struct call *call, const char *result)
{
	struct cancel *cancel = call->state;
	struct json *j = &cancel->json;
	struct campaign_view now = cancel->view;

	(void)campaign_get(call->control->campaigns, now.id, clock_wall_s(),
			   &now);
	json_init(j, &call->out);
	json_open_object(j, NULL);
	campaign_json(&now, j);
	json_str(j, "result", result);
	json_u64(j, "messages_changed", cancel->messages);
	json_u64(j, "recipients_changed", cancel->recipients);
	json_time(j, "undo_until", cancel->until_wall_s);
	json_bool(j, "durable", call->commit_err == 0);
	json_close_object(j);
	buf_add_byte(&call->out, '\n');
}

/* --- cancel -----------------------------------------------------------------
 */

static enum call_next
canceled(struct call *call)
{
	struct cancel *cancel = call->state;
	const struct back_work *work = &call->work;
	struct buf *out = &call->out;
	bool bounce = command_option(&call->line, "bounce") != NULL;

	cancel->messages = work->messages;
	cancel->recipients = work->recipients;
	if (work->err != 0)
		call_fail(call,
			  "nothing of it is sent any more, but not all of it "
			  "is out of the queue: %s: try again",
			  gw_err_text(work->err));
	else if (work->failed > 0)
		call_fail(call,
			  "%" PRIu64 " recipients could not be changed on the "
			  "disk: see the log, and try again",
			  work->failed);
	if (bounce)
		back_campaign_report(call->control->back, cancel->view.id);
	if (call->request.json) {
		json_end(call, work->err == 0 ? "canceled" : "incomplete");
		return CALL_DONE;
	}
	buf_printf(out, "C%" PRIu64 " is canceled: taken out of the queue ",
		   cancel->view.id);
	amounts_text(out, work);
	buf_add_str(out, ".\n");
	if (work->busy > 0) {
		text_times(out, work->busy, "recipient");
		buf_add_str(out, " were being delivered just then.\n");
	}
	if (bounce)
		buf_add_str(out, "Its owner is sent the report.\n");
	if (work->recipients > 0)
		buf_printf(out,
			   "For 24 hours: sluice campaign cancel C%" PRIu64
			   " --undo\n",
			   cancel->view.id);
	return CALL_DONE;
}

static enum call_next
cancel_work(struct call *call)
{
	struct cancel *cancel = call->state;
	struct work_req req = {.verb = BACK_PURGE,
			       .what = {.campaign = cancel->view.id},
			       .tell = cancel->change};

	if (call->commit_err != 0) {
		call_fail(call,
			  "nothing of it is sent for now, but the disk does "
			  "not take it: %s: it stays in the queue",
			  gw_err_text(call->commit_err));
		return CALL_DONE;
	}
	cancel->change = NULL;
	cancel->until_wall_s = clock_wall_s() + TRASH_S;
	req.trash = cancel->trash;
	req.trash_until_wall_s = cancel->until_wall_s;
	call->step = canceled;
	call_work(call, &req);
	return CALL_WAIT;
}

static enum call_next
cancel_it(struct call *call)
{
	struct cancel *cancel = call->state;
	struct campaign_order order = {.id = cancel->view.id,
				       .state = CAMPAIGN_CANCELED,
				       .rate_per_h = -1,
				       .connections = -1};
	struct change *change = change_of(call);

	/* once more of one that is canceled: what the last time left */
	if (cancel->view.state != CAMPAIGN_CANCELED &&
	    campaign_do(call, &order, &cancel->view, change) != 0) {
		change_destroy(&change);
		return CALL_DONE;
	}
	return announce(call, change, cancel_work);
}

/* --- and back ---------------------------------------------------------------
 */

static enum call_next undo_next(struct call *call);

static enum call_next
all_back(struct call *call)
{
	struct cancel *cancel = call->state;
	struct buf *out = &call->out;

	if (call->request.json) {
		json_end(call, "undone");
		return CALL_DONE;
	}
	buf_printf(out, "C%" PRIu64 " is back, and paused: ", cancel->view.id);
	text_times(out, cancel->messages, "message");
	buf_add_str(out, ", ");
	text_times(out, cancel->recipients, "recipient");
	buf_printf(out, ".\nTo go on: sluice campaign resume C%" PRIu64 "\n",
		   cancel->view.id);
	return CALL_DONE;
}

static enum call_next
undone(struct call *call)
{
	struct cancel *cancel = call->state;

	if (call->work.err != 0 && call->work.err != GW_ENOENT) {
		call_fail(call,
			  "not all of it came back: %s: try 'sluice undo' (see "
			  "'sluice trash')",
			  gw_err_text(call->work.err));
		return all_back(call);
	}
	cancel->messages += call->work.messages;
	cancel->recipients += call->work.recipients;
	return undo_next(call);
}

/* One purge after the other, should there be several. */
static enum call_next
undo_next(struct call *call)
{
	struct cancel *cancel = call->state;
	struct work_req req = {.verb = BACK_UNDO};
	uint64_t before = cancel->trash;
	int64_t until;

	if (call->commit_err != 0) {
		call_check_durable(call);
		return all_back(call);
	}
	req.trash = campaign_trash_find(call->control, cancel->view.id, &until);
	/* the same again: it will not go */
	if (req.trash == 0 || req.trash == before) {
		change_effect(cancel->change,
			      "brought back %" PRIu64 " messages, %" PRIu64
			      " recipients",
			      cancel->messages, cancel->recipients);
		change_commit(&cancel->change, NULL, NULL);
		return all_back(call);
	}
	cancel->trash = req.trash;
	call->step = undone;
	call_work(call, &req);
	return CALL_WAIT;
}

static enum call_next
undo_it(struct call *call)
{
	struct cancel *cancel = call->state;
	struct campaign_order order = {.id = cancel->view.id,
				       .state = CAMPAIGN_PAUSED,
				       .rate_per_h = -1,
				       .connections = -1};
	struct change *change;
	enum call_next next;

	if (cancel->view.state != CAMPAIGN_CANCELED) {
		call_fail(call, "C%" PRIu64 " is not canceled: it is %s",
			  cancel->view.id,
			  campaign_state_word(cancel->view.state));
		return CALL_DONE;
	}
	change = change_of(call);
	if (campaign_do(call, &order, &cancel->view, change) != 0) {
		change_destroy(&change);
		return CALL_DONE;
	}
	next = announce(call, change, undo_next);
	cancel->trash = 0;
	return next;
}

enum call_next
command_campaign_cancel(struct call *call)
{
	struct cancel *cancel = mem_zalloc(sizeof(*cancel));
	bool undo = command_option(&call->line, "undo") != NULL;

	call->state = cancel;
	call->state_fini = cancel_fini;
	if (undo && command_option(&call->line, "bounce") != NULL) {
		call_usage(call, "either --bounce or --undo");
		return CALL_DONE;
	}
	if (!campaign_operand(call, 0, &cancel->view))
		return CALL_DONE;
	return undo ? undo_it(call) : cancel_it(call);
}
