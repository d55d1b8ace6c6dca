/* sluice top: who sends most. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/base/units.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/text.h"
#include "gateway/control/when.h"
#include "policy/top.h"

#define DEFAULT_LINES 20
#define DEFAULT_WINDOW_MIN 10
#define FIGURES 57 /* columns behind the name */

static const struct {
	const char *name, *head;
} bys[TOP_BYS] = {
    [TOP_CRED] = {"cred", "LOGIN"},
    [TOP_IP] = {"ip", "ADDRESS"},
    [TOP_FROM] = {"from", "SENDER"},
    [TOP_DOMAIN] = {"domain", "RECIPIENTS AT"},
};

struct options {
	enum top_by by;
	unsigned window_min;
	uint64_t lines;
};

static bool
by_option(struct call *call, struct options *options)
{
	const char *text = command_option(&call->line, "by");

	options->by = TOP_CRED;
	if (text == NULL)
		return true;
	for (int i = 0; i < TOP_BYS; i++) {
		if (strcmp(text, bys[i].name) == 0) {
			options->by = (enum top_by)i;
			return true;
		}
	}
	call_usage(call, "--by is cred, ip, from or domain");
	return false;
}

static bool
get_options(struct call *call, struct options *options)
{
	const char *window = command_option(&call->line, "window");
	const char *limit = command_option(&call->line, "limit");
	int64_t s = DEFAULT_WINDOW_MIN * 60;

	options->lines = DEFAULT_LINES;
	if (!by_option(call, options))
		return false;
	if (window != NULL && (when_span(slice_str(window), &s) != 0 ||
			       s > TOP_WINDOW_MAX_MIN * 60)) {
		call_usage(call, "--window is a time from 1m to %dm",
			   TOP_WINDOW_MAX_MIN);
		return false;
	}
	options->window_min = (unsigned)((s + 59) / 60);
	if (limit != NULL &&
	    (units_count(slice_str(limit), &options->lines) != 0 ||
	     options->lines == 0 || options->lines > TOP_MEMBERS)) {
		call_usage(call, "--limit is a number from 1 to %d",
			   TOP_MEMBERS);
		return false;
	}
	return true;
}

/* own: it is what the table is of. */
static void
put_distinct(struct buf *out, uint64_t n, bool more, bool own)
{
	char text[32] = "-";

	if (!own)
		snprintf(text, sizeof(text), "%" PRIu64 "%s", n,
			 more ? "+" : "");
	buf_printf(out, " %6s", text);
}

static size_t
name_width(size_t width)
{
	return (width > 80 ? width : 80) - FIGURES;
}

static void
put_line(struct buf *out, enum top_by by, const struct top_line *line,
	 size_t width)
{
	size_t name = name_width(width);
	char share[16] = "-";

	if (width == 0 && strlen(line->name) > name)
		text_last(out, slice_str(line->name), 0);
	else
		text_cell(out, slice_str(line->name), name);
	if (line->dead_percent > 0)
		snprintf(share, sizeof(share), "%u%%", line->dead_percent);
	buf_printf(out,
		   " %7" PRIu64 " %8" PRIu64 " %7" PRIu64 " %5" PRIu64 " %4s",
		   line->messages, line->recipients, line->refused,
		   line->dead_domains, share);
	put_distinct(out, line->froms, line->froms_more, by == TOP_FROM);
	put_distinct(out, line->ips, line->ips_more, by == TOP_IP);
	put_distinct(out, line->creds, line->creds_more, by == TOP_CRED);
	buf_add_byte(out, '\n');
}

static void
put_table(struct call *call, const struct options *options,
	  const struct top_line *lines, size_t count)
{
	struct buf *out = &call->out;
	size_t width = call_width(call);

	if (call->request.tty && count == 0) {
		buf_printf(out, "Nobody sent anything in the last %u min.\n",
			   options->window_min);
		return;
	}
	if (call->request.tty)
		buf_printf(out, "%-*s %7s %8s %7s %5s %4s %6s %6s %6s\n",
			   (int)name_width(width), bys[options->by].head,
			   "MSGS", "RCPTS", "REFUSED", "DEAD", "%", "FROMS",
			   "ADDRS", "LOGINS");
	for (size_t i = 0; i < count; i++)
		put_line(out, options->by, &lines[i], width);
}

static void
json_line(struct json *j, const struct top_line *line)
{
	json_open_object(j, NULL);
	json_str(j, "name", line->name);
	json_u64(j, "messages", line->messages);
	json_u64(j, "recipients", line->recipients);
	json_u64(j, "refused", line->refused);
	json_u64(j, "dead_domains", line->dead_domains);
	json_u64(j, "dead_percent", line->dead_percent);
	json_u64(j, "froms", line->froms);
	json_bool(j, "froms_more", line->froms_more);
	json_u64(j, "ips", line->ips);
	json_bool(j, "ips_more", line->ips_more);
	json_u64(j, "creds", line->creds);
	json_bool(j, "creds_more", line->creds_more);
	json_time(j, "since", line->since_wall_s);
	json_close_object(j);
}

enum call_next
command_top(struct call *call)
{
	struct options options;
	struct top_line *lines;
	struct json j;
	size_t count;

	if (!get_options(call, &options))
		return CALL_DONE;
	lines = mem_array((size_t)options.lines, sizeof(*lines));
	count = top_get(call->control->top, options.by, options.window_min,
			clock_wall_s(), lines, (size_t)options.lines);
	if (call->request.json) {
		json_init(&j, &call->out);
		json_open_array(&j, NULL);
		for (size_t i = 0; i < count; i++)
			json_line(&j, &lines[i]);
		json_close_array(&j);
		buf_add_byte(&call->out, '\n');
	} else {
		put_table(call, &options, lines, count);
	}
	free(lines);
	return CALL_DONE;
}
