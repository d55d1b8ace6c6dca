#include "gateway/control/quarantine_text.h"

#include "gateway/base/encode.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/control/control_int.h"
#include "gateway/control/queue_text.h"
#include "gateway/control/text.h"
#include "gateway/control/verdict_text.h"
#include "gateway/scan/words.h"

bool
quarantine_there(struct call *call)
{
	if (call->control->quarantine != NULL)
		return true;
	call_fail(call, "this daemon has no quarantine");
	return false;
}

bool
quarantine_id(struct call *call, uint64_t *id)
{
	if (id_parse(slice_str(command_operand(&call->line, 0)), id) == 0)
		return true;
	call_usage(call, "an id is 13 letters and digits, as in 'sluice "
			 "quarantine list'");
	return false;
}

void
quarantine_failed(struct call *call, int err)
{
	const char *id = command_operand(&call->line, 0);

	if (err == GW_ENOENT)
		call_fail(call,
			  "%s is not in quarantine (the log tells what became "
			  "of it)",
			  id);
	else
		call_fail(call, "%s cannot be read: %s", id, gw_err_text(err));
}

bool
quarantine_has(struct call *call)
{
	struct quarantine *quarantine = call->control->quarantine;
	struct slice text = slice_str(command_operand(&call->line, 0));
	struct arena *arena = arena_create(1024);
	struct quarantine_entry entry;
	uint64_t id;
	bool found = quarantine != NULL && id_parse(text, &id) == 0 &&
		     quarantine_get(quarantine, id, arena, &entry) == 0;

	arena_destroy(&arena);
	return found;
}

bool
quarantine_find(struct call *call, struct arena *arena,
		struct quarantine_entry *entry)
{
	uint64_t id;
	int err;

	if (!quarantine_id(call, &id))
		return false;
	err = quarantine_get(call->control->quarantine, id, arena, entry);
	if (err != 0)
		quarantine_failed(call, err);
	return err == 0;
}

static void
json_verdict(struct json *j, const struct scan_verdict *verdict)
{
	json_str(j, "verdict", scan_kind_word(verdict->kind));
	json_str(j, "why",
		 verdict->why != SCAN_WHY_NONE ? verdict_why_text(verdict->why)
					       : NULL);
	json_str(j, "threat", verdict->threat[0] ? verdict->threat : NULL);
	json_str(j, "server", verdict->server[0] ? verdict->server : NULL);
	json_str(j, "istag", verdict->istag[0] ? verdict->istag : NULL);
}

void
quarantine_json(struct json *j, const struct quarantine_entry *entry)
{
	struct buf digest = {.cap = 2 * DIGEST_SIZE};
	char ip[IP_TEXT_SIZE];

	hex_encode(&digest, slice_of(entry->digest, DIGEST_SIZE));
	ip_format(&entry->client, ip);
	queue_json_id(j, "id", entry->id);
	json_verdict(j, &entry->verdict);
	json_str(j, "part", entry->part_name[0] ? entry->part_name : NULL);
	json_str(j, "subject", entry->subject[0] ? entry->subject : NULL);
	json_time(j, "accepted", entry->accepted_wall_ms / 1000);
	json_time(j, "quarantined", entry->stored_wall_s);
	json_time(j, "expires", entry->expires_wall_s);
	json_str(j, "cred", entry->cred);
	json_str(j, "client", entry->cred[0] != '\0' ? ip : NULL);
	json_str(j, "session", entry->session);
	json_str(j, "owner", entry->owner);
	json_str(j, "from", entry->mail_from);
	json_u64(j, "bytes", entry->prefix.n + entry->bytes);
	json_slice(j, "sha256", buf_slice(&digest));
	json_u64(j, "recipient_count", entry->rcpt_count);
	if (entry->linked != 0)
		queue_json_id(j, "cleaned_as", entry->linked);
	else
		json_str(j, "cleaned_as", NULL);
	buf_fini(&digest);
}
