/*
 * sluice suppress import: one address a line, behind it what export writes, or
 * nothing. That a mistake anywhere means that nothing is added, and that it is
 * done in portions, is import.c's.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/arena.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/control/import.h"
#include "gateway/control/suppress_text.h"
#include "gateway/control/text.h"
#include "gateway/smtp/path.h"

struct line {
	char address[SUPPRESS_ADDRESS_SIZE];
	char text[SUPPRESS_TEXT_MAX];
	enum suppress_reason reason;
	int64_t since_wall_s;
};

struct suppress_import {
	struct import import;
	char author[SUPPRESS_TEXT_MAX];
	enum suppress_reason reason; /* of lines that do not say it */
};

static void
suppress_import_fini(void *state)
{
	struct suppress_import *addresses = state;
	const struct import *import = &addresses->import;

	if (import->applying)
		log_event(GW_LOG_WARN, "import-abandoned",
			  LF_U64("added", import->added),
			  LF_U64("of", import->entries));
	import_fini(&addresses->import);
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
	if (rest.n == 0)
		return NULL;
	if (suppress_reason_find(take_word(&rest), &line->reason) != 0)
		return "behind the address stands why: manual, unsubscribed, "
		       "complaint, hardbounce or softbounce";
	if (rest.n == 0)
		return NULL;
	if (!parse_since(take_word(&rest), &line->since_wall_s))
		return "then since when: 2026-12-31T16:40:00Z";
	/* what export wrote comes back as it was, also if it is nothing */
	suppress_text_put(line->text, "", rest);
	return NULL;
}

/* 1: an entry; 0: nothing stands there; below: *why. */
static int
parse_line(const struct suppress_import *addresses, struct slice s,
	   struct line *line, const char **why)
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
	line->reason = addresses->reason;
	line->since_wall_s = addresses->import.now_s;
	memcpy(line->text, addresses->author, sizeof(line->text));
	memcpy(line->address, path.address.p, path.address.n);
	line->address[path.address.n] = '\0';
	*why = parse_behind(s, line);
	return *why == NULL ? 1 : GW_EINVAL;
}

static int
read_line(struct call *call, struct slice text, struct line *line)
{
	struct suppress_import *addresses = call->state;
	const char *why;
	int got = parse_line(addresses, text, line, &why);

	if (got < 0)
		buf_add_str(&addresses->import.error, why);
	return got;
}

static int
check_line(struct call *call, struct slice text)
{
	struct line line;

	return read_line(call, text, &line);
}

static int
add_line(struct call *call, struct slice text, struct change *change)
{
	struct suppress_import *addresses = call->state;
	struct line line;
	struct suppress_entry entry = {.address = line.address, .count = 1};
	struct store_change row;
	struct arena *arena;
	int err;

	if (read_line(call, text, &line) <= 0)
		return 0;
	entry.reason = line.reason;
	entry.since_wall_s = entry.last_wall_s = line.since_wall_s;
	entry.text = line.text;
	arena = arena_create(2048);
	err = suppress_add(call->control->suppress, &entry, arena, &row);
	if (err == 0)
		change_add(change, &row);
	else
		buf_add_str(&addresses->import.error, gw_err_text(err));
	arena_destroy(&arena);
	return err == 0 ? 1 : err;
}

/* --- what is said of it -----------------------------------------------------
 */

static void
put_effect(const struct call *call, struct change *change)
{
	const struct import *import = call->state;

	change_effect(change, "%" PRIu64 " of %" PRIu64 " addresses",
		      import->added, import->entries);
}

static void
put_counts(const struct call *call, struct json *j)
{
	const struct import *import = call->state;

	json_u64(j, "added", import->added);
}

static void
imported(struct call *call)
{
	const struct import *import = call->state;

	if (call->request.json)
		return;
	buf_add_str(&call->out, "Imported ");
	text_count(&call->out, import->added);
	buf_printf(&call->out, " address%s.\n", import->added == 1 ? "" : "es");
}

enum call_next
command_suppress_import(struct call *call)
{
	static const struct import_kind kind = {
	    .entries = "addresses",
	    .there = "suppressed",
	    .check = check_line,
	    .add = add_line,
	    .put_effect = put_effect,
	    .put_counts = put_counts,
	    .done = imported,
	};
	struct suppress_import *addresses = mem_zalloc(sizeof(*addresses));

	call->state = addresses;
	call->state_fini = suppress_import_fini;
	import_init(call, &kind);
	if (!suppress_there(call) ||
	    !suppress_as_option(call, &addresses->reason))
		return CALL_DONE;
	suppress_author_text(call, addresses->import.tell, addresses->author);
	return import_begin(call);
}
