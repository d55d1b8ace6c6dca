/*
 * sluice dkim check: whether DNS says what receivers must find there, one
 * question after the other. The list is a copy: a reload may take the keys
 * away while an answer is on its way.
 */
#include <stdlib.h>
#include <string.h>

#include "dns/lookup.h"
#include "gateway/base/arena.h"
#include "gateway/base/error.h"
#include "gateway/base/json.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/dkim_names.h"
#include "gateway/dkim/record.h"

#define OWNER "dkim check"

struct check {
	struct call *call;
	struct arena *arena;
	struct dkim_name *names;
	size_t count, at;
	size_t bad;
	struct dns_op *op;
	struct json json;
};

static void
check_fini(void *state)
{
	struct check *check = state;

	dns_lookup_cancel(&check->op);
	arena_destroy(&check->arena);
	free(check->names);
}

static void
tell(struct check *check, bool good, const char *text, const char *why)
{
	const struct dkim_name *name = &check->names[check->at];
	struct json *j = &check->json;

	check->bad += !good;
	if (!check->call->request.json) {
		buf_printf(&check->call->out, "%s %s%s%s\n", name->name, text,
			   why != NULL ? ": " : "", why != NULL ? why : "");
		return;
	}
	json_open_object(j, NULL);
	json_str(j, "domain", name->domain);
	json_str(j, "selector", name->selector);
	json_str(j, "name", name->name);
	json_bool(j, "good", good);
	json_str(j, "says", text);
	json_str(j, "why", why);
	json_close_object(j);
}

static void
judge(struct check *check, const struct dns_answer *answer)
{
	enum dkim_published published;

	switch (answer->status) {
	case DNS_OK:
		break;
	case DNS_NXDOMAIN:
	case DNS_NODATA:
		tell(check, false,
		     "is not published: nothing that it signs is good", NULL);
		return;
	case DNS_FAIL:
	case DNS_TIMEOUT:
	case DNS_BUSY:
		tell(check, false, "cannot be looked up", answer->text);
		return;
	}
	if (answer->count > 1) {
		tell(check, false,
		     "has several TXT records: receivers take any of them",
		     NULL);
		return;
	}
	published = dkim_record_compare(
	    answer->records[0].data, slice_str(check->names[check->at].record));
	tell(check, published == DKIM_SAME, dkim_published_text(published),
	     NULL);
}

static void
on_answer(void *arg, const struct dns_answer *answer)
{
	struct check *check = arg;

	check->op = NULL;
	judge(check, answer);
	check->at++;
	call_ended(check->call);
}

static enum call_next
finish(struct check *check)
{
	if (check->call->request.json) {
		json_close_array(&check->json);
		buf_add_byte(&check->call->out, '\n');
	}
	if (check->bad > 0)
		check->call->exit = 1;
	return CALL_DONE;
}

static enum call_next
ask(struct call *call)
{
	struct check *check = call->state;
	struct dns_req req = {.type = DNS_TXT, .owner = OWNER};

	if (check->at == check->count)
		return finish(check);
	req.name = check->names[check->at].name;
	call->under_way++;
	check->op = dns_lookup_start(resolver_dns(call->control->resolver),
				     &req, on_answer, check);
	return CALL_WAIT;
}

enum call_next
command_dkim_check(struct call *call)
{
	struct check *check = mem_zalloc(sizeof(*check));

	check->call = call;
	check->arena = arena_create(4096);
	call->state = check;
	call->state_fini = check_fini;
	call->step = ask;
	json_init(&check->json, &call->out);
	check->count = dkim_names(call, check->arena, &check->names);
	if (check->count == 0)
		return CALL_DONE; /* told */
	if (call->control->resolver == NULL) {
		call_fail(call, "this daemon asks no DNS");
		return CALL_DONE;
	}
	if (call->request.json)
		json_open_array(&check->json, NULL);
	return ask(call);
}
