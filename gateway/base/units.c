/*
 * Sizes, times and counts as people write them. Strict, because a limit that
 * was misread is found on the worst day: no sign, no fraction, no blank, the
 * parts of a time in falling order and each once. What the format functions
 * write, the parsers read back to the same value.
 */
#include "gateway/base/units.h"

#include <inttypes.h>
#include <string.h>

#include "gateway/base/error.h"

struct unit {
	struct slice name;
	uint64_t factor;
};

static const struct unit size_units[] = {
    {{"T", 1}, (uint64_t)1 << 40},
    {{"G", 1}, (uint64_t)1 << 30},
    {{"M", 1}, (uint64_t)1 << 20},
    {{"K", 1}, (uint64_t)1 << 10},
};

/* Falling; "ms" is tried where "m" does not match whole. */
static const struct unit time_units[] = {
    {{"d", 1}, 86400000}, {{"h", 1}, 3600000}, {{"m", 1}, 60000},
    {{"s", 1}, 1000},	  {{"ms", 2}, 1},
};

#define SIZE_UNITS (sizeof(size_units) / sizeof(size_units[0]))
#define TIME_UNITS (sizeof(time_units) / sizeof(time_units[0]))

/* The digits at the front of *s: GW_EINVAL when there are none. */
static int
take_number(struct slice *s, uint64_t *value)
{
	uint64_t v = 0;
	size_t at = 0;

	while (at < s->n && s->p[at] >= '0' && s->p[at] <= '9') {
		uint64_t digit = (uint64_t)(s->p[at] - '0');

		if (v > (UINT64_MAX - digit) / 10)
			return GW_ETOOBIG;
		v = v * 10 + digit;
		at++;
	}
	if (at == 0)
		return GW_EINVAL;
	*s = slice_from(*s, at);
	*value = v;
	return 0;
}

/* The letters at the front of *s. */
static struct slice
take_word(struct slice *s)
{
	struct slice word;
	size_t at = 0;

	while (at < s->n && (s->p[at] < '0' || s->p[at] > '9'))
		at++;
	word = slice_head(*s, at);
	*s = slice_from(*s, at);
	return word;
}

int
units_size(struct slice s, uint64_t *bytes)
{
	uint64_t number, factor = 0;
	int err = take_number(&s, &number);

	if (err != 0)
		return err;
	if (s.n == 0)
		factor = 1;
	for (size_t i = 0; i < SIZE_UNITS && factor == 0; i++) {
		if (slice_ieq(s, size_units[i].name))
			factor = size_units[i].factor;
	}
	if (factor == 0)
		return GW_EINVAL;
	if (number > UINT64_MAX / factor)
		return GW_ETOOBIG;
	*bytes = number * factor;
	return 0;
}

int
units_time_ms(struct slice s, int64_t *ms)
{
	uint64_t total = 0;
	size_t unit = 0; /* the first that may still come */
	bool first = true;

	do {
		struct slice word;
		uint64_t number;
		int err = take_number(&s, &number);

		if (err != 0)
			return err;
		word = take_word(&s);
		if (word.n == 0 && first)
			word = SLICE_LIT("s");
		while (unit < TIME_UNITS &&
		       !slice_eq(word, time_units[unit].name))
			unit++;
		if (unit == TIME_UNITS)
			return GW_EINVAL;
		if (number > (INT64_MAX - total) / time_units[unit].factor)
			return GW_ETOOBIG;
		total += number * time_units[unit].factor;
		unit++;
		first = false;
	} while (s.n > 0);
	*ms = (int64_t)total;
	return 0;
}

int
units_count(struct slice s, uint64_t *count)
{
	uint64_t number;
	int err = take_number(&s, &number);

	if (err != 0)
		return err;
	if (s.n > 0)
		return GW_EINVAL;
	*count = number;
	return 0;
}

void
units_format_size(struct buf *out, uint64_t bytes)
{
	for (size_t i = 0; i < SIZE_UNITS && bytes > 0; i++) {
		if (bytes % size_units[i].factor == 0) {
			buf_printf(out, "%" PRIu64 "%s",
				   bytes / size_units[i].factor,
				   size_units[i].name.p);
			return;
		}
	}
	buf_printf(out, "%" PRIu64, bytes);
}

void
units_format_time(struct buf *out, int64_t ms)
{
	uint64_t rest = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;

	if (ms < 0)
		buf_add_byte(out, '-');
	if (ms == 0)
		buf_add_str(out, "0s");
	for (size_t i = 0; i < TIME_UNITS; i++) {
		uint64_t number = rest / time_units[i].factor;

		rest %= time_units[i].factor;
		if (number > 0)
			buf_printf(out, "%" PRIu64 "%s", number,
				   time_units[i].name.p);
	}
}

const char *
units_grouped(uint64_t n, char out[UNITS_GROUPED_SIZE])
{
	char *p = out + UNITS_GROUPED_SIZE - 1;
	size_t count = 0;

	*p = '\0';
	do {
		if (count > 0 && count % 3 == 0)
			*--p = ',';
		*--p = (char)('0' + n % 10);
		count++;
	} while ((n /= 10) > 0);
	return memmove(out, p, (size_t)(out + UNITS_GROUPED_SIZE - p));
}
