/*
 * sluice domain show: what is known of a domain, or else what DNS says of it
 * now, and what a client would hear. The question is control's own: it takes
 * nobody's budget, and waits for nobody.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/domain_text.h"

#define WAIT_MS 10000
/* Beyond the first recipients, however many those are. */
#define MANY UINT32_MAX

struct show {
	struct call *call;
	struct dns_domain_op *op;
	char domain[DOMAIN_TEXT_SIZE];
	struct domain_fact fact;
	char text[256];
};

static void
show_fini(void *state)
{
	dns_domain_cancel(&((struct show *)state)->op);
}

static enum call_next
answer(struct call *call)
{
	struct show *show = call->state;
	struct domains *domains = call->control->domains;
	struct slice domain = slice_str(show->domain);
	int64_t now_wall_s = clock_wall_s();
	struct domain_allow allow;
	struct domain_view view = {
	    .domain = show->domain,
	    .class = command_option(&call->line, "class"),
	    .fact = show->fact,
	    .text = show->text,
	};

	if (!domains_asks(domains, domain, now_wall_s)) {
		view.exempt = "ours, or of a route of its own";
		if (!call->control->conf.dns_check)
			view.exempt = "'check off'";
		if (domains_allow_find(domains, domain, now_wall_s, &allow)) {
			view.exempt = "allowed";
			view.allow = &allow;
		}
	} else {
		domains_decide(domains, view.class, &view.fact, domain, 0,
			       &view.first);
		domains_decide(domains, view.class, &view.fact, domain, MANY,
			       &view.later);
	}
	if (call->request.json)
		domain_view_json(&view, &call->out);
	else
		domain_view_text(&view, now_wall_s, &call->out);
	return CALL_DONE;
}

static void
on_known(void *arg, const struct dns_domain_result *result)
{
	struct show *show = arg;

	show->op = NULL;
	show->fact = result->fact;
	snprintf(show->text, sizeof(show->text), "%s", result->text);
	call_ended(show->call);
}

enum call_next
command_domain_show(struct call *call)
{
	struct show *show = mem_zalloc(sizeof(*show));
	struct dns_domain_req req = {.domain = show->domain,
				     .wait_ms = WAIT_MS};
	struct resolver *resolver = call->control->resolver;

	show->call = call;
	call->state = show;
	call->state_fini = show_fini;
	if (resolver == NULL) {
		call_fail(call, "this daemon knows nothing of domains");
		return CALL_DONE;
	}
	if (!domain_operand(call, DOMAIN_ANYHOW, show->domain))
		return CALL_DONE;
	if (dns_domain_known(resolver_dns(resolver), slice_str(show->domain),
			     clock_wall_s(), &show->fact))
		return answer(call);
	call->step = answer;
	call->under_way++;
	show->op =
	    dns_domain_start(resolver_dns(resolver), &req, on_known, show);
	return CALL_WAIT;
}
