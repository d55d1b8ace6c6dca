/*
 * sluice quarantine release|delete|export. Release and delete are the
 * releaser's work; an export is read here, a piece a turn, and is in the trail:
 * somebody has a virus in his hands then.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/quarantine_text.h"
#include "gateway/control/text.h"
#include "gateway/control/verdict_text.h"
#include "gateway/scan/words.h"

#define PIECE_BYTES 65536

/* --- release and delete ------------------------------------------------------
 */

static void
tell_not_clean(struct call *call)
{
	const struct release_result *result = &call->released;
	struct buf what = {.cap = 1024}, part = {.cap = 512};

	verdict_text(&result->verdict, &what);
	text_last(&part, slice_str(result->part), 0);
	if (result->verdict.kind == SCAN_ERROR)
		call_fail(call,
			  "not released: it cannot be scanned now: %s "
			  "('--anyway' sends it all the same)",
			  buf_cstr(&what));
	else
		call_fail(call,
			  "not released: %s%sstill %s ('--anyway' sends it all "
			  "the same)",
			  buf_cstr(&part), part.n > 0 ? ": " : "",
			  buf_cstr(&what));
	buf_fini(&what);
	buf_fini(&part);
}

static bool
tell_failure(struct call *call)
{
	const struct release_result *result = &call->released;

	switch (result->end) {
	case RELEASE_DONE:
		return false;
	case RELEASE_NOT_CLEAN:
		tell_not_clean(call);
		break;
	case RELEASE_BLOCKED:
		call_fail(call, "not released: the block list refuses it "
				"('sluice quarantine show' tells whose it is, "
				"'sluice block list' what blocks it)");
		break;
	case RELEASE_FAILED:
		if (result->err == GW_ENOENT || result->err == GW_ECORRUPT)
			quarantine_failed(call, result->err);
		else
			call_fail(call, "nothing was done: %s",
				  gw_err_text(result->err));
		break;
	}
	return true;
}

static void
put_json(struct call *call)
{
	const struct release_result *result = &call->released;
	bool sent = result->verb == RELEASE_SEND;
	char id[ID_TEXT_SIZE];
	struct json j;

	id_format(result->new_id, id);
	json_init(&j, &call->out);
	json_open_object(&j, NULL);
	json_str(&j, "id", command_operand(&call->line, 0));
	json_str(&j, "result", sent ? "released" : "deleted");
	if (sent) {
		json_str(&j, "new_id", id);
		json_u64(&j, "recipients", result->rcpt_count);
		json_str(&j, "verdict", scan_kind_word(result->verdict.kind));
		json_str(&j, "threat",
			 result->verdict.threat[0] ? result->verdict.threat
						   : NULL);
	}
	json_close_object(&j);
	buf_add_byte(&call->out, '\n');
}

static enum call_next
ended(struct call *call)
{
	const struct release_result *result = &call->released;
	struct buf *out = &call->out;
	char id[ID_TEXT_SIZE];

	if (tell_failure(call))
		return CALL_DONE;
	if (call->request.json) {
		put_json(call);
		return CALL_DONE;
	}
	if (result->verb == RELEASE_DELETE) {
		buf_add_str(out, "Deleted.\n");
		return CALL_DONE;
	}
	id_format(result->new_id, id);
	buf_printf(out, "Released as %s, to ", id);
	text_times(out, result->rcpt_count, "recipient");
	buf_add_str(out, "; ");
	verdict_text(&result->verdict, out);
	buf_add_str(out, ".\n");
	return CALL_DONE;
}

static enum call_next
start(struct call *call, enum release_verb verb, bool anyway)
{
	struct release_req req = {.verb = verb, .anyway = anyway};

	if (!quarantine_there(call) || !quarantine_id(call, &req.id))
		return CALL_DONE;
	if (command_option(&call->line, "reason") == NULL) {
		call_usage(call, "say why: --reason TEXT");
		return CALL_DONE;
	}
	req.tell = call_change(call);
	call->step = ended;
	call_release(call, &req);
	return CALL_WAIT;
}

enum call_next
command_quarantine_release(struct call *call)
{
	return start(call, RELEASE_SEND,
		     command_option(&call->line, "anyway") != NULL);
}

enum call_next
command_quarantine_delete(struct call *call)
{
	return start(call, RELEASE_DELETE, false);
}

/* --- export ------------------------------------------------------------------
 */

struct export
{
	struct quarantine_reader *reader;
	uint64_t at;
};

static void
export_fini(void *state)
{
	struct export *export = state;

	if (export->reader != NULL)
		quarantine_reader_close(&export->reader);
}

static enum call_next
export_piece(struct call *call)
{
	struct export *export = call->state;
	char *to = buf_reserve(&call->out, PIECE_BYTES);
	int64_t n =
	    quarantine_reader_read(export->reader, export->at, to, PIECE_BYTES);

	if (n > 0) {
		call->out.n += (size_t)n;
		export->at += (uint64_t)n;
		return CALL_MORE;
	}
	if (n < 0)
		call_fail(call, "it is not complete: %s", gw_err_text((int)n));
	return CALL_DONE;
}

/* Our headers first, as it would have been sent. */
static bool
export_begin(struct call *call, struct export *export)
{
	struct quarantine *quarantine = call->control->quarantine;
	struct arena *arena = arena_create(1024);
	struct quarantine_entry entry;
	bool ok = quarantine_find(call, arena, &entry);
	int err;

	if (ok) {
		err = quarantine_reader_open(quarantine, entry.id,
					     &export->reader);
		ok = err == 0;
		if (ok)
			buf_add_slice(&call->out, entry.prefix);
		else
			quarantine_failed(call, err);
	}
	arena_destroy(&arena);
	return ok;
}

enum call_next
command_quarantine_export(struct call *call)
{
	struct export *export = mem_zalloc(sizeof(*export));

	call->state = export;
	call->state_fini = export_fini;
	call->step = export_piece;
	if (!quarantine_there(call))
		return CALL_DONE;
	if (call->request.tty) {
		call_usage(call, "this would show a virus to the terminal: "
				 "write it to a file (> FILE)");
		return CALL_DONE;
	}
	if (call->request.json) {
		call_usage(call, "an export is the message's bytes, not JSON");
		return CALL_DONE;
	}
	if (!export_begin(call, export))
		return CALL_DONE;
	call_note(call, "exported");
	return export_piece(call);
}
