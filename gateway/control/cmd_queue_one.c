/*
 * sluice queue show, and queue flush. A message of 50,000 recipients is shown
 * in slices too; in between it may be delivered, which ends the answer early.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/encode.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/quarantine_text.h"
#include "gateway/control/queue_text.h"
#include "gateway/control/text.h"

#define SHOW_SLICE 2000

struct show {
	struct json json;
	uint64_t id;
	uint32_t next; /* the first recipient that was not shown yet */
};

static bool
parse_id(struct call *call, const char *text, uint64_t *id)
{
	if (id_parse(slice_str(text), id) == 0)
		return true;
	call_fail(call, "an id is 13 letters and digits, as in the log");
	return false;
}

static void
put_field(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%-10s ", name);
	text_last(out, slice_str(value), 0);
	buf_add_byte(out, '\n');
}

static void
put_flags(struct buf *out, uint16_t flags)
{
	static const char *const names[] = {"8bit",
					    "smtputf8",
					    "generated",
					    "delay-notice-sent",
					    "unscannable-hold",
					    "unscannable-pass"};

	buf_printf(out, "%-10s", "flags");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((flags & 1u << i) != 0)
			buf_printf(out, " %s", names[i]);
	buf_add_byte(out, '\n');
}

static void
put_message(struct buf *out, const struct spool_msg *msg)
{
	char id[ID_TEXT_SIZE], ip[IP_TEXT_SIZE], at[CLOCK_RFC5322_SIZE];
	char campaign[24];
	struct buf size = {.cap = 64}, digest = {.cap = 2 * DIGEST_SIZE};

	id_format(msg->id, id);
	hex_encode(&digest, slice_of(msg->body.digest, DIGEST_SIZE));
	ip_format(&msg->client, ip);
	clock_rfc5322(msg->accepted_wall_ms / 1000, at);
	text_size(&size, msg->prefix.n + msg->body.length);
	put_field(out, "id", id);
	put_field(out, "accepted", at);
	if (msg->cred[0] != '\0') {
		put_field(out, "login", msg->cred);
		put_field(out, "client", ip);
		put_field(out, "session", msg->session);
	}
	if (msg->owner != NULL)
		put_field(out, "owner", msg->owner);
	put_field(out, "from", msg->mail_from[0] ? msg->mail_from : "<>");
	if (msg->envid != NULL)
		put_field(out, "envid", msg->envid);
	put_field(out, "size", buf_cstr(&size));
	put_field(out, "sha256", buf_cstr(&digest));
	put_field(out, "lane", queue_lane_name(msg->lane));
	if (msg->campaign != 0) {
		snprintf(campaign, sizeof(campaign), "C%" PRIu64,
			 msg->campaign);
		put_field(out, "campaign", campaign);
	}
	if (msg->flags != 0)
		put_flags(out, msg->flags);
	buf_fini(&size);
	buf_fini(&digest);
}

static void
json_message(struct json *j, const struct spool_msg *msg)
{
	struct buf digest = {.cap = 2 * DIGEST_SIZE};
	char ip[IP_TEXT_SIZE];

	hex_encode(&digest, slice_of(msg->body.digest, DIGEST_SIZE));
	ip_format(&msg->client, ip);
	json_open_object(j, NULL);
	queue_json_id(j, "id", msg->id);
	json_time(j, "accepted", msg->accepted_wall_ms / 1000);
	json_str(j, "cred", msg->cred);
	json_str(j, "client", msg->cred[0] != '\0' ? ip : NULL);
	json_str(j, "session", msg->session);
	json_str(j, "owner", msg->owner);
	json_str(j, "from", msg->mail_from);
	json_str(j, "envid", msg->envid);
	json_u64(j, "bytes", msg->prefix.n + msg->body.length);
	json_slice(j, "sha256", buf_slice(&digest));
	json_str(j, "lane", queue_lane_name(msg->lane));
	if (msg->campaign != 0)
		json_u64(j, "campaign", msg->campaign);
	json_bool(j, "eightbit", (msg->flags & MSG_EIGHTBIT) != 0);
	json_bool(j, "smtputf8", (msg->flags & MSG_UTF8) != 0);
	json_bool(j, "generated", (msg->flags & MSG_GENERATED) != 0);
	json_open_array(j, "recipients");
	buf_fini(&digest);
}

static void
put_rcpt(struct buf *out, const struct spool_rcpt *rcpt,
	 const struct queue_stand *stand, int64_t now_s)
{
	char next[CLOCK_HUMAN_SIZE], rule[ID_TEXT_SIZE];

	buf_add_str(out, "\nto         ");
	text_last(out, slice_str(rcpt->address), 0);
	buf_printf(out, "\n           %s", queue_state_name(stand->state));
	if (stand->state == RCPT_HELD) {
		buf_add_str(out, ": ");
		queue_put_holds(out, stand->holds);
		id_format(stand->rule, rule);
		if (stand->rule != 0)
			buf_printf(out, " (sluice why %s)", rule);
	} else if (rcpt->next_wall_s > now_s) {
		clock_human(rcpt->next_wall_s, now_s, next);
		buf_printf(out, ", next attempt %s", next);
	} else {
		buf_add_str(out, ", due now");
	}
	buf_add_str(out, ", ");
	text_times(out, rcpt->attempts, "attempt");
	buf_add_byte(out, '\n');
	if (rcpt->orcpt != NULL)
		put_field(out, "  orcpt", rcpt->orcpt);
	if (rcpt->last_reply != NULL && rcpt->last_reply[0] != '\0')
		put_field(out, "  reply", rcpt->last_reply);
}

static void
show_rcpts(struct call *call, struct show *show, const struct spool_msg *msg)
{
	int64_t now_s = clock_wall_s();
	struct queue_stand stand;
	size_t given = 0;

	for (uint32_t i = 0; i < msg->rcpt_count && given < SHOW_SLICE; i++) {
		const struct spool_rcpt *rcpt = &msg->rcpts[i];

		if (rcpt->index < show->next)
			continue;
		show->next = rcpt->index + 1;
		given++;
		stand = queue_stand_of(call->control, msg, rcpt, now_s);
		if (call->request.json) {
			json_open_object(&show->json, NULL);
			json_u64(&show->json, "index", rcpt->index);
			queue_json_rcpt(&show->json, rcpt, &stand);
			json_close_object(&show->json);
		} else {
			put_rcpt(&call->out, rcpt, &stand, now_s);
		}
	}
}

static void
show_end(struct call *call, struct show *show)
{
	if (!call->request.json)
		return;
	json_close_array(&show->json);
	json_close_object(&show->json);
	buf_add_byte(&call->out, '\n');
}

static void
load_failed(struct call *call, int err)
{
	const char *id = command_operand(&call->line, 0);

	if (err == GW_ENOENT && quarantine_has(call))
		call_fail(call,
			  "%s is not in the queue but in quarantine: 'sluice "
			  "quarantine show %s'",
			  id, id);
	else if (err == GW_ENOENT)
		call_fail(call,
			  "%s is not in the queue (the log tells what became "
			  "of it)",
			  id);
	else
		call_fail(call, "%s cannot be read: %s", id, gw_err_text(err));
}

static enum call_next
show_slice(struct call *call)
{
	struct show *show = call->state;
	struct spool_msg *msg = NULL;
	bool first = show->next == 0;
	uint32_t last;
	int err = spool_load(call->control->spool, show->id, &msg);

	if (err != 0 && first) {
		load_failed(call, err);
		return CALL_DONE;
	}
	if (err != 0) { /* delivered while we were showing it */
		show_end(call, show);
		return CALL_DONE;
	}
	if (first && call->request.json)
		json_message(&show->json, msg);
	else if (first)
		put_message(&call->out, msg);
	show_rcpts(call, show, msg);
	last = msg->rcpt_count == 0 ? 0 : msg->rcpts[msg->rcpt_count - 1].index;
	spool_msg_destroy(&msg);
	if (show->next <= last)
		return CALL_MORE;
	show_end(call, show);
	return CALL_DONE;
}

enum call_next
command_queue_show(struct call *call)
{
	struct show *show = mem_zalloc(sizeof(*show));

	call->state = show;
	call->step = show_slice;
	json_init(&show->json, &call->out);
	if (!parse_id(call, command_operand(&call->line, 0), &show->id))
		return CALL_DONE;
	return show_slice(call);
}

/* --- queue flush ------------------------------------------------------- */

static bool
hop_exists(struct call *call, const char *name)
{
	struct back_hop_status hops[64];
	size_t n = back_hops_get(call->control->back, hops, 64);

	for (size_t i = 0; i < n && i < 64; i++)
		if (strcmp(hops[i].name, name) == 0)
			return true;
	call_fail(call, "there is no next hop of that name ('sluice status' "
			"lists them)");
	return n > 64;
}

static bool
in_queue(struct call *call, uint64_t id)
{
	struct spool_msg *msg = NULL;
	int err = spool_load(call->control->spool, id, &msg);

	spool_msg_destroy(&msg);
	if (err != 0)
		load_failed(call, err);
	return err == 0;
}

enum call_next
command_queue_flush(struct call *call)
{
	struct back_flush what = {
	    .hop = command_option(&call->line, "hop"),
	};
	const char *domain = command_option(&call->line, "domain");
	const char *id = command_operand(&call->line, 0);
	char key[QUEUE_NAME_SIZE];
	struct json j;

	if ((id != NULL) + (domain != NULL) + (what.hop != NULL) > 1) {
		call_fail(call, "one of ID, --domain and --hop at a time");
		call->exit = EXIT_USAGE;
		return CALL_DONE;
	}
	if ((id != NULL && !parse_id(call, id, &what.id)) ||
	    !queue_domain(call, domain, key) ||
	    (what.hop != NULL && !hop_exists(call, what.hop)))
		return CALL_DONE;
	what.domain = domain == NULL ? NULL : key;
	if (id != NULL && !in_queue(call, what.id))
		return CALL_DONE;
	back_flush(call->control->back, &what);
	call_note(call, "due now");
	if (call->request.json) {
		json_init(&j, &call->out);
		json_open_object(&j, NULL);
		json_str(&j, "result", "flushed");
		json_close_object(&j);
		buf_add_byte(&call->out, '\n');
	} else {
		buf_add_str(&call->out, "What was deferred is due now.\n");
	}
	return CALL_DONE;
}
