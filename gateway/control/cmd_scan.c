/*
 * sluice scan status|flush|bypass. A bypass is the one switch that lets viruses
 * out: it always has an end and a reason, and is in the trail before it is in
 * force. It does not outlive the daemon.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/gather.h"
#include "gateway/control/selection.h"
#include "gateway/control/status_scan.h"
#include "gateway/control/text.h"

#define BYPASS_MOST_S 86400

static bool
has_scan(struct call *call)
{
	if (call->control->scan != NULL)
		return true;
	call_fail(call, "this daemon scans nothing");
	return false;
}

enum call_next
command_scan_status(struct call *call)
{
	struct metrics *m;
	struct json j;

	if (!has_scan(call))
		return CALL_DONE;
	m = mem_zalloc(sizeof(*m));
	gather(call->control, m);
	if (call->request.json) {
		json_init(&j, &call->out);
		json_open_object(&j, NULL);
		status_scan_json(m, &j);
		json_close_object(&j);
		buf_add_byte(&call->out, '\n');
	} else {
		status_scan_full(m, call_columns(call), &call->out);
	}
	free(m);
	return CALL_DONE;
}

enum call_next
command_scan_flush(struct call *call)
{
	char effect[64];
	uint64_t count;
	struct json j;

	if (!has_scan(call))
		return CALL_DONE;
	count = scan_flush(call->control->scan);
	snprintf(effect, sizeof(effect), "forgot %" PRIu64 " verdicts", count);
	call_note(call, effect);
	if (call->request.json) {
		json_init(&j, &call->out);
		json_open_object(&j, NULL);
		json_u64(&j, "forgotten", count);
		json_close_object(&j);
	} else {
		buf_add_str(&call->out, "Forgot ");
		text_times(&call->out, count, "verdict");
		buf_add_byte(&call->out, '.');
	}
	buf_add_byte(&call->out, '\n');
	return CALL_DONE;
}

/* --- bypass ------------------------------------------------------------------
 */

struct bypass {
	int64_t until_wall_s; /* 0: none any more */
};

static enum call_next
bypass_set(struct call *call)
{
	struct bypass *bypass = call->state;
	struct buf *out = &call->out;
	char until[CLOCK_HUMAN_SIZE];
	struct json j;

	if (call->commit_err != 0) {
		call_fail(call,
			  "nothing was done: the trail cannot be written: %s",
			  gw_err_text(call->commit_err));
		return CALL_DONE;
	}
	scan_bypass_set(call->control->scan, bypass->until_wall_s);
	clock_human(bypass->until_wall_s, clock_wall_s(), until);
	log_event(GW_LOG_WARN, "scan-bypass",
		  LF_STR("until", bypass->until_wall_s != 0 ? until : "off"));
	if (call->request.json) {
		json_init(&j, out);
		json_open_object(&j, NULL);
		json_time(&j, "bypass_until", bypass->until_wall_s);
		json_close_object(&j);
		buf_add_byte(out, '\n');
	} else if (bypass->until_wall_s != 0) {
		buf_printf(out,
			   "Until %s mail goes out unscanned, also what waits "
			   "for its scan now; what is known to be infected "
			   "does not.\n",
			   until);
	} else {
		buf_add_str(out, "Mail is scanned again.\n");
	}
	return CALL_DONE;
}

static bool
bypass_options(struct call *call, struct bypass *bypass)
{
	bool off = command_option(&call->line, "off") != NULL;
	int64_t now_s = clock_wall_s();

	if (!until_option(call, &bypass->until_wall_s))
		return false;
	if (off && bypass->until_wall_s != 0) {
		call_usage(call, "--off has no time");
		return false;
	}
	if (off)
		return true;
	if (bypass->until_wall_s == 0) {
		call_usage(call, "say how long: --for 30m, or --off");
		return false;
	}
	if (bypass->until_wall_s - now_s > BYPASS_MOST_S) {
		call_usage(call, "at most a day at a time");
		return false;
	}
	if (command_option(&call->line, "reason") == NULL) {
		call_usage(call, "say why: --reason TEXT");
		return false;
	}
	return true;
}

enum call_next
command_scan_bypass(struct call *call)
{
	struct bypass *bypass = mem_zalloc(sizeof(*bypass));
	char until[CLOCK_ISO_SIZE];
	struct change *change;

	call->state = bypass;
	call->step = bypass_set;
	if (!has_scan(call) || !bypass_options(call, bypass))
		return CALL_DONE;
	change = call_change(call);
	clock_iso(bypass->until_wall_s * 1000, until);
	if (bypass->until_wall_s != 0)
		change_effect(change, "unscanned until %s", until);
	else
		change_effect(change, "scanned again");
	call_commit(call, &change);
	return CALL_WAIT;
}
