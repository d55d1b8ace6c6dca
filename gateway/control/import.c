#include "gateway/control/import.h"

#include <inttypes.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"

#define CHECK_SLICE 1000
#define APPLY_SLICE 500
#define ERRORS_SHOWN 20

static void
start_over(struct import *import, const struct call *call)
{
	import->rest = buf_slice(&call->input);
	import->line = 0;
}

static bool
next_line(struct import *import, struct slice *line)
{
	buf_clear(&import->error);
	if (!slice_split(&import->rest, '\n', line))
		return false;
	import->line++;
	return true;
}

static enum call_next
import_end(struct call *call, const char *result)
{
	struct import *import = call->state;
	struct json *j = &import->json;

	import->applying = false;
	if (call->request.json) {
		json_close_array(j);
		json_str(j, "result", result);
		json_u64(j, "entries", import->entries);
		import->kind->put_counts(call, j);
		json_u64(j, "wrong", import->wrong);
		json_bool(j, "durable", call->commit_err == 0);
		json_close_object(j);
		buf_add_byte(&call->out, '\n');
	}
	return CALL_DONE;
}

/* --- then: add them --------------------------------------------------------
 */

static enum call_next
not_all(struct call *call, const char *why)
{
	struct import *import = call->state;

	call_fail(call,
		  "line %" PRIu64 ": %s: %" PRIu64 " of %" PRIu64
		  " %s are %s, the last %d perhaps not durable",
		  import->line, why, import->added, import->entries,
		  import->kind->entries, import->kind->there, APPLY_SLICE);
	return import_end(call, "incomplete");
}

static enum call_next
apply_slice(struct call *call)
{
	struct import *import = call->state;
	struct change *change;
	struct slice line;
	int count = 0, got = 0;

	if (call->commit_err != 0)
		return not_all(call, gw_err_text(call->commit_err));
	change = change_again(import->tell);
	while (count < APPLY_SLICE && got >= 0 && next_line(import, &line)) {
		got = import->kind->add(call, line, change);
		import->added += got > 0;
		count += got > 0;
	}
	if (got < 0) {
		import->kind->put_effect(call, change);
		change_commit(&change, NULL, NULL);
		return not_all(call, buf_cstr(&import->error));
	}
	if (count == 0) {
		change_destroy(&change);
		import->kind->done(call);
		return import_end(call, "imported");
	}
	import->kind->put_effect(call, change);
	call_commit(call, &change);
	return CALL_WAIT;
}

/* --- first: is every line right? -------------------------------------------
 */

static void
tell_wrong(struct call *call, struct import *import)
{
	if (++import->wrong > ERRORS_SHOWN)
		return;
	if (call->request.json) {
		json_open_object(&import->json, NULL);
		json_u64(&import->json, "line", import->line);
		json_slice(&import->json, "what", buf_slice(&import->error));
		json_close_object(&import->json);
	} else {
		buf_printf(&call->err, "line %" PRIu64 ": ", import->line);
		buf_add_slice(&call->err, buf_slice(&import->error));
		buf_add_byte(&call->err, '\n');
	}
}

static enum call_next
checked(struct call *call, struct import *import)
{
	const struct import_kind *kind = import->kind;

	if (import->wrong > ERRORS_SHOWN)
		call_fail(call, "and %" PRIu64 " lines more",
			  import->wrong - ERRORS_SHOWN);
	if (import->wrong > 0) {
		call_fail(call,
			  "%" PRIu64 " of %" PRIu64
			  " lines are wrong: nothing was imported",
			  import->wrong, import->line);
		return import_end(call, "refused");
	}
	if (kind->max != 0 && import->entries > kind->max) {
		call_fail(call,
			  "%" PRIu64 " %s are more than the list holds "
			  "(%" PRIu64 "): nothing was imported",
			  import->entries, kind->entries, kind->max);
		return import_end(call, "refused");
	}
	start_over(import, call);
	import->applying = true;
	call->step = apply_slice;
	return CALL_MORE;
}

static enum call_next
check_slice(struct call *call)
{
	struct import *import = call->state;
	struct slice line;

	for (int i = 0; i < CHECK_SLICE; i++) {
		int got;

		if (!next_line(import, &line))
			return checked(call, import);
		got = import->kind->check(call, line);
		import->entries += got > 0;
		if (got < 0)
			tell_wrong(call, import);
	}
	return CALL_MORE;
}

/* --- its life --------------------------------------------------------------
 */

void
import_init(struct call *call, const struct import_kind *kind)
{
	struct import *import = call->state;

	import->kind = kind;
	buf_init(&import->error, 1024);
	json_init(&import->json, &call->out);
	import->now_s = clock_wall_s();
	import->tell = call_change(call);
	start_over(import, call);
	call->step = check_slice;
}

void
import_fini(struct import *import)
{
	buf_fini(&import->error);
	change_destroy(&import->tell);
}

enum call_next
import_begin(struct call *call)
{
	struct import *import = call->state;

	if (!call->request.input) {
		call_usage(call, "a file is missing");
		return CALL_DONE;
	}
	if (call->request.json) {
		json_open_object(&import->json, NULL);
		json_open_array(&import->json, "errors");
	}
	return check_slice(call);
}
