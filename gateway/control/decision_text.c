#include "gateway/control/decision_text.h"

#include <inttypes.h>
#include <stdio.h>

#include "gateway/base/clock.h"
#include "gateway/control/limit_text.h"
#include "gateway/control/text.h"
#include "gateway/scan/words.h"

static const char *
kind_name(enum decision_kind kind)
{
	switch (kind) {
	case DECISION_LIMIT:
		return "limit";
	case DECISION_BLOCK:
		return "block";
	case DECISION_SENDER:
		return "sender";
	case DECISION_SCAN:
		return "scan";
	}
	return "?";
}

static void
field(struct buf *out, const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	buf_printf(out, "  %-10s ", name);
	text_last(out, slice_str(value), 0);
	buf_add_byte(out, '\n');
}

static void
id_field(struct buf *out, const char *name, uint64_t id)
{
	char text[ID_TEXT_SIZE];

	if (id == 0)
		return;
	id_format(id, text);
	field(out, name, text);
}

/* What happened, in a few words. */
static void
put_what(struct buf *out, const struct decision *d)
{
	const char *did = d->code >= 400 ? "refused" : "accepted";

	if (d->kind == DECISION_LIMIT && d->hit.observed) {
		buf_printf(out, "nothing changed (observe); would be: %s",
			   limit_action_name(d->hit.action));
		return;
	}
	buf_printf(out, "%s with %d", did, d->code);
	if (d->kind == DECISION_LIMIT && d->code < 400)
		buf_printf(out, ", but %s",
			   d->hit.action == LIMIT_HOLD	 ? "held"
			   : d->hit.action == LIMIT_BULK ? "sent as bulk"
							 : "sent later");
	if (d->kind == DECISION_SCAN && d->code < 400)
		buf_add_str(out, ", but held");
}

static void
put_scan(struct buf *out, enum scan_kind kind)
{
	switch (kind) {
	case SCAN_CLEAN:
		buf_add_str(out, "the virus scanner found nothing");
		break;
	case SCAN_INFECTED:
		buf_add_str(out, "the virus scanner found something");
		break;
	case SCAN_UNSCANNABLE:
		buf_add_str(out, "the virus scanner cannot look inside");
		break;
	case SCAN_ERROR:
		buf_add_str(out, "no verdict of the virus scanner in time");
		break;
	}
}

static void
put_reason(struct buf *out, const struct decision *d)
{
	switch (d->kind) {
	case DECISION_LIMIT:
		buf_add_str(out, "limit ");
		text_last(out, slice_str(d->hit.name), 0);
		buf_add_str(out, ", ");
		limit_text(out, &d->hit);
		break;
	case DECISION_BLOCK:
		buf_add_str(out, "the block list");
		break;
	case DECISION_SENDER:
		buf_add_str(out, "it may not send as that (from-binding)");
		break;
	case DECISION_SCAN:
		put_scan(out, d->scan);
		break;
	}
}

static void
put_count(struct buf *out, const struct limit_hit *hit, int64_t now_wall_s)
{
	char frees[CLOCK_HUMAN_SIZE];

	buf_add_str(out, "  counted    ");
	amount_text(out, hit->counted, hit->used);
	buf_add_str(out, ", and ");
	amount_text(out, hit->counted, hit->amount);
	buf_add_str(out, " more asked for");
	if (hit->never) {
		buf_add_str(out, ": more than the limit ever lets through");
	} else if (hit->frees_wall_s != 0) {
		clock_human(hit->frees_wall_s, now_wall_s, frees);
		buf_printf(out, "; room again at %s", frees);
	}
	buf_add_byte(out, '\n');
}

/* What an administrator can do about it. */
static void
put_help(struct buf *out, const struct decision *d)
{
	if (d->cred[0] == '\0')
		return;
	if (d->kind == DECISION_SENDER) {
		buf_add_str(out, "  allow it   sluice from add ");
		text_last(out, slice_str(d->cred), 0);
		buf_add_byte(out, ' ');
		text_last(out, slice_str(d->detail), 0);
		buf_add_byte(out, '\n');
	} else if (d->kind == DECISION_LIMIT && !d->hit.observed) {
		buf_add_str(out, "  now        sluice limits --cred ");
		text_last(out, slice_str(d->cred), 0);
		buf_add_str(out, "\n  let more   sluice grant --cred ");
		text_last(out, slice_str(d->cred), 0);
		buf_printf(out, " --%s N --until 18:00\n",
			   d->hit.counted <= LIMIT_BYTES
			       ? limit_counted_name(d->hit.counted)
			       : "messages");
	}
}

void
decision_text(struct buf *out, const struct decision *d, int64_t now_wall_s)
{
	char ref[ID_TEXT_SIZE], at[CLOCK_HUMAN_SIZE], ip[IP_TEXT_SIZE];

	id_format(d->ref, ref);
	clock_human(d->wall_ms / 1000, now_wall_s, at);
	ip_format(&d->client, ip);
	buf_printf(out, "%s  %s, at %s: ", ref, at,
		   d->stage[0] != '\0' ? d->stage : "?");
	put_what(out, d);
	if (d->again > 0) {
		buf_add_str(out, ", and ");
		text_times(out, d->again, "time");
		buf_add_str(out, " more");
	}
	buf_add_str(out, "\n  because    ");
	put_reason(out, d);
	buf_add_byte(out, '\n');
	if (d->kind == DECISION_LIMIT)
		put_count(out, &d->hit, now_wall_s);
	field(out, "login", d->cred);
	field(out, "client", ip);
	id_field(out, "session", d->session);
	id_field(out, "message", d->msg);
	field(out, "about", d->detail);
	put_help(out, d);
}

static void
put_short(struct buf *out, const struct decision *d)
{
	switch (d->kind) {
	case DECISION_LIMIT:
		buf_printf(out, "%s, limit %s: %s ",
			   d->hit.observed ? "observed"
					   : limit_action_name(d->hit.action),
			   d->hit.name, limit_counted_name(d->hit.counted));
		rate_text(out, &d->hit);
		break;
	case DECISION_BLOCK:
		buf_add_str(out, "block list");
		break;
	case DECISION_SENDER:
		buf_add_str(out, "not its sender");
		break;
	case DECISION_SCAN:
		buf_add_str(out, scan_kind_word(d->scan));
		break;
	}
	if (d->detail[0] != '\0') {
		buf_add_str(out, ", ");
		buf_add_str(out, d->detail);
	}
}

void
decision_line(struct buf *out, const struct decision *d, int64_t now_wall_s,
	      size_t width)
{
	char ref[ID_TEXT_SIZE], at[CLOCK_HUMAN_SIZE], again[16] = "";
	struct buf text = {.cap = 2048};
	size_t from = out->n;

	id_format(d->ref, ref);
	clock_human(d->wall_ms / 1000, now_wall_s, at);
	if (d->again > 0)
		snprintf(again, sizeof(again), " (+%" PRIu32 ")", d->again);
	buf_printf(out, "%s %s %-4s %3d%s ", ref, at, d->stage, d->code, again);
	put_short(&text, d);
	text_last(out, buf_slice(&text),
		  width == 0 ? 0 : width - (out->n - from));
	buf_add_byte(out, '\n');
	buf_fini(&text);
}

static void
json_id(struct json *j, const char *key, uint64_t id)
{
	char text[ID_TEXT_SIZE];

	id_format(id, text);
	json_str(j, key, id != 0 ? text : NULL);
}

void
decision_json(struct json *j, const struct decision *d)
{
	char ip[IP_TEXT_SIZE], at[CLOCK_ISO_SIZE];

	ip_format(&d->client, ip);
	clock_iso(d->wall_ms, at);
	json_id(j, "ref", d->ref);
	json_str(j, "kind", kind_name(d->kind));
	json_str(j, "time", at);
	json_str(j, "cred", d->cred);
	json_str(j, "client", ip);
	json_id(j, "session", d->session);
	json_id(j, "message", d->msg);
	json_str(j, "stage", d->stage);
	json_i64(j, "code", d->code);
	json_str(j, "detail", d->detail);
	json_u64(j, "again", d->again);
	if (d->kind == DECISION_BLOCK)
		json_id(j, "block_id", d->block);
	if (d->kind == DECISION_SCAN)
		json_str(j, "verdict", scan_kind_word(d->scan));
	if (d->kind != DECISION_LIMIT)
		return;
	json_open_object(j, "limit");
	limit_hit_json(j, &d->hit);
	json_str(j, "action", limit_action_name(d->hit.action));
	json_bool(j, "never", d->hit.never);
	json_u64(j, "amount", d->hit.amount);
	json_close_object(j);
}
