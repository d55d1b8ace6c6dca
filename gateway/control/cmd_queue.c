/*
 * sluice queue list|show|flush. A listing runs in slices of what is looked at,
 * not of what is shown: a filter that matches nothing among a million entries
 * gives the loop back just as often. The envelope is loaded once a message,
 * and only when a column or a filter needs it; between two slices the message
 * may have gone, which only leaves the line out.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/auth/user.h"
#include "gateway/base/address.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/escape.h"
#include "gateway/base/id.h"
#include "gateway/base/mem.h"
#include "gateway/base/units.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/text.h"

#define LIST_SLICE 200 /* entries looked at in a turn */
#define SHOW_SLICE 2000
#define TTY_LIMIT 1000
#define NAME_MAX_SIZE 256

static const char *const lane_names[LANES] = {"personal", "bulk", "dsn"};
static const char *const state_names[RCPT_STATES] = {
    "queued",  "held",	    "delivered",   "bounced",
    "dropped", "discarded", "quarantined", "purged"};
static const char *const hold_names[] = {"altered", "admin", "block",
					 "limit",   "scan",  "campaign"};
#define HOLDS (sizeof(hold_names) / sizeof(hold_names[0]))

struct list {
	struct call *call;
	struct json json;
	struct spool_cursor cursor;
	struct spool_msg *msg; /* of the entry last looked at */
	uint64_t given, limit; /* limit 0: none */
	uint64_t shown_id;     /* the message whose line is out */
	size_t width;
	int64_t now_s;
	char cred[NAME_MAX_SIZE]; /* filters; "": none */
	char domain[NAME_MAX_SIZE];
	int lane, state; /* -1: any */
	bool full;
};

static const char *
state_name(uint8_t state)
{
	return state < RCPT_STATES ? state_names[state] : "?";
}

static const char *
lane_name(uint8_t lane)
{
	return lane < LANES ? lane_names[lane] : "?";
}

static void
put_holds(struct buf *out, uint32_t holds)
{
	const char *sep = "";

	for (size_t i = 0; i < HOLDS; i++) {
		if ((holds & 1u << i) == 0)
			continue;
		buf_printf(out, "%s%s", sep, hold_names[i]);
		sep = ",";
	}
}

static void
json_holds(struct json *j, uint32_t holds)
{
	json_open_array(j, "holds");
	for (size_t i = 0; i < HOLDS; i++)
		if ((holds & 1u << i) != 0)
			json_str(j, NULL, hold_names[i]);
	json_close_array(j);
}

/* "12m", in at most five columns. */
static void
put_age(struct buf *out, int64_t s)
{
	char text[24];

	if (s < 0)
		s = 0;
	if (s < 100)
		snprintf(text, sizeof(text), "%" PRId64 "s", s);
	else if (s < 100 * 60)
		snprintf(text, sizeof(text), "%" PRId64 "m", s / 60);
	else if (s < 100 * 3600)
		snprintf(text, sizeof(text), "%" PRId64 "h", s / 3600);
	else
		snprintf(text, sizeof(text), "%" PRId64 "d", s / 86400);
	buf_printf(out, "%5s", text);
}

static void
put_next(struct buf *out, const struct list *list,
	 const struct spool_rcpt *rcpt)
{
	char next[CLOCK_HUMAN_SIZE];

	if (rcpt->state == RCPT_HELD) {
		put_holds(out, rcpt->holds);
	} else if (rcpt->next_wall_s <= list->now_s) {
		buf_add_str(out, "now");
	} else {
		clock_human(rcpt->next_wall_s, list->now_s, next);
		buf_add_str(out, next);
	}
}

/* Once a message: whose it is. Twice when its recipients fill two slices. */
static void
put_message_line(struct list *list)
{
	const struct spool_msg *msg = list->msg;
	struct buf *out = &list->call->out;
	char id[ID_TEXT_SIZE];

	if (list->shown_id == msg->id)
		return;
	list->shown_id = msg->id;
	id_format(msg->id, id);
	buf_add_str(out, id);
	put_age(out, list->now_s - msg->accepted_wall_ms / 1000);
	buf_add_str(out, "  ");
	text_cell(out, slice_str(msg->cred[0] ? msg->cred : "-"), 24);
	buf_add_byte(out, ' ');
	text_last(out, slice_str(msg->mail_from[0] ? msg->mail_from : "<>"),
		  list->width == 0 ? 0 : list->width - 45);
	buf_add_byte(out, '\n');
}

static void
put_line(struct list *list, const struct spool_entry *entry)
{
	const struct spool_rcpt *rcpt = entry->rcpt;
	struct buf *out = &list->call->out;
	struct buf next = {.cap = 64};

	put_message_line(list);
	buf_printf(out, "  %-6s %3ux ", state_name(rcpt->state),
		   rcpt->attempts);
	put_next(&next, list, rcpt);
	text_cell(out, buf_slice(&next), 16);
	buf_add_byte(out, ' ');
	text_last(out, slice_str(rcpt->address),
		  list->width == 0 ? 0 : list->width - 31);
	buf_add_byte(out, '\n');
	if (rcpt->last_reply != NULL && rcpt->last_reply[0] != '\0') {
		buf_add_str(out, "         ");
		text_last(out, slice_str(rcpt->last_reply),
			  list->width == 0 ? 0 : list->width - 9);
		buf_add_byte(out, '\n');
	}
	buf_fini(&next);
}

static void
json_rcpt(struct json *j, const struct spool_rcpt *rcpt)
{
	json_str(j, "recipient", rcpt->address);
	json_str(j, "state", state_name(rcpt->state));
	json_holds(j, rcpt->holds);
	json_u64(j, "attempts", rcpt->attempts);
	json_time(j, "next_attempt", rcpt->next_wall_s);
	json_str(j, "last_reply", rcpt->last_reply);
}

static void
json_id(struct json *j, const char *key, uint64_t id)
{
	char text[ID_TEXT_SIZE];

	id_format(id, text);
	json_str(j, key, text);
}

static void
json_entry(struct list *list, const struct spool_entry *entry)
{
	struct json *j = &list->json;
	const struct spool_msg *msg = list->msg;

	json_open_object(j, NULL);
	json_id(j, "id", entry->id);
	json_u64(j, "index", entry->index);
	json_rcpt(j, entry->rcpt);
	json_str(j, "cred", msg->cred);
	json_str(j, "from", msg->mail_from);
	json_str(j, "lane", lane_name(msg->lane));
	json_time(j, "accepted", msg->accepted_wall_ms / 1000);
	json_u64(j, "bytes", msg->prefix.n + msg->body.length);
	json_close_object(j);
}

static bool
rcpt_matches(const struct list *list, const struct spool_rcpt *rcpt)
{
	struct buf key = {.cap = NAME_MAX_SIZE};
	bool same = true;

	if (list->state >= 0 && rcpt->state != list->state)
		return false;
	if (list->domain[0] != '\0') {
		address_domain_key(&key,
				   address_domain(slice_str(rcpt->address)));
		same = slice_eq(buf_slice(&key), slice_str(list->domain));
		buf_fini(&key);
	}
	return same;
}

static bool
message_matches(struct list *list, uint64_t id)
{
	if (list->msg == NULL || list->msg->id != id) {
		spool_msg_destroy(&list->msg);
		if (spool_load(list->call->control->spool, id, &list->msg) != 0)
			list->msg = NULL;
	}
	if (list->msg == NULL)
		return false;
	if (list->lane >= 0 && list->msg->lane != list->lane)
		return false;
	return list->cred[0] == '\0' ||
	       strcmp(list->msg->cred, list->cred) == 0;
}

static bool
on_entry(void *arg, const struct spool_entry *entry)
{
	struct list *list = arg;

	if (!rcpt_matches(list, entry->rcpt) ||
	    !message_matches(list, entry->id))
		return true;
	if (list->limit != 0 && list->given == list->limit) {
		list->full = true;
		return false;
	}
	list->given++;
	if (list->call->request.json)
		json_entry(list, entry);
	else
		put_line(list, entry);
	return true;
}

static void
list_end(struct call *call, struct list *list)
{
	spool_msg_destroy(&list->msg);
	if (call->request.json) {
		json_close_array(&list->json);
		buf_add_byte(&call->out, '\n');
	} else if (call->request.tty && list->given == 0) {
		buf_add_str(&call->out, "Nothing waits here.\n");
	} else if (call->request.tty && list->full) {
		buf_printf(&call->out,
			   "... and more: --limit N, or --limit 0 for all\n");
	}
}

static enum call_next
list_slice(struct call *call)
{
	struct list *list = call->state;
	struct spool_cursor after = list->cursor;
	int n = spool_scan(call->control->spool, &after, LIST_SLICE, on_entry,
			   list, &list->cursor);

	/* Loaded by id: in the next turn it may be another. */
	spool_msg_destroy(&list->msg);
	if (n == LIST_SLICE && !list->full)
		return CALL_MORE;
	if (n < 0)
		call_fail(call, "the list is not complete: %s", gw_err_text(n));
	list_end(call, list);
	return CALL_DONE;
}

/* The number of value among names, or -1 and a sentence. */
static int
choice(struct call *call, const char *option, const char *const *names,
       size_t count)
{
	const char *value = command_option(&call->line, option);

	for (size_t i = 0; value != NULL && i < count; i++)
		if (strcmp(value, names[i]) == 0)
			return (int)i;
	if (value != NULL) {
		call_fail(call, "--%s is %s%s%s%s%s", option, names[0],
			  count > 2 ? ", " : "", count > 2 ? names[1] : "",
			  " or ", names[count - 1]);
		call->exit = EXIT_USAGE;
	}
	return -1;
}

/* No recipient has such a domain: a typing error, not an empty answer. */
static bool
is_domain(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c == 0x7f || c == '@')
			return false;
	}
	return s.n > 0;
}

/* Domains as they stand in the queue: lower case, without a last dot. */
static bool
domain_filter(struct call *call, const char *value, char out[NAME_MAX_SIZE])
{
	struct buf key = {.cap = NAME_MAX_SIZE - 1};
	bool ok = true;

	out[0] = '\0';
	if (value == NULL)
		return true;
	address_domain_key(&key, slice_str(value));
	ok = !key.overflow && is_domain(buf_slice(&key));
	if (ok) {
		memcpy(out, key.p, key.n);
		out[key.n] = '\0';
	} else {
		call_fail(call, "--domain takes the name of a domain");
		call->exit = EXIT_USAGE;
	}
	buf_fini(&key);
	return ok;
}

static bool
cred_filter(struct call *call, struct list *list)
{
	const char *value = command_option(&call->line, "cred");
	struct buf name = {.cap = NAME_MAX_SIZE - 1};
	const char *domain = call->control->conf.auth_domain;
	bool ok;

	if (value == NULL)
		return true;
	ok = user_normalise(slice_str(value), domain, &name) == 0;
	if (ok)
		memcpy(list->cred, name.p, name.n);
	else
		call_fail(call, "--cred takes the name of a login");
	buf_fini(&name);
	return ok;
}

static bool
limit_option(struct call *call, struct list *list)
{
	const char *value = command_option(&call->line, "limit");

	list->limit = call->request.tty && !call->request.json ? TTY_LIMIT : 0;
	if (value == NULL || units_count(slice_str(value), &list->limit) == 0)
		return true;
	call_fail(call, "--limit takes a number");
	call->exit = EXIT_USAGE;
	return false;
}

enum call_next
command_queue_list(struct call *call)
{
	struct list *list = mem_zalloc(sizeof(*list));

	call->state = list;
	call->step = list_slice;
	list->call = call;
	list->now_s = clock_wall_s();
	list->width = call_columns(call);
	if (list->width != 0 && list->width < 80)
		list->width = 80;
	list->lane = choice(call, "lane", lane_names, LANES);
	list->state = choice(call, "state", state_names, 2);
	if (call->exit != EXIT_DONE || !limit_option(call, list) ||
	    !cred_filter(call, list) ||
	    !domain_filter(call, command_option(&call->line, "domain"),
			   list->domain))
		return CALL_DONE;
	json_init(&list->json, &call->out);
	if (call->request.json)
		json_open_array(&list->json, NULL);
	else if (call->request.tty)
		buf_printf(&call->out,
			   "%-13s %4s  %-24s %s\n"
			   "  %-6s %4s %-16s %s\n\n",
			   "ID", "AGE", "LOGIN", "FROM", "STATE", "TRY", "NEXT",
			   "RECIPIENT");
	return list_slice(call);
}

/* --- queue show -------------------------------------------------------- */

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
	static const char *const names[] = {"8bit", "smtputf8", "generated",
					    "delay-notice-sent"};

	buf_printf(out, "%-10s", "flags");
	for (size_t i = 0; i < 4; i++)
		if ((flags & 1u << i) != 0)
			buf_printf(out, " %s", names[i]);
	buf_add_byte(out, '\n');
}

static void
put_message(struct buf *out, const struct spool_msg *msg)
{
	char id[ID_TEXT_SIZE], ip[IP_TEXT_SIZE], at[CLOCK_RFC5322_SIZE];
	struct buf size = {.cap = 64};

	id_format(msg->id, id);
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
	put_field(out, "lane", lane_name(msg->lane));
	if (msg->flags != 0)
		put_flags(out, msg->flags);
	buf_fini(&size);
}

static void
json_message(struct json *j, const struct spool_msg *msg)
{
	char ip[IP_TEXT_SIZE];

	ip_format(&msg->client, ip);
	json_open_object(j, NULL);
	json_id(j, "id", msg->id);
	json_time(j, "accepted", msg->accepted_wall_ms / 1000);
	json_str(j, "cred", msg->cred);
	json_str(j, "client", msg->cred[0] != '\0' ? ip : NULL);
	json_str(j, "session", msg->session);
	json_str(j, "owner", msg->owner);
	json_str(j, "from", msg->mail_from);
	json_str(j, "envid", msg->envid);
	json_u64(j, "bytes", msg->prefix.n + msg->body.length);
	json_str(j, "lane", lane_name(msg->lane));
	json_bool(j, "eightbit", (msg->flags & MSG_EIGHTBIT) != 0);
	json_bool(j, "smtputf8", (msg->flags & MSG_UTF8) != 0);
	json_bool(j, "generated", (msg->flags & MSG_GENERATED) != 0);
	json_open_array(j, "recipients");
}

static void
put_rcpt(struct buf *out, const struct spool_rcpt *rcpt, int64_t now_s)
{
	char next[CLOCK_HUMAN_SIZE];

	buf_add_str(out, "\nto         ");
	text_last(out, slice_str(rcpt->address), 0);
	buf_printf(out, "\n           %s", state_name(rcpt->state));
	if (rcpt->state == RCPT_HELD) {
		buf_add_str(out, ": ");
		put_holds(out, rcpt->holds);
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
	size_t given = 0;

	for (uint32_t i = 0; i < msg->rcpt_count && given < SHOW_SLICE; i++) {
		const struct spool_rcpt *rcpt = &msg->rcpts[i];

		if (rcpt->index < show->next)
			continue;
		show->next = rcpt->index + 1;
		given++;
		if (call->request.json) {
			json_open_object(&show->json, NULL);
			json_u64(&show->json, "index", rcpt->index);
			json_rcpt(&show->json, rcpt);
			json_close_object(&show->json);
		} else {
			put_rcpt(&call->out, rcpt, now_s);
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

	if (err == GW_ENOENT)
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
	char key[NAME_MAX_SIZE];
	struct json j;

	if ((id != NULL) + (domain != NULL) + (what.hop != NULL) > 1) {
		call_fail(call, "one of ID, --domain and --hop at a time");
		call->exit = EXIT_USAGE;
		return CALL_DONE;
	}
	if ((id != NULL && !parse_id(call, id, &what.id)) ||
	    !domain_filter(call, domain, key) ||
	    (what.hop != NULL && !hop_exists(call, what.hop)))
		return CALL_DONE;
	what.domain = domain == NULL ? NULL : key;
	if (id != NULL && !in_queue(call, what.id))
		return CALL_DONE;
	back_flush(call->control->back, &what);
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
