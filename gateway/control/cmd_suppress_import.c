/*
 * sluice suppress import: one address a line, behind it what export writes, or
 * nothing. As with `block import`: first every line is read, and one mistake
 * anywhere means that nothing is added; then they are added, a slice at a time,
 * each committed before the next begins.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/escape.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/suppress_text.h"
#include "gateway/control/text.h"
#include "gateway/smtp/path.h"

#define CHECK_SLICE 2000
#define APPLY_SLICE 500
#define ERRORS_SHOWN 20

struct line {
	char address[SUPPRESS_ADDRESS_SIZE];
	char text[SUPPRESS_TEXT_MAX];
	enum suppress_reason reason;
	int64_t since_wall_s;
};

struct import {
	struct json json;
	struct slice rest; /* of the input */
	struct change *tell;
	char author[SUPPRESS_TEXT_MAX];
	enum suppress_reason reason; /* of lines that do not say it */
	int64_t now_s;
	uint64_t number, entries, wrong, added;
	bool applying;
};

static void
import_fini(void *state)
{
	struct import *import = state;

	if (import->applying)
		log_event(GW_LOG_WARN, "import-abandoned",
			  LF_U64("added", import->added),
			  LF_U64("of", import->entries));
	change_destroy(&import->tell);
}

/* --- a line -----------------------------------------------------------------
 */

/* Up to a blank; in quotes it may hold blanks. */
static struct slice
take_address(struct slice *rest)
{
	bool quoted = false;
	size_t n = 0;
	struct slice address;

	for (; n < rest->n; n++) {
		char c = rest->p[n];

		if (quoted && c == '\\' && n + 1 < rest->n)
			n++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == ' ' || c == '\t' || c == ','))
			break;
	}
	address = slice_head(*rest, n);
	*rest = slice_trim(slice_from(*rest, n + (n < rest->n)));
	return address;
}

static struct slice
take_word(struct slice *rest)
{
	size_t n = 0;
	struct slice word;

	while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
		n++;
	word = slice_head(*rest, n);
	*rest = slice_trim(slice_from(*rest, n));
	return word;
}

/* "2026-11-22T10:00:00.000Z" */
static bool
parse_since(struct slice s, int64_t *wall_s)
{
	char text[CLOCK_ISO_SIZE];
	struct tm tm = {0};
	const char *end;

	if (s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (end == NULL || (*end != '.' && *end != 'Z'))
		return false;
	*wall_s = timegm(&tm);
	return *wall_s > 0;
}

static const char *
parse_behind(struct slice rest, struct line *line)
{
	struct buf text = {.cap = SUPPRESS_TEXT_MAX - 1};

	if (rest.n == 0)
		return NULL;
	if (suppress_reason_find(take_word(&rest), &line->reason) != 0)
		return "behind the address stands why: manual, unsubscribed, "
		       "complaint, hardbounce or softbounce";
	if (rest.n > 0 && !parse_since(take_word(&rest), &line->since_wall_s))
		return "then since when: 2026-12-31T16:40:00Z";
	if (rest.n == 0)
		return NULL;
	escape_text(&text, rest);
	memcpy(line->text, text.p, text.n);
	line->text[text.n] = '\0';
	buf_fini(&text);
	return NULL;
}

/* 1: an entry; 0: nothing stands there; below: *why. */
static int
parse_line(const struct import *import, struct slice s, struct line *line,
	   const char **why)
{
	struct slice address;
	struct path path;

	if (s.n > 0 && s.p[s.n - 1] == '\r')
		s = slice_head(s, s.n - 1);
	s = slice_trim(s);
	if (s.n == 0 || s.p[0] == '#')
		return 0;
	address = take_address(&s);
	*why = "that is no mail address";
	if (path_parse(&address, &path) != PATH_FINE || path.domain.n == 0 ||
	    address.n > 0)
		return GW_EINVAL;
	line->reason = import->reason;
	line->since_wall_s = import->now_s;
	memcpy(line->text, import->author, sizeof(line->text));
	memcpy(line->address, path.address.p, path.address.n);
	line->address[path.address.n] = '\0';
	*why = parse_behind(s, line);
	return *why == NULL ? 1 : GW_EINVAL;
}

/* --- first: is every line right? -------------------------------------------
 */

static enum call_next
import_end(struct call *call, struct import *import, const char *result)
{
	struct json *j = &import->json;

	import->applying = false;
	if (call->request.json) {
		json_close_array(j);
		json_str(j, "result", result);
		json_u64(j, "entries", import->entries);
		json_u64(j, "added", import->added);
		json_u64(j, "wrong", import->wrong);
		json_bool(j, "durable", call->commit_err == 0);
		json_close_object(j);
		buf_add_byte(&call->out, '\n');
	}
	return CALL_DONE;
}

static void
tell_wrong(struct call *call, struct import *import, const char *why)
{
	if (++import->wrong > ERRORS_SHOWN)
		return;
	if (call->request.json) {
		json_open_object(&import->json, NULL);
		json_u64(&import->json, "line", import->number);
		json_str(&import->json, "what", why);
		json_close_object(&import->json);
	} else {
		buf_printf(&call->err, "line %" PRIu64 ": %s\n", import->number,
			   why);
	}
}

static enum call_next apply_slice(struct call *call);

static enum call_next
checked(struct call *call, struct import *import)
{
	if (import->wrong > ERRORS_SHOWN)
		call_fail(call, "and %" PRIu64 " lines more",
			  import->wrong - ERRORS_SHOWN);
	if (import->wrong > 0) {
		call_fail(call,
			  "%" PRIu64 " of %" PRIu64
			  " lines are wrong: nothing was imported",
			  import->wrong, import->number);
		return import_end(call, import, "refused");
	}
	import->rest = buf_slice(&call->input);
	import->number = 0;
	import->applying = true;
	call->step = apply_slice;
	return CALL_MORE;
}

static enum call_next
check_slice(struct call *call)
{
	struct import *import = call->state;
	struct slice text;
	struct line line;
	const char *why;

	for (int i = 0; i < CHECK_SLICE; i++) {
		int got;

		if (!slice_split(&import->rest, '\n', &text))
			return checked(call, import);
		import->number++;
		got = parse_line(import, text, &line, &why);
		import->entries += got > 0;
		if (got < 0)
			tell_wrong(call, import, why);
	}
	return CALL_MORE;
}

/* --- then: add them ---------------------------------------------------------
 */

static int
add_line(struct call *call, const struct line *line, struct arena *arena,
	 struct change *change)
{
	const struct suppress_entry entry = {
	    .address = line->address,
	    .reason = line->reason,
	    .count = 1,
	    .since_wall_s = line->since_wall_s,
	    .last_wall_s = line->since_wall_s,
	    .text = line->text,
	};
	struct store_change row;
	int err = suppress_add(call->control->suppress, &entry, arena, &row);

	if (err == 0)
		change_add(change, &row);
	return err;
}

static enum call_next
not_all(struct call *call, struct import *import, int err)
{
	call_fail(call,
		  "line %" PRIu64 ": %s: %" PRIu64 " of %" PRIu64
		  " addresses are suppressed, the last %d perhaps not durable",
		  import->number, gw_err_text(err), import->added,
		  import->entries, APPLY_SLICE);
	return import_end(call, import, "incomplete");
}

static enum call_next
imported(struct call *call, struct import *import)
{
	if (!call->request.json) {
		buf_add_str(&call->out, "Imported ");
		text_count(&call->out, import->added);
		buf_printf(&call->out, " address%s.\n",
			   import->added == 1 ? "" : "es");
	}
	return import_end(call, import, "imported");
}

static enum call_next
apply_slice(struct call *call)
{
	struct import *import = call->state;
	struct arena *arena;
	struct change *change;
	struct slice text;
	struct line line;
	const char *why;
	int count = 0, err = 0;

	if (call->commit_err != 0)
		return not_all(call, import, call->commit_err);
	arena = arena_create(65536);
	change = change_again(import->tell);
	while (count < APPLY_SLICE && err == 0 &&
	       slice_split(&import->rest, '\n', &text)) {
		import->number++;
		if (parse_line(import, text, &line, &why) <= 0)
			continue;
		err = add_line(call, &line, arena, change);
		import->added += err == 0;
		count++;
	}
	arena_destroy(&arena);
	if (count == 0) {
		change_destroy(&change);
		return imported(call, import);
	}
	change_effect(change, "%" PRIu64 " of %" PRIu64 " addresses",
		      import->added, import->entries);
	if (err != 0) {
		change_commit(&change, NULL, NULL);
		return not_all(call, import, err);
	}
	call_commit(call, &change);
	return CALL_WAIT;
}

enum call_next
command_suppress_import(struct call *call)
{
	struct import *import = mem_zalloc(sizeof(*import));

	call->state = import;
	call->state_fini = import_fini;
	call->step = check_slice;
	json_init(&import->json, &call->out);
	import->now_s = clock_wall_s();
	import->tell = call_change(call);
	import->rest = buf_slice(&call->input);
	if (!suppress_there(call) || !suppress_as_option(call, &import->reason))
		return CALL_DONE;
	suppress_author_text(call, import->tell, import->author);
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
