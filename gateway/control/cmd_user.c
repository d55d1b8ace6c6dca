/*
 * sluice user add|passwd|del|list. With Dovecot the logins are not ours to
 * change or to list, and the commands say so instead of failing obscurely.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/user.h"
#include "gateway/base/address.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/text.h"

#define LIST_SLICE 256
#define CLASS_MAX 64
#define ADDRESS_MAX 254

static bool
has_users(struct call *call)
{
	if (call->control->users_local)
		return true;
	call_fail(call, "the logins are Dovecot's ('backend dovecot' in "
			"gateway.conf): add, change and list them there");
	return false;
}

static bool
is_plain(const char *s, size_t most)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f)
			return false;
	return n > 0 && n <= most;
}

static bool
options_ok(struct call *call, const char *class, const char *address)
{
	struct slice a = slice_str(address);

	if (class != NULL && !is_plain(class, CLASS_MAX)) {
		call_fail(call, "a class is one word of at most %d characters",
			  CLASS_MAX);
		return false;
	}
	if (address != NULL &&
	    (!is_plain(address, ADDRESS_MAX) || address_local(a).n == 0 ||
	     address_domain(a).n == 0)) {
		call_fail(call, "--address takes one mail address");
		return false;
	}
	return true;
}

static bool
password_ok(struct call *call)
{
	struct slice s = buf_slice(&call->secret);

	if (!call->request.secret || s.n == 0)
		call_fail(call, "a password is needed");
	else if (s.n > SECRET_MAX)
		call_fail(call, "a password has at most %d bytes", SECRET_MAX);
	else if (slice_find(s, '\0') < s.n)
		call_fail(call, "a password has no NUL");
	else
		return true;
	return false;
}

static enum call_next
answered(struct call *call)
{
	(void)call;
	return CALL_DONE;
}

static enum call_next
submit(struct call *call, enum user_change change)
{
	struct user_req req = {.change = change, .call_id = call->id};
	const char *login = command_operand(&call->line, 0);
	struct buf name = {.cap = 1024};
	enum call_next next = CALL_DONE;

	if (change == USER_ADD) {
		req.class = command_option(&call->line, "class");
		req.address = command_option(&call->line, "address");
	}
	req.password = buf_slice(&call->secret);
	if (!has_users(call) || !options_ok(call, req.class, req.address) ||
	    (change != USER_DEL && !password_ok(call)))
		return CALL_DONE;
	if (user_normalise(slice_str(login), call->control->conf.auth_domain,
			   &name) != 0) {
		call_fail(call, "a login has 1 to 255 bytes of UTF-8, and no "
				"control or combining characters");
	} else {
		req.name = buf_slice(&name);
		req.tell = call_change(call);
		users_submit(call->control->users, &req);
		call->step = answered;
		next = CALL_WAIT;
	}
	buf_wipe(&call->secret);
	buf_fini(&name);
	return next;
}

enum call_next
command_user_add(struct call *call)
{
	return submit(call, USER_ADD);
}

enum call_next
command_user_passwd(struct call *call)
{
	return submit(call, USER_PASSWD);
}

enum call_next
command_user_del(struct call *call)
{
	return submit(call, USER_DEL);
}

struct user_list {
	struct call *call;
	struct json json;
	struct buf *out;
	size_t width;
	char last[256];
	size_t slice;
};

static void
put_row(struct user_list *list, const struct user *user)
{
	char changed[CLOCK_HUMAN_SIZE];
	struct buf *out = list->out;
	size_t rest = list->width == 0 ? 0 : list->width - 24 - 12 - 18;

	clock_human(user->changed_wall_s, clock_wall_s(), changed);
	text_cell(out, slice_str(user->name), 23);
	buf_add_byte(out, ' ');
	text_cell(out, slice_str(user->class ? user->class : "-"), 11);
	buf_printf(out, " %-17s ", changed);
	text_last(out,
		  slice_str(user->owner_address ? user->owner_address : "-"),
		  rest);
	buf_add_byte(out, '\n');
}

static bool
on_user(void *arg, const struct user *user)
{
	struct user_list *list = arg;
	struct json *j = &list->json;
	size_t n = strlen(user->name);

	if (n >= sizeof(list->last))
		return true; /* nobody normalised this: not one of ours */
	memcpy(list->last, user->name, n + 1);
	if (list->call->request.json) {
		json_open_object(j, NULL);
		json_str(j, "name", user->name);
		json_str(j, "class", user->class);
		json_str(j, "address", user->owner_address);
		json_time(j, "created", user->created_wall_s);
		json_time(j, "changed", user->changed_wall_s);
		json_close_object(j);
	} else {
		put_row(list, user);
	}
	return ++list->slice < LIST_SLICE;
}

static enum call_next
list_slice(struct call *call)
{
	struct user_list *list = call->state;
	int err;

	list->slice = 0;
	err = user_each(spool_store(call->control->spool),
			slice_str(list->last[0] ? list->last : NULL), on_user,
			list);
	if (err == 0 && list->slice == LIST_SLICE)
		return CALL_MORE;
	if (err != 0)
		call_fail(call, "the list is not complete: %s",
			  gw_err_text(err));
	if (call->request.json) {
		json_close_array(&list->json);
		buf_add_byte(&call->out, '\n');
	}
	return CALL_DONE;
}

enum call_next
command_user_list(struct call *call)
{
	struct user_list *list;

	if (!has_users(call))
		return CALL_DONE;
	list = mem_zalloc(sizeof(*list));
	call->state = list;
	call->step = list_slice;
	list->call = call;
	list->out = &call->out;
	list->width = call_columns(call);
	if (list->width != 0 && list->width < 80)
		list->width = 80;
	json_init(&list->json, &call->out);
	if (call->request.json)
		json_open_array(&list->json, NULL);
	else if (call->request.tty)
		buf_printf(&call->out, "%-23s %-11s %-17s %s\n", "LOGIN",
			   "CLASS", "CHANGED", "ADDRESS");
	return list_slice(call);
}
