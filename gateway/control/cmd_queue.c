/*
 * sluice queue list. A listing runs in slices of what is looked at,
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
#include "gateway/control/call.h"
#include "gateway/control/campaign_text.h"
#include "gateway/control/control_int.h"
#include "gateway/control/listing.h"
#include "gateway/control/queue_text.h"
#include "gateway/control/text.h"

#define LIST_SLICE 200 /* entries looked at in a turn */

struct list {
	struct call *call;
	struct json json;
	struct spool_cursor cursor;
	struct spool_msg *msg;	  /* of the entry last looked at */
	struct queue_stand stand; /* of that entry */
	uint64_t given, limit;	  /* limit 0: none */
	uint64_t shown_id;	  /* the message whose line is out */
	size_t width;
	int64_t now_s;
	char cred[QUEUE_NAME_SIZE]; /* filters; "": none */
	char domain[QUEUE_NAME_SIZE];
	int lane, state;   /* -1: any */
	uint64_t campaign; /* 0: any */
	bool full;
};

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

/* Due, but it goes when its campaign's turn comes, or lets it. */
static void
put_campaign(struct buf *out, const struct list *list)
{
	struct campaigns *campaigns = list->call->control->campaigns;
	struct campaign_terms terms;

	buf_printf(out, "C%" PRIu64, list->msg->campaign);
	if (campaigns != NULL &&
	    campaign_terms_get(campaigns, list->msg->campaign, &terms) &&
	    terms.state != CAMPAIGN_RUNNING)
		buf_printf(out, " %s", campaign_state_word(terms.state));
}

static void
put_next(struct buf *out, const struct list *list,
	 const struct spool_rcpt *rcpt)
{
	char next[CLOCK_HUMAN_SIZE];

	if (list->stand.state == RCPT_HELD) {
		queue_put_holds(out, list->stand.holds);
	} else if (list->msg->campaign != 0 &&
		   rcpt->next_wall_s <= list->now_s) {
		put_campaign(out, list);
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
	buf_printf(out, "  %-6s %3ux ", queue_state_name(list->stand.state),
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
json_entry(struct list *list, const struct spool_entry *entry)
{
	struct json *j = &list->json;
	const struct spool_msg *msg = list->msg;

	json_open_object(j, NULL);
	queue_json_id(j, "id", entry->id);
	json_u64(j, "index", entry->index);
	queue_json_rcpt(j, entry->rcpt, &list->stand);
	json_str(j, "cred", msg->cred);
	json_str(j, "from", msg->mail_from);
	json_str(j, "lane", queue_lane_name(msg->lane));
	if (msg->campaign != 0)
		json_u64(j, "campaign", msg->campaign);
	json_time(j, "accepted", msg->accepted_wall_ms / 1000);
	json_u64(j, "bytes", msg->prefix.n + msg->body.length);
	json_close_object(j);
}

static bool
rcpt_matches(const struct list *list, const struct spool_rcpt *rcpt)
{
	struct buf key = {.cap = QUEUE_NAME_SIZE};
	bool same = true;

	/* what a rule may hold is known with its message */
	if (list->state == RCPT_QUEUED && rcpt->state != RCPT_QUEUED)
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
	if (list->campaign != 0 && list->msg->campaign != list->campaign)
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
	list->stand = queue_stand_of(list->call->control, list->msg,
				     entry->rcpt, list->now_s);
	if (list->state >= 0 && list->stand.state != list->state)
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
	return listing_end(call, &list->json, list->given, list->full,
			   "Nothing waits here.");
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

static bool
cred_filter(struct call *call, struct list *list)
{
	const char *value = command_option(&call->line, "cred");
	struct buf name = {.cap = QUEUE_NAME_SIZE - 1};
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
campaign_option(struct call *call, struct list *list)
{
	const char *value = command_option(&call->line, "campaign");

	if (value == NULL || campaign_number(slice_str(value), &list->campaign))
		return true;
	call_usage(call, "--campaign takes its number: C7");
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
	list->limit = listing_usual_limit(call);
	list->lane = choice(call, "lane", queue_lane_names, LANES);
	list->state = choice(call, "state", queue_state_names, 2);
	if (call->exit != EXIT_DONE || !listing_limit(call, &list->limit) ||
	    !campaign_option(call, list) || !cred_filter(call, list) ||
	    !queue_domain(call, command_option(&call->line, "domain"),
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
