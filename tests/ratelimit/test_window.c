/*
 * The sliding window through the table, against a list of all charges that
 * knows nothing of cells: at each of a million steps the counts, the verdict,
 * the place of what is paced and the time it frees are worked out anew from
 * the list, and no window of leaving times may hold more than the limit.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "ratelimit/rate.h"
#include "ratelimit/window.h"
#include "tests/support/steps.h"

#define S INT64_C(1000000)
#define START (1790000000 * S)
#define SLOTS 16
#define LIST_MAX 4096

static uint64_t seed = 88172645463325252;

static uint64_t
random_to(uint64_t n) /* 0 .. n - 1 */
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

struct model {
	const char *label;
	struct rate_table *table;
	struct rate_rule rule;
	struct rate_key key;
	uint64_t scale, limit; /* limit: now */
	int64_t width, now, written;
	struct rate_charge list[LIST_MAX];
	size_t count;
};

static const struct rate_opts opts;

static void
model_init(struct model *m)
{
	m->table = rate_create(&opts);
	m->key = rate_key_of(SLICE_LIT("key"));
	m->width = (m->rule.period_us + 14) / 15;
	m->now = START;
	m->limit = m->rule.limit;
	m->written = 0;
	m->count = 0;
}

static int64_t
present(const struct model *m) /* slot */
{
	int64_t slot = m->now / m->width;

	return slot > m->written ? slot : m->written;
}

/* Units of the slots from .. to. */
static uint64_t
units(const struct model *m, int64_t from, int64_t to)
{
	uint64_t sum = 0;
	int64_t slot;

	for (size_t i = 0; i < m->count; i++) {
		slot = m->list[i].at_us / m->width;
		if (slot >= from && slot <= to)
			sum += m->list[i].amount;
	}
	return sum;
}

/* Every window of leaving times that holds the newest charge. */
static void
check_windows(const struct model *m)
{
	const struct rate_charge *fresh = &m->list[m->count - 1];
	int64_t begin, at;
	uint64_t sum;

	for (size_t i = 0; i < m->count; i++) {
		begin = m->list[i].at_us;
		if (begin > fresh->at_us ||
		    begin <= fresh->at_us - m->rule.period_us)
			continue;
		sum = 0;
		for (size_t j = 0; j < m->count; j++) {
			at = m->list[j].at_us;
			if (at >= begin && at < begin + m->rule.period_us)
				sum += m->list[j].amount;
		}
		ck_assert_msg(sum <= m->limit, "%s: %lu of %lu in a window",
			      m->label, sum, m->limit);
	}
}

static bool
room_at(const struct model *m, int64_t slot, uint64_t amount)
{
	for (int64_t q = slot; q < slot + SLOTS; q++)
		if (units(m, q - SLOTS + 1, q) > m->limit - amount)
			return false;
	return true;
}

static uint64_t
most(const struct model *m)
{
	return m->rule.pace_percent > 100
		   ? m->limit / 100 * m->rule.pace_percent +
			 m->limit % 100 * m->rule.pace_percent / 100
		   : m->limit;
}

static void
check_frees(const struct model *m, const struct rate_charge *charge)
{
	struct rate_charge look = *charge;

	ck_assert_int_gt(charge->frees_us, m->now);
	rate_look(m->table, &look, charge->frees_us - 1);
	ck_assert_msg(look.result == RATE_OVER, "%s: fits before it frees",
		      m->label);
	ck_assert_int_eq(look.frees_us, charge->frees_us);
	rate_look(m->table, &look, charge->frees_us);
	ck_assert_msg(look.result == RATE_FITS || look.result == RATE_PACED,
		      "%s: refused when it frees", m->label);
}

static void
check_refused(const struct model *m, const struct rate_charge *charge)
{
	int64_t slot = present(m);
	uint64_t held = units(m, slot - SLOTS + 1, INT64_MAX);

	if (m->rule.pace_percent <= 100) {
		/* a unit may count a slot longer than the period, no more */
		ck_assert(!room_at(m, slot, charge->amount));
		ck_assert_uint_gt(held, m->limit - charge->amount);
	} else if (held + charge->amount <= most(m)) {
		/* the place would be too far away: over a period at least */
		for (int64_t q = slot; q <= slot + SLOTS; q++)
			ck_assert(!room_at(m, q, charge->amount));
	}
	check_frees(m, charge);
}

static void
check_charged(struct model *m, const struct rate_charge *charge)
{
	int64_t slot = present(m), at = charge->at_us / m->width;
	int64_t begin = slot * m->width;

	if (charge->result == RATE_FITS) {
		ck_assert_int_eq(charge->at_us,
				 m->now > begin ? m->now : begin);
	} else {
		ck_assert_int_eq(charge->at_us, at * m->width);
		ck_assert_int_gt(at, slot);
		for (int64_t q = slot; q < at; q++)
			ck_assert_msg(!room_at(m, q, charge->amount),
				      "%s: paced too late", m->label);
		ck_assert_uint_le(charge->used + charge->paced + charge->amount,
				  most(m));
	}
	ck_assert_uint_lt(m->count, LIST_MAX);
	m->list[m->count++] = *charge;
	m->written = slot;
	check_windows(m);
}

static void
step_charge(struct model *m)
{
	int64_t slot = present(m);
	struct rate_charge charge = {
	    .key = m->key,
	    .rule = &m->rule,
	    .limit = m->limit,
	    .amount = m->scale * random_to(random_to(20) == 0 ? 25 : 4),
	};
	bool in = rate_charge(m->table, &charge, 1, m->now);

	ck_assert_msg(charge.used == units(m, slot - SLOTS + 1, slot),
		      "%s: used", m->label);
	ck_assert_msg(charge.paced == units(m, slot + 1, INT64_MAX),
		      "%s: paced", m->label);
	ck_assert_int_eq(in, charge.result == RATE_FITS ||
				 charge.result == RATE_PACED);
	ck_assert_int_eq(charge.charged, in && charge.amount > 0);
	ck_assert_int_eq(charge.result == RATE_NEVER, charge.amount > m->limit);
	if (charge.charged)
		check_charged(m, &charge);
	else if (charge.result == RATE_OVER)
		check_refused(m, &charge);
}

static void
step_refund(struct model *m)
{
	size_t i;

	if (m->count == 0)
		return;
	i = random_to(m->count);
	m->written = present(m);
	rate_refund(m->table, &m->list[i], 1, m->now);
	m->list[i] = m->list[--m->count];
}

static void
forget(struct model *m)
{
	int64_t first = present(m) - 2 * SLOTS;

	for (size_t i = 0; i < m->count;) {
		if (m->list[i].at_us / m->width < first)
			m->list[i] = m->list[--m->count];
		else
			i++;
	}
}

static void
step_time(struct model *m)
{
	int64_t edge = (m->now / m->width + 1) * m->width;

	switch (random_to(12)) {
	case 0:
		m->now += (int64_t)random_to((uint64_t)m->rule.period_us * 2);
		break;
	case 1: /* the clock goes back */
		m->now -= (int64_t)random_to((uint64_t)m->rule.period_us);
		break;
	case 2:
		m->now = edge - 1;
		break;
	case 3:
		m->now = edge;
		break;
	case 4: /* as the oldest leaves, to the microsecond */
		if (m->count > 0)
			m->now =
			    (m->list[0].at_us / m->width + SLOTS) * m->width -
			    (int64_t)random_to(2);
		break;
	case 5:
		m->now += (int64_t)random_to((uint64_t)m->width);
		break;
	default: /* the same moment */
		break;
	}
}

static void
walk(struct model *m, int steps)
{
	model_init(m);
	for (int i = 0; i < STEPS(steps); i++) {
		step_time(m);
		if (random_to(8) == 0)
			step_refund(m);
		else
			step_charge(m);
		if (random_to(200) == 0) /* a grant, and its end */
			m->limit = m->rule.limit + m->scale * random_to(10);
		if (i % 64 == 0)
			forget(m);
	}
	rate_destroy(&m->table);
}

static const struct {
	const char *label;
	int64_t period;
	uint64_t limit, scale;
	uint16_t pace;
	int steps;
} walks[] = {
    {"1 s, plain", 1 * S, 20, 1, 0, 150000},
    {"1 us, plain", 1, 20, 1, 0, 20000},
    {"7 s, plain, u32", 7 * S, 9, 30000, 0, 100000},
    {"1 h, plain, u64", 3600 * S, 20, UINT64_C(1) << 40, 0, 100000},
    {"31 d, plain, near the end", 31 * 86400 * S, 15, UINT64_C(1) << 59, 0,
     80000},
    {"limit 1", 60 * S, 1, 1, 0, 50000},
    {"1 s, pace 150", 1 * S, 20, 1, 150, 150000},
    {"17 us, pace 150", 17, 20, 1, 150, 50000},
    {"1 h, pace 101", 3600 * S, 20, 1, 101, 50000},
    {"1 d, pace 200, u32", 86400 * S, 12, 50000, 200, 100000},
    {"1 min, pace 450", 60 * S, 8, 1, 450, 50000},
    {"1 min, pace 65535", 60 * S, 3, 1, 65535, 20000},
    {"31 d, pace 150, u64", 31 * 86400 * S, 20, UINT64_C(1) << 50, 150, 50000},
    {"limit 1, pace 1000", 10 * S, 1, 1, 1000, 30000},
};

START_TEST(a_million_steps_beside_the_list)
{
	struct model *m = mem_zalloc(sizeof(*m));

	m->label = walks[_i].label;
	m->scale = walks[_i].scale;
	m->rule = (struct rate_rule){
	    .id = 7,
	    .kind = RATE_WINDOW,
	    .limit = walks[_i].limit * walks[_i].scale,
	    .period_us = walks[_i].period,
	    .pace_percent = walks[_i].pace,
	};
	walk(m, walks[_i].steps);
	free(m);
}
END_TEST

/* --- cells ---------------------------------------------------------------- */

START_TEST(packs_and_reads_back)
{
	static const uint64_t values[] = {
	    1, 65535, 65536, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX};
	uint64_t bytes[512];
	struct window *w = (struct window *)bytes;
	struct window_view a, b;
	unsigned wide[] = {1, 1, 2, 2, 3, 3};

	for (size_t i = 0; i < 6; i++) {
		window_read(NULL, 10, 1000, &a);
		window_add(&a, 1000, values[i]);
		window_add(&a, 1170, 5); /* the second row */
		ck_assert_uint_eq(a.cell_log, wide[i]);
		ck_assert_uint_eq(window_packed(&a),
				  sizeof(*w) + (48u << wide[i]));
		memset(bytes, 0xff, sizeof(bytes));
		window_write(w, &a);
		ck_assert_uint_eq(window_size(&w->state), window_packed(&a));
		window_read(w, 10, 1000, &b);
		ck_assert_mem_eq(a.cells, b.cells, a.count * 8);
		ck_assert_int_eq(a.slot, b.slot);
	}
}
END_TEST

START_TEST(sums_stop_at_the_end)
{
	struct rate_rule rule = {
	    .id = 1, .limit = UINT64_MAX, .period_us = 150};
	struct rate_charge c = {
	    .rule = &rule, .limit = UINT64_MAX, .amount = UINT64_MAX};
	struct window_view view;

	window_read(NULL, 10, 1000, &view);
	window_ask(&view, &c, 1000);
	ck_assert_int_eq(c.result, RATE_FITS);
	window_add(&view, 1000, UINT64_MAX);
	window_add(&view, 1000, 3);
	ck_assert_uint_eq(window_total(&view), UINT64_MAX);
	c.amount = 1;
	window_ask(&view, &c, 1000);
	ck_assert_int_eq(c.result, RATE_OVER);
	ck_assert_int_eq(c.frees_us, 1160);
	view.slot++;
	memmove(view.cells, view.cells + 1, 15 * sizeof(*view.cells));
	view.cells[15] = UINT64_MAX;
	ck_assert_uint_eq(window_total(&view), UINT64_MAX);
	window_ask(&view, &c, 1010);
	ck_assert_int_eq(c.frees_us, 1170);
}
END_TEST

/* Another period under the same id: nothing is free earlier than the longer
 * of its slots says, nothing is lost. */
START_TEST(another_width_keeps_the_counts)
{
	static const int64_t widths[] = {1, 7, 10, 33, 1000, 77777};
	uint64_t bytes[1024];
	struct window *w = (struct window *)bytes;
	struct window_view a, b;
	uint64_t later, now;

	for (size_t i = 0; i < 6; i++) {
		for (size_t j = 0; j < 6; j++) {
			window_read(NULL, widths[i], 1000000, &a);
			for (int n = 0; n < 40; n++)
				window_add(&a,
					   1000000 + (int64_t)random_to(30) *
							 widths[i],
					   1 + random_to(9));
			window_write(w, &a);
			now = 1000000 + random_to(8) * (uint64_t)widths[i];
			window_read(w, widths[i], (int64_t)now, &a);
			window_read(w, widths[j], (int64_t)now, &b);
			later = window_total(&b);
			if (widths[j] >= widths[i])
				ck_assert_uint_eq(window_total(&a), later);
			else
				ck_assert_uint_ge(window_total(&a), later);
			window_read(w, widths[j], 1000000, &b);
			ck_assert_uint_ge(window_total(&b), later);
		}
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("window");
	TCase *tc = tcase_create("window");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, a_million_steps_beside_the_list, 0,
			    sizeof(walks) / sizeof(*walks));
	tcase_add_test(tc, packs_and_reads_back);
	tcase_add_test(tc, sums_stop_at_the_end);
	tcase_add_test(tc, another_width_keeps_the_counts);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
