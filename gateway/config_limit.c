/*
 * Values that only `limit` has: rates, the bits of an address that make a key,
 * what happens over a limit. A rate is read strictly: its period has a unit,
 * because "60/10" could be ten minutes to one reader and ten seconds to the
 * next.
 */
#include <inttypes.h>
#include <string.h>

#include "gateway/base/units.h"
#include "gateway/config_int.h"
#include "policy/limits.h"

#define PERIOD_MIN_MS ((int64_t)1000)
#define PERIOD_MAX_MS ((int64_t)31 * 86400 * 1000)
#define PERCENT_MIN 101
#define PERCENT_MAX 1000
#define PERCENT_DEFAULT 150

static const char *
show(struct config_reading *r, const struct config_word *word)
{
	return config_word_text(r->arena, word->text);
}

/* --- rates --- */

static void
add_amount(const struct config_row *row, uint64_t amount, struct buf *out)
{
	if (row->kind == CONFIG_VOLUME)
		units_format_size(out, amount);
	else
		buf_printf(out, "%" PRIu64, amount);
}

/* How many, or how many bytes; text: the number's part of the word. */
static bool
read_amount(struct config_reading *r, const struct config_row *row,
	    const struct config_word *word, struct slice text, uint64_t *amount)
{
	bool size = row->kind == CONFIG_VOLUME;
	int err = size ? units_size(text, amount) : units_count(text, amount);
	struct buf range = {.cap = 128};

	if (err == 0 && *amount >= row->min && *amount <= row->max)
		return true;
	if (err == GW_EINVAL) {
		config_error(
		    r->problems, word->at, "'%s' is not %s",
		    config_word_text(r->arena, arena_dup(r->arena, text)),
		    size ? "a size: 512, 64K, 25M, 1G" : "a whole number");
		return false;
	}
	config_value_range(row, &range);
	config_error(r->problems, word->at, "'%s' cannot be %s: allowed is %s",
		     config_row_name(row),
		     config_word_text(r->arena, arena_dup(r->arena, text)),
		     buf_cstr(&range));
	buf_fini(&range);
	return false;
}

static void
no_period(struct config_reading *r, const struct config_row *row,
	  const struct config_word *word)
{
	config_error(r->problems, word->at,
		     "'%s' has no period with a unit: write %s", show(r, word),
		     row->kind == CONFIG_VOLUME ? "50M/h, 10M/10m or 500M/d"
						: "400/h, 60/10m or 1000/d");
}

/* "h", "10m", "1h30m"; no bare number. */
static bool
read_period(struct config_reading *r, const struct config_row *row,
	    const struct config_word *word, struct slice text,
	    int64_t *period_ms)
{
	struct buf whole = {.cap = 4096};
	bool bare = text.n > 0 && text.p[text.n - 1] >= '0' &&
		    text.p[text.n - 1] <= '9';
	int err;

	if (text.n > 0 && (text.p[0] < '0' || text.p[0] > '9'))
		buf_add_byte(&whole, '1');
	buf_add_slice(&whole, text);
	err = bare ? GW_EINVAL : units_time_ms(buf_slice(&whole), period_ms);
	buf_fini(&whole);
	if (err == 0 && *period_ms >= PERIOD_MIN_MS &&
	    *period_ms <= PERIOD_MAX_MS)
		return true;
	if (err == GW_EINVAL)
		no_period(r, row, word);
	else
		config_error(r->problems, word->at,
			     "the period in '%s' is not one of 1s to 31d",
			     show(r, word));
	return false;
}

/* The word "burst" and its number. */
static bool
read_burst(struct config_reading *r, const struct config_row *row,
	   const struct config_node *node, struct config_rate *rate)
{
	const struct config_word *word = &node->words[2];

	if (row->kind != CONFIG_RATES || node->count != 4 ||
	    strcmp(word->text, "burst") != 0) {
		config_error(r->problems, word->at,
			     row->kind == CONFIG_RATES
				 ? "behind the rate 'burst NUMBER' can stand"
				 : "behind the rate nothing can stand");
		return false;
	}
	return read_amount(r, row, word + 1, slice_str(word[1].text),
			   &rate->burst);
}

static bool
read_rate(struct config_reading *r, const struct config_row *row,
	  const struct config_node *node, struct config_rate *rate)
{
	const struct config_word *word = &node->words[1];
	struct slice text = slice_str(word->text);
	size_t slash = slice_find(text, '/');

	if (slash == text.n) {
		no_period(r, row, word);
		return false;
	}
	if (!read_amount(r, row, word, slice_head(text, slash), &rate->limit) ||
	    !read_period(r, row, word, slice_from(text, slash + 1),
			 &rate->period_ms))
		return false;
	return node->count == 2 || read_burst(r, row, node, rate);
}

static void
add_rate(struct config_reading *r, struct config_rates *rates,
	 const struct config_rate *rate, struct config_place at)
{
	size_t n = rates->count;
	struct config_place *place;
	struct config_rate *to;

	to = config_list_add(r->arena, (void **)&rates->v, &n,
			     sizeof(*rates->v));
	place = config_list_add(r->arena, (void **)&rates->at, &rates->count,
				sizeof(*rates->at));
	*to = *rate;
	*place = at;
}

#define RATES_MAX 16

static bool
read_rates(struct config_reading *r, const struct config_row *row,
	   const struct config_node *node, void *field)
{
	struct config_rates *rates = field;
	struct config_rate rate = {.limit = 0};

	if (rates->count == RATES_MAX) {
		config_error(r->problems, node->words[0].at,
			     "more than %d '%s' in one limit", RATES_MAX,
			     config_row_name(row));
		return false;
	}
	if (!read_rate(r, row, node, &rate))
		return false;
	for (size_t i = 0; i < rates->count; i++) {
		const struct config_rate *have = &rates->v[i];

		if (have->period_ms != rate.period_ms ||
		    (have->burst == 0) != (rate.burst == 0))
			continue;
		config_error(r->problems, node->words[1].at,
			     "a second '%s' for this period; the first is at "
			     "%s:%u:%u",
			     config_row_name(row), rates->at[i].file,
			     rates->at[i].line, rates->at[i].column);
		return false;
	}
	add_rate(r, rates, &rate, node->words[1].at);
	return true;
}

static bool
read_at_once(struct config_reading *r, const struct config_row *row,
	     const struct config_node *node, void *field)
{
	const struct config_word *word = &node->words[1];
	struct config_rate rate = {.limit = 0};

	if (strchr(word->text, '/') != NULL) {
		config_error(r->problems, word->at,
			     "'%s' are counted at once: write a number "
			     "without a period, or 'new-%s %s'",
			     config_row_name(row), config_row_name(row),
			     show(r, word));
		return false;
	}
	if (!read_amount(r, row, word, slice_str(word->text), &rate.limit))
		return false;
	add_rate(r, field, &rate, word->at);
	return true;
}

/* "h" for 1h, "10m", "1h30m". */
static void
add_period(struct buf *out, int64_t period_ms)
{
	struct buf text = {.cap = 64};
	struct slice s;

	units_format_time(&text, period_ms);
	s = buf_slice(&text);
	buf_add_slice(out, s.n == 2 && s.p[0] == '1' ? slice_from(s, 1) : s);
	buf_fini(&text);
}

static bool
print_rates(const struct config_row *row, const void *field, size_t i,
	    struct buf *out)
{
	const struct config_rates *rates = field;

	if (i >= rates->count)
		return false;
	add_amount(row, rates->v[i].limit, out);
	if (rates->v[i].period_ms > 0) {
		buf_add_byte(out, '/');
		add_period(out, rates->v[i].period_ms);
	}
	if (rates->v[i].burst > 0)
		buf_printf(out, " burst %" PRIu64, rates->v[i].burst);
	return true;
}

const struct config_shape config_shape_rates = {
    1, 3, "NUMBER/TIME [burst NUMBER]", read_rates, print_rates};
const struct config_shape config_shape_volume = {1, 1, "SIZE/TIME", read_rates,
						 print_rates};
const struct config_shape config_shape_at_once = {1, 1, "NUMBER", read_at_once,
						  print_rates};

/* --- limit.prefix --- */

static bool
read_bits(struct config_reading *r, const struct config_row *row,
	  const struct config_node *node, void *field)
{
	uint64_t v4, v6;

	(void)row;
	if (!config_number(r, &node->words[1], 1, 32, &v4) ||
	    !config_number(r, &node->words[2], 1, 128, &v6))
		return false;
	*(struct config_bits *)field =
	    (struct config_bits){(unsigned)v4, (unsigned)v6};
	return true;
}

static bool
print_bits(const struct config_row *row, const void *field, size_t i,
	   struct buf *out)
{
	const struct config_bits *bits = field;

	(void)row;
	if (i == 0)
		buf_printf(out, "%u %u", bits->v4, bits->v6);
	return i == 0;
}

const struct config_shape config_shape_bits = {2, 2, "NUMBER NUMBER", read_bits,
					       print_bits};

/* --- limit.over --- */

/* In the order of enum limit_action, from LIMIT_PACE on. */
static const char *const actions[] = {"pace",  "bulk",	 "hold",
				      "defer", "reject", NULL};

/* From `from` on, so that "then pace" is none. */
static bool
read_action(struct config_reading *r, const struct config_word *word,
	    enum limit_action from, int *action)
{
	const char *const *names = &actions[from - LIMIT_PACE];
	struct buf all = {.cap = 256};
	size_t n = 0;

	for (; names[n] != NULL; n++) {
		if (strcmp(names[n], word->text) == 0) {
			*action = (int)from + (int)n;
			return true;
		}
	}
	for (size_t i = 0; i < n; i++)
		buf_printf(&all, "%s%s", i > 0 ? ", " : "", names[i]);
	config_error(r->problems, word->at,
		     "what happens over a limit is one of %s; not '%s'%s",
		     buf_cstr(&all), show(r, word),
		     config_nearest(r->arena, word->text, names, n));
	buf_fini(&all);
	return false;
}

static bool
read_percent(struct config_reading *r, const struct config_word *word,
	     unsigned *percent)
{
	struct slice s = slice_str(word->text);
	uint64_t value = 0;

	if (units_count(slice_head(s, s.n - 1), &value) != 0 ||
	    value < PERCENT_MIN || value > PERCENT_MAX) {
		config_error(r->problems, word->at,
			     "'pace' goes from %d%% to %d%% of the limit, not "
			     "to '%s'",
			     PERCENT_MIN, PERCENT_MAX, show(r, word));
		return false;
	}
	*percent = (unsigned)value;
	return true;
}

static bool
read_over(struct config_reading *r, const struct config_row *row,
	  const struct config_node *node, void *field)
{
	const struct config_word *word = &node->words[1];
	const struct config_word *end = &node->words[node->count];
	struct config_over over = {.then = LIMIT_PASS};
	size_t n;

	(void)row;
	if (!read_action(r, word, LIMIT_PACE, &over.action))
		return false;
	word++;
	if (over.action == LIMIT_PACE) {
		over.percent = PERCENT_DEFAULT;
		over.then = LIMIT_DEFER;
	}
	n = word < end ? strlen(word->text) : 0;
	if (over.action == LIMIT_PACE && n > 0 && word->text[n - 1] == '%') {
		if (!read_percent(r, word, &over.percent))
			return false;
		word++;
	}
	if (over.action == LIMIT_PACE && end - word == 2 &&
	    strcmp(word->text, "then") == 0) {
		if (!read_action(r, word + 1, LIMIT_BULK, &over.then))
			return false;
		word += 2;
	}
	if (word < end) {
		config_error(r->problems, word->at,
			     "'%s' cannot stand here: only 'pace' goes on, as "
			     "in 'pace 150%% then hold'",
			     show(r, word));
		return false;
	}
	*(struct config_over *)field = over;
	return true;
}

static bool
print_over(const struct config_row *row, const void *field, size_t i,
	   struct buf *out)
{
	const struct config_over *over = field;

	(void)row;
	if (i > 0)
		return false;
	buf_add_str(out, actions[over->action - LIMIT_PACE]);
	if (over->action == LIMIT_PACE)
		buf_printf(out, " %u%% then %s", over->percent,
			   actions[over->then - LIMIT_PACE]);
	return true;
}

const struct config_shape config_shape_over = {
    1, 4, "ACTION [PERCENT%] [then ACTION]", read_over, print_over};
