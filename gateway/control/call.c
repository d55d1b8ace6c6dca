/*
 * From the words of a request to the function that answers it. The words are
 * parsed again here: whoever can open the socket may send anything.
 */
#include "gateway/control/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/control/control_int.h"

static call_fn *const dispatch[COMMANDS] = {
    [COMMAND_USER_ADD] = command_user_add,
    [COMMAND_USER_PASSWD] = command_user_passwd,
    [COMMAND_USER_DEL] = command_user_del,
    [COMMAND_USER_LIST] = command_user_list,
    [COMMAND_QUEUE_LIST] = command_queue_list,
    [COMMAND_QUEUE_SHOW] = command_queue_show,
    [COMMAND_QUEUE_FLUSH] = command_queue_flush,
    [COMMAND_BLOCK_ADD] = command_block_add,
    [COMMAND_BLOCK_DEL] = command_block_del,
    [COMMAND_BLOCK_LIST] = command_block_list,
    [COMMAND_BLOCK_EXPORT] = command_block_export,
    [COMMAND_BLOCK_IMPORT] = command_block_import,
    [COMMAND_LIMITS] = command_limits,
    [COMMAND_GRANT] = command_grant,
    [COMMAND_FROM_ADD] = command_from_add,
    [COMMAND_FROM_DEL] = command_from_del,
    [COMMAND_FROM_LIST] = command_from_list,
    [COMMAND_DOMAIN_SHOW] = command_domain_show,
    [COMMAND_DOMAIN_ALLOW] = command_domain_allow,
    [COMMAND_DOMAIN_DISALLOW] = command_domain_disallow,
    [COMMAND_DOMAIN_FLUSH] = command_domain_flush,
    [COMMAND_DOMAIN_LIST] = command_domain_list,
    [COMMAND_TOP] = command_top,
    [COMMAND_WHY] = command_why,
    [COMMAND_HOLD] = command_hold,
    [COMMAND_RELEASE] = command_release,
    [COMMAND_PURGE] = command_purge,
    [COMMAND_UNDO] = command_undo,
    [COMMAND_TRASH] = command_trash,
    [COMMAND_AUDIT] = command_audit,
    [COMMAND_SCAN_STATUS] = command_scan_status,
    [COMMAND_SCAN_FLUSH] = command_scan_flush,
    [COMMAND_SCAN_BYPASS] = command_scan_bypass,
    [COMMAND_SCAN_TEST] = command_scan_test,
    [COMMAND_QUARANTINE_LIST] = command_quarantine_list,
    [COMMAND_QUARANTINE_SHOW] = command_quarantine_show,
    [COMMAND_QUARANTINE_RELEASE] = command_quarantine_release,
    [COMMAND_QUARANTINE_DELETE] = command_quarantine_delete,
    [COMMAND_QUARANTINE_EXPORT] = command_quarantine_export,
    [COMMAND_CAMPAIGN_LIST] = command_campaign_list,
    [COMMAND_CAMPAIGN_SHOW] = command_campaign_show,
    [COMMAND_CAMPAIGN_PAUSE] = command_campaign_pause,
    [COMMAND_CAMPAIGN_RESUME] = command_campaign_resume,
    [COMMAND_CAMPAIGN_CANCEL] = command_campaign_cancel,
    [COMMAND_CAMPAIGN_RATE] = command_campaign_rate,
    [COMMAND_CAMPAIGN_REPORT] = command_campaign_report,
    [COMMAND_SUPPRESS_LIST] = command_suppress_list,
    [COMMAND_SUPPRESS_ADD] = command_suppress_add,
    [COMMAND_SUPPRESS_DEL] = command_suppress_del,
    [COMMAND_SUPPRESS_IMPORT] = command_suppress_import,
    [COMMAND_SUPPRESS_EXPORT] = command_suppress_export,
    [COMMAND_DKIM_SHOW] = command_dkim_show,
    [COMMAND_DKIM_CHECK] = command_dkim_check,
    [COMMAND_STATUS] = command_status,
    [COMMAND_STATS] = command_stats,
    [COMMAND_RELOAD] = command_reload,
    [COMMAND_CONFIG_SHOW] = command_config_show,
};

static void __attribute__((format(printf, 3, 0)))
say(struct call *call, int status, const char *fmt, va_list ap)
{
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, ap);
	buf_add_str(&call->err, "sluice: ");
	buf_add_str(&call->err, text);
	buf_add_byte(&call->err, '\n');
	call->exit = status;
}

void
call_fail(struct call *call, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(call, EXIT_FAILED, fmt, ap);
	va_end(ap);
}

void
call_usage(struct call *call, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(call, EXIT_USAGE, fmt, ap);
	va_end(ap);
}

void
call_check_durable(struct call *call)
{
	if (call->commit_err != 0)
		call_fail(call,
			  "in force, but not durable (a restart forgets it): "
			  "%s",
			  gw_err_text(call->commit_err));
}

size_t
call_columns(const struct call *call)
{
	if (!call->request.tty)
		return 0;
	if (call->request.columns < 40)
		return call->request.columns == 0 ? 80 : 40;
	return call->request.columns;
}

size_t
call_width(const struct call *call)
{
	size_t columns = call_columns(call);

	return columns != 0 && columns < 80 ? 80 : columns;
}

/* --- changes and work ---------------------------------------------------- */

static const char *
reason_of(const struct call *call)
{
	for (const struct command_option *o = call->line.command->options;
	     o->name != NULL; o++)
		if (strcmp(o->name, "reason") == 0)
			return command_option(&call->line, "reason");
	return NULL;
}

struct change *
call_change(struct call *call)
{
	const struct change_who who = {
	    .uid = call->uid,
	    .pid = call->pid,
	    .words = call->request.words,
	    .word_count = call->request.count,
	    .reason = reason_of(call),
	};

	return change_create(call->control->changes, &who);
}

void
call_note(struct call *call, const char *effect)
{
	struct change *change = call_change(call);

	change_effect(change, "%s", effect);
	change_commit(&change, NULL, NULL);
}

void
call_ended(struct call *call)
{
	if (--call->under_way == 0) {
		call->patient = false;
		admin_wake(call->control->admin, call->id);
	}
}

/* By id: the call may be gone by now. */
struct waiting {
	struct control *control;
	uint64_t call_id;
};

static void
on_committed(void *arg, int err)
{
	struct waiting *waiting = arg;
	struct admin *admin = waiting->control->admin;
	struct call *call =
	    admin == NULL ? NULL : admin_call(admin, waiting->call_id);

	free(waiting);
	if (call == NULL)
		return;
	call->commit_err = err;
	call_ended(call);
}

void
call_commit(struct call *call, struct change **change)
{
	struct waiting *waiting = mem_zalloc(sizeof(*waiting));

	waiting->control = call->control;
	waiting->call_id = call->id;
	call->under_way++;
	call->commit_err = 0;
	change_commit(change, on_committed, waiting);
}

void
call_work(struct call *call, struct work_req *req)
{
	req->call_id = call->id;
	call->under_way++;
	call->patient = true;
	work_start(call->control->works, req);
}

void
call_release(struct call *call, struct release_req *req)
{
	req->call_id = call->id;
	call->under_way++;
	call->patient = true;
	releaser_start(call->control->releaser, req);
}

/* --- life ---------------------------------------------------------------- */

static bool
usage(struct call *call)
{
	struct buf error = {.cap = 512};
	bool ok = command_parse(call->request.words, call->request.count,
				&call->line, &error) == 0;

	if (ok && (call->line.help || dispatch[call->line.id] == NULL)) {
		buf_add_str(&error, "not a command for the daemon");
		ok = false;
	}
	if (!ok)
		call_usage(call, "%s", buf_cstr(&error));
	buf_fini(&error);
	return ok;
}

bool
call_init(struct call *call, struct control *control, struct slice body)
{
	int err;

	call->control = control;
	buf_init(&call->body, FRAME_MAX);
	buf_init(&call->secret, SECRET_MAX + 1);
	buf_init(&call->input, INPUT_MAX);
	buf_init(&call->out, CALL_TEXT_MAX);
	buf_init(&call->err, CALL_TEXT_MAX);
	call->exit = EXIT_DONE;
	buf_add_slice(&call->body, body);
	err = request_decode(buf_slice(&call->body), &call->request);
	if (err == GW_ENOTSUP)
		call_fail(call, "this sluice and the running sluiced are of "
				"different releases: restart the daemon");
	else if (err != 0)
		call_fail(call, "the request could not be understood");
	if (err != 0)
		call->exit = EXIT_USAGE;
	return err == 0 && usage(call);
}

void
call_fini(struct call *call)
{
	buf_fini(&call->body);
	buf_wipe(&call->secret);
	buf_fini(&call->input);
	buf_fini(&call->out);
	buf_fini(&call->err);
	if (call->state != NULL && call->state_fini != NULL)
		call->state_fini(call->state);
	free(call->state);
	call->state = NULL;
}

/* Before it is done: whoever changes something and then kills his client is
 * in the log all the same. The secret is no word. */
static void
audit(const struct call *call)
{
	struct buf words = {.cap = 4096};

	for (size_t i = 0; i < call->request.count; i++) {
		if (i > 0)
			buf_add_byte(&words, ' ');
		buf_add_str(&words, call->request.words[i]);
	}
	log_event(GW_LOG_INFO, "admin", LF_U64("uid", call->uid),
		  LF_I64("pid", call->pid),
		  LF_SLICE("command", buf_slice(&words)));
	buf_fini(&words);
}

enum call_next
call_step(struct call *call)
{
	if (call->step == NULL) {
		call->step = dispatch[call->line.id];
		if (call->line.command->flags & COMMAND_CHANGES)
			audit(call);
	}
	return call->step(call);
}
