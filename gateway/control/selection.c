/*
 * Everything is brought into the form in which it is kept (logins by
 * gateway/auth, the rest by the block list): what is compared must not depend
 * on how it was typed.
 */
#include "gateway/control/selection.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/auth/user.h"
#include "gateway/base/clock.h"
#include "gateway/base/encode.h"
#include "gateway/base/error.h"
#include "gateway/base/escape.h"
#include "gateway/base/id.h"
#include "gateway/control/call.h"
#include "gateway/control/campaign_text.h"
#include "gateway/control/control_int.h"
#include "gateway/control/when.h"

bool
cred_parse(struct call *call, const char *what, const char *text,
	   char name[SELECTION_VALUE_SIZE])
{
	struct buf out = {.cap = SELECTION_VALUE_SIZE - 1};
	bool ok = user_normalise(slice_str(text),
				 call->control->conf.auth_domain, &out) == 0 &&
		  !out.overflow && memchr(out.p, '\0', out.n) == NULL;

	if (ok) {
		memcpy(name, out.p, out.n);
		name[out.n] = '\0';
	} else {
		call_usage(call,
			   "%s is a login: 1 to 255 bytes of UTF-8 without "
			   "control characters",
			   what);
	}
	buf_fini(&out);
	return ok;
}

bool
value_parse(struct call *call, enum block_kind kind, const char *text,
	    char value[SELECTION_VALUE_SIZE])
{
	struct buf out = {.cap = SELECTION_VALUE_SIZE - 1};
	struct buf error = {.cap = 512};
	bool ok;

	if (kind == BLOCK_CRED)
		return cred_parse(call, "VALUE", text, value);
	ok = blocklist_normalise(kind, slice_str(text), &out, &error) == 0 &&
	     !out.overflow;
	if (ok) {
		memcpy(value, out.p, out.n);
		value[out.n] = '\0';
	} else {
		call_usage(call, "%s", buf_cstr(&error));
	}
	buf_fini(&out);
	buf_fini(&error);
	return ok;
}

/* NULL when it is not given, or the command has no such option. */
static const char *
optional(const struct call *call, const char *name)
{
	for (const struct command_option *o = call->line.command->options;
	     o->name != NULL; o++)
		if (strcmp(o->name, name) == 0)
			return command_option(&call->line, name);
	return NULL;
}

/* --- times ---------------------------------------------------------------- */

static bool
told_time(struct call *call, const char *option, int err)
{
	bool later = strcmp(option, "until") == 0 || strcmp(option, "for") == 0;

	if (err == GW_ETIMEDOUT)
		call_usage(call, "--%s: that is %s", option,
			   later ? "over already" : "still to come");
	else if (err != 0 && strcmp(option, "for") == 0)
		call_usage(call, "--for takes how long: 30m, 2h, 7d");
	else if (err != 0)
		call_usage(call,
			   "--%s takes a time of day (18:00), a date "
			   "(2026-11-22, \"2026-11-22 18:00\") or how long "
			   "%s (2h)",
			   option, later ? "from now" : "ago");
	return err == 0;
}

bool
since_option(struct call *call, const char *option, int64_t *wall_s)
{
	const char *text = command_option(&call->line, option);

	*wall_s = 0;
	return text == NULL ||
	       told_time(call, option,
			 when_since(slice_str(text), clock_wall_s(), wall_s));
}

bool
until_option(struct call *call, int64_t *wall_s)
{
	const char *for_ = optional(call, "for");
	const char *until = optional(call, "until");
	int64_t now_s = clock_wall_s(), span_s = 0;
	int err;

	*wall_s = 0;
	if (for_ != NULL && until != NULL) {
		call_usage(call, "either --for or --until");
		return false;
	}
	if (until != NULL)
		return told_time(call, "until",
				 when_until(slice_str(until), now_s, wall_s));
	if (for_ == NULL)
		return true;
	err = when_span(slice_str(for_), &span_s);
	if (err == 0)
		*wall_s = now_s + span_s;
	return told_time(call, "for", err);
}

/* --- options ---------------------------------------------------------------
 */

static bool
value_option(struct call *call, const char *option, enum block_kind kind,
	     char value[SELECTION_VALUE_SIZE])
{
	const char *text = optional(call, option);

	return text == NULL || value_parse(call, kind, text, value);
}

static bool
id_option(struct call *call, const char *option, const char *text, uint64_t *id)
{
	if (id_parse(slice_str(text), id) == 0 && *id != 0)
		return true;
	call_usage(call,
		   "--%s: an id is 13 letters and digits, as in the log and in "
		   "'sluice queue list'",
		   option);
	return false;
}

/* The digest itself, or a message whose body is meant. */
static bool
body_option(struct call *call, const char *text, struct selection *what)
{
	char hex[SELECTION_VALUE_SIZE];
	struct spool_msg *msg = NULL;
	uint64_t id;
	int err;

	if (strlen(text) != ID_TEXT_SIZE - 1)
		return value_parse(call, BLOCK_HASH, text, hex) &&
		       selection_of_rule(BLOCK_HASH, hex, what) == 0;
	if (!id_option(call, "body", text, &id))
		return false;
	err = spool_load(call->control->spool, id, &msg);
	if (err == 0) {
		memcpy(what->body, msg->body.digest, DIGEST_SIZE);
		what->has_body = true;
	} else {
		call_fail(call, "%s is not in the queue: %s", text,
			  gw_err_text(err));
	}
	spool_msg_destroy(&msg);
	return err == 0;
}

bool
selection_parse(struct call *call, struct selection *what)
{
	const char *ip = optional(call, "ip"), *id = optional(call, "id");
	const char *body = optional(call, "body");
	const char *campaign = optional(call, "campaign");
	char value[SELECTION_VALUE_SIZE];

	memset(what, 0, sizeof(*what));
	if (optional(call, "cred") != NULL &&
	    !cred_parse(call, "--cred", optional(call, "cred"), what->cred))
		return false;
	if (!value_option(call, "from", BLOCK_FROM, what->from) ||
	    !value_option(call, "domain", BLOCK_DOMAIN, what->domain))
		return false;
	if (ip != NULL && (!value_parse(call, BLOCK_IP, ip, value) ||
			   selection_of_rule(BLOCK_IP, value, what) != 0))
		return false;
	if (body != NULL && !body_option(call, body, what))
		return false;
	if (id != NULL && !id_option(call, "id", id, &what->id))
		return false;
	if (campaign != NULL &&
	    !campaign_number(slice_str(campaign), &what->campaign)) {
		call_usage(call, "--campaign takes its number: C7");
		return false;
	}
	if (optional(call, "since") != NULL &&
	    !since_option(call, "since", &what->since_wall_s))
		return false;
	return optional(call, "before") == NULL ||
	       since_option(call, "before", &what->before_wall_s);
}

void
selection_view(const struct selection *what, struct back_select *select)
{
	*select = (struct back_select){
	    .cred = what->cred[0] != '\0' ? what->cred : NULL,
	    .ip = what->has_ip ? &what->ip : NULL,
	    .from = what->from[0] != '\0' ? what->from : NULL,
	    .domain = what->domain[0] != '\0' ? what->domain : NULL,
	    .body = what->has_body ? what->body : NULL,
	    .id = what->id,
	    .campaign = what->campaign,
	    .since_wall_s = what->since_wall_s,
	    .before_wall_s = what->before_wall_s,
	};
}

unsigned
selection_count(const struct selection *what)
{
	return (unsigned)((what->cred[0] != '\0') + (what->from[0] != '\0') +
			  (what->domain[0] != '\0') + what->has_ip +
			  what->has_body + (what->id != 0) +
			  (what->campaign != 0));
}

static void
body_hex(const struct selection *what, char out[2 * DIGEST_SIZE + 1])
{
	struct buf hex = {.cap = 2 * DIGEST_SIZE};

	hex_encode(&hex, slice_of(what->body, DIGEST_SIZE));
	memcpy(out, hex.p, 2 * DIGEST_SIZE);
	out[2 * DIGEST_SIZE] = '\0';
	buf_fini(&hex);
}

bool
selection_rule(const struct selection *what, enum block_kind *kind, char *value)
{
	if (selection_count(what) != 1 || what->id != 0 || what->campaign != 0)
		return false;
	if (what->cred[0] != '\0') {
		*kind = BLOCK_CRED;
		memcpy(value, what->cred, SELECTION_VALUE_SIZE);
	} else if (what->from[0] != '\0') {
		*kind = BLOCK_FROM;
		memcpy(value, what->from, SELECTION_VALUE_SIZE);
	} else if (what->domain[0] != '\0') {
		*kind = BLOCK_DOMAIN;
		memcpy(value, what->domain, SELECTION_VALUE_SIZE);
	} else if (what->has_ip) {
		*kind = BLOCK_IP;
		ip_prefix_format(&what->ip, value);
	} else {
		*kind = BLOCK_HASH;
		body_hex(what, value);
	}
	return true;
}

static int
copy_value(char out[SELECTION_VALUE_SIZE], const char *value)
{
	size_t n = strlen(value);

	if (n >= SELECTION_VALUE_SIZE)
		return GW_EINVAL;
	memcpy(out, value, n + 1);
	return 0;
}

int
selection_of_rule(enum block_kind kind, const char *value,
		  struct selection *what)
{
	struct buf raw = {.cap = DIGEST_SIZE};
	int err = GW_EINVAL;

	switch (kind) {
	case BLOCK_CRED:
		return copy_value(what->cred, value);
	case BLOCK_FROM:
		return copy_value(what->from, value);
	case BLOCK_DOMAIN:
		return copy_value(what->domain, value);
	case BLOCK_IP:
		err = ip_prefix_parse(slice_str(value), &what->ip);
		what->has_ip = err == 0;
		return err;
	case BLOCK_HASH:
		err = hex_decode(&raw, slice_str(value));
		what->has_body = err == 0 && raw.n == DIGEST_SIZE;
		if (what->has_body)
			memcpy(what->body, raw.p, DIGEST_SIZE);
		buf_fini(&raw);
		return what->has_body ? 0 : GW_EINVAL;
	case BLOCK_KINDS:
		break;
	}
	return err;
}

/* --- in words ---------------------------------------------------------------
 */

static void
put(struct buf *out, const char *name, const char *value)
{
	if (out->n > 0)
		buf_add_str(out, ", ");
	buf_add_str(out, name);
	buf_add_byte(out, ' ');
	escape_text(out, slice_str(value));
}

static void
put_time(struct buf *out, const char *name, int64_t wall_s, int64_t now_wall_s)
{
	char text[CLOCK_HUMAN_SIZE];

	if (wall_s == 0)
		return;
	clock_human(wall_s, now_wall_s, text);
	put(out, name, text);
}

void
selection_text(const struct selection *what, int64_t now_wall_s,
	       struct buf *out)
{
	char ip[IP_TEXT_SIZE + 4], hex[2 * DIGEST_SIZE + 1], id[24];
	struct buf text = {.cap = 2048};

	if (what->cred[0] != '\0')
		put(&text, "login", what->cred);
	if (what->has_ip) {
		ip_prefix_format(&what->ip, ip);
		put(&text, "address", ip);
	}
	if (what->from[0] != '\0')
		put(&text, "sender", what->from);
	if (what->domain[0] != '\0')
		put(&text, "recipients at", what->domain);
	if (what->has_body) {
		body_hex(what, hex);
		hex[12] = '\0';
		put(&text, "body", hex);
		buf_add_str(&text, "...");
	}
	if (what->id != 0) {
		id_format(what->id, id);
		put(&text, "message", id);
	}
	if (what->campaign != 0) {
		snprintf(id, sizeof(id), "C%" PRIu64, what->campaign);
		put(&text, "campaign", id);
	}
	put_time(&text, "since", what->since_wall_s, now_wall_s);
	put_time(&text, "before", what->before_wall_s, now_wall_s);
	if (text.n == 0)
		buf_add_str(&text, "all mail");
	buf_add_slice(out, buf_slice(&text));
	buf_fini(&text);
}
