/*
 * sluice domain allow|disallow|flush|list. An allow is in force when
 * policy/domains has taken it; what follows is the disk. Mail that waits for a
 * domain of which now something else is true is made due at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/escape.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/domain_text.h"
#include "gateway/control/text.h"

struct doing {
	struct json json;
	char domain[DOMAIN_TEXT_SIZE]; /* key form, perhaps ".b"; "": all */
	int64_t until_wall_s;
	uint64_t forgotten;
	bool again; /* allowed already, and anew */
};

static struct doing *
doing_create(struct call *call)
{
	struct doing *doing = mem_zalloc(sizeof(*doing));

	call->state = doing;
	json_init(&doing->json, &call->out);
	return doing;
}

static bool
has_domains(struct call *call)
{
	if (call->control->domains != NULL)
		return true;
	call_fail(call, "this daemon knows nothing of domains");
	return false;
}

/* --- what was waiting ------------------------------------------------------
 */

/* ".b" is b and all below: a flush takes one name, so everything is looked at
 * again, which is what happens to deferred mail anyway. */
static void
make_due(struct call *call, const char *domain)
{
	const struct back_flush what = {.domain =
					    domain[0] == '.' ? NULL : domain};

	back_flush(call->control->back, &what);
}

static void
forget(struct call *call, struct doing *doing)
{
	struct control *control = call->control;
	const char *domain = doing->domain;

	/* a cache knows names, not what is below them */
	if (domain[0] == '.')
		return;
	doing->forgotten =
	    dns_cache_flush(control->dns_cache,
			    domain[0] == '\0' ? SLICE_NONE : slice_str(domain));
	if (control->host.flushed != NULL)
		control->host.flushed(control->host.arg);
}

/* --- allow and disallow ----------------------------------------------------
 */

static void
put_result(struct call *call, const char *result)
{
	struct doing *doing = call->state;
	struct json *j = &doing->json;

	json_open_object(j, NULL);
	json_str(j, "domain", doing->domain[0] ? doing->domain : NULL);
	json_str(j, "result", result);
	json_time(j, "until", doing->until_wall_s);
	json_bool(j, "durable", call->commit_err == 0);
	json_close_object(j);
	buf_add_byte(&call->out, '\n');
}

static enum call_next
allowed(struct call *call)
{
	struct doing *doing = call->state;
	char until[CLOCK_HUMAN_SIZE];

	call_check_durable(call);
	if (call->request.json) {
		put_result(call, doing->again ? "renewed" : "allowed");
		return CALL_DONE;
	}
	domain_put(&call->out, doing->domain);
	buf_add_str(&call->out, doing->again ? ": allowed already, and renewed"
					     : ": allowed");
	if (doing->until_wall_s != 0) {
		clock_human(doing->until_wall_s, clock_wall_s(), until);
		buf_printf(&call->out, " until %s", until);
	}
	buf_add_str(&call->out, ". DNS is not asked about it.\n");
	return CALL_DONE;
}

static bool
has_allow(struct call *call, const char *domain)
{
	struct domain_allow allow;

	return domains_allow_find(call->control->domains,
				  domain[0] == '.' ? slice_str(domain + 1)
						   : slice_str(domain),
				  clock_wall_s(), &allow) &&
	       strcmp(allow.domain, domain) == 0;
}

/* Rows into the change with its entry in the trail, and off. */
static void
commit(struct call *call, struct change **change, struct domain_change **rows)
{
	const struct store_change *list;
	size_t count;

	list = domain_change_changes(*rows, &count);
	for (size_t i = 0; i < count; i++)
		change_add(*change, &list[i]);
	domain_change_free(rows);
	call_commit(call, change);
}

static void
add(struct call *call, struct doing *doing)
{
	const char *why = command_option(&call->line, "reason");
	struct change *change = call_change(call);
	struct domain_change *rows;
	struct domain_allow allow = {.until_wall_s = doing->until_wall_s,
				     .since_wall_s = clock_wall_s()};
	int err;

	snprintf(allow.domain, sizeof(allow.domain), "%s", doing->domain);
	snprintf(allow.by, sizeof(allow.by), "%s", change_author(change));
	snprintf(allow.why, sizeof(allow.why), "%s", why != NULL ? why : "");
	err = domains_allow_add(call->control->domains, &allow, &rows);
	if (err == 0) {
		change_effect(change, "allowed");
		commit(call, &change, &rows);
		make_due(call, doing->domain);
		return;
	}
	change_destroy(&change);
	if (err == GW_ETOOBIG)
		call_fail(call, "%d domains are allowed already: that is all",
			  DOMAIN_ALLOWS_MAX);
	else
		call_fail(call, "not allowed: %s", gw_err_text(err));
}

enum call_next
command_domain_allow(struct call *call)
{
	struct doing *doing = doing_create(call);

	call->step = allowed;
	if (!has_domains(call) ||
	    !domain_operand(call, DOMAIN_BELOW, doing->domain) ||
	    !until_option(call, &doing->until_wall_s))
		return CALL_DONE;
	doing->again = has_allow(call, doing->domain);
	add(call, doing);
	return call->under_way > 0 ? CALL_WAIT : CALL_DONE;
}

static enum call_next
disallowed(struct call *call)
{
	struct doing *doing = call->state;

	call_check_durable(call);
	if (call->request.json) {
		put_result(call, "disallowed");
		return CALL_DONE;
	}
	domain_put(&call->out, doing->domain);
	buf_add_str(&call->out, ": DNS is asked about it again.\n");
	return CALL_DONE;
}

enum call_next
command_domain_disallow(struct call *call)
{
	struct doing *doing = doing_create(call);
	struct domain_change *rows;
	struct change *change;
	struct buf shown = {.cap = 512};
	int err;

	call->step = disallowed;
	if (!has_domains(call) ||
	    !domain_operand(call, DOMAIN_BELOW, doing->domain))
		return CALL_DONE;
	err = domains_allow_del(call->control->domains,
				slice_str(doing->domain), &rows);
	if (err == 0) {
		change = call_change(call);
		change_effect(change, "asked about again");
		commit(call, &change, &rows);
		return CALL_WAIT;
	}
	domain_put(&shown, doing->domain);
	if (err == GW_ENOENT)
		call_fail(call, "%s was not allowed ('sluice domain list')",
			  buf_cstr(&shown));
	else
		call_fail(call, "%s: %s", buf_cstr(&shown), gw_err_text(err));
	buf_fini(&shown);
	return CALL_DONE;
}

/* --- flush -----------------------------------------------------------------
 */

static enum call_next
flushed(struct call *call)
{
	struct doing *doing = call->state;
	struct json *j = &doing->json;

	call_check_durable(call);
	if (call->request.json) {
		json_open_object(j, NULL);
		json_str(j, "domain", doing->domain[0] ? doing->domain : NULL);
		json_str(j, "result", "flushed");
		json_u64(j, "domains", doing->forgotten);
		json_bool(j, "durable", call->commit_err == 0);
		json_close_object(j);
		buf_add_byte(&call->out, '\n');
		return CALL_DONE;
	}
	if (doing->domain[0] == '\0') {
		buf_add_str(&call->out, "Forgotten: ");
		text_times(&call->out, doing->forgotten, "domain");
		buf_add_str(&call->out, ".\n");
		return CALL_DONE;
	}
	domain_put(&call->out, doing->domain);
	buf_add_str(&call->out, doing->forgotten > 0
				    ? ": forgotten.\n"
				    : ": nothing was known of it.\n");
	return CALL_DONE;
}

enum call_next
command_domain_flush(struct call *call)
{
	struct doing *doing = doing_create(call);
	bool all = command_option(&call->line, "all") != NULL;
	struct change *change;

	if (!has_domains(call))
		return CALL_DONE;
	if (all == (call->line.operand_count == 1)) {
		call_usage(call, "name one domain, or --all");
		return CALL_DONE;
	}
	if (!all && !domain_operand(call, DOMAIN_ITSELF, doing->domain))
		return CALL_DONE;
	forget(call, doing);
	if (!all)
		make_due(call, doing->domain);
	change = call_change(call);
	change_effect(change, "%llu forgotten",
		      (unsigned long long)doing->forgotten);
	call->step = flushed;
	call_commit(call, &change);
	return CALL_WAIT;
}

/* --- list ------------------------------------------------------------------
 */

struct listing {
	struct call *call;
	struct json json;
	int64_t now_wall_s;
	size_t given;
};

static void
list_line(struct buf *out, const struct domain_allow *allow, int64_t now_wall_s)
{
	char until[CLOCK_HUMAN_SIZE] = "-";

	if (allow->until_wall_s != 0)
		clock_human(allow->until_wall_s, now_wall_s, until);
	text_cell(out, slice_str(allow->domain), 32);
	buf_add_byte(out, ' ');
	text_cell(out, slice_str(until), 16);
	buf_add_byte(out, ' ');
	text_cell(out, slice_str(allow->by), 12);
	buf_add_byte(out, ' ');
	text_last(out, slice_str(allow->why), 0);
	buf_add_byte(out, '\n');
}

static bool
on_allow(void *arg, const struct domain_allow *allow)
{
	struct listing *listing = arg;
	struct buf *out = &listing->call->out;

	if (allow->until_wall_s != 0 &&
	    allow->until_wall_s <= listing->now_wall_s)
		return true;
	if (listing->call->request.json)
		domain_allow_json(allow, NULL, &listing->json);
	else if (listing->given == 0 && listing->call->request.tty)
		buf_printf(out, "%-32s %-16s %-12s %s\n", "DOMAIN", "UNTIL",
			   "BY", "WHY");
	if (!listing->call->request.json)
		list_line(out, allow, listing->now_wall_s);
	listing->given++;
	return true;
}

enum call_next
command_domain_list(struct call *call)
{
	struct listing listing = {.call = call, .now_wall_s = clock_wall_s()};

	if (!has_domains(call))
		return CALL_DONE;
	json_init(&listing.json, &call->out);
	if (call->request.json)
		json_open_array(&listing.json, NULL);
	domains_allow_each(call->control->domains, on_allow, &listing);
	if (call->request.json) {
		json_close_array(&listing.json);
		buf_add_byte(&call->out, '\n');
	} else if (call->request.tty && listing.given == 0) {
		buf_add_str(&call->out, "No domain is allowed.\n");
	}
	return CALL_DONE;
}
