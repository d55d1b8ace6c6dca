/*
 * sluice dkim show: what DNS must say so that others can verify what is signed
 * here. The lines are those of a zone file; a string in one has 255 bytes at
 * most, so a key is in several (RFC 6376, 3.6.2.2), which readers join.
 */
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/escape.h"
#include "gateway/base/json.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/dkim/keys.h"

#define STRING_MAX 255

static void
put_strings(struct buf *out, struct slice text)
{
	for (; text.n > 0; text = slice_from(text, STRING_MAX)) {
		buf_add_str(out, " \"");
		buf_add_slice(out, slice_head(text, STRING_MAX));
		buf_add_byte(out, '"');
	}
}

static void
put_json(struct json *j, const struct dkim_domain *domain,
	 const struct dkim_selector *selector, const char *kind,
	 const char *name, const char *record)
{
	json_open_object(j, NULL);
	json_str(j, "domain", domain->name);
	json_str(j, "selector", selector->name);
	json_str(j, "algorithm", dkim_key_algorithm(selector->key));
	json_str(j, "key", kind);
	json_str(j, "lanes", domain->bulk ? "bulk" : "all");
	json_bool(j, "subdomains", domain->below);
	json_str(j, "name", name);
	json_str(j, "txt", record);
	json_close_object(j);
}

static void
show(struct call *call, struct json *j, const struct dkim_domain *domain,
     const struct dkim_selector *selector)
{
	struct buf kind = {.cap = 32}, name = {.cap = 1024};
	struct buf record = {.cap = 4096};

	dkim_key_kind(selector->key, &kind);
	dkim_key_record(selector->key, &record);
	buf_printf(&name, "%s._domainkey.%s", selector->name, domain->name);
	if (call->request.json) {
		put_json(j, domain, selector, buf_cstr(&kind), buf_cstr(&name),
			 buf_cstr(&record));
	} else {
		buf_printf(&call->out, "; %s, signs %s\n%s. IN TXT (",
			   buf_cstr(&kind),
			   domain->bulk ? "mass mailings" : "all mail",
			   buf_cstr(&name));
		put_strings(&call->out, buf_slice(&record));
		buf_add_str(&call->out, " )\n");
	}
	buf_fini(&kind);
	buf_fini(&name);
	buf_fini(&record);
}

/* Everything, or what is asked for, in any spelling. */
static bool
is_asked(const struct call *call, const struct dkim_domain *domain)
{
	const char *asked = command_operand(&call->line, 0);
	char key[256];
	size_t n;

	if (asked == NULL)
		return true;
	n = address_domain_fold(slice_str(asked), key, sizeof(key));
	return slice_eq(slice_of(key, n), slice_str(domain->name));
}

enum call_next
command_dkim_show(struct call *call)
{
	const struct control_host *host = &call->control->host;
	const struct dkim_keys *keys =
	    host->dkim != NULL ? host->dkim(host->arg) : NULL;
	const char *asked = command_operand(&call->line, 0);
	const struct dkim_domain *domain = NULL;
	struct buf shown = {.cap = 1024};
	size_t count = 0;
	struct json j;

	json_init(&j, &call->out);
	if (call->request.json)
		json_open_array(&j, NULL);
	while ((domain = dkim_keys_next(keys, domain)) != NULL) {
		if (!is_asked(call, domain))
			continue;
		for (size_t i = 0; i < domain->selector_count; i++, count++)
			show(call, &j, domain, &domain->selectors[i]);
	}
	if (call->request.json) {
		json_close_array(&j);
		buf_add_byte(&call->out, '\n');
	}
	if (count == 0 && asked != NULL) {
		escape_text(&shown, slice_head(slice_str(asked), 255));
		call_fail(call, "there is no 'dkim %s' in the configuration",
			  buf_cstr(&shown));
	} else if (count == 0 && !call->request.json) {
		buf_add_str(&call->out, "Nothing is signed.\n");
	}
	buf_fini(&shown);
	return CALL_DONE;
}
