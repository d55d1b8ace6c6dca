#include "gateway/control/domain_text.h"

#include <string.h>

#include "dns/name.h"
#include "gateway/base/address.h"
#include "gateway/base/clock.h"
#include "gateway/base/escape.h"
#include "gateway/control/text.h"

/* --- names -----------------------------------------------------------------
 */

static bool
is_name(const char *domain, enum domain_form form)
{
	switch (form) {
	case DOMAIN_ANYHOW:
		return true;
	case DOMAIN_BELOW:
		return dns_name_ok(
		    slice_str(domain[0] == '.' ? domain + 1 : domain));
	case DOMAIN_ITSELF:
		break;
	}
	return dns_name_ok(slice_str(domain));
}

bool
domain_operand(struct call *call, enum domain_form form,
	       char domain[DOMAIN_TEXT_SIZE])
{
	struct slice text = slice_str(command_operand(&call->line, 0));
	struct buf shown = {.cap = 512};
	size_t n;

	if (memchr(text.p, '@', text.n) != NULL)
		text = address_domain(text);
	n = address_domain_fold(text, domain, DOMAIN_TEXT_SIZE - 1);
	domain[n] = '\0';
	if (n > 0 && is_name(domain, form))
		return true;
	escape_text(&shown, slice_head(text, 100));
	call_usage(call,
		   form == DOMAIN_BELOW
		       ? "'%s' is no domain: example.com, or .example.com "
			 "with all below it"
		       : "'%s' is no domain",
		   buf_cstr(&shown));
	buf_fini(&shown);
	return false;
}

void
domain_put(struct buf *out, const char *domain)
{
	escape_text(out, slice_str(domain));
}

void
domain_allow_json(const struct domain_allow *allow, const char *key,
		  struct json *j)
{
	json_open_object(j, key);
	json_str(j, "domain", allow->domain);
	json_time(j, "since", allow->since_wall_s);
	json_time(j, "until", allow->until_wall_s);
	json_str(j, "by", allow->by);
	json_str(j, "why", allow->why[0] != '\0' ? allow->why : NULL);
	json_close_object(j);
}

/* --- one domain ------------------------------------------------------------
 */

static void
put_decision(const struct domain_decision *decision, struct buf *out)
{
	const struct reply *reply = &decision->reply;

	switch (decision->action) {
	case DOMAIN_ACCEPT:
		buf_add_str(out, "accepted\n");
		return;
	case DOMAIN_DROP:
		buf_add_str(out, "accepted and dropped: one report for each "
				 "message tells of it\n");
		return;
	case DOMAIN_PROVISIONAL:
	case DOMAIN_DEFER:
	case DOMAIN_REFUSE:
		break;
	}
	buf_printf(out, "%d %s ", reply->code, reply->enhanced);
	escape_text(out, slice_str(reply->text));
	buf_add_byte(out, '\n');
}

static void
put_exempt(const struct domain_view *view, int64_t now_wall_s, struct buf *out)
{
	char until[CLOCK_HUMAN_SIZE];

	if (view->exempt == NULL)
		return;
	buf_printf(out, "  not asked   %s", view->exempt);
	if (view->allow != NULL) {
		if (view->allow->until_wall_s != 0) {
			clock_human(view->allow->until_wall_s, now_wall_s,
				    until);
			buf_printf(out, " until %s", until);
		}
		buf_add_str(out, " by ");
		escape_text(out, slice_str(view->allow->by));
		if (view->allow->why[0] != '\0') {
			buf_add_str(out, ": ");
			escape_text(out, slice_str(view->allow->why));
		}
	}
	buf_add_byte(out, '\n');
}

static void
put_times(const struct domain_fact *fact, int64_t now_wall_s, struct buf *out)
{
	char until[CLOCK_HUMAN_SIZE];

	if (fact->since_wall_s == 0)
		return;
	buf_add_str(out, "  age         ");
	text_span(out, now_wall_s > fact->since_wall_s
			   ? now_wall_s - fact->since_wall_s
			   : 0);
	if (fact->until_wall_s != 0) {
		clock_human(fact->until_wall_s, now_wall_s, until);
		buf_printf(out, "; asked again after %s", until);
	}
	buf_add_str(out, fact->stale ? "; stale: the resolver fails\n" : "\n");
}

void
domain_view_text(const struct domain_view *view, int64_t now_wall_s,
		 struct buf *out)
{
	domain_put(out, view->domain);
	buf_printf(out, "\n  verdict     %s: %s\n",
		   domain_verdict_name(view->fact.verdict),
		   domain_reason_text(view->fact.reason));
	put_times(&view->fact, now_wall_s, out);
	if (view->text[0] != '\0') {
		buf_add_str(out, "  just now    ");
		text_last(out, slice_str(view->text), 0);
		buf_add_byte(out, '\n');
	}
	put_exempt(view, now_wall_s, out);
	buf_add_str(out, "  at RCPT     ");
	put_decision(&view->first, out);
	if (view->later.action != view->first.action) {
		buf_add_str(out, "  among many  ");
		put_decision(&view->later, out);
	}
}

static void
json_decision(const struct domain_decision *decision, const char *key,
	      struct json *j)
{
	static const char *const names[] = {
	    [DOMAIN_ACCEPT] = "accept", [DOMAIN_PROVISIONAL] = "provisional",
	    [DOMAIN_DROP] = "drop",	[DOMAIN_DEFER] = "defer",
	    [DOMAIN_REFUSE] = "refuse",
	};
	bool says = decision->action != DOMAIN_ACCEPT &&
		    decision->action != DOMAIN_DROP;

	json_open_object(j, key);
	json_str(j, "action", names[decision->action]);
	if (says) {
		json_i64(j, "code", decision->reply.code);
		json_str(j, "enhanced", decision->reply.enhanced);
		json_str(j, "text", decision->reply.text);
	}
	json_close_object(j);
}

void
domain_view_json(const struct domain_view *view, struct buf *out)
{
	const struct domain_fact *fact = &view->fact;
	struct json j;

	json_init(&j, out);
	json_open_object(&j, NULL);
	json_str(&j, "domain", view->domain);
	json_str(&j, "verdict", domain_verdict_name(fact->verdict));
	json_str(&j, "reason", domain_reason_text(fact->reason));
	json_time(&j, "since", fact->since_wall_s);
	json_time(&j, "until", fact->until_wall_s);
	json_bool(&j, "stale", fact->stale);
	json_str(&j, "answer", view->text[0] != '\0' ? view->text : NULL);
	json_bool(&j, "asked_about", view->exempt == NULL);
	json_str(&j, "not_asked_why", view->exempt);
	if (view->allow != NULL)
		domain_allow_json(view->allow, "allow", &j);
	json_str(&j, "class", view->class);
	json_decision(&view->first, "rcpt", &j);
	json_decision(&view->later, "rcpt_among_many", &j);
	json_close_object(&j);
	buf_add_byte(out, '\n');
}
