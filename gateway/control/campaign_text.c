/*
 * How a campaign looks at a terminal. Its name is the subject of somebody's
 * mail and its reason may hold what a receiver said: both are escaped, and cut
 * to the line.
 */
#include "gateway/control/campaign_text.h"

#include <inttypes.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/units.h"
#include "gateway/control/control_int.h"
#include "gateway/control/text.h"

#define DEFAULT_COLUMNS 80
#define BAR_MIN 10
#define BAR_MAX 40
/* The brackets, and room for the terminal's "^C"; some wrap at the last. */
#define MARGIN 5

/* --- which ------------------------------------------------------------------
 */

bool
campaign_number(struct slice text, uint64_t *id)
{
	if (text.n > 1 && (text.p[0] == 'C' || text.p[0] == 'c'))
		text = slice_from(text, 1);
	return units_count(text, id) == 0 && *id != 0;
}

bool
campaigns_there(struct call *call)
{
	if (call->control->campaigns != NULL)
		return true;
	call_fail(call, "there are no campaigns in this daemon");
	return false;
}

bool
campaign_operand(struct call *call, size_t i, struct campaign_view *view)
{
	uint64_t id;

	if (!campaigns_there(call))
		return false;
	if (!campaign_number(slice_str(command_operand(&call->line, i)), &id)) {
		call_usage(call, "ID is a campaign's, such as C7 ('sluice "
				 "campaign list')");
		return false;
	}
	if (campaign_get(call->control->campaigns, id, clock_wall_s(), view) ==
	    0)
		return true;
	call_fail(call, "there is no campaign C%" PRIu64 " (any more)", id);
	return false;
}

/* --- figures ----------------------------------------------------------------
 */

uint64_t
campaign_failed(const struct campaign_view *view)
{
	return campaign_bounced(view->counts) + view->counts[CAMPAIGN_DEAD] +
	       view->counts[CAMPAIGN_OTHER];
}

unsigned
campaign_percent(const struct campaign_view *view)
{
	uint64_t all = view->counts[CAMPAIGN_RECIPIENTS];
	uint64_t left = view->left < all ? view->left : all;

	if (left == 0)
		return all == 0 ? 0 : 100;
	return (unsigned)(100.0 * (double)(all - left) / (double)all);
}

static bool
is_over(const struct campaign_view *view)
{
	return view->state == CAMPAIGN_DONE || view->state == CAMPAIGN_CANCELED;
}

/* --- a list -----------------------------------------------------------------
 */

#define LINE_FIXED 62 /* columns in front of the name */

void
campaign_head(struct buf *out, size_t width)
{
	(void)width;
	buf_printf(out, "%-6s %-8s %-14s %10s %5s %6s  %-5s %s\n\n", "ID",
		   "STATE", "LOGIN", "RECIPIENTS", "DONE", "FAILED", "ENDS",
		   "NAME");
}

/* "16:40", and only the day of what takes longer. */
static void
put_ends(struct buf *out, const struct campaign_view *view, int64_t now_wall_s)
{
	int64_t at = is_over(view) ? view->ended_wall_s : view->eta_wall_s;
	char text[CLOCK_HUMAN_SIZE];

	if (at == 0) {
		buf_add_str(out, "-");
		return;
	}
	clock_human(at, now_wall_s, text);
	/* "2026-11-22 16:40" */
	if (strlen(text) > 10) {
		text[10] = '\0';
		buf_add_str(out, text + 5);
	} else {
		buf_add_str(out, text);
	}
}

void
campaign_line(const struct campaign_view *view, int64_t now_wall_s,
	      size_t width, struct buf *out)
{
	struct buf cell = {.cap = 64};

	buf_printf(&cell, "C%" PRIu64, view->id);
	buf_printf(out, "%-6s %-8s ", buf_cstr(&cell),
		   campaign_state_word(view->state));
	text_cell(out, slice_str(view->cred[0] ? view->cred : "-"), 14);
	buf_clear(&cell);
	text_count(&cell, view->counts[CAMPAIGN_RECIPIENTS]);
	buf_printf(out, " %10s %4u%%", buf_cstr(&cell), campaign_percent(view));
	buf_clear(&cell);
	text_count(&cell, campaign_failed(view));
	buf_printf(out, " %6s  ", buf_cstr(&cell));
	buf_clear(&cell);
	put_ends(&cell, view, now_wall_s);
	buf_printf(out, "%-5s ", buf_cstr(&cell));
	text_last(out, slice_str(view->name[0] ? view->name : "-"),
		  width == 0 ? 0 : width - LINE_FIXED);
	buf_add_byte(out, '\n');
	buf_fini(&cell);
}

/* --- progress ---------------------------------------------------------------
 */

static void
put_bar(struct buf *out, unsigned percent, size_t width)
{
	size_t full = width * percent / 100;

	buf_add_byte(out, '[');
	for (size_t i = 0; i < width; i++)
		buf_add_byte(out, i < full ? '#' : '-');
	buf_add_byte(out, ']');
}

static void
put_when(struct buf *out, const struct campaign_view *view, int64_t now_wall_s)
{
	char at[CLOCK_HUMAN_SIZE];

	if (is_over(view) || view->eta_wall_s == 0)
		return;
	clock_human(view->eta_wall_s, now_wall_s, at);
	buf_printf(out, ", ends %s", at);
}

void
campaign_progress(const struct campaign_view *view, int64_t now_wall_s,
		  size_t columns, struct buf *out)
{
	struct buf left = {.cap = 64}, right = {.cap = 256};
	size_t room;

	buf_printf(&left, "C%" PRIu64 " %s ", view->id,
		   campaign_state_word(view->state));
	buf_printf(&right, " %u %%  ", campaign_percent(view));
	text_count(&right, view->counts[CAMPAIGN_DELIVERED]);
	buf_add_str(&right, " of ");
	text_count(&right, view->counts[CAMPAIGN_RECIPIENTS]);
	buf_add_str(&right, " sent, ");
	text_count(&right, campaign_failed(view));
	buf_add_str(&right, " failed");
	put_when(&right, view, now_wall_s);
	room = columns > left.n + right.n + MARGIN
		   ? columns - left.n - right.n - MARGIN
		   : 0;
	if (room > BAR_MAX)
		room = BAR_MAX;
	buf_add_slice(out, buf_slice(&left));
	if (room >= BAR_MIN)
		put_bar(out, campaign_percent(view), room);
	text_last(out,
		  room >= BAR_MIN ? buf_slice(&right)
				  : slice_from(buf_slice(&right), 1),
		  columns == 0 || room >= BAR_MIN ? 0 : columns - left.n - 1);
	buf_fini(&left);
	buf_fini(&right);
}

/* --- one --------------------------------------------------------------------
 */

static void
label(struct buf *out, const char *name)
{
	buf_printf(out, "%-12s ", name);
}

static void
put_state(const struct campaign_view *view, size_t columns, struct buf *out)
{
	label(out, "state");
	buf_add_str(out, campaign_state_word(view->state));
	buf_add_byte(out, '\n');
	if (view->reason[0] == '\0')
		return;
	label(out, "");
	text_last(out, slice_str(view->reason),
		  columns == 0 ? 0 : columns - 13);
	buf_add_byte(out, '\n');
}

static const char *
because(enum campaign_why why)
{
	switch (why) {
	case CAMPAIGN_WHY_RECIPIENTS:
		return "so many recipients in one message";
	case CAMPAIGN_WHY_SAME:
		return "the same text went to many";
	case CAMPAIGN_WHY_HEADER:
		return "a List-* or Precedence field says so";
	case CAMPAIGN_WHY_CLASS:
		return "the login's class, or the listener";
	case CAMPAIGN_WHY_LIMIT:
		return "a limit that says 'over bulk'";
	case CAMPAIGN_WHY_CHOSEN:
		return "the sender chose it";
	case CAMPAIGN_WHY_NONE:
		break;
	}
	return "-";
}

static void
put_who(const struct campaign_view *view, int64_t now_wall_s, struct buf *out)
{
	char began[CLOCK_HUMAN_SIZE], last[CLOCK_HUMAN_SIZE];

	label(out, "login");
	text_last(out, slice_str(view->cred[0] ? view->cred : "-"), 0);
	buf_add_byte(out, '\n');
	label(out, "report to");
	text_last(out, slice_str(view->owner[0] ? view->owner : "-"), 0);
	buf_add_byte(out, '\n');
	label(out, "because of");
	buf_printf(out, "%s\n", because(view->why));
	label(out, "messages");
	text_count(out, view->counts[CAMPAIGN_MESSAGES]);
	clock_human(view->began_wall_s, now_wall_s, began);
	clock_human(view->last_wall_s, now_wall_s, last);
	if (view->last_wall_s - view->began_wall_s < 60)
		buf_printf(out, ", at %s\n", began);
	else
		buf_printf(out, ", from %s to %s\n", began, last);
}

/* "name N, name N" of those that there are; false: none. */
static bool
put_count(struct buf *out, const struct campaign_view *view,
	  enum campaign_count count, bool first, const char *title)
{
	if (view->counts[count] == 0)
		return false;
	if (first)
		label(out, title);
	else
		buf_add_str(out, ", ");
	buf_printf(out, "%s ", campaign_count_word(count));
	text_count(out, view->counts[count]);
	return true;
}

static void
put_recipients(const struct campaign_view *view, struct buf *out)
{
	static const enum campaign_count left_out[] = {
	    CAMPAIGN_SUPPRESSED, CAMPAIGN_DUPLICATE, CAMPAIGN_PURGED};
	bool any;

	label(out, "recipients");
	text_count(out, view->counts[CAMPAIGN_RECIPIENTS]);
	buf_add_str(out, ": ");
	text_count(out, view->counts[CAMPAIGN_DELIVERED]);
	buf_add_str(out, " sent, ");
	text_count(out, campaign_failed(view));
	buf_add_str(out, " failed, ");
	text_count(out, view->left);
	buf_add_str(out, " left\n");
	any = put_count(out, view, CAMPAIGN_DEAD, true, "  failed");
	for (int i = 0; i < BOUNCE_CLASSES; i++)
		any |= put_count(out, view,
				 (enum campaign_count)(CAMPAIGN_BOUNCED + i),
				 !any, "  failed");
	any |= put_count(out, view, CAMPAIGN_OTHER, !any, "  failed");
	if (any)
		buf_add_byte(out, '\n');
	any = false;
	for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
		any |= put_count(out, view, left_out[i], !any, "  left out");
	if (any)
		buf_add_byte(out, '\n');
	if (view->counts[CAMPAIGN_COMPLAINTS] == 0)
		return;
	label(out, "  complaints");
	text_count(out, view->counts[CAMPAIGN_COMPLAINTS]);
	buf_add_byte(out, '\n');
}

static void
put_pace(const struct campaign_view *view, struct buf *out)
{
	label(out, "pace");
	text_count(out, view->recent_per_h);
	buf_add_str(out, "/h now; at most ");
	if (view->rate_per_h == 0) {
		buf_add_str(out, "what each site takes");
	} else {
		text_count(out, view->rate_per_h);
		buf_add_str(out, "/h");
	}
	if (view->connections > 0) {
		buf_add_str(out, ", ");
		text_times(out, view->connections, "connection");
	}
	buf_add_byte(out, '\n');
}

/* What can be done about it now. */
static void
put_hint(const struct campaign_view *view, struct buf *out)
{
	unsigned long long id = view->id;

	switch (view->state) {
	case CAMPAIGN_WAITING:
		buf_printf(out,
			   "\nIt waits for a word: sluice campaign resume "
			   "C%llu (or cancel)\n",
			   id);
		break;
	case CAMPAIGN_PAUSED:
		buf_printf(out, "\nTo go on: sluice campaign resume C%llu\n",
			   id);
		break;
	case CAMPAIGN_STOPPED:
		buf_printf(out,
			   "\nWho did not get it: sluice campaign report "
			   "C%llu\n"
			   "To go on all the same: sluice campaign resume "
			   "C%llu\n",
			   id, id);
		break;
	case CAMPAIGN_CHECKING:
	case CAMPAIGN_RUNNING:
	case CAMPAIGN_CANCELED:
	case CAMPAIGN_DONE:
	case CAMPAIGN_STATES:
		break;
	}
}

void
campaign_text(const struct campaign_view *view, int64_t now_wall_s,
	      size_t columns, struct buf *out)
{
	int64_t at = is_over(view) ? view->ended_wall_s : view->eta_wall_s;
	char text[CLOCK_HUMAN_SIZE];

	label(out, "campaign");
	buf_printf(out, "C%" PRIu64 "  ", view->id);
	text_last(out, slice_str(view->name[0] ? view->name : "-"),
		  columns == 0 ? 0 : columns - 24);
	buf_add_byte(out, '\n');
	put_state(view, columns, out);
	put_who(view, now_wall_s, out);
	put_recipients(view, out);
	put_pace(view, out);
	if (at != 0) {
		clock_human(at, now_wall_s, text);
		label(out, is_over(view) ? "ended" : "ends");
		buf_printf(out, "%s%s\n", is_over(view) ? "" : "about ", text);
	}
	if (columns != 0) {
		buf_add_byte(out, '\n');
		campaign_progress(view, now_wall_s, columns, out);
		buf_add_byte(out, '\n');
	}
	put_hint(view, out);
}

/* --- for a program ----------------------------------------------------------
 */

void
campaign_json(const struct campaign_view *view, struct json *j)
{
	json_u64(j, "id", view->id);
	json_str(j, "owner", view->cred);
	json_str(j, "report_to", view->owner[0] ? view->owner : NULL);
	json_str(j, "name", view->name);
	json_str(j, "state", campaign_state_word(view->state));
	json_str(j, "reason", view->reason[0] ? view->reason : NULL);
	json_str(j, "why", campaign_why_word(view->why));
	json_u64(j, "messages", view->counts[CAMPAIGN_MESSAGES]);
	json_u64(j, "recipients", view->counts[CAMPAIGN_RECIPIENTS]);
	json_u64(j, "sent", view->counts[CAMPAIGN_DELIVERED]);
	json_u64(j, "failed", campaign_failed(view));
	json_u64(j, "left", view->left);
	json_u64(j, "dead_domain", view->counts[CAMPAIGN_DEAD]);
	json_u64(j, "suppressed", view->counts[CAMPAIGN_SUPPRESSED]);
	json_u64(j, "duplicate", view->counts[CAMPAIGN_DUPLICATE]);
	json_u64(j, "canceled", view->counts[CAMPAIGN_PURGED]);
	json_u64(j, "other", view->counts[CAMPAIGN_OTHER]);
	json_u64(j, "complaints", view->counts[CAMPAIGN_COMPLAINTS]);
	json_open_object(j, "bounced");
	for (int i = 0; i < BOUNCE_CLASSES; i++)
		json_u64(j, bounce_class_word((enum bounce_class)i),
			 view->counts[CAMPAIGN_BOUNCED + i]);
	json_close_object(j);
	json_u64(j, "percent", campaign_percent(view));
	json_u64(j, "rate_per_hour", view->rate_per_h);
	json_u64(j, "connections", view->connections);
	json_u64(j, "recent_per_hour", view->recent_per_h);
	json_time(j, "began", view->began_wall_s);
	json_time(j, "last", view->last_wall_s);
	json_time(j, "ended", view->ended_wall_s);
	json_time(j, "eta", view->eta_wall_s);
	json_bool(j, "confirm", view->confirm);
}
