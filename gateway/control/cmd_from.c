/* sluice from add|del|list: as whom a login may send beyond its own address. */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/escape.h"
#include "gateway/base/mem.h"
#include "gateway/control/account.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/text.h"

#define LOGINS_SHOWN 2000

struct from {
	struct json json;
	char cred[SELECTION_VALUE_SIZE];
	const char *pattern;
	const char *result;
};

static enum call_next
changed(struct call *call)
{
	struct from *from = call->state;
	struct json *j = &from->json;

	call_check_durable(call);
	if (call->request.json) {
		json_open_object(j, NULL);
		json_str(j, "cred", from->cred);
		json_str(j, "pattern", from->pattern);
		json_str(j, "result", from->result);
		json_bool(j, "durable", call->commit_err == 0);
		json_close_object(j);
	} else {
		escape_text(&call->out, slice_str(from->cred));
		buf_printf(&call->out, ": %s ", from->result);
		escape_text(&call->out, slice_str(from->pattern));
	}
	buf_add_byte(&call->out, '\n');
	return CALL_DONE;
}

static enum call_next
change(struct call *call, bool add)
{
	struct from *from = mem_zalloc(sizeof(*from));
	struct accounts *accounts = call->control->accounts;
	struct buf shown = {.cap = 1024};
	struct slice pattern;
	int err;

	call->state = from;
	call->step = changed;
	json_init(&from->json, &call->out);
	from->pattern = command_operand(&call->line, 1);
	from->result = add ? "may send as" : "may no longer send as";
	if (!cred_parse(call, "CRED", command_operand(&call->line, 0),
			from->cred))
		return CALL_DONE;
	pattern = slice_str(from->pattern);
	err = add ? accounts_sender_add(accounts, from->cred, pattern)
		  : accounts_sender_del(accounts, from->cred, pattern);
	escape_text(&shown, slice_head(pattern, 200));
	if (err == GW_EINVAL)
		call_usage(call,
			   "'%s' is no sender: user@example.com, @example.com "
			   "or @.example.com",
			   buf_cstr(&shown));
	else if (err == GW_ENOENT)
		call_fail(call, "%s was never added ('sluice from list')",
			  buf_cstr(&shown));
	else if (err == GW_EEXIST)
		call_fail(call, "%s is there already", buf_cstr(&shown));
	else if (err == GW_ETOOBIG)
		call_fail(call, "a login has at most %d of them",
			  ACCOUNT_SENDERS_MAX);
	else if (err != 0)
		call_fail(call, "%s: %s", buf_cstr(&shown), gw_err_text(err));
	buf_fini(&shown);
	if (err != 0)
		return CALL_DONE;
	account_commit(call, from->cred);
	return CALL_WAIT;
}

enum call_next
command_from_add(struct call *call)
{
	return change(call, true);
}

enum call_next
command_from_del(struct call *call)
{
	return change(call, false);
}

struct listing {
	struct call *call;
	struct json json;
	size_t logins;
};

static void
json_account(struct json *j, const struct account_view *view)
{
	json_open_object(j, NULL);
	json_str(j, "cred", view->cred);
	json_open_array(j, "patterns");
	for (size_t i = 0; i < view->sender_count; i++)
		json_str(j, NULL, view->senders[i]);
	json_close_array(j);
	json_close_object(j);
}

static bool
on_account(void *arg, const struct account_view *view)
{
	struct listing *listing = arg;
	struct buf *out = &listing->call->out;

	if (view->sender_count == 0)
		return true;
	listing->logins++;
	if (listing->call->request.json) {
		json_account(&listing->json, view);
		return listing->logins < LOGINS_SHOWN;
	}
	for (size_t i = 0; i < view->sender_count; i++) {
		text_cell(out, slice_str(view->cred), 32);
		buf_add_byte(out, ' ');
		text_last(out, slice_str(view->senders[i]), 0);
		buf_add_byte(out, '\n');
	}
	return listing->logins < LOGINS_SHOWN;
}

enum call_next
command_from_list(struct call *call)
{
	struct listing listing = {.call = call};
	const char *text = command_operand(&call->line, 0);
	char cred[SELECTION_VALUE_SIZE];

	if (text != NULL && !cred_parse(call, "CRED", text, cred))
		return CALL_DONE;
	json_init(&listing.json, &call->out);
	if (call->request.json)
		json_open_array(&listing.json, NULL);
	accounts_each(call->control->accounts, text != NULL ? cred : NULL,
		      on_account, &listing);
	if (call->request.json) {
		json_close_array(&listing.json);
		buf_add_byte(&call->out, '\n');
	} else if (call->request.tty && listing.logins == 0) {
		buf_add_str(&call->out, "Nothing was added.\n");
	}
	if (listing.logins == LOGINS_SHOWN)
		call_fail(call, "there are more: name one");
	return CALL_DONE;
}
