/*
 * Values that are numbers: counts, sizes, times. An error names what was
 * written, what is wanted and the allowed range.
 */
#include <inttypes.h>
#include <string.h>

#include "gateway/base/units.h"
#include "gateway/config_int.h"

static const char *
show(struct config_reading *r, const struct config_word *word)
{
	return config_word_text(r->arena, word->text);
}

static void
add_number(enum config_kind kind, uint64_t v, struct buf *out)
{
	if (kind == CONFIG_TIME || kind == CONFIG_TIMES)
		units_format_time(out, (int64_t)v);
	else if (kind == CONFIG_SIZE || kind == CONFIG_VOLUME)
		units_format_size(out, v);
	else
		buf_printf(out, "%" PRIu64, v);
}

bool
config_value_range(const struct config_row *row, struct buf *out)
{
	switch (row->kind) {
	case CONFIG_COUNT:
	case CONFIG_COUNT_OR:
	case CONFIG_COUNTS:
	case CONFIG_SIZE:
	case CONFIG_TIME:
	case CONFIG_TIMES:
	case CONFIG_PER_HOUR:
	case CONFIG_PER_MIN:
	case CONFIG_RATES:
	case CONFIG_VOLUME:
	case CONFIG_AT_ONCE:
		add_number(row->kind, row->min, out);
		buf_add_str(out, " to ");
		add_number(row->kind, row->max, out);
		return true;
	case CONFIG_BLOCK:
	case CONFIG_NAMED:
	case CONFIG_SWITCH:
	case CONFIG_CHOICE:
	case CONFIG_CHOICES:
	case CONFIG_HOSTNAME:
	case CONFIG_DOMAIN:
	case CONFIG_DOMAINS:
	case CONFIG_ROUTED:
	case CONFIG_PATH:
	case CONFIG_SOCKET:
	case CONFIG_USER:
	case CONFIG_MAIL:
	case CONFIG_LISTEN:
	case CONFIG_RESOLVER:
	case CONFIG_PREFIX:
	case CONFIG_SOURCE:
	case CONFIG_SOURCES:
	case CONFIG_HTTP:
	case CONFIG_BACKEND:
	case CONFIG_HOST:
	case CONFIG_LOGIN:
	case CONFIG_VIA:
	case CONFIG_TARGET:
	case CONFIG_TEXT:
	case CONFIG_NAMES:
	case CONFIG_LOGINS:
	case CONFIG_BITS:
	case CONFIG_OVER:
	case CONFIG_ICAP:
	case CONFIG_TOKEN:
	case CONFIG_SELECTOR:
	case CONFIG_WHEN:
	case CONFIG_SHARES:
	case CONFIG_DATE:
		break;
	case CONFIG_PERCENT:
		buf_printf(out, "%" PRIu64 "%% to %" PRIu64 "%%", row->min,
			   row->max);
		return true;
	}
	return false;
}

static const char *
wanted(enum config_kind kind)
{
	if (kind == CONFIG_TIME || kind == CONFIG_TIMES)
		return "a time: 300ms, 30s, 5m, 2h, 4d";
	if (kind == CONFIG_SIZE)
		return "a size: 512, 64K, 25M, 1G";
	return "a whole number";
}

/* What a word is, where another unit was wanted. */
static const char *
looks_like(const char *text)
{
	struct slice s = slice_str(text);
	uint64_t u;
	int64_t ms;

	if (units_count(s, &u) == 0)
		return "a bare number";
	if (units_time_ms(s, &ms) == 0)
		return "a time";
	if (units_size(s, &u) == 0)
		return "a size";
	return NULL;
}

static bool
number(struct config_reading *r, const struct config_row *row,
       const struct config_word *word, uint64_t *value)
{
	struct slice s = slice_str(word->text);
	struct buf range = {.cap = 128};
	const char *is;
	int64_t ms = 0;
	int err;

	if (row->kind == CONFIG_TIME || row->kind == CONFIG_TIMES) {
		err = units_time_ms(s, &ms);
		*value = (uint64_t)ms;
	} else if (row->kind == CONFIG_SIZE) {
		err = units_size(s, value);
	} else {
		err = units_count(s, value);
	}
	if (err == 0 && *value >= row->min && *value <= row->max)
		return true;
	if (err == 0 || err == GW_ETOOBIG) {
		config_value_range(row, &range);
		config_error(
		    r->problems, word->at, "'%s' cannot be %s: allowed is %s",
		    config_row_name(row), show(r, word), buf_cstr(&range));
		buf_fini(&range);
		return false;
	}
	is = looks_like(word->text);
	if (is != NULL)
		config_error(r->problems, word->at,
			     "'%s' is %s, but '%s' takes %s", show(r, word), is,
			     config_row_name(row), wanted(row->kind));
	else
		config_error(r->problems, word->at, "'%s' is not %s",
			     show(r, word), wanted(row->kind));
	return false;
}

bool
config_number(struct config_reading *r, const struct config_word *word,
	      uint64_t min, uint64_t max, uint64_t *value)
{
	int err = units_count(slice_str(word->text), value);

	if (err == 0 && *value >= min && *value <= max)
		return true;
	if (err == GW_EINVAL)
		config_error(r->problems, word->at,
			     "'%s' is not a whole number", show(r, word));
	else
		config_error(r->problems, word->at,
			     "it cannot be %s: allowed is %" PRIu64
			     " to %" PRIu64,
			     show(r, word), min, max);
	return false;
}

static bool
read_number(struct config_reading *r, const struct config_row *row,
	    const struct config_node *node, void *field)
{
	uint64_t value;

	if (!number(r, row, &node->words[1], &value))
		return false;
	if (row->kind == CONFIG_TIME || row->kind == CONFIG_COUNT_OR)
		*(int64_t *)field = (int64_t)value;
	else
		*(uint64_t *)field = value;
	return true;
}

static bool
print_number(const struct config_row *row, const void *field, size_t i,
	     struct buf *out)
{
	if (i > 0 ||
	    (row->kind == CONFIG_COUNT_OR && *(const int64_t *)field < 0))
		return false;
	if (row->kind == CONFIG_TIME || row->kind == CONFIG_COUNT_OR)
		add_number(row->kind, (uint64_t) * (const int64_t *)field, out);
	else
		add_number(row->kind, *(const uint64_t *)field, out);
	return true;
}

#define TIMES_MAX 32

static bool
read_times(struct config_reading *r, const struct config_row *row,
	   const struct config_node *node, void *field)
{
	struct config_times times = {.count = 0};
	bool good = true;

	if (node->count - 1 > TIMES_MAX) {
		config_error(r->problems, node->words[0].at,
			     "'%s' takes at most %d times",
			     config_row_name(row), TIMES_MAX);
		return false;
	}
	for (size_t i = 1; i < node->count; i++) {
		uint64_t value;
		int64_t *to;

		if (!number(r, row, &node->words[i], &value)) {
			good = false;
			continue;
		}
		to = config_list_add(r->arena, (void **)&times.v, &times.count,
				     sizeof(*times.v));
		*to = (int64_t)value;
	}
	if (good)
		*(struct config_times *)field = times;
	return good;
}

static bool
print_times(const struct config_row *row, const void *field, size_t i,
	    struct buf *out)
{
	const struct config_times *times = field;

	(void)row;
	for (size_t at = 0; at < times->count && i == 0; at++) {
		if (at > 0)
			buf_add_byte(out, ' ');
		units_format_time(out, times->v[at]);
	}
	return i == 0 && times->count > 0;
}

const struct config_shape config_shape_count = {1, 1, "NUMBER", read_number,
						print_number};
const struct config_shape config_shape_count_or = {1, 1, "NUMBER", read_number,
						   print_number};
const struct config_shape config_shape_size = {1, 1, "SIZE", read_number,
					       print_number};
const struct config_shape config_shape_time = {1, 1, "TIME", read_number,
					       print_number};
const struct config_shape config_shape_times = {1, 0, "TIME ...", read_times,
						print_times};
