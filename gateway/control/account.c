#include "gateway/control/account.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/auth/user.h"
#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/control/control_int.h"

#define RECORD_MAX (1024 * 1024)

/* With Dovecot logins have no class that we know of. */
static char *
class_of(struct call *call, const char *cred)
{
	struct user user = {0};
	char *class = NULL;

	if (call->control->users_local &&
	    user_get(spool_store(call->control->spool), slice_str(cred),
		     &user) == 0)
		class = mem_strdup(user.class);
	user_fini(&user);
	return class;
}

bool
look_at_cred(struct call *call, const char *what, const char *text,
	     struct look_at *at)
{
	if (!cred_parse(call, what, text, at->cred))
		return false;
	at->class = class_of(call, at->cred);
	at->who.cred = at->cred;
	at->who.class = at->class;
	return true;
}

bool
look_at_ip(struct call *call, const char *what, const char *text,
	   struct look_at *at)
{
	at->has_ip = ip_parse(slice_str(text), &at->who.ip) == 0;
	if (at->has_ip)
		ip_format(&at->who.ip, at->ip);
	else
		call_usage(call, "%s is one IP address", what);
	return at->has_ip;
}

void
look_at_fini(struct look_at *at)
{
	free(at->class);
	at->class = NULL;
}

void
account_commit(struct call *call, const char *cred)
{
	struct buf key = {.cap = 1024}, value = {.cap = RECORD_MAX};
	struct change *change = call_change(call);
	struct store_change row;

	accounts_change(call->control->accounts, cred, clock_wall_s(), &key,
			&value, &row);
	change_add(change, &row);
	change_effect(change, "in force");
	call_commit(call, &change);
	buf_fini(&key);
	buf_fini(&value);
}
