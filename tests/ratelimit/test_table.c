#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "ratelimit/rate.h"
#include "ratelimit/record.h"

#define S INT64_C(1000000)
#define HOUR (3600 * S)
#define START (1790000000 * S)

static const struct rate_opts opts;

static uint64_t seed = 88172645463325252;

static uint64_t
random_to(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

static struct rate_key
key_of(uint64_t n)
{
	return rate_key_of(slice_of(&n, sizeof(n)));
}

static struct rate_rule
window(uint32_t id, uint64_t limit)
{
	return (struct rate_rule){
	    .id = id, .kind = RATE_WINDOW, .limit = limit, .period_us = HOUR};
}

static struct rate_charge
charge_of(uint64_t key, const struct rate_rule *rule, uint64_t amount)
{
	return (struct rate_charge){.key = key_of(key),
				    .rule = rule,
				    .limit = rule->limit,
				    .amount = amount};
}

static uint64_t
used(struct rate_table *table, uint64_t key, const struct rate_rule *rule,
     int64_t now)
{
	struct rate_charge c = charge_of(key, rule, 1);

	rate_look(table, &c, now);
	return c.used + c.paced;
}

static struct rate_status
status_of(struct rate_table *table)
{
	struct rate_status status;

	rate_status_get(table, &status);
	return status;
}

/* --- one charge ------------------------------------------------------------
 */

static const struct {
	const char *label;
	enum rate_kind kind;
	uint64_t limit, before, amount;
	enum rate_mode mode;
	enum rate_result result;
	bool in, charged;
} ones[] = {
    {"limit 0", RATE_WINDOW, 0, 0, 1, RATE_ENFORCE, RATE_NEVER, false, false},
    {"limit 0, amount 0", RATE_WINDOW, 0, 0, 0, RATE_ENFORCE, RATE_FITS, true,
     false},
    {"limit 1", RATE_WINDOW, 1, 0, 1, RATE_ENFORCE, RATE_FITS, true, true},
    {"limit 1, once more", RATE_WINDOW, 1, 1, 1, RATE_ENFORCE, RATE_OVER, false,
     false},
    {"full, amount 0", RATE_WINDOW, 1, 1, 0, RATE_ENFORCE, RATE_FITS, true,
     false},
    {"over, passed", RATE_WINDOW, 5, 5, 1, RATE_PASS, RATE_OVER, true, false},
    {"never, passed", RATE_WINDOW, 5, 0, 6, RATE_PASS, RATE_NEVER, true, false},
    {"over, observed", RATE_WINDOW, 5, 5, 1, RATE_OBSERVE, RATE_OVER, true,
     true},
    {"never, observed", RATE_WINDOW, 5, 0, 600000, RATE_OBSERVE, RATE_NEVER,
     true, true},
    {"no end", RATE_WINDOW, UINT64_MAX, UINT64_MAX - 7, 7, RATE_ENFORCE,
     RATE_FITS, true, true},
    {"no end, over it", RATE_WINDOW, UINT64_MAX, UINT64_MAX - 7, 8,
     RATE_ENFORCE, RATE_OVER, false, false},
    {"gcra, limit 0", RATE_GCRA, 0, 0, 1, RATE_ENFORCE, RATE_NEVER, false,
     false},
    {"gcra, limit 1", RATE_GCRA, 1, 0, 1, RATE_ENFORCE, RATE_FITS, true, true},
    {"gcra, once more", RATE_GCRA, 1, 1, 1, RATE_ENFORCE, RATE_OVER, false,
     false},
    {"gcra, amount 0", RATE_GCRA, 1, 1, 0, RATE_ENFORCE, RATE_FITS, true,
     false},
    {"gcra, observed", RATE_GCRA, 3, 3, 9, RATE_OBSERVE, RATE_NEVER, true,
     true},
    {"gcra, observed, with room", RATE_GCRA, 3, 1, 3, RATE_OBSERVE, RATE_OVER,
     true, true},
    {"gcra, no end", RATE_GCRA, UINT64_MAX, 0, UINT64_MAX, RATE_ENFORCE,
     RATE_FITS, true, true},
    {"gcra, no end, over it", RATE_GCRA, UINT64_MAX, UINT64_MAX, 1,
     RATE_ENFORCE, RATE_OVER, false, false},
    {"level, limit 0", RATE_LEVEL, 0, 0, 1, RATE_ENFORCE, RATE_NEVER, false,
     false},
    {"level, the last", RATE_LEVEL, 10, 9, 1, RATE_ENFORCE, RATE_FITS, true,
     true},
    {"level, full", RATE_LEVEL, 10, 10, 1, RATE_ENFORCE, RATE_OVER, false,
     false},
    {"level, observed", RATE_LEVEL, 10, 10, 2, RATE_OBSERVE, RATE_OVER, true,
     true},
    {"level, no end", RATE_LEVEL, UINT64_MAX, UINT64_MAX, 1, RATE_ENFORCE,
     RATE_OVER, false, false},
};

START_TEST(one_charge)
{
	struct rate_table *table = rate_create(&opts);
	struct rate_rule rule = window(1, ones[_i].limit);
	struct rate_charge c;
	uint64_t all;

	rule.kind = ones[_i].kind;
	c = charge_of(1, &rule, ones[_i].before);
	ck_assert(rate_charge(table, &c, 1, START));
	all = used(table, 1, &rule, START);
	c = charge_of(1, &rule, ones[_i].amount);
	c.mode = ones[_i].mode;
	ck_assert_msg(rate_charge(table, &c, 1, START) == ones[_i].in, "%s",
		      ones[_i].label);
	ck_assert_msg(c.result == ones[_i].result, "%s: result %d",
		      ones[_i].label, c.result);
	ck_assert_msg(c.charged == ones[_i].charged, "%s", ones[_i].label);
	ck_assert_uint_eq(c.used, all);
	ck_assert_int_eq(c.frees_us != 0,
			 c.result == RATE_OVER && rule.kind != RATE_LEVEL);
	if (!c.charged)
		ck_assert_uint_eq(used(table, 1, &rule, START), all);
	else if (rule.kind == RATE_GCRA && c.mode == RATE_OBSERVE)
		ck_assert_uint_eq(used(table, 1, &rule, START), rule.limit);
	else if (all < INT32_MAX && c.amount < INT32_MAX)
		ck_assert_uint_eq(used(table, 1, &rule, START), all + c.amount);
	rate_refund(table, &c, 1, START);
	ck_assert_msg(used(table, 1, &rule, START) == all, "%s: given back",
		      ones[_i].label);
	rate_destroy(&table);
}
END_TEST

START_TEST(a_look_charges_nothing_and_asks_for_one_at_least)
{
	struct rate_table *table = rate_create(&opts);
	struct rate_rule rule = window(1, 2);
	struct rate_charge c = charge_of(1, &rule, 0);

	rate_look(table, &c, START);
	ck_assert_int_eq(c.result, RATE_FITS);
	ck_assert_uint_eq(status_of(table).keys, 0);
	c.amount = 2;
	ck_assert(rate_charge(table, &c, 1, START));
	c.amount = 0;
	rate_look(table, &c, START);
	ck_assert_int_eq(c.result, RATE_OVER);
	ck_assert_uint_eq(c.amount, 0);
	rate_destroy(&table);
}
END_TEST

START_TEST(no_table_no_harm)
{
	struct rate_table *table = NULL;

	rate_destroy(&table);
	ck_assert_ptr_null(table);
}
END_TEST

/* --- all or nothing ---------------------------------------------------------
 */

#define MANY RATE_CHARGES_MAX

static void
many(struct rate_charge *charges, const struct rate_rule *rules)
{
	for (size_t i = 0; i < MANY; i++)
		charges[i] = charge_of(i / 4, &rules[i], 1);
}

START_TEST(one_of_sixty_four_refuses_all)
{
	struct rate_table *table = rate_create(&opts);
	struct rate_charge charges[MANY];
	struct rate_rule rules[MANY];

	for (uint32_t i = 0; i < MANY; i++) {
		rules[i] = window(i % 4 + 1, 10);
		rules[i].kind = i % 3;
	}
	rules[_i].limit = 1;
	many(charges, rules);
	ck_assert(rate_charge(table, charges, MANY, START));
	many(charges, rules);
	ck_assert(!rate_charge(table, charges, MANY, START));
	for (size_t i = 0; i < MANY; i++) {
		ck_assert(!charges[i].charged);
		ck_assert_int_eq(charges[i].result,
				 (int)i == _i ? RATE_OVER : RATE_FITS);
		ck_assert_uint_eq(used(table, i / 4, &rules[i], START), 1);
	}
	/* left out, the others go on */
	many(charges, rules);
	charges[_i].mode = RATE_PASS;
	ck_assert(rate_charge(table, charges, MANY, START));
	for (size_t i = 0; i < MANY; i++)
		ck_assert_uint_eq(used(table, i / 4, &rules[i], START),
				  (int)i == _i ? 1 : 2);
	rate_refund(table, charges, MANY, START);
	for (size_t i = 0; i < MANY; i++)
		ck_assert_uint_eq(used(table, i / 4, &rules[i], START), 1);
	rate_destroy(&table);
}
END_TEST

/* Ten rules at once: admitted exactly while none of them alone is over. */
START_TEST(ten_rules_refuse_only_what_one_of_them_refuses)
{
	struct rate_table *table = rate_create(&opts);
	struct rate_rule rules[10];
	struct rate_charge c[10], alone;
	int64_t now = START;
	bool all;

	for (uint32_t i = 0; i < 10; i++) {
		rules[i] = window(i + 1, 5 + random_to(20));
		rules[i].kind = i < 7 ? RATE_WINDOW : RATE_GCRA;
		rules[i].period_us = (int64_t)(1 + random_to(100)) * S;
	}
	for (int step = 0; step < 20000; step++) {
		now += (int64_t)random_to(10) * S;
		all = true;
		for (size_t i = 0; i < 10; i++) {
			c[i] = charge_of(i / 3, &rules[i], random_to(3));
			alone = c[i];
			rate_look(table, &alone, now);
			all = all &&
			      (c[i].amount == 0 || alone.result == RATE_FITS);
		}
		ck_assert_int_eq(rate_charge(table, c, 10, now), all);
	}
	rate_destroy(&table);
}
END_TEST

START_TEST(refunds_have_no_maximum)
{
	struct rate_table *table = rate_create(&opts);
	struct rate_charge *c = mem_array(1000, sizeof(*c));
	struct rate_rule rule = window(1, 100);

	for (size_t i = 0; i < 1000; i++) {
		c[i] = charge_of(i % 20, &rule, 1);
		ck_assert(rate_charge(table, &c[i], 1, START));
	}
	for (size_t i = 0; i < 1000; i += 2)
		c[i].charged = false;
	rate_refund(table, c, 1000, START + 1);
	for (size_t i = 0; i < 20; i++)
		ck_assert_uint_eq(used(table, i, &rule, START),
				  i % 2 == 0 ? 50 : 0);
	free(c);
	rate_destroy(&table);
}
END_TEST

/* --- reload ------------------------------------------------------------------
 */

START_TEST(another_limit_keeps_the_counts)
{
	struct rate_table *table = rate_create(&opts);
	struct rate_rule rule = window(1, 100);
	static const uint64_t limits[] = {
	    1, 70000, UINT32_MAX, 50, UINT64_C(1) << 40, UINT64_MAX, 40000, 0};
	struct rate_charge c;
	uint64_t all = 0;

	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		rule.limit = limits[i];
		c = charge_of(1, &rule, limits[i] / 3);
		if (rate_charge(table, &c, 1, START))
			all += c.amount;
		ck_assert_uint_eq(used(table, 1, &rule, START), all);
		c = charge_of(1, &rule, 1);
		ck_assert_int_eq(rate_charge(table, &c, 1, START),
				 all < limits[i]);
		all += c.charged;
		c.limit = all + 1; /* a grant */
		ck_assert(rate_charge(table, &c, 1, START));
		all++;
	}
	ck_assert_uint_eq(used(table, 1, &rule, START + 2 * HOUR), 0);
	rate_destroy(&table);
}
END_TEST

START_TEST(another_period_frees_nothing_early)
{
	struct rate_table *table = rate_create(&opts);
	struct rate_rule rule = window(1, 10);
	struct rate_charge c = charge_of(1, &rule, 10);

	ck_assert(rate_charge(table, &c, 1, START));
	rule.period_us = 10 * HOUR;
	c.amount = 1;
	ck_assert(!rate_charge(table, &c, 1, START + HOUR));
	ck_assert_uint_eq(c.used, 10);
	ck_assert_int_ge(c.frees_us, START + 10 * HOUR);
	ck_assert(!rate_charge(table, &c, 1, START + 10 * HOUR));
	rate_destroy(&table);
}
END_TEST

START_TEST(a_pace_that_ended_still_counts)
{
	struct rate_table *table = rate_create(&opts);
	struct rate_rule rule = window(1, 10);
	struct rate_charge c = charge_of(1, &rule, 10);

	rule.pace_percent = 150;
	ck_assert(rate_charge(table, &c, 1, START));
	c.amount = 5;
	ck_assert(rate_charge(table, &c, 1, START));
	ck_assert_int_eq(c.result, RATE_PACED);
	rule.pace_percent = 0;
	ck_assert(!rate_charge(table, &c, 1, START));
	ck_assert_uint_eq(c.paced, 5);
	c.amount = 10;
	ck_assert(!rate_charge(table, &c, 1, c.at_us + HOUR));
	c.amount = 5;
	ck_assert(rate_charge(table, &c, 1, START + HOUR + HOUR / 15));
	rate_destroy(&table);
}
END_TEST

START_TEST(many_reloads_do_not_fill_a_key)
{
	struct rate_table *table = rate_create(&opts);
	struct rate_rule rule = window(1, 1000);
	struct rate_charge c;

	for (uint32_t i = 1; i <= 2 * RECORD_STATES_MAX; i++) {
		rule.id = i;
		c = charge_of(1, &rule, i == 3 ? 900 : 1);
		ck_assert(rate_charge(table, &c, 1, START));
		ck_assert_uint_le(status_of(table).states, RECORD_STATES_MAX);
	}
	rule.id = 3; /* the fullest stays */
	ck_assert_uint_eq(used(table, 1, &rule, START), 900);
	rule.id = 2 * RECORD_STATES_MAX;
	ck_assert_uint_eq(used(table, 1, &rule, START), 1);
	/* what is worth nothing goes first */
	rule.id = 9999;
	c = charge_of(1, &rule, 1);
	ck_assert(rate_charge(table, &c, 1, START + 3 * HOUR));
	ck_assert_uint_eq(status_of(table).states, 1);
	rate_destroy(&table);
}
END_TEST

/* --- the disk ----------------------------------------------------------------
 */

static const struct {
	const char *label;
	enum rate_kind kind;
	uint16_t pace;
	uint64_t limit;
} kept[] = {
    {"window", RATE_WINDOW, 0, 300},
    {"window, paced", RATE_WINDOW, 150, 50},
    {"window, bytes", RATE_WINDOW, 0, UINT64_C(1) << 45},
    {"gcra", RATE_GCRA, 0, 30},
    {"gcra, paced", RATE_GCRA, 200, 30},
};

/* What the store does: sums by slot, the largest without one. */
static void
merge(struct rate_cell *cells, size_t *count, const struct rate_cell *cell)
{
	for (size_t i = 0; i < *count; i++) {
		if (cells[i].slot != cell->slot)
			continue;
		if (cell->slot != -1)
			cells[i].value += cell->value;
		else if (cells[i].value < cell->value)
			cells[i] = *cell;
		return;
	}
	cells[(*count)++] = *cell;
}

START_TEST(a_restart_changes_nothing)
{
	struct rate_table *table = rate_create(&opts);
	struct rate_rule rule = window(1, kept[_i].limit);
	struct rate_cell *cells = mem_array(4096, sizeof(*cells)), cell;
	struct rate_charge c, a, b;
	int64_t now = START, now_s;
	size_t count = 0;
	struct rate_key key = key_of(1);

	rule.kind = kept[_i].kind;
	rule.pace_percent = kept[_i].pace;
	if (rule.kind == RATE_GCRA)
		rule.period_us = 60 * S;
	for (int i = 0; i < 500; i++) {
		now += (int64_t)random_to(40) * S;
		c = charge_of(1, &rule, 1 + random_to(1 + rule.limit / 50));
		if (rate_charge(table, &c, 1, now)) {
			ck_assert(rate_cell_of(&c, &cell));
			merge(cells, &count, &cell);
		}
	}
	now_s = now / S;
	for (int back = 0; back < 2; back++) {
		struct rate_table *anew = rate_create(&opts);

		for (size_t i = 0; i < count; i++)
			if (cells[i].expires_wall_s > now_s)
				rate_load(anew, &key, &rule, &cells[i], now);
		for (int i = 0; i < 200; i++) {
			a = b = charge_of(1, &rule, 1 + random_to(rule.limit));
			rate_look(table, &a, now + i * 30 * S);
			rate_look(anew, &b, now + i * 30 * S);
			ck_assert_msg(a.used == b.used && a.paced == b.paced &&
					  a.result == b.result &&
					  a.frees_us == b.frees_us &&
					  a.at_us == b.at_us,
				      "%s: step %d", kept[_i].label, i);
		}
		rate_destroy(&anew);
	}
	rate_destroy(&table);
	free(cells);
}
END_TEST

START_TEST(what_is_not_kept)
{
	struct rate_table *table = rate_create(&opts);
	struct rate_rule rule = window(1, 10);
	struct rate_charge c = charge_of(1, &rule, 0);
	struct rate_cell cell;

	ck_assert(rate_charge(table, &c, 1, START));
	ck_assert(!rate_cell_of(&c, &cell));
	rule.kind = RATE_LEVEL;
	c = charge_of(1, &rule, 1);
	ck_assert(rate_charge(table, &c, 1, START));
	ck_assert(!rate_cell_of(&c, &cell));
	rate_destroy(&table);
}
END_TEST

static const struct {
	const char *label;
	enum rate_kind kind;
	uint16_t pace;
	int64_t slot; /* from now */
	uint64_t value;
	uint64_t used, paced;
	int64_t gone; /* minutes until it counts no more; slots have 4 */
} loads[] = {
    {"this slot", RATE_WINDOW, 0, 0, 7, 7, 0, 64},
    {"the oldest", RATE_WINDOW, 0, -15, 7, 7, 0, 4},
    {"too old", RATE_WINDOW, 0, -16, 7, 0, 0, 0},
    {"as old as can be", RATE_WINDOW, 0, INT64_MIN, 7, 0, 0, 0},
    {"the future is now", RATE_WINDOW, 0, 1, 7, 7, 0, 64},
    {"the far future is now", RATE_WINDOW, 0, INT64_MAX, 7, 7, 0, 64},
    {"more than the limit", RATE_WINDOW, 0, 0, UINT64_MAX, UINT64_MAX, 0, 64},
    {"paced: to come", RATE_WINDOW, 150, 16, 7, 0, 7, 128},
    {"paced: too far to come", RATE_WINDOW, 150, 33, 7, 7, 0, 64},
    {"nothing", RATE_WINDOW, 150, 0, 0, 0, 0, 0},
    {"gcra", RATE_GCRA, 0, -1, START + HOUR, 1, 0, 60},
    {"gcra, past", RATE_GCRA, 0, -1, START, 0, 0, 0},
    {"gcra, the far future is the limit", RATE_GCRA, 0, -1, UINT64_MAX, 10, 0,
     600},
    {"gcra, paced", RATE_GCRA, 150, -1, UINT64_MAX, 10, 5, 900},
    {"a level keeps nothing", RATE_LEVEL, 0, 0, 7, 0, 0, 0},
};

START_TEST(a_cell_of_the_disk)
{
	struct rate_table *table = rate_create(&opts);
	struct rate_rule rule = window(1, 10);
	int64_t now = START - START % (4 * 60 * S);
	struct rate_cell cell = {.rule = 1, .value = loads[_i].value};
	struct rate_key key = key_of(1);
	struct rate_charge c = charge_of(1, &rule, 1);

	rule.kind = loads[_i].kind;
	rule.pace_percent = loads[_i].pace;
	cell.slot = loads[_i].slot;
	if (rule.kind == RATE_WINDOW && cell.slot > -100 && cell.slot < 100)
		cell.slot += now / (4 * 60 * S);
	if (rule.kind == RATE_GCRA)
		now = START;
	rate_load(table, &key, &rule, &cell, now);
	rate_look(table, &c, now);
	ck_assert_msg(c.used == loads[_i].used, "%s: used %lu", loads[_i].label,
		      c.used);
	ck_assert_msg(c.paced == loads[_i].paced, "%s", loads[_i].label);
	if (loads[_i].gone > 0)
		ck_assert_uint_gt(
		    used(table, 1, &rule, now + loads[_i].gone * 60 * S - 1),
		    0);
	ck_assert_msg(used(table, 1, &rule, now + loads[_i].gone * 60 * S) == 0,
		      "%s", loads[_i].label);
	rate_destroy(&table);
}
END_TEST

static TCase *
case_of(const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 120);
	return tc;
}

static Suite *
table_suite(void)
{
	Suite *suite = suite_create("table");
	TCase *tc = case_of("table");

	tcase_add_loop_test(tc, one_charge, 0, sizeof(ones) / sizeof(*ones));
	tcase_add_test(tc, a_look_charges_nothing_and_asks_for_one_at_least);
	tcase_add_test(tc, no_table_no_harm);
	tcase_add_loop_test(tc, one_of_sixty_four_refuses_all, 0, MANY);
	tcase_add_test(tc, ten_rules_refuse_only_what_one_of_them_refuses);
	tcase_add_test(tc, refunds_have_no_maximum);
	tcase_add_test(tc, another_limit_keeps_the_counts);
	tcase_add_test(tc, another_period_frees_nothing_early);
	tcase_add_test(tc, a_pace_that_ended_still_counts);
	tcase_add_test(tc, many_reloads_do_not_fill_a_key);
	tcase_add_loop_test(tc, a_restart_changes_nothing, 0,
			    sizeof(kept) / sizeof(*kept));
	tcase_add_test(tc, what_is_not_kept);
	tcase_add_loop_test(tc, a_cell_of_the_disk, 0,
			    sizeof(loads) / sizeof(*loads));
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	SRunner *runner = srunner_create(table_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
