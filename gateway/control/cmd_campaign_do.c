/*
 * sluice campaign pause|resume|rate. An order is in force when the registry
 * has taken it and back has been told, which is before the disk is; then come
 * the disk and the trail.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/base/units.h"
#include "gateway/control/call.h"
#include "gateway/control/campaign_do.h"
#include "gateway/control/campaign_text.h"
#include "gateway/control/cancels.h"
#include "gateway/control/control_int.h"
#include "gateway/control/text.h"
#include "gateway/control/when.h"

#define HOUR_S 3600

struct act {
	uint64_t id;
	struct json json;
};

/* --- an order ---------------------------------------------------------------
 */

/* "by root: the price is wrong" */
static void
reason_of(struct call *call, const struct change *change,
	  char reason[CAMPAIGN_REASON_SIZE])
{
	const char *given = command_option(&call->line, "reason");

	snprintf(reason, CAMPAIGN_REASON_SIZE, "by %s%s%s",
		 change_author(change), given != NULL ? ": " : "",
		 given != NULL ? given : "");
}

static void
refused(struct call *call, const struct campaign_view *view,
	enum campaign_state state)
{
	unsigned long long id = view->id;

	if (view->state == CAMPAIGN_CANCELED && state != CAMPAIGN_PAUSED)
		call_fail(call,
			  "C%llu is canceled: 'sluice campaign cancel C%llu "
			  "--undo' brings it back",
			  id, id);
	else if (view->state == CAMPAIGN_DONE)
		call_fail(call, "C%llu is done: nothing of it is left", id);
	else
		call_fail(call, "C%llu is %s", id,
			  campaign_state_word(view->state));
}

int
campaign_do(struct call *call, struct campaign_order *order,
	    const struct campaign_view *view, struct change *change)
{
	struct control *control = call->control;
	struct arena *arena = arena_create(1024);
	char reason[CAMPAIGN_REASON_SIZE];
	struct store_change row;
	int err;

	reason_of(call, change, reason);
	if (order->state != view->state)
		order->reason = reason;
	err = campaign_order(control->campaigns, order, clock_wall_s(), arena,
			     &row);
	if (err == 0) {
		back_campaign(control->back, order->id);
		change_add(change, &row);
	} else if (err == GW_ENOENT) {
		call_fail(call, "there is no campaign C%" PRIu64 " any more",
			  order->id);
	} else { /* for what it is now */
		struct campaign_view now = *view;

		(void)campaign_get(control->campaigns, order->id,
				   clock_wall_s(), &now);
		refused(call, &now, order->state);
	}
	arena_destroy(&arena);
	return err;
}

/* As it is now: the last lines of each of these commands. */
static enum call_next
terms_told(struct call *call)
{
	struct act *act = call->state;
	struct campaign_view view;
	struct buf *out = &call->out;

	call_check_durable(call);
	if (campaign_get(call->control->campaigns, act->id, clock_wall_s(),
			 &view) != 0)
		return CALL_DONE;
	if (call->request.json) {
		json_init(&act->json, out);
		json_open_object(&act->json, NULL);
		campaign_json(&view, &act->json);
		json_bool(&act->json, "durable", call->commit_err == 0);
		json_close_object(&act->json);
		buf_add_byte(out, '\n');
		return CALL_DONE;
	}
	buf_printf(out, "C%" PRIu64 " is %s: ", view.id,
		   campaign_state_word(view.state));
	text_count(out, view.counts[CAMPAIGN_DELIVERED]);
	buf_add_str(out, " of ");
	text_count(out, view.counts[CAMPAIGN_RECIPIENTS]);
	buf_add_str(out, " sent, ");
	text_count(out, view.left);
	buf_add_str(out, " left");
	if (view.rate_per_h != 0) {
		buf_add_str(out, ", at most ");
		text_count(out, view.rate_per_h);
		buf_add_str(out, "/h");
	}
	if (view.connections != 0) {
		buf_add_str(out, ", ");
		text_times(out, view.connections, "connection");
	}
	buf_add_str(out, ".\n");
	return CALL_DONE;
}

/* What was not said is as before; 0: none. */
static void
tell_terms(struct change *change, const struct campaign_order *order,
	   const struct campaign_view *view)
{
	int64_t rate = order->rate_per_h, at_once = order->connections;

	if (rate < 0)
		rate = view->rate_per_h;
	if (at_once < 0)
		at_once = view->connections;
	change_effect(change,
		      "%" PRId64 "/h, was %u/h; %" PRId64
		      " connections, was %u; 0 is no limit",
		      rate, view->rate_per_h, at_once, view->connections);
}

static enum call_next
act(struct call *call, struct campaign_order *order,
    const struct campaign_view *view)
{
	struct act *act = mem_zalloc(sizeof(*act));
	struct change *change = call_change(call);

	call->state = act;
	act->id = order->id;
	if (campaign_do(call, order, view, change) != 0) {
		change_destroy(&change);
		return CALL_DONE;
	}
	if (order->state != view->state)
		change_effect(change, "%s, was %s",
			      campaign_state_word(order->state),
			      campaign_state_word(view->state));
	else
		tell_terms(change, order, view);
	call->step = terms_told;
	call_commit(call, &change);
	return CALL_WAIT;
}

enum call_next
command_campaign_pause(struct call *call)
{
	struct campaign_order order = {
	    .state = CAMPAIGN_PAUSED, .rate_per_h = -1, .connections = -1};
	struct campaign_view view;

	if (!campaign_operand(call, 0, &view))
		return CALL_DONE;
	if (view.state == CAMPAIGN_CANCELED) { /* that is an undo */
		call_fail(call, "C%" PRIu64 " is canceled", view.id);
		return CALL_DONE;
	}
	order.id = view.id;
	return act(call, &order, &view);
}

enum call_next
command_campaign_resume(struct call *call)
{
	struct campaign_order order = {
	    .state = CAMPAIGN_RUNNING, .rate_per_h = -1, .connections = -1};
	struct campaign_view view;

	if (!campaign_operand(call, 0, &view))
		return CALL_DONE;
	/* one that runs is over when nothing is left in its queue */
	if (cancels_undoing(call->control->cancels, view.id)) {
		call_fail(call,
			  "C%" PRIu64 " is on its way back, %" PRIu64
			  " recipients so far: resume it when all are",
			  view.id, view.left);
		return CALL_DONE;
	}
	order.id = view.id;
	return act(call, &order, &view);
}

/* --- rate -------------------------------------------------------------------
 */

/* "500/h", "10/m", "none": recipients an hour. */
static bool
rate_of(const char *text, int64_t *per_h)
{
	struct slice s = slice_str(text);
	size_t slash = slice_find(s, '/');
	struct buf span = {.cap = 64};
	int64_t period_s = 0;
	uint64_t n;
	bool ok;

	if (strcmp(text, "none") == 0) {
		*per_h = 0;
		return true;
	}
	if (slash == s.n || units_count(slice_head(s, slash), &n) != 0 ||
	    n > UINT32_MAX)
		return false;
	s = slice_from(s, slash + 1);
	if (s.n > 0 && (s.p[0] < '0' || s.p[0] > '9'))
		buf_add_byte(&span, '1');
	buf_add_slice(&span, s);
	ok = !span.overflow && when_span(buf_slice(&span), &period_s) == 0 &&
	     period_s > 0;
	buf_fini(&span);
	if (!ok)
		return false;
	*per_h = (int64_t)n * HOUR_S / period_s;
	return *per_h > 0 && *per_h <= UINT32_MAX;
}

static bool
connections_of(struct call *call, const char *text, int64_t *connections)
{
	uint64_t n;

	if (text != NULL && strcmp(text, "none") == 0) {
		*connections = 0;
		return true;
	}
	if (text != NULL && units_count(slice_str(text), &n) == 0 &&
	    n <= 100000) {
		*connections = (int64_t)n;
		return true;
	}
	call_usage(call, "'connections' takes a number, or none: sluice "
			 "campaign rate C7 500/h connections 4");
	return false;
}

/* RATE, and "connections" N, in any order. */
static bool
terms_of(struct call *call, struct campaign_order *order)
{
	for (size_t i = 1; i < call->line.operand_count; i++) {
		const char *word = command_operand(&call->line, i);

		if (strcmp(word, "connections") == 0) {
			if (!connections_of(call,
					    command_operand(&call->line, ++i),
					    &order->connections))
				return false;
		} else if (order->rate_per_h >= 0 ||
			   !rate_of(word, &order->rate_per_h)) {
			call_usage(call, "RATE is recipients in a time: 500/h, "
					 "10/m, or none");
			return false;
		}
	}
	return true;
}

enum call_next
command_campaign_rate(struct call *call)
{
	struct campaign_order order = {.rate_per_h = -1, .connections = -1};
	struct campaign_view view;

	if (!terms_of(call, &order) || !campaign_operand(call, 0, &view))
		return CALL_DONE;
	order.id = view.id;
	order.state = view.state;
	order.as_seen = true; /* or it would let go what a rule just stopped */
	order.seen = view.state;
	return act(call, &order, &view);
}
