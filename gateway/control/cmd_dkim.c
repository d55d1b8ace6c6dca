/*
 * sluice dkim show: what DNS must say so that others can verify what is signed
 * here. The lines are those of a zone file; a string in one has 255 bytes at
 * most, so a key is in several (RFC 6376, 3.6.2.2), which readers join.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/arena.h"
#include "gateway/base/json.h"
#include "gateway/base/mem.h"
#include "gateway/control/control_int.h"
#include "gateway/control/dkim_names.h"
#include "gateway/control/text.h"
#include "gateway/dkim/keys.h"

#define STRING_MAX 255

/* --- which -----------------------------------------------------------------
 */

static const char *
kept(struct arena *arena, struct buf *text)
{
	const char *copy = arena_dup(arena, buf_slice(text));

	buf_fini(text);
	return copy;
}

static void
add(struct dkim_name *to, struct arena *arena, const struct dkim_domain *domain,
    const struct dkim_selector *selector)
{
	struct buf kind = {.cap = 32}, name = {.cap = 1024};
	struct buf record = {.cap = 4096};

	dkim_key_kind(selector->key, &kind);
	dkim_key_record(selector->key, &record);
	buf_printf(&name, "%s._domainkey.%s", selector->name, domain->name);
	*to = (struct dkim_name){
	    .domain = arena_dup(arena, slice_str(domain->name)),
	    .selector = arena_dup(arena, slice_str(selector->name)),
	    .algorithm = dkim_key_algorithm(selector->key),
	    .kind = kept(arena, &kind),
	    .bulk = domain->bulk,
	    .below = domain->below,
	    .name = kept(arena, &name),
	    .record = kept(arena, &record),
	};
}

/* In any spelling. */
static bool
is_asked(const char *asked, const struct dkim_domain *domain)
{
	char key[256];
	size_t n;

	if (asked == NULL)
		return true;
	n = address_domain_fold(slice_str(asked), key, sizeof(key));
	return slice_eq(slice_of(key, n), slice_str(domain->name));
}

static void
tell_none(struct call *call, const char *asked)
{
	struct buf shown = {.cap = 1024};

	if (asked != NULL) {
		text_last(&shown, slice_str(asked), 60);
		call_fail(call, "there is no 'dkim %s' in the configuration",
			  buf_cstr(&shown));
	} else {
		buf_add_str(&call->out, call->request.json
					    ? "[]\n"
					    : "Nothing is signed.\n");
	}
	buf_fini(&shown);
}

size_t
dkim_names(struct call *call, struct arena *arena, struct dkim_name **names)
{
	const struct control_host *host = &call->control->host;
	const struct dkim_keys *keys =
	    host->dkim != NULL ? host->dkim(host->arg) : NULL;
	const char *asked = command_operand(&call->line, 0);
	const struct dkim_domain *domain = NULL;
	size_t count = 0, room = 0;

	*names = NULL;
	while ((domain = dkim_keys_next(keys, domain)) != NULL) {
		if (!is_asked(asked, domain))
			continue;
		room += domain->selector_count;
		*names = mem_resize(*names, (room + 1) * sizeof(**names));
		for (size_t i = 0; i < domain->selector_count; i++)
			add(&(*names)[count++], arena, domain,
			    &domain->selectors[i]);
	}
	if (count == 0)
		tell_none(call, asked);
	return count;
}

/* --- show ------------------------------------------------------------------
 */

static void
put_json(struct json *j, const struct dkim_name *name)
{
	json_open_object(j, NULL);
	json_str(j, "domain", name->domain);
	json_str(j, "selector", name->selector);
	json_str(j, "algorithm", name->algorithm);
	json_str(j, "key", name->kind);
	json_str(j, "lanes", name->bulk ? "bulk" : "all");
	json_bool(j, "subdomains", name->below);
	json_str(j, "name", name->name);
	json_str(j, "txt", name->record);
	json_close_object(j);
}

static void
put_text(struct buf *out, const struct dkim_name *name)
{
	struct slice text = slice_str(name->record);

	buf_printf(out, "; %s, signs %s\n%s. IN TXT (", name->kind,
		   name->bulk ? "mass mailings" : "all mail", name->name);
	for (; text.n > 0; text = slice_from(text, STRING_MAX)) {
		buf_add_str(out, " \"");
		buf_add_slice(out, slice_head(text, STRING_MAX));
		buf_add_byte(out, '"');
	}
	buf_add_str(out, " )\n");
}

enum call_next
command_dkim_show(struct call *call)
{
	struct arena *arena = arena_create(4096);
	struct dkim_name *names;
	size_t count = dkim_names(call, arena, &names);
	struct json j;

	json_init(&j, &call->out);
	if (call->request.json && count > 0)
		json_open_array(&j, NULL);
	for (size_t i = 0; i < count; i++) {
		if (call->request.json)
			put_json(&j, &names[i]);
		else
			put_text(&call->out, &names[i]);
	}
	if (call->request.json && count > 0) {
		json_close_array(&j);
		buf_add_byte(&call->out, '\n');
	}
	free(names);
	arena_destroy(&arena);
	return CALL_DONE;
}
