/*
 * sluice why. A reference is looked for where it is most likely to be: the last
 * decisions, the block list, the queue, the quarantine, the trail. Of a login
 * or an address it tells what stands against it now, and what was decided about
 * it last.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/clock.h"
#include "gateway/base/escape.h"
#include "gateway/base/id.h"
#include "gateway/base/mem.h"
#include "gateway/control/account.h"
#include "gateway/control/block_text.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/decision_text.h"
#include "gateway/control/limit_text.h"
#include "gateway/control/quarantine_text.h"
#include "gateway/control/queue_text.h"
#include "gateway/control/text.h"
#include "gateway/control/trail.h"
#include "gateway/control/verdict_text.h"
#include "policy/decisions.h"

#define DECISIONS_SHOWN 10
#define RCPTS_SHOWN 5

struct why {
	struct call *call;
	struct json json;
	int64_t now_s;
	bool any; /* something was found */
};

static void
why_init(struct why *why, struct call *call)
{
	*why = (struct why){.call = call, .now_s = clock_wall_s()};
	json_init(&why->json, &call->out);
}

static void
why_end(struct why *why)
{
	if (!why->call->request.json)
		return;
	json_close_object(&why->json);
	buf_add_byte(&why->call->out, '\n');
}

static void
heading(struct why *why, const char *text)
{
	buf_printf(&why->call->out, "%s%s\n", why->any ? "\n" : "", text);
	why->any = true;
}

/* --- of a reference ---------------------------------------------------------
 */

static bool
on_block(void *arg, const struct block *block)
{
	struct why *why = arg;

	if (why->call->request.json)
		block_json(block, &why->json);
	else
		block_text(block, why->now_s, call_width(why->call),
			   &why->call->out);
	return false;
}

static void
say_decision(struct why *why, const struct decision *d)
{
	struct call *call = why->call;
	struct buf *out = &call->out;
	bool stands = true;

	if (call->request.json) {
		json_open_object(&why->json, NULL);
		json_str(&why->json, "what", "decision");
		decision_json(&why->json, d);
	} else {
		decision_text(out, d, why->now_s);
	}
	if (d->kind == DECISION_BLOCK) {
		if (call->request.json)
			json_open_object(&why->json, "block");
		else
			block_text_head(out);
		stands = blocklist_get(call->control->blocklist, d->block,
				       on_block, why);
		if (call->request.json)
			json_close_object(&why->json);
	}
	if (!stands && !call->request.json)
		buf_add_str(out, "  That entry is not in the block list any "
				 "more.\n");
	why_end(why);
}

static bool
say_block(struct why *why, uint64_t id)
{
	struct call *call = why->call;
	size_t before = call->out.n;

	if (call->request.json) {
		json_open_object(&why->json, NULL);
		json_str(&why->json, "what", "block");
	} else {
		block_text_head(&call->out);
	}
	if (blocklist_get(call->control->blocklist, id, on_block, why)) {
		why_end(why);
		return true;
	}
	call->out.n = before;
	json_init(&why->json, &call->out);
	return false;
}

/* --- of a message in the queue ----------------------------------------------
 */

static void
say_rcpt(struct why *why, const struct spool_msg *msg,
	 const struct spool_rcpt *rcpt)
{
	struct buf *out = &why->call->out;
	char next[CLOCK_HUMAN_SIZE], id[ID_TEXT_SIZE];
	struct queue_stand stand =
	    queue_stand_of(why->call->control, msg, rcpt, why->now_s);
	bool rule = stand.rule != 0;

	id_format(stand.rule, id);
	if (why->call->request.json) {
		json_open_object(&why->json, NULL);
		queue_json_rcpt(&why->json, rcpt, &stand);
		json_close_object(&why->json);
		return;
	}
	buf_add_str(out, "  to ");
	text_last(out, slice_str(rcpt->address), 0);
	if (rule)
		buf_printf(out, "\n     held by the block list: %s", id);
	if (rcpt->state == RCPT_HELD) {
		buf_add_str(out, "\n     held by itself: ");
		queue_put_holds(out, rcpt->holds);
	}
	if (!rule && rcpt->state != RCPT_HELD) {
		clock_human(rcpt->next_wall_s, why->now_s, next);
		buf_printf(out, "\n     %s%s",
			   rcpt->next_wall_s <= why->now_s ? "due now"
							   : "waits until ",
			   rcpt->next_wall_s <= why->now_s ? "" : next);
	}
	if (rcpt->last_reply != NULL && rcpt->last_reply[0] != '\0') {
		buf_add_str(out, "\n     last reply: ");
		text_last(out, slice_str(rcpt->last_reply), 0);
	}
	buf_add_byte(out, '\n');
}

/* What was decided while it was submitted. */
static void
say_decisions_of(struct why *why, const struct spool_msg *msg)
{
	struct decision *list = mem_array(DECISIONS_SHOWN, sizeof(*list));
	size_t n = decisions_of(why->call->control->decisions, msg->cred, NULL,
				list, DECISIONS_SHOWN);

	if (why->call->request.json)
		json_open_array(&why->json, "decisions");
	for (size_t i = 0; i < n; i++) {
		if (list[i].msg != msg->id)
			continue;
		if (why->call->request.json) {
			json_open_object(&why->json, NULL);
			decision_json(&why->json, &list[i]);
			json_close_object(&why->json);
		} else {
			decision_text(&why->call->out, &list[i], why->now_s);
		}
	}
	if (why->call->request.json)
		json_close_array(&why->json);
	free(list);
}

static bool
say_message(struct why *why, uint64_t id)
{
	static const uint32_t first[RCPTS_SHOWN] = {0, 1, 2, 3, 4};
	struct spool_msg *msg = NULL;
	struct buf *out = &why->call->out;
	char text[ID_TEXT_SIZE];
	int err = spool_load_some(why->call->control->spool, id, first,
				  RCPTS_SHOWN, &msg);

	if (err != 0) {
		spool_msg_destroy(&msg);
		return false;
	}
	id_format(id, text);
	if (why->call->request.json) {
		json_open_object(&why->json, NULL);
		json_str(&why->json, "what", "message");
		json_str(&why->json, "id", text);
		json_str(&why->json, "cred", msg->cred);
		json_open_array(&why->json, "recipients");
	} else {
		buf_printf(out, "%s is a message in the queue, login ", text);
		text_last(out, slice_str(msg->cred[0] ? msg->cred : "-"), 0);
		buf_add_byte(out, '\n');
	}
	for (uint32_t i = 0; i < msg->rcpt_count && i < RCPTS_SHOWN; i++)
		say_rcpt(why, msg, &msg->rcpts[i]);
	if (why->call->request.json)
		json_close_array(&why->json);
	say_decisions_of(why, msg);
	why_end(why);
	spool_msg_destroy(&msg);
	return true;
}

static bool
say_quarantined(struct why *why, uint64_t id)
{
	struct quarantine *quarantine = why->call->control->quarantine;
	struct arena *arena = arena_create(1024);
	struct buf *out = &why->call->out;
	struct quarantine_entry entry;
	char text[ID_TEXT_SIZE];
	bool found = quarantine != NULL &&
		     quarantine_get(quarantine, id, arena, &entry) == 0;

	id_format(id, text);
	if (found && why->call->request.json) {
		json_open_object(&why->json, NULL);
		json_str(&why->json, "what", "quarantine");
		quarantine_json(&why->json, &entry);
	} else if (found) {
		buf_printf(out, "%s is a message in quarantine, login ", text);
		text_last(out, slice_str(entry.cred[0] ? entry.cred : "-"), 0);
		buf_add_str(out, "\n  ");
		verdict_text(&entry.verdict, out);
		buf_printf(out, "\n  sluice quarantine show %s\n", text);
	}
	if (found)
		why_end(why);
	arena_destroy(&arena);
	return found;
}

static bool
say_change(struct why *why, uint64_t id)
{
	struct buf *out = &why->call->out;
	char at[CLOCK_HUMAN_SIZE], text[ID_TEXT_SIZE];
	struct told told;

	trail_find(why->call, id, &told);
	if (!told.found)
		return false;
	id_format(id, text);
	if (why->call->request.json) {
		json_open_object(&why->json, NULL);
		json_str(&why->json, "what", "change");
		json_str(&why->json, "id", text);
		json_time(&why->json, "time", told.wall_s);
		json_str(&why->json, "author", told.author);
		json_str(&why->json, "command", told.command);
		json_str(&why->json, "reason", told.reason);
		json_str(&why->json, "effect", told.effect);
		why_end(why);
		return true;
	}
	clock_human(told.wall_s, why->now_s, at);
	buf_printf(out, "%s is a change, %s, ", text, at);
	text_last(out, slice_str(told.author), 0);
	buf_add_str(out, ":\n  sluice ");
	text_last(out, slice_str(told.command), 0);
	buf_add_str(out, "\n  => ");
	text_last(out, slice_str(told.effect), 0);
	buf_add_byte(out, '\n');
	return true;
}

/* As it stands in a reply: "[0abc...]". */
static struct slice
without_brackets(const char *text)
{
	struct slice s = slice_trim(slice_str(text));

	if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = slice_of(s.p + 1, s.n - 2);
	return s;
}

static void
why_ref(struct call *call, const char *text)
{
	struct decision *d = mem_zalloc(sizeof(*d));
	struct why why;
	uint64_t id;

	why_init(&why, call);
	if (id_parse(without_brackets(text), &id) != 0 || id == 0)
		call_usage(call, "REF is 13 letters and digits, as in a reply "
				 "or in the log; or: why cred NAME, why ip "
				 "ADDR");
	else if (decisions_get(call->control->decisions, id, d))
		say_decision(&why, d);
	else if (!say_block(&why, id) && !say_message(&why, id) &&
		 !say_quarantined(&why, id) && !say_change(&why, id))
		call_fail(call,
			  "nothing is known of it: decisions are "
			  "remembered until sluiced restarts, and the "
			  "last %d of them; the log has them all",
			  DECISIONS_MAX);
	free(d);
}

/* --- of a login or an address -----------------------------------------------
 */

static void
say_entry(struct why *why, const struct look_at *at)
{
	struct call *call = why->call;
	const struct block_facts facts = {
	    .cred = at->who.cred, .ip = at->has_ip ? &at->who.ip : NULL};
	struct block_hit hit;
	bool found = blocklist_find(call->control->blocklist, &facts, true,
				    why->now_s, &hit);

	if (call->request.json && !found) {
		json_str(&why->json, "block", NULL);
	} else if (call->request.json) {
		json_open_object(&why->json, "block");
		blocklist_get(call->control->blocklist, hit.id, on_block, why);
		json_close_object(&why->json);
	} else if (found) {
		heading(why, hit.action == BLOCK_HOLD ? "Held:" : "Blocked:");
		blocklist_get(call->control->blocklist, hit.id, on_block, why);
	}
}

struct lines {
	struct why *why;
	bool any;
};

/* Of those that count something, or more than was configured. */
static bool
on_line(void *arg, const struct limit_line *line)
{
	struct lines *lines = arg;
	struct why *why = lines->why;

	if (!line->applies || (line->hit.used == 0 && line->paced == 0 &&
			       line->hit.limit == line->configured))
		return true;
	if (why->call->request.json) {
		json_open_object(&why->json, NULL);
		limit_json(&why->json, line);
		json_close_object(&why->json);
		return true;
	}
	if (!lines->any) {
		heading(why, "Limits that count something:");
		limit_table_head(&why->call->out);
	}
	lines->any = true;
	limit_table_line(&why->call->out, line, why->now_s);
	return true;
}

static void
say_last(struct why *why, const struct look_at *at)
{
	struct decision *list = mem_array(DECISIONS_SHOWN, sizeof(*list));
	size_t n = decisions_of(why->call->control->decisions, at->who.cred,
				at->has_ip ? &at->who.ip : NULL, list,
				DECISIONS_SHOWN);

	if (why->call->request.json)
		json_open_array(&why->json, "decisions");
	else if (n > 0)
		heading(why, "Decided last:");
	for (size_t i = 0; i < n; i++) {
		if (why->call->request.json) {
			json_open_object(&why->json, NULL);
			decision_json(&why->json, &list[i]);
			json_close_object(&why->json);
		} else {
			decision_line(&why->call->out, &list[i], why->now_s,
				      call_width(why->call));
		}
	}
	if (why->call->request.json)
		json_close_array(&why->json);
	free(list);
}

static void
why_who(struct call *call, const struct look_at *at)
{
	struct why why;
	struct lines lines = {.why = &why};

	why_init(&why, call);
	if (call->request.json) {
		json_open_object(&why.json, NULL);
		json_str(&why.json, "what", at->has_ip ? "ip" : "cred");
		json_str(&why.json, "cred", at->who.cred);
		json_str(&why.json, "ip", at->has_ip ? at->ip : NULL);
	}
	say_entry(&why, at);
	if (call->request.json)
		json_open_array(&why.json, "limits");
	limits_each(call->control->limits, &at->who, clock_mono_us(), on_line,
		    &lines);
	if (call->request.json)
		json_close_array(&why.json);
	say_last(&why, at);
	why_end(&why);
	if (!call->request.json && !why.any)
		buf_add_str(&call->out,
			    "Nothing blocks, holds or counts it now, and "
			    "nothing was decided against it\nsince sluiced "
			    "started.\n");
}

enum call_next
command_why(struct call *call)
{
	const char *first = command_operand(&call->line, 0);
	const char *second = command_operand(&call->line, 1);
	struct look_at at = {0};
	bool ok = false;

	if (second == NULL && strcmp(first, "cred") != 0 &&
	    strcmp(first, "ip") != 0) {
		why_ref(call, first);
		return CALL_DONE;
	}
	if (second != NULL && strcmp(first, "cred") == 0)
		ok = look_at_cred(call, "NAME", second, &at);
	else if (second != NULL && strcmp(first, "ip") == 0)
		ok = look_at_ip(call, "ADDR", second, &at);
	else
		call_usage(call, "why REF, why cred NAME, or why ip ADDR");
	if (ok)
		why_who(call, &at);
	look_at_fini(&at);
	return CALL_DONE;
}
