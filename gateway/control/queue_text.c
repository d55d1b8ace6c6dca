#include "gateway/control/queue_text.h"

#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/id.h"
#include "gateway/control/control_int.h"
#include "gateway/control/text.h"

const char *const queue_lane_names[LANES] = {"personal", "bulk", "dsn"};
const char *const queue_state_names[RCPT_STATES] = {
    "queued",  "held",	    "delivered",   "bounced",
    "dropped", "discarded", "quarantined", "purged"};
static const char *const hold_names[] = {
    "altered", "admin", "block", "limit", "scan", "campaign", "unscannable"};
#define HOLDS (sizeof(hold_names) / sizeof(hold_names[0]))

const char *
queue_state_name(uint8_t state)
{
	return state < RCPT_STATES ? queue_state_names[state] : "?";
}

const char *
queue_lane_name(uint8_t lane)
{
	return lane < LANES ? queue_lane_names[lane] : "?";
}

void
queue_put_holds(struct buf *out, uint32_t holds)
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

void
queue_json_rcpt(struct json *j, const struct spool_rcpt *rcpt,
		const struct queue_stand *stand)
{
	char rule[ID_TEXT_SIZE];

	id_format(stand->rule, rule);
	json_str(j, "recipient", rcpt->address);
	json_str(j, "state", queue_state_name(stand->state));
	json_holds(j, stand->holds);
	json_str(j, "rule", stand->rule != 0 ? rule : NULL);
	json_u64(j, "attempts", rcpt->attempts);
	json_time(j, "next_attempt", rcpt->next_wall_s);
	json_str(j, "last_reply", rcpt->last_reply);
}

void
queue_json_id(struct json *j, const char *key, uint64_t id)
{
	char text[ID_TEXT_SIZE];

	id_format(id, text);
	json_str(j, key, text);
}

struct queue_stand
queue_stand_of(struct control *control, const struct spool_msg *msg,
	       const struct spool_rcpt *rcpt, int64_t now_wall_s)
{
	struct queue_stand stand = {.state = rcpt->state, .holds = rcpt->holds};
	struct block_facts facts = {
	    .from = slice_str(msg->mail_from),
	    .domain = address_domain(slice_str(rcpt->address)),
	    .body = msg->body.digest,
	    .accepted_wall_s = msg->accepted_wall_ms / 1000,
	};
	struct block_hit hit;

	if ((msg->flags & MSG_GENERATED) == 0) {
		facts.cred = msg->cred;
		facts.ip = &msg->client;
	}
	if (blocklist_find(control->blocklist, &facts, true, now_wall_s,
			   &hit)) {
		stand.state = RCPT_HELD;
		stand.holds |=
		    hit.action == BLOCK_HOLD ? HOLD_ADMIN : HOLD_BLOCK;
		stand.rule = hit.id;
	}
	return stand;
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
bool
queue_domain(struct call *call, const char *value, char out[QUEUE_NAME_SIZE])
{
	struct buf key = {.cap = QUEUE_NAME_SIZE - 1};
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
