#include "gateway/control/text.h"

#include <inttypes.h>
#include <stdio.h>

#include "gateway/base/clock.h"
#include "gateway/base/escape.h"
#include "gateway/base/units.h"

#define CELL_MAX 4096 /* bytes of one cell that are looked at */

/* What escape_text lets through is well-formed and one column each, but for
 * wide characters, which only cost the table its straight edge. */
static size_t
columns_of(struct slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static struct slice
columns_head(struct slice s, size_t columns)
{
	size_t i = 0;

	for (; i < s.n; i++) {
		if (((unsigned char)s.p[i] & 0xc0) != 0x80 && columns-- == 0)
			break;
	}
	return slice_head(s, i);
}

/* Of what is escaped. Returns the columns it took. */
static size_t
add_cut_of(struct buf *out, struct slice text, size_t width)
{
	size_t n = columns_of(text);

	if (width > 0 && n > width) {
		buf_add_slice(out, columns_head(text, width - 1));
		buf_add_byte(out, '~');
		n = width;
	} else {
		buf_add_slice(out, text);
	}
	return n;
}

static size_t
add_cut(struct buf *out, struct slice s, size_t width)
{
	struct buf safe = {.cap = CELL_MAX * 4};
	size_t n;

	escape_text(&safe, slice_head(s, CELL_MAX));
	n = add_cut_of(out, buf_slice(&safe), width);
	buf_fini(&safe);
	return n;
}

void
text_cell(struct buf *out, struct slice s, size_t width)
{
	for (size_t n = add_cut(out, s, width); n < width; n++)
		buf_add_byte(out, ' ');
}

void
text_last(struct buf *out, struct slice s, size_t width)
{
	add_cut(out, s, width);
}

void
text_kept(struct buf *out, struct slice s, size_t width)
{
	struct buf safe = {.cap = CELL_MAX * 4};

	escape_again(&safe, slice_head(s, CELL_MAX));
	add_cut_of(out, buf_slice(&safe), width);
	buf_fini(&safe);
}

void
text_count(struct buf *out, uint64_t n)
{
	char number[UNITS_GROUPED_SIZE];

	buf_add_str(out, units_grouped(n, number));
}

void
text_size(struct buf *out, uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
	double v = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		buf_printf(out, "%" PRIu64 " B", bytes);
		return;
	}
	while (v >= 1024 && unit < 4) {
		v /= 1024;
		unit++;
	}
	buf_printf(out, v < 99.95 ? "%.1f %s" : "%.0f %s", v, units[unit]);
}

void
text_span(struct buf *out, int64_t seconds)
{
	int64_t s = seconds < 0 ? 0 : seconds;

	if (s < 120)
		buf_printf(out, "%" PRId64 " s", s);
	else if (s < 7200)
		buf_printf(out, "%" PRId64 " min", s / 60);
	else if (s < 86400)
		buf_printf(out, "%" PRId64 " h %" PRId64 " min", s / 3600,
			   s % 3600 / 60);
	else
		buf_printf(out, "%" PRId64 " d %" PRId64 " h", s / 86400,
			   s % 86400 / 3600);
}

void
text_times(struct buf *out, uint64_t n, const char *singular)
{
	text_count(out, n);
	buf_printf(out, " %s%s", singular, n == 1 ? "" : "s");
}

void
json_time(struct json *j, const char *key, int64_t wall_s)
{
	char iso[CLOCK_ISO_SIZE];

	if (wall_s == 0) {
		json_str(j, key, NULL);
		return;
	}
	clock_iso(wall_s * 1000, iso);
	json_str(j, key, iso);
}
