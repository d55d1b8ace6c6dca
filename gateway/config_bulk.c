/*
 * Values that `bulk` has: what makes a mass mailing, paces, shares. A pace is
 * read with its unit and kept in the one that its row counts in, so that
 * "500/30m" and "1000/h" are one; a share has one digit behind the point,
 * because a complaint rate is told in tenths.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "gateway/base/units.h"
#include "gateway/config_int.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

static const char *
show(struct config_reading *r, const struct config_word *word)
{
	return config_word_text(r->arena, word->text);
}

/* --- NUMBER/TIME --- */

/* "h", "10m". */
static bool
read_period(struct slice text, int64_t *period_ms)
{
	struct buf whole = {.cap = 256};
	bool bare = text.n == 0 ||
		    (text.p[text.n - 1] >= '0' && text.p[text.n - 1] <= '9');
	bool ok;

	if (text.n > 0 && (text.p[0] < '0' || text.p[0] > '9'))
		buf_add_byte(&whole, '1');
	buf_add_slice(&whole, text);
	ok = !bare && units_time_ms(buf_slice(&whole), period_ms) == 0 &&
	     *period_ms >= MINUTE_MS && *period_ms <= DAY_MS;
	buf_fini(&whole);
	return ok;
}

/* period 0: none was written. False: told. */
static bool
read_amount(struct config_reading *r, const struct config_word *word,
	    const char *example, uint64_t max, uint64_t *n, int64_t *period_ms)
{
	struct slice text = slice_str(word->text);
	size_t slash = slice_find(text, '/');

	*period_ms = 0;
	if (units_count(slice_head(text, slash), n) != 0 ||
	    (slash < text.n &&
	     !read_period(slice_from(text, slash + 1), period_ms))) {
		config_error(r->problems, word->at,
			     "'%s' is not a number and a time of 1m to 1d: "
			     "write %s",
			     show(r, word), example);
		return false;
	}
	if (*n <= max)
		return true;
	config_error(r->problems, word->at,
		     "it cannot be %s: allowed is up to %" PRIu64,
		     show(r, word), max);
	return false;
}

static bool
read_pace(struct config_reading *r, const struct config_row *row,
	  const struct config_node *node, void *field)
{
	bool hour = row->kind == CONFIG_PER_HOUR;
	const struct config_word *word = &node->words[1];
	const char *example = hour ? "1000/h, or none" : "30/m, or none";
	int64_t period_ms;
	uint64_t n;

	if (strcmp(word->text, "none") == 0) {
		*(uint64_t *)field = 0;
		return true;
	}
	if (!read_amount(r, word, example, row->max, &n, &period_ms))
		return false;
	if (period_ms == 0) {
		config_error(r->problems, word->at,
			     "'%s' has no period with a unit: write %s",
			     show(r, word), example);
		return false;
	}
	n = n * (uint64_t)(hour ? HOUR_MS : MINUTE_MS) / (uint64_t)period_ms;
	if (n >= row->min && n <= row->max) {
		*(uint64_t *)field = n;
		return true;
	}
	config_error(r->problems, word->at,
		     "'%s' cannot be %s: allowed is %" PRIu64 "/%c to %" PRIu64
		     "/%c",
		     config_row_name(row), show(r, word), row->min,
		     hour ? 'h' : 'm', row->max, hour ? 'h' : 'm');
	return false;
}

static bool
print_pace(const struct config_row *row, const void *field, size_t i,
	   struct buf *out)
{
	uint64_t n = *(const uint64_t *)field;

	if (i > 0)
		return false;
	if (n == 0)
		buf_add_str(out, "none");
	else
		buf_printf(out, "%" PRIu64 "/%c", n,
			   row->kind == CONFIG_PER_HOUR ? 'h' : 'm');
	return true;
}

const struct config_shape config_shape_per_hour = {1, 1, "NUMBER/TIME | none",
						   read_pace, print_pace};
const struct config_shape config_shape_per_min = {1, 1, "NUMBER/TIME | none",
						  read_pace, print_pace};

/* --- bulk.when --- */

/* A second one of the file is an error, of what was the default it is not. */
static bool
once(struct config_reading *r, const struct config_word *word,
     const struct config_place *before)
{
	if (before->file == NULL)
		return true;
	config_error(r->problems, word->at,
		     "a second '%s'; the first is at %s:%u:%u", show(r, word),
		     before->file, before->line, before->column);
	return false;
}

static bool
read_when_one(struct config_reading *r, const struct config_row *row,
	      const struct config_word *word, struct config_when *when)
{
	int64_t period_ms;
	uint64_t n;

	if (strcmp(word->text, "recipients") == 0) {
		if (!once(r, word, &when->recipients_at) ||
		    !config_number(r, word + 1, row->min, row->max, &n))
			return false;
		when->recipients = n;
		when->recipients_at = word->at;
		return true;
	}
	if (strcmp(word->text, "same-body") != 0) {
		config_error(r->problems, word->at,
			     "'%s' is neither 'recipients' nor 'same-body'",
			     show(r, word));
		return false;
	}
	if (!once(r, word, &when->same_at) ||
	    !read_amount(r, word + 1, "100/h", row->max, &n, &period_ms))
		return false;
	when->same = n;
	when->same_ms = period_ms != 0 ? period_ms : HOUR_MS;
	when->same_at = word->at;
	return true;
}

static bool
read_when(struct config_reading *r, const struct config_row *row,
	  const struct config_node *node, void *field)
{
	struct config_when when = *(const struct config_when *)field;

	if (node->count % 2 == 0) {
		config_error(r->problems, node->words[node->count - 1].at,
			     "'%s' lacks its number",
			     show(r, &node->words[node->count - 1]));
		return false;
	}
	for (size_t i = 1; i < node->count; i += 2) {
		if (!read_when_one(r, row, &node->words[i], &when))
			return false;
	}
	*(struct config_when *)field = when;
	return true;
}

static bool
print_when(const struct config_row *row, const void *field, size_t i,
	   struct buf *out)
{
	const struct config_when *when = field;
	bool recipients = when->recipients_at.line != 0;
	struct buf text = {.cap = 64};
	struct slice s;

	(void)row;
	if (recipients && i == 0) {
		buf_printf(out, "recipients %" PRIu64, when->recipients);
		return true;
	}
	if (when->same_at.line == 0 || i > (recipients ? 1 : 0))
		return false;
	units_format_time(&text, when->same_ms);
	s = buf_slice(&text);
	buf_printf(out, "same-body %" PRIu64 "/", when->same);
	buf_add_slice(out, s.n == 2 && s.p[0] == '1' ? slice_from(s, 1) : s);
	buf_fini(&text);
	return true;
}

/* One pair, or both. */
const struct config_shape config_shape_when = {
    1, 4, "recipients NUMBER | same-body NUMBER[/TIME]", read_when, print_when};

/* --- shares --- */

/* "8%", "0.3%" in tenths; false: none. */
static bool
share_of(struct slice text, unsigned *tenths)
{
	size_t point = slice_find(text, '.');
	uint64_t whole = 0, tenth = 0;

	if (text.n == 0 || text.p[text.n - 1] != '%')
		return false;
	text = slice_head(text, text.n - 1);
	if (point < text.n &&
	    (text.n - point != 2 ||
	     units_count(slice_from(text, point + 1), &tenth) != 0))
		return false;
	if (units_count(slice_head(text, point), &whole) != 0 || whole > 1000)
		return false;
	*tenths = (unsigned)(10 * whole + tenth);
	return true;
}

static const char *const share_words[] = {"bounces", "complaints"};

static bool
read_share(struct config_reading *r, const struct config_row *row,
	   const struct config_word *word, struct config_shares *shares)
{
	size_t which = 0;
	unsigned tenths = 0;

	while (which < 2 && strcmp(word->text, share_words[which]) != 0)
		which++;
	if (which == 2) {
		config_error(r->problems, word->at,
			     "'%s' is neither 'bounces' nor 'complaints'",
			     show(r, word));
		return false;
	}
	if (!once(r, word, &shares->at[which]))
		return false;
	if (!share_of(slice_str(word[1].text), &tenths) || tenths > row->max) {
		config_error(r->problems, word[1].at,
			     "'%s' is not a share of 0%% to %u%%: write 8%% "
			     "or 0.3%%",
			     show(r, &word[1]), (unsigned)(row->max / 10));
		return false;
	}
	shares->v[which] = tenths;
	shares->at[which] = word->at;
	return true;
}

static bool
read_shares(struct config_reading *r, const struct config_row *row,
	    const struct config_node *node, void *field)
{
	struct config_shares shares = *(const struct config_shares *)field;

	if (node->count % 2 == 0) {
		config_error(r->problems, node->words[node->count - 1].at,
			     "'%s' lacks its share",
			     show(r, &node->words[node->count - 1]));
		return false;
	}
	for (size_t i = 1; i < node->count; i += 2) {
		if (!read_share(r, row, &node->words[i], &shares))
			return false;
	}
	*(struct config_shares *)field = shares;
	return true;
}

static bool
print_shares(const struct config_row *row, const void *field, size_t i,
	     struct buf *out)
{
	const struct config_shares *shares = field;
	const char *between = "";

	(void)row;
	if (i > 0)
		return false;
	for (size_t which = 0; which < 2; which++) {
		unsigned tenths = shares->v[which];

		if (shares->at[which].line == 0)
			continue;
		buf_printf(out, "%s%s %u", between, share_words[which],
			   tenths / 10);
		if (tenths % 10 != 0)
			buf_printf(out, ".%u", tenths % 10);
		buf_add_byte(out, '%');
		between = " ";
	}
	return between[0] != '\0';
}

const struct config_shape config_shape_shares = {
    1, 4, "bounces PERCENT complaints PERCENT", read_shares, print_shares};

static bool
read_percent(struct config_reading *r, const struct config_row *row,
	     const struct config_node *node, void *field)
{
	const struct config_word *word = &node->words[1];
	unsigned tenths = 0;

	if (share_of(slice_str(word->text), &tenths) && tenths % 10 == 0 &&
	    tenths / 10 >= row->min && tenths / 10 <= row->max) {
		*(uint64_t *)field = tenths / 10;
		return true;
	}
	config_error(r->problems, word->at,
		     "'%s' is not a share: write %" PRIu64 "%% to %" PRIu64
		     "%%",
		     show(r, word), row->min, row->max);
	return false;
}

static bool
print_percent(const struct config_row *row, const void *field, size_t i,
	      struct buf *out)
{
	(void)row;
	if (i == 0)
		buf_printf(out, "%" PRIu64 "%%", *(const uint64_t *)field);
	return i == 0;
}

const struct config_shape config_shape_percent = {1, 1, "PERCENT", read_percent,
						  print_percent};

/* --- bulk.warm-up --- */

#define COUNTS_MAX 400

static bool
read_counts(struct config_reading *r, const struct config_row *row,
	    const struct config_node *node, void *field)
{
	struct config_counts counts = {.count = 0};

	if (node->count - 1 > COUNTS_MAX) {
		config_error(r->problems, node->words[0].at,
			     "'%s' takes at most %d numbers",
			     config_row_name(row), COUNTS_MAX);
		return false;
	}
	for (size_t i = 1; i < node->count; i++) {
		uint64_t value, *to;

		if (!config_number(r, &node->words[i], row->min, row->max,
				   &value))
			return false;
		to = config_list_add(r->arena, (void **)&counts.v,
				     &counts.count, sizeof(*counts.v));
		*to = value;
	}
	*(struct config_counts *)field = counts;
	return true;
}

static bool
print_counts(const struct config_row *row, const void *field, size_t i,
	     struct buf *out)
{
	const struct config_counts *counts = field;

	(void)row;
	for (size_t at = 0; at < counts->count && i == 0; at++)
		buf_printf(out, "%s%" PRIu64, at > 0 ? " " : "", counts->v[at]);
	return i == 0 && counts->count > 0;
}

const struct config_shape config_shape_counts = {1, 0, "NUMBER ...",
						 read_counts, print_counts};

static bool
read_date(struct config_reading *r, const struct config_row *row,
	  const struct config_node *node, void *field)
{
	const struct config_word *word = &node->words[1];
	struct tm tm = {0};
	const char *end = strptime(word->text, "%Y-%m-%d", &tm);
	int day = tm.tm_mday;
	int64_t wall_s = end != NULL && *end == '\0' ? timegm(&tm) : 0;

	(void)row;
	/* timegm() makes 3 March of 31 February */
	if (wall_s > 0 && tm.tm_mday == day) {
		*(int64_t *)field = wall_s;
		return true;
	}
	config_error(r->problems, word->at,
		     "'%s' is not a date: write 2026-12-31", show(r, word));
	return false;
}

static bool
print_date(const struct config_row *row, const void *field, size_t i,
	   struct buf *out)
{
	time_t t = (time_t) * (const int64_t *)field;
	struct tm tm;
	char text[32];

	(void)row;
	if (i > 0 || t == 0 || gmtime_r(&t, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%d", &tm) == 0)
		return false;
	buf_add_str(out, text);
	return true;
}

const struct config_shape config_shape_date = {1, 1, "DATE", read_date,
					       print_date};
