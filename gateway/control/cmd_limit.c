/*
 * sluice limits, and sluice grant. Looking charges nothing. A grant is in force
 * when accounts has it; the limits ask there at the next recipient.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/user.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/escape.h"
#include "gateway/base/mem.h"
#include "gateway/base/units.h"
#include "gateway/control/account.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/limit_text.h"
#include "gateway/control/text.h"

#define GRANTS_SHOWN 1000

/* --- limits ----------------------------------------------------------------
 */

struct look {
	struct call *call;
	struct json json;
	int64_t now_s;
	bool any;	  /* a line was shown */
	bool only_grants; /* nobody is asked for: tell who has one */
	size_t grants;
};

static bool
on_line(void *arg, const struct limit_line *line)
{
	struct look *look = arg;

	if (look->call->request.json) {
		json_open_object(&look->json, NULL);
		limit_json(&look->json, line);
		json_close_object(&look->json);
		return true;
	}
	if (!look->only_grants && !line->applies)
		return true;
	if (!look->any)
		limit_table_head(&look->call->out);
	look->any = true;
	limit_table_line(&look->call->out, line, look->now_s);
	return true;
}

static void
put_grant(struct look *look, const char *cred, const struct grant *grant)
{
	struct json *j = &look->json;
	struct buf *out = &look->call->out;
	enum limit_counted counted = (enum limit_counted)grant->counted;
	struct buf amount = {.cap = 64};
	char until[CLOCK_HUMAN_SIZE];

	if (look->call->request.json) {
		json_open_object(j, NULL);
		json_str(j, "cred", cred);
		json_str(j, "counted", limit_counted_name(counted));
		json_u64(j, "amount", grant->amount);
		json_time(j, "until", grant->until_wall_s);
		json_close_object(j);
		return;
	}
	if (look->grants == 0)
		buf_printf(out, "%s%-31s %-20s %10s %s\n",
			   look->any ? "\n" : "", "GRANTED TO", "MORE",
			   "AMOUNT", "UNTIL");
	amount_text(&amount, counted, grant->amount);
	clock_human(grant->until_wall_s, look->now_s, until);
	text_cell(out, slice_str(cred), 31);
	buf_printf(out, " %-20s %10s %s\n", limit_counted_name(counted),
		   buf_cstr(&amount), until);
	buf_fini(&amount);
}

static bool
on_account(void *arg, const struct account_view *view)
{
	struct look *look = arg;

	for (size_t i = 0; i < view->grant_count; i++) {
		if (view->grants[i].until_wall_s <= look->now_s)
			continue;
		put_grant(look, view->cred, &view->grants[i]);
		look->grants++;
	}
	return look->grants < GRANTS_SHOWN;
}

static bool
who_options(struct call *call, struct look_at *at)
{
	const char *cred = command_option(&call->line, "cred");
	const char *ip = command_option(&call->line, "ip");

	return (cred == NULL || look_at_cred(call, "--cred", cred, at)) &&
	       (ip == NULL || look_at_ip(call, "--ip", ip, at));
}

enum call_next
command_limits(struct call *call)
{
	struct look look = {.call = call, .now_s = clock_wall_s()};
	struct look_at at = {0};
	struct json *j = &look.json;

	if (!who_options(call, &at)) {
		look_at_fini(&at);
		return CALL_DONE;
	}
	look.only_grants = at.who.cred == NULL && !at.has_ip;
	json_init(j, &call->out);
	if (call->request.json) {
		json_open_object(j, NULL);
		json_str(j, "cred", at.who.cred);
		json_str(j, "class", at.who.class);
		json_str(j, "ip", at.has_ip ? at.ip : NULL);
		json_open_array(j, "limits");
	}
	limits_each(call->control->limits, &at.who, clock_mono_us(), on_line,
		    &look);
	if (call->request.json) {
		json_close_array(j);
		json_open_array(j, "grants");
	}
	if (at.who.cred != NULL || look.only_grants)
		accounts_each(call->control->accounts, at.who.cred, on_account,
			      &look);
	if (call->request.json) {
		json_close_array(j);
		json_close_object(j);
		buf_add_byte(&call->out, '\n');
	} else if (!look.any) {
		buf_add_str(&call->out,
			    look.only_grants
				? "There are no limits in gateway.conf.\n"
				: "No limit applies.\n");
	}
	look_at_fini(&at);
	return CALL_DONE;
}

/* --- grant ------------------------------------------------------------------
 */

static const struct {
	const char *option;
	enum limit_counted counted;
} grantable[] = {
    {"recipients", LIMIT_RECIPIENTS},
    {"internal-recipients", LIMIT_INTERNAL_RECIPIENTS},
    {"all-recipients", LIMIT_ALL_RECIPIENTS},
    {"messages", LIMIT_MESSAGES},
    {"bytes", LIMIT_BYTES},
};
#define GRANTABLE (sizeof(grantable) / sizeof(grantable[0]))

struct granting {
	struct json json;
	char cred[SELECTION_VALUE_SIZE];
	struct grant grants[GRANTABLE];
	size_t count;
	bool withdraw;
};

static bool
amounts(struct call *call, struct granting *g, int64_t until_s)
{
	for (size_t i = 0; i < GRANTABLE; i++) {
		const char *text =
		    command_option(&call->line, grantable[i].option);
		struct grant *grant = &g->grants[g->count];
		struct slice s = slice_str(text);

		if (text == NULL)
			continue;
		if ((grantable[i].counted == LIMIT_BYTES
			 ? units_size(s, &grant->amount)
			 : units_count(s, &grant->amount)) != 0 ||
		    grant->amount > GRANT_MOST) {
			call_usage(call, "--%s takes a %s", grantable[i].option,
				   grantable[i].counted == LIMIT_BYTES
				       ? "size, like 500M"
				       : "number");
			return false;
		}
		grant->counted = (uint8_t)grantable[i].counted;
		grant->until_wall_s = until_s;
		if (grant->amount > 0 && until_s == 0) {
			call_usage(call, "--until is missing: a grant has an "
					 "end (18:00, a date, or 2h)");
			return false;
		}
		g->count++;
	}
	return true;
}

static bool
grant_options(struct call *call, struct granting *g)
{
	const char *cred = command_option(&call->line, "cred");
	const char *until = command_option(&call->line, "until");
	int64_t until_s;

	g->withdraw = command_option(&call->line, "withdraw") != NULL;
	if (cred == NULL) {
		call_usage(call, "--cred is missing: sluice grant --cred NAME "
				 "--recipients N --until 18:00");
		return false;
	}
	if (!cred_parse(call, "--cred", cred, g->cred) ||
	    !until_option(call, &until_s) || !amounts(call, g, until_s))
		return false;
	if ((g->count == 0) == !g->withdraw || (g->withdraw && until != NULL)) {
		call_usage(call, "either what is granted (--recipients N "
				 "--until 18:00), or --withdraw");
		return false;
	}
	return true;
}

static bool
withdraw_each(void *arg, const struct account_view *view)
{
	struct granting *g = arg;

	for (size_t i = 0; i < view->grant_count && g->count < GRANTABLE; i++)
		g->grants[g->count++] =
		    (struct grant){.counted = view->grants[i].counted};
	return false;
}

static bool
grant_all(struct call *call, struct granting *g)
{
	struct accounts *accounts = call->control->accounts;
	bool any = false;
	int err;

	if (g->withdraw)
		accounts_each(accounts, g->cred, withdraw_each, g);
	for (size_t i = 0; i < g->count; i++) {
		err = accounts_grant(accounts, g->cred, &g->grants[i],
				     clock_wall_s());
		if (err == GW_ENOENT)
			continue;
		if (err != 0) {
			call_fail(call, "it cannot be granted: %s",
				  gw_err_text(err));
			return any;
		}
		any = true;
	}
	if (!any)
		call_fail(call, "nothing was granted to it ('sluice limits' "
				"lists all grants)");
	return any;
}

static void
grant_text(struct call *call, const struct granting *g,
	   const struct grant *grant)
{
	struct buf *out = &call->out;
	char until[CLOCK_HUMAN_SIZE];

	escape_text(out, slice_str(g->cred));
	if (grant->amount == 0) {
		buf_printf(
		    out, ": no grant of %s any more\n",
		    limit_counted_name((enum limit_counted)grant->counted));
		return;
	}
	clock_human(grant->until_wall_s, clock_wall_s(), until);
	buf_add_str(out, ": ");
	amount_text(out, (enum limit_counted)grant->counted, grant->amount);
	buf_printf(out, " more %s until %s\n",
		   limit_counted_name((enum limit_counted)grant->counted),
		   until);
}

static enum call_next
granted(struct call *call)
{
	struct granting *g = call->state;
	struct json *j = &g->json;

	call_check_durable(call);
	if (call->request.json) {
		json_open_object(j, NULL);
		json_str(j, "cred", g->cred);
		json_open_array(j, "grants");
	}
	for (size_t i = 0; i < g->count; i++) {
		const struct grant *grant = &g->grants[i];

		if (!call->request.json) {
			grant_text(call, g, grant);
			continue;
		}
		json_open_object(j, NULL);
		json_str(
		    j, "counted",
		    limit_counted_name((enum limit_counted)grant->counted));
		json_u64(j, "amount", grant->amount);
		json_time(j, "until",
			  grant->amount > 0 ? grant->until_wall_s : 0);
		json_close_object(j);
	}
	if (call->request.json) {
		json_close_array(j);
		json_bool(j, "durable", call->commit_err == 0);
		json_close_object(j);
		buf_add_byte(&call->out, '\n');
	}
	return CALL_DONE;
}

enum call_next
command_grant(struct call *call)
{
	struct granting *g = mem_zalloc(sizeof(*g));

	call->state = g;
	call->step = granted;
	json_init(&g->json, &call->out);
	if (!grant_options(call, g) || !grant_all(call, g))
		return CALL_DONE;
	account_commit(call, g->cred);
	return CALL_WAIT;
}
