#include "gateway/smtp/header.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

/*
 * Looks only; what to add or refuse is the owner's.
 *
 * A line in the middle that is no field does not end the block here: readers
 * differ on it, and whoever hides a second From behind such a line must find
 * it counted. Only a first line that is no field means that there is no header
 * at all, since then an empty line of ours will stand in front of it.
 *
 * From and Sender are kept whole, since who may stand there is asked of every
 * address; the block's own cap bounds them. Of a field that repeats, the first
 * value is kept; the verdict tells anyway.
 */

#define VALUE_MAX 998

enum field {
	FIELD_FROM,
	FIELD_SENDER,
	FIELD_REPLY_TO,
	FIELD_TO,
	FIELD_CC,
	FIELD_DATE,
	FIELD_MESSAGE_ID,
	FIELD_SUBJECT,
	FIELD_WATCHED, /* RFC 5322, 3.6: the ones above stand once at most */
	FIELD_COUNT,
	FIELD_RECEIVED,
	FIELD_OTHER
};

static const struct {
	const char *name;
	enum field field;
} names[] = {
    {"From", FIELD_FROM},
    {"Sender", FIELD_SENDER},
    {"Reply-To", FIELD_REPLY_TO},
    {"To", FIELD_TO},
    {"Cc", FIELD_CC},
    {"Date", FIELD_DATE},
    {"Subject", FIELD_SUBJECT},
    {"Message-ID", FIELD_MESSAGE_ID},
    {"Received", FIELD_RECEIVED},
};

struct header_scan {
	struct buf line; /* the part of a line that came so far */
	struct buf values[FIELD_COUNT]; /* of those that are asked for */
	size_t bytes;			/* of the block so far */
	unsigned received_count, watched_count;
	const char *watched; /* or NULL */
	enum header_verdict verdict;
	enum field current; /* what a continuation belongs to */
	const char *what;
	bool seen[FIELD_COUNT];
	bool capture; /* current's value is being kept */
	bool begun, done, headerless, eightbit;
};

struct header_scan *
header_scan_create(void)
{
	struct header_scan *scan = mem_zalloc(sizeof(*scan));
	size_t i;

	buf_init(&scan->line, VALUE_MAX);
	for (i = 0; i < FIELD_COUNT; i++)
		buf_init(&scan->values[i], i == FIELD_FROM || i == FIELD_SENDER
					       ? HEADER_BLOCK_MAX
					       : VALUE_MAX);
	scan->current = FIELD_OTHER;
	return scan;
}

void
header_scan_destroy(struct header_scan **scan)
{
	size_t i;

	if (*scan == NULL)
		return;
	buf_fini(&(*scan)->line);
	for (i = 0; i < FIELD_COUNT; i++)
		buf_fini(&(*scan)->values[i]);
	free(*scan);
	*scan = NULL;
}

void
header_scan_watch(struct header_scan *scan, const char *name)
{
	scan->watched = name;
}

static void
judge(struct header_scan *scan, enum header_verdict verdict, const char *what)
{
	if (scan->verdict != HEADER_FINE)
		return;
	scan->verdict = verdict;
	scan->what = what;
}

/* Up to the cap, and not a byte less: buf_add would add all or nothing. */
static void
add_capped(struct buf *b, struct slice s)
{
	buf_add_slice(b, slice_head(s, b->cap - b->n));
}

/* The name of the field that begins here; none: it is no field. Blanks in
 * front of the colon are the obsolete form, which still arrives. */
static struct slice
name_of(struct slice line)
{
	size_t colon = slice_find(line, ':'), i;
	struct slice name;

	if (colon == line.n)
		return SLICE_NONE;
	name = slice_trim(slice_head(line, colon));
	if (name.n == 0 || name.p != line.p)
		return SLICE_NONE;
	for (i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] == 0x7f)
			return SLICE_NONE;
	return name;
}

static bool
is_kept(enum field field)
{
	return field == FIELD_FROM || field == FIELD_SENDER ||
	       field == FIELD_MESSAGE_ID || field == FIELD_SUBJECT;
}

static void
watched_begin(struct header_scan *scan, struct slice value)
{
	scan->current = FIELD_WATCHED;
	scan->capture = scan->watched_count++ == 0;
	scan->seen[FIELD_WATCHED] = true;
	if (scan->capture)
		add_capped(&scan->values[FIELD_WATCHED], value);
}

static void
field_begin(struct header_scan *scan, struct slice name, struct slice value)
{
	size_t i;

	scan->current = FIELD_OTHER;
	scan->capture = false;
	if (scan->watched != NULL &&
	    slice_ieq(name, slice_str(scan->watched))) {
		watched_begin(scan, value);
		return;
	}
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_ieq(name, slice_str(names[i].name)))
			break;
	if (i == sizeof(names) / sizeof(names[0]))
		return;
	scan->current = names[i].field;
	if (scan->current == FIELD_RECEIVED) {
		if (++scan->received_count > HEADER_RECEIVED_MAX)
			judge(scan, HEADER_LOOP, names[i].name);
		return;
	}
	if (scan->seen[scan->current]) {
		judge(scan, HEADER_REPEATED, names[i].name);
		return;
	}
	scan->seen[scan->current] = true;
	scan->capture = is_kept(scan->current);
	if (scan->capture)
		add_capped(&scan->values[scan->current], value);
}

/* One line without its ending. */
static void
line_end(struct header_scan *scan, struct slice line)
{
	struct slice name;
	bool first = !scan->begun;

	scan->begun = true;
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (line.n == 0) {
		scan->done = true;
		return;
	}
	if (!first && (line.p[0] == ' ' || line.p[0] == '\t')) {
		if (scan->capture)
			add_capped(&scan->values[scan->current], line);
		return;
	}
	name = name_of(line);
	if (name.p != NULL) {
		field_begin(scan, name,
			    slice_from(line, slice_find(line, ':') + 1));
	} else if (first) {
		scan->headerless = true;
		scan->done = true;
	} else {
		scan->current = FIELD_OTHER;
		scan->capture = false;
	}
}

static void
eightbit_look(struct header_scan *scan, struct slice s)
{
	size_t i;

	for (i = 0; i < s.n && !scan->eightbit; i++)
		scan->eightbit = (unsigned char)s.p[i] >= 0x80;
}

void
header_scan_add(struct header_scan *scan, struct slice bytes)
{
	size_t lf, n;
	struct slice line;

	while (bytes.n > 0 && !scan->done) {
		lf = slice_find(bytes, '\n');
		n = lf < bytes.n ? lf + 1 : lf;
		if (n > HEADER_BLOCK_MAX - scan->bytes) {
			judge(scan, HEADER_TOO_BIG, "header");
			scan->done = true;
			return;
		}
		scan->bytes += n;
		line = slice_head(bytes, lf);
		eightbit_look(scan, line);
		if (lf == bytes.n || scan->line.n > 0) {
			add_capped(&scan->line, line);
			line = buf_slice(&scan->line);
		}
		if (lf < bytes.n) {
			line_end(scan, slice_head(line, VALUE_MAX));
			buf_fini(&scan->line);
		}
		bytes = slice_from(bytes, n);
	}
}

void
header_scan_end(struct header_scan *scan)
{
	if (!scan->done && scan->line.n > 0)
		line_end(scan, buf_slice(&scan->line));
	buf_fini(&scan->line);
	scan->done = true;
}

enum header_verdict
header_scan_verdict(const struct header_scan *scan)
{
	return scan->verdict;
}

const char *
header_scan_what(const struct header_scan *scan)
{
	return scan->what != NULL ? scan->what : "";
}

bool
header_scan_done(const struct header_scan *scan)
{
	return scan->done;
}

bool
header_has_date(const struct header_scan *scan)
{
	return scan->seen[FIELD_DATE];
}

bool
header_has_message_id(const struct header_scan *scan)
{
	return scan->seen[FIELD_MESSAGE_ID];
}

bool
header_has_from(const struct header_scan *scan)
{
	return scan->seen[FIELD_FROM];
}

bool
header_is_headerless(const struct header_scan *scan)
{
	return scan->headerless;
}

static struct slice
value(const struct header_scan *scan, enum field field)
{
	if (!scan->seen[field])
		return SLICE_NONE;
	if (scan->values[field].n == 0)
		return SLICE_LIT("");
	return slice_trim(buf_slice(&scan->values[field]));
}

struct slice
header_message_id(const struct header_scan *scan)
{
	return value(scan, FIELD_MESSAGE_ID);
}

struct slice
header_from(const struct header_scan *scan)
{
	return value(scan, FIELD_FROM);
}

struct slice
header_sender(const struct header_scan *scan)
{
	return value(scan, FIELD_SENDER);
}

struct slice
header_subject(const struct header_scan *scan)
{
	return value(scan, FIELD_SUBJECT);
}

unsigned
header_watched(const struct header_scan *scan, struct slice *found)
{
	*found = value(scan, FIELD_WATCHED);
	return scan->watched_count;
}

bool
header_eightbit_seen(const struct header_scan *scan)
{
	return scan->eightbit;
}
