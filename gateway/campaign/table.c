#include "gateway/campaign/table.h"

#include <string.h>

#include "gateway/base/clock.h"

/* What begins so is a formula to one spreadsheet or another. */
static bool
is_formula(struct slice s)
{
	const struct slice signs = SLICE_LIT("=+-@\t\r\n|%");

	return s.n > 0 && slice_find(signs, s.p[0]) < signs.n;
}

static void
add_cell(struct buf *csv, struct slice s, const char *behind)
{
	buf_add_byte(csv, '"');
	if (is_formula(s))
		buf_add_byte(csv, '\'');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"')
			buf_add_byte(csv, '"');
		buf_add_byte(csv, c < ' ' || c == 0x7f ? '?' : s.p[i]);
	}
	buf_add_byte(csv, '"');
	buf_add_str(csv, behind);
}

static const char *
state_word(enum campaign_count count)
{
	return count >= CAMPAIGN_BOUNCED ? "failed"
					 : campaign_count_word(count);
}

static const char *
class_word(enum campaign_count count)
{
	if (count == CAMPAIGN_DEAD)
		return bounce_class_word(BOUNCE_DOMAIN);
	if (count < CAMPAIGN_BOUNCED || count >= CAMPAIGN_COUNTS)
		return "";
	return campaign_count_word(count);
}

static bool
is_code(struct slice word)
{
	bool digits = false;

	for (size_t i = 0; i < word.n; i++) {
		if (word.p[i] >= '0' && word.p[i] <= '9')
			digits = true;
		else if (word.p[i] != '.')
			return false;
	}
	return digits && word.n <= 11;
}

/* "550 5.1.1 text" into "550 5.1.1" and "text". */
static struct slice
cut_code(struct slice *text)
{
	struct slice all = *text, rest = *text;
	size_t n = 0;

	for (int i = 0; i < 2; i++) {
		struct slice word = slice_head(rest, slice_find(rest, ' '));

		if (!is_code(word))
			break;
		n = (size_t)(word.p + word.n - all.p);
		rest = slice_from(all, n + 1);
	}
	*text = rest;
	return slice_head(all, n);
}

void
campaign_table_head(struct buf *csv)
{
	buf_add_str(csv, "recipient,state,class,code,text,time\r\n");
}

void
campaign_table_row(struct buf *csv, const struct campaign_failure *failure)
{
	struct slice text = slice_str(failure->text);
	struct slice code = cut_code(&text);
	char time[CLOCK_ISO_SIZE];

	clock_iso(failure->wall_s * 1000, time);
	add_cell(csv, slice_str(failure->address), ",");
	add_cell(csv, slice_str(state_word(failure->count)), ",");
	add_cell(csv, slice_str(class_word(failure->count)), ",");
	add_cell(csv, code, ",");
	add_cell(csv, text, ",");
	add_cell(csv, slice_str(time), "\r\n");
}
