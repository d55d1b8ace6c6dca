/*
 * sluice campaign list|show|report. With --watch `show` gives one line and the
 * exit status "again": it is the client that asks once more each second, so a
 * terminal that nobody looks at holds nothing here.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/escape.h"
#include "gateway/base/mem.h"
#include "gateway/campaign/table.h"
#include "gateway/control/call.h"
#include "gateway/control/campaign_text.h"
#include "gateway/control/control_int.h"
#include "gateway/control/listing.h"
#include "gateway/control/selection.h"
#include "gateway/control/text.h"

#define LIST_SLICE 200
#define REPORT_SLICE 500

/* --- list -------------------------------------------------------------------
 */

struct list {
	struct json json;
	uint64_t before; /* exclusive */
	uint64_t given, limit;
	int64_t now_s;
	size_t width;
	int state; /* -1: any */
	char cred[SELECTION_VALUE_SIZE];
	bool full;
};

static void
list_one(struct call *call, struct list *list, uint64_t id)
{
	struct campaign_view view;

	if (campaign_get(call->control->campaigns, id, list->now_s, &view) != 0)
		return;
	if ((list->state >= 0 && (int)view.state != list->state) ||
	    (list->cred[0] != '\0' && strcmp(view.cred, list->cred) != 0))
		return;
	list->full = list->limit != 0 && list->given == list->limit;
	if (list->full)
		return;
	list->given++;
	if (call->request.json) {
		json_open_object(&list->json, NULL);
		campaign_json(&view, &list->json);
		json_close_object(&list->json);
	} else {
		campaign_line(&view, list->now_s, list->width, &call->out);
	}
}

static enum call_next
list_slice(struct call *call)
{
	struct list *list = call->state;
	uint64_t ids[LIST_SLICE];
	size_t n = campaigns_list(call->control->campaigns, list->before, ids,
				  LIST_SLICE);

	for (size_t i = 0; i < n && !list->full; i++) {
		list_one(call, list, ids[i]);
		list->before = ids[i];
	}
	if (n == LIST_SLICE && !list->full)
		return CALL_MORE;
	return listing_end(call, &list->json, list->given, list->full,
			   "There are no campaigns.");
}

static bool
state_option(struct call *call, struct list *list)
{
	const char *text = command_option(&call->line, "state");

	list->state = -1;
	if (text == NULL)
		return true;
	for (int i = 0; i < CAMPAIGN_STATES; i++)
		if (strcmp(text, campaign_state_word((enum campaign_state)i)) ==
		    0)
			list->state = i;
	if (list->state < 0)
		call_usage(call, "--state is checking, waiting, running, "
				 "paused, stopped, canceled or done");
	return list->state >= 0;
}

enum call_next
command_campaign_list(struct call *call)
{
	struct list *list = mem_zalloc(sizeof(*list));
	const char *cred = command_option(&call->line, "cred");

	call->state = list;
	call->step = list_slice;
	list->now_s = clock_wall_s();
	list->width = call_width(call);
	list->limit = listing_usual_limit(call);
	if (!campaigns_there(call) || !state_option(call, list))
		return CALL_DONE;
	if (!listing_limit(call, &list->limit))
		return CALL_DONE;
	if (cred != NULL && !cred_parse(call, "--cred", cred, list->cred))
		return CALL_DONE;
	json_init(&list->json, &call->out);
	if (call->request.json)
		json_open_array(&list->json, NULL);
	else if (call->request.tty)
		campaign_head(&call->out, list->width);
	return list_slice(call);
}

/* --- show -------------------------------------------------------------------
 */

enum call_next
command_campaign_show(struct call *call)
{
	bool watch = command_option(&call->line, "watch") != NULL;
	struct campaign_view view;
	struct json j;

	if (!campaign_operand(call, 0, &view))
		return CALL_DONE;
	if (call->request.json) {
		json_init(&j, &call->out);
		json_open_object(&j, NULL);
		campaign_json(&view, &j);
		json_close_object(&j);
		buf_add_byte(&call->out, '\n');
	} else if (watch) {
		campaign_progress(&view, clock_wall_s(), call_columns(call),
				  &call->out);
		buf_add_byte(&call->out, '\n');
	} else {
		campaign_text(&view, clock_wall_s(), call_columns(call),
			      &call->out);
	}
	if (watch && view.state != CAMPAIGN_DONE &&
	    view.state != CAMPAIGN_CANCELED)
		call->exit = EXIT_AGAIN;
	return CALL_DONE;
}

/* --- report -----------------------------------------------------------------
 */

struct report {
	struct json json;
	uint64_t id;
	struct spool_cursor after;
	uint64_t trash; /* where who was canceled lies; 0: nowhere */
	int64_t canceled_wall_s;
	bool in_trash; /* the failures are through */
	uint64_t given;
	size_t width;
	bool csv;
	struct call *call;
};

/* A table for a program is exact; on a terminal it is looked at. */
static void
put_csv(struct report *report, const struct campaign_failure *failure)
{
	struct call *call = report->call;
	struct buf row = {.cap = 65536};

	if (failure == NULL)
		campaign_table_head(&row);
	else
		campaign_table_row(&row, failure);
	if (call->request.tty) {
		escape_text(&call->out, slice_head(buf_slice(&row), row.n - 2));
		buf_add_byte(&call->out, '\n');
	} else {
		buf_add_slice(&call->out, buf_slice(&row));
	}
	buf_fini(&row);
}

static void
put_failure(struct report *report, const struct campaign_failure *failure)
{
	struct buf *out = &report->call->out;

	text_cell(out, slice_str(campaign_count_word(failure->count)), 12);
	buf_add_byte(out, ' ');
	text_last(out, slice_str(failure->address),
		  report->width == 0 ? 0 : report->width - 13);
	buf_add_byte(out, '\n');
	if (failure->text[0] == '\0')
		return;
	buf_add_str(out, "             ");
	text_last(out, slice_str(failure->text),
		  report->width == 0 ? 0 : report->width - 13);
	buf_add_byte(out, '\n');
}

static bool
on_failure(void *arg, const struct campaign_failure *failure)
{
	struct report *report = arg;
	struct json *j = &report->json;

	report->given++;
	report->after.id = failure->message;
	report->after.index = failure->index;
	if (report->call->request.json) {
		json_open_object(j, NULL);
		json_str(j, "recipient", failure->address);
		json_str(j, "class", campaign_count_word(failure->count));
		json_str(j, "text", failure->text);
		json_time(j, "time", failure->wall_s);
		json_close_object(j);
	} else if (report->csv) {
		put_csv(report, failure);
	} else {
		put_failure(report, failure);
	}
	return true;
}

static bool
on_canceled(void *arg, const struct spool_entry *entry)
{
	struct report *report = arg;
	struct campaign_failure failure = {
	    .message = entry->id,
	    .index = entry->index,
	    .count = CAMPAIGN_PURGED,
	    .wall_s = report->canceled_wall_s,
	    .address = entry->rcpt->address,
	    .text = "",
	};

	return on_failure(report, &failure);
}

static int
report_rows(struct report *report)
{
	struct spool *spool = report->call->control->spool;
	struct campaign_failure after = {.message = report->after.id,
					 .index = report->after.index};

	if (report->in_trash)
		return spool_trash_scan(spool, report->trash, &report->after,
					REPORT_SLICE, on_canceled, report,
					&report->after);
	return campaign_failures(spool_store(spool), report->id, &after,
				 REPORT_SLICE, on_failure, report);
}

static enum call_next
report_slice(struct call *call)
{
	struct report *report = call->state;
	int n = report_rows(report);

	if (n == REPORT_SLICE)
		return CALL_MORE;
	if (n >= 0 && !report->in_trash && report->trash != 0) {
		report->in_trash = true;
		report->after = (struct spool_cursor){0, 0};
		return CALL_MORE;
	}
	if (n < 0)
		call_fail(call, "the report is not complete: %s",
			  gw_err_text(n));
	if (call->request.json) {
		json_close_array(&report->json);
		buf_add_byte(&call->out, '\n');
	} else if (call->request.tty && report->given == 0 && n >= 0) {
		buf_add_str(&call->out, "Nobody failed to get it so far.\n");
	}
	return CALL_DONE;
}

enum call_next
command_campaign_report(struct call *call)
{
	struct report *report = mem_zalloc(sizeof(*report));
	struct campaign_view view;

	call->state = report;
	call->step = report_slice;
	report->call = call;
	report->width = call_width(call);
	report->csv = command_option(&call->line, "csv") != NULL;
	if (!campaign_operand(call, 0, &view))
		return CALL_DONE;
	report->id = view.id;
	report->trash = view.trash;
	report->canceled_wall_s = view.ended_wall_s;
	json_init(&report->json, &call->out);
	if (call->request.json)
		json_open_array(&report->json, NULL);
	else if (report->csv)
		put_csv(report, NULL);
	return report_slice(call);
}
