/* sluice status, stats, reload, config show. */
#include <stdlib.h>

#include "gateway/base/error.h"
#include "gateway/base/json.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/gather.h"
#include "gateway/control/status.h"

enum call_next
command_status(struct call *call)
{
	struct metrics *m = mem_zalloc(sizeof(*m));
	struct status_input in = {.metrics = m,
				  .alerts = call->control->alerts,
				  .hostname = call->control->conf.hostname,
				  .columns = call_columns(call)};

	gather(call->control, m);
	if (call->request.json)
		status_json(&in, &call->out);
	else
		status_text(&in, &call->out);
	free(m);
	return CALL_DONE;
}

enum call_next
command_stats(struct call *call)
{
	struct metrics *m = mem_zalloc(sizeof(*m));

	gather(call->control, m);
	if (call->request.json)
		metrics_json(m, &call->out);
	else
		metrics_stats(m, &call->out);
	free(m);
	return CALL_DONE;
}

/* What the host said, a line each: errors, or warnings of a good file. */
static void
json_lines(struct json *j, struct slice text)
{
	struct slice line;

	json_open_array(j, "problems");
	while (slice_split(&text, '\n', &line))
		if (line.n > 0)
			json_slice(j, NULL, line);
	json_close_array(j);
}

enum call_next
command_reload(struct call *call)
{
	struct control_host *host = &call->control->host;
	struct buf problems = {.cap = CALL_TEXT_MAX / 2};
	int err = host->reload(host->arg, &problems);
	struct json j;

	log_event(err == 0 ? GW_LOG_INFO : GW_LOG_ERROR, "reload",
		  LF_STR("result", err == 0 ? "done" : "refused"));
	call_note(call, err == 0 ? "reloaded" : "refused: nothing changed");
	if (call->request.json) {
		json_init(&j, &call->out);
		json_open_object(&j, NULL);
		json_str(&j, "result", err == 0 ? "reloaded" : "refused");
		json_lines(&j, buf_slice(&problems));
		json_close_object(&j);
		buf_add_byte(&call->out, '\n');
	} else {
		buf_add_slice(&call->err, buf_slice(&problems));
		if (problems.n > 0 && problems.p[problems.n - 1] != '\n')
			buf_add_byte(&call->err, '\n');
		if (err == 0)
			buf_add_str(&call->out, "Reloaded.\n");
	}
	if (err != 0)
		call_fail(call, "not reloaded: the old configuration stays in "
				"force");
	buf_fini(&problems);
	return CALL_DONE;
}

enum call_next
command_config_show(struct call *call)
{
	struct control_host *host = &call->control->host;

	host->show(host->arg, &call->out, call->request.json);
	if (call->out.n > 0 && call->out.p[call->out.n - 1] != '\n')
		buf_add_byte(&call->out, '\n');
	return CALL_DONE;
}
