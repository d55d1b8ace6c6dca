/*
 * sluice campaign cancel: nothing of it starts from the moment that the state
 * says so, then what is left goes into the trash, from which --undo brings it
 * back within a day. Of many, the answer does not wait for that. What is under
 * way just then is left alone; what of it comes back to the queue is taken by
 * the chore (campaign_chores.c).
 *
 * Which purge was of which campaign is not written down twice: the trail has
 * the command under the purge's own id. What one takes that is canceled once
 * more lies with the rest of it.
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
#include "gateway/control/cancels.h"
#include "gateway/control/control_int.h"
#include "gateway/control/plan_text.h"
#include "gateway/control/rule.h"
#include "gateway/control/text.h"
#include "gateway/control/trail.h"

struct cancel {
	struct json json;
	struct campaign_view view; /* as it was */
	bool ended;		   /* else it has begun */
	int64_t until_wall_s;
	uint64_t recipients; /* that have begun */
	char number[24];
};

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
	json_u64(j, "messages_changed", call->work.messages);
	json_u64(j, "recipients_changed", call->work.recipients);
	json_time(j, "undo_until", cancel->until_wall_s);
	json_bool(j, "durable", call->commit_err == 0);
	json_close_object(j);
	buf_add_byte(&call->out, '\n');
}

/* --- cancel -----------------------------------------------------------------
 */

static bool
is_to_bounce(const struct call *call)
{
	return command_option(&call->line, "bounce") != NULL;
}

static void
put_report(struct call *call)
{
	const struct cancel *cancel = call->state;
	const struct campaign_view *view = &cancel->view;
	const char *said;

	if (strchr(view->owner, '@') == NULL)
		said = "No report is sent: its login has no address.\n";
	else if (view->state == CAMPAIGN_CANCELED && view->told &&
		 (view->bounce || !is_to_bounce(call)))
		said = "Its owner was sent the report before.\n";
	else if (is_to_bounce(call))
		said = "Its owner is sent the report, which names all of "
		       "them.\n";
	else
		said = "Its owner is sent the report.\n";
	buf_add_str(&call->out, said);
}

static void
check_purged(struct call *call, const struct back_work *work)
{
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
}

static enum call_next
canceled(struct call *call)
{
	struct cancel *cancel = call->state;
	const struct back_work *work = &call->work;
	struct buf *out = &call->out;

	check_purged(call, work);
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
	put_report(call);
	if (work->recipients > 0)
		buf_printf(out,
			   "For 24 hours: sluice campaign cancel C%" PRIu64
			   " --undo\n",
			   cancel->view.id);
	return CALL_DONE;
}

static enum call_next
cancel_begun(struct call *call)
{
	struct cancel *cancel = call->state;
	struct buf *out = &call->out;

	if (call->request.json) {
		json_end(call, "begun");
		return CALL_DONE;
	}
	buf_printf(out, "C%" PRIu64 " is canceled; its ", cancel->view.id);
	text_times(out, cancel->recipients, "recipient");
	buf_printf(out,
		   " go to the trash.\nHow many are left: sluice campaign "
		   "show C%" PRIu64 "\n",
		   cancel->view.id);
	put_report(call);
	buf_printf(out,
		   "For 24 hours: sluice campaign cancel C%" PRIu64 " --undo\n",
		   cancel->view.id);
	return CALL_DONE;
}

static enum call_next
cancel_told(struct call *call)
{
	const struct cancel *cancel = call->state;

	if (call->commit_err == 0)
		return cancel->ended ? canceled(call) : cancel_begun(call);
	call_fail(call,
		  "nothing of it is sent for now, but the disk does not take "
		  "it: %s: it stays in the queue",
		  gw_err_text(call->commit_err));
	return CALL_DONE;
}

/* Once more of one that is canceled: with what the last time took, unless the
 * disk did not take that order, and the trail does not know it. */
static bool
has_trash(struct call *call)
{
	const struct campaign_view *view =
	    &((const struct cancel *)call->state)->view;
	struct told told;

	if (view->state != CAMPAIGN_CANCELED || view->trash == 0 ||
	    clock_wall_s() - view->ended_wall_s >= TRASH_S)
		return false;
	trail_find(call, view->trash, &told);
	return told.found;
}

static enum call_next
cancel_it(struct call *call)
{
	struct cancel *cancel = call->state;
	struct campaign_order order = {.id = cancel->view.id,
				       .state = CAMPAIGN_CANCELED,
				       .rate_per_h = -1,
				       .connections = -1,
				       .bounce = is_to_bounce(call)};
	struct change *change = change_of(call);
	struct cancels_req req = {.campaign = cancel->view.id,
				  .recipients = cancel->view.left,
				  .change = change,
				  .trash = change_id(change)};

	if (has_trash(call))
		req.trash = cancel->view.trash;
	order.trash = req.trash;
	if (campaign_do(call, &order, &cancel->view, change) != 0) {
		change_destroy(&change);
		return CALL_DONE;
	}
	cancel->recipients = req.recipients;
	cancel->until_wall_s = clock_wall_s() + TRASH_S;
	req.trash_until_wall_s = cancel->until_wall_s;
	call->step = cancel_told;
	cancel->ended = cancels_purge(call->control->cancels, call, &req);
	return CALL_WAIT;
}

/* --- and back ---------------------------------------------------------------
 */

static enum call_next
all_back(struct call *call)
{
	struct cancel *cancel = call->state;
	struct buf *out = &call->out;

	if (call->work.err != 0)
		call_fail(call, "not all of it came back: %s: try again",
			  gw_err_text(call->work.err));
	if (call->request.json) {
		json_end(call, call->work.err == 0 ? "undone" : "incomplete");
		return CALL_DONE;
	}
	buf_printf(out, "C%" PRIu64 " is back, and paused: ", cancel->view.id);
	amounts_text(out, &call->work);
	buf_printf(out, ".\nTo go on: sluice campaign resume C%" PRIu64 "\n",
		   cancel->view.id);
	return CALL_DONE;
}

static enum call_next
undo_begun(struct call *call)
{
	struct cancel *cancel = call->state;
	struct buf *out = &call->out;
	unsigned long long id = cancel->view.id;

	if (call->request.json) {
		json_end(call, "begun");
		return CALL_DONE;
	}
	buf_printf(out, "C%llu is paused; its ", id);
	text_times(out, cancel->recipients, "recipient");
	buf_printf(out,
		   " come back from the trash.\nHow many are back: sluice "
		   "campaign show C%llu\nTo go on, when all are: sluice "
		   "campaign resume C%llu\n",
		   id, id);
	return CALL_DONE;
}

static enum call_next
undo_told(struct call *call)
{
	const struct cancel *cancel = call->state;

	if (call->commit_err == 0)
		return cancel->ended ? all_back(call) : undo_begun(call);
	call_fail(call,
		  "nothing was brought back: the disk does not take it: %s: "
		  "try again",
		  gw_err_text(call->commit_err));
	return CALL_DONE;
}

/* Also what an undo left, that a disk or a stop came upon. */
static bool
is_to_be_undone(struct call *call)
{
	const struct campaign_view *view =
	    &((const struct cancel *)call->state)->view;
	int64_t until_wall_s;

	if (view->state == CAMPAIGN_CANCELED)
		return true;
	if (cancels_undoing(call->control->cancels, view->id)) {
		call_fail(call, "C%" PRIu64 " is on its way back already",
			  view->id);
		return false;
	}
	if (campaign_trash_find(call->control, view->id, &until_wall_s) != 0)
		return true;
	call_fail(call, "C%" PRIu64 " is not canceled: it is %s", view->id,
		  campaign_state_word(view->state));
	return false;
}

static enum call_next
undo_it(struct call *call)
{
	struct cancel *cancel = call->state;
	struct campaign_order order = {.id = cancel->view.id,
				       .state = CAMPAIGN_PAUSED,
				       .rate_per_h = -1,
				       .connections = -1};
	struct cancels_req req = {.campaign = cancel->view.id};

	if (!is_to_be_undone(call))
		return CALL_DONE;
	req.change = change_of(call);
	if (campaign_do(call, &order, &cancel->view, req.change) != 0) {
		change_destroy(&req.change);
		return CALL_DONE;
	}
	/* of one that is still on its way there all come back */
	req.recipients = cancel->view.counts[CAMPAIGN_PURGED];
	if (cancels_purging(call->control->cancels, cancel->view.id))
		req.recipients += cancel->view.left;
	cancel->recipients = req.recipients;
	call->step = undo_told;
	cancel->ended = cancels_undo(call->control->cancels, call, &req);
	return CALL_WAIT;
}

enum call_next
command_campaign_cancel(struct call *call)
{
	struct cancel *cancel = mem_zalloc(sizeof(*cancel));
	bool undo = command_option(&call->line, "undo") != NULL;

	call->state = cancel;
	if (undo && is_to_bounce(call)) {
		call_usage(call, "either --bounce or --undo");
		return CALL_DONE;
	}
	if (!campaign_operand(call, 0, &cancel->view))
		return CALL_DONE;
	return undo ? undo_it(call) : cancel_it(call);
}
