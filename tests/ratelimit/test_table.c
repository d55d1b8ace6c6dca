#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "ratelimit/rate.h"
#include "ratelimit/record.h"
#include "ratelimit/slab.h"

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

/* --- keys that go
 * -------------------------------------------------------------- */

static void
fill(struct rate_table *table, const struct rate_rule *rule, uint64_t from,
     uint64_t to, uint64_t amount, int64_t now)
{
	for (uint64_t i = from; i < to; i++) {
		struct rate_charge c = charge_of(i, rule, amount);

		ck_assert(rate_charge(table, &c, 1, now));
	}
}

START_TEST(idle_keys_go_first)
{
	struct rate_opts few = {.key_max = 1000};
	struct rate_table *table = rate_create(&few);
	struct rate_rule rule = window(1, 100);

	fill(table, &rule, 0, 500, 90, START);
	fill(table, &rule, 500, 1000, 1, START + 2 * HOUR); /* the first idle */
	fill(table, &rule, 1000, 1400, 1, START + 2 * HOUR);
	ck_assert_uint_eq(status_of(table).keys, 1000);
	ck_assert_uint_eq(status_of(table).evicted, 0);
	for (uint64_t i = 500; i < 1400; i++)
		ck_assert_uint_eq(used(table, i, &rule, START + 2 * HOUR), 1);
	rate_destroy(&table);
}
END_TEST

START_TEST(a_flood_of_fresh_keys_pushes_out_fresh_keys)
{
	struct rate_opts few = {.key_max = 5000};
	struct rate_table *table = rate_create(&few);
	struct rate_rule rule = window(1, 100);
	size_t kept_count = 0;

	fill(table, &rule, 0, 1000, 95, START);
	fill(table, &rule, 1000, 50000, 1, START);
	ck_assert_uint_le(status_of(table).keys, 5000);
	ck_assert_uint_ge(status_of(table).evicted, 45000);
	for (uint64_t i = 0; i < 1000; i++)
		kept_count += used(table, i, &rule, START) == 95;
	ck_assert_uint_ge(kept_count, 990);
	rate_destroy(&table);
}
END_TEST

START_TEST(the_keys_of_a_call_stay_for_the_call)
{
	struct rate_opts one = {.key_max = 1};
	struct rate_table *table = rate_create(&one);
	struct rate_rule rule = window(1, 2);
	struct rate_charge c[40];

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < 40; i++)
			c[i] = charge_of(i, &rule, 1);
		ck_assert(rate_charge(table, c, 40, START));
		for (size_t i = 0; i < 40; i++)
			ck_assert_uint_eq(used(table, i, &rule, START),
					  (uint64_t)round + 1);
	}
	for (size_t i = 0; i < 40; i++)
		c[i] = charge_of(i, &rule, 1);
	ck_assert(!rate_charge(table, c, 40, START));
	rate_destroy(&table);
}
END_TEST

START_TEST(the_sweep_forgets_what_is_worth_nothing)
{
	struct rate_table *table = rate_create(&opts);
	struct rate_rule rules[3] = {window(1, 100), window(2, 100),
				     window(3, 100)};
	uint64_t empty = status_of(table).bytes, full;
	struct rate_charge c;
	size_t gone = 0;

	rules[1].period_us = 2 * HOUR;
	rules[2].kind = RATE_LEVEL;
	for (int i = 0; i < 3; i++)
		fill(table, &rules[i], 0, 20000, 1, START);
	full = status_of(table).bytes;
	ck_assert_uint_eq(status_of(table).keys, 20000);
	ck_assert_uint_eq(status_of(table).states, 60000);
	ck_assert_uint_eq(rate_sweep(table, SIZE_MAX, START + HOUR), 0);
	ck_assert_uint_eq(status_of(table).states, 60000);
	ck_assert_uint_eq(rate_sweep(table, SIZE_MAX, START + 3 * HOUR / 2), 0);
	ck_assert_uint_eq(status_of(table).states, 40000);
	ck_assert_uint_lt(status_of(table).bytes, full);
	ck_assert_uint_eq(rate_sweep(table, SIZE_MAX, START + 3 * HOUR), 0);
	ck_assert_uint_eq(status_of(table).states, 20000);
	for (uint64_t i = 0; i < 20000; i++) {
		c = charge_of(i, &rules[2], 1);
		c.charged = true;
		rate_refund(table, &c, 1, START + 3 * HOUR);
	}
	/* by slices: each looks at so many and goes on */
	for (int i = 0; i < 40; i++) {
		size_t went = rate_sweep(table, 500, START + 3 * HOUR);

		ck_assert_uint_le(went, 500 + 64);
		gone += went;
	}
	gone += rate_sweep(table, SIZE_MAX, START + 3 * HOUR);
	ck_assert_uint_eq(gone, 20000);
	ck_assert_uint_eq(status_of(table).keys, 0);
	ck_assert_uint_eq(status_of(table).states, 0);
	ck_assert_uint_lt(status_of(table).bytes, empty * 4);
	rate_destroy(&table);
}
END_TEST

START_TEST(rows_of_the_future_are_given_up)
{
	struct rate_table *table = rate_create(&opts);
	struct rate_rule rule = window(1, 10);
	struct rate_charge c;
	uint64_t paced, after;

	rule.pace_percent = 150;
	for (uint64_t i = 0; i < 10000; i++) {
		c = charge_of(i, &rule, 10);
		ck_assert(rate_charge(table, &c, 1, START));
		c = charge_of(i, &rule, 5);
		ck_assert(rate_charge(table, &c, 1, START));
	}
	paced = status_of(table).bytes;
	ck_assert_uint_eq(rate_sweep(table, SIZE_MAX, c.at_us + HOUR / 2), 0);
	after = status_of(table).bytes;
	ck_assert_uint_lt(after, paced * 85 / 100);
	ck_assert_uint_eq(used(table, 7, &rule, c.at_us + HOUR / 2), 5);
	rate_destroy(&table);
}
END_TEST

/* Records that grow, shrink and go, beside plain counters. */
#define TORTURE_KEYS 400
#define TORTURE_RULES 12

START_TEST(records_move_and_keep_their_states)
{
	struct rate_table *table = rate_create(&opts);
	static uint64_t counts[TORTURE_KEYS][TORTURE_RULES];
	struct rate_rule rules[TORTURE_RULES];
	struct rate_charge c;

	for (uint32_t i = 0; i < TORTURE_RULES; i++) {
		rules[i] = window(i + 1, UINT64_MAX);
		rules[i].kind = i % 4 == 3 ? RATE_LEVEL : RATE_WINDOW;
	}
	for (int i = 0; i < 200000; i++) {
		uint64_t key = random_to(TORTURE_KEYS),
			 rule = random_to(TORTURE_RULES);
		uint64_t *count = &counts[key][rule];

		c = charge_of(key, &rules[rule],
			      (uint64_t)1 << random_to(random_to(38) + 1));
		switch (random_to(4)) {
		case 0:
			c.amount = *count; /* all of it back */
			c.charged = true;
			c.at_us = START;
			rate_refund(table, &c, 1, START);
			*count = 0;
			break;
		default:
			ck_assert(rate_charge(table, &c, 1, START));
			*count += c.amount;
			break;
		}
		ck_assert_uint_eq(used(table, key, &rules[rule], START),
				  *count);
		if (i % 1000 == 0)
			rate_sweep(table, random_to(500), START);
	}
	for (uint64_t key = 0; key < TORTURE_KEYS; key++)
		for (size_t i = 0; i < TORTURE_RULES; i++)
			ck_assert_uint_eq(used(table, key, &rules[i], START),
					  counts[key][i]);
	rate_destroy(&table);
}
END_TEST

START_TEST(memory_stays_within_what_was_promised)
{
	struct rate_table *table = rate_create(&opts);
	struct rate_rule rules[10];
	struct rate_status s;

	for (uint32_t i = 0; i < 10; i++)
		rules[i] = window(i + 1, 1000);
	fill(table, &rules[0], 0, 100000, 1, START);
	s = status_of(table);
	ck_assert_uint_le(s.bytes, 100 * s.states);
	for (int i = 1; i < 10; i++)
		fill(table, &rules[i], 0, 20000, 1, START);
	s = status_of(table);
	ck_assert_uint_le(s.bytes, 100 * s.states);
	rate_destroy(&table);
}
END_TEST

/* --- the slab
 * ------------------------------------------------------------------- */

#define BLOCKS 3000

START_TEST(blocks_do_not_overlap_and_go_back)
{
	static uint32_t blocks[BLOCKS];
	static size_t sizes[BLOCKS];
	struct slab slab;

	slab_init(&slab);
	for (int i = 0; i < 60000; i++) {
		size_t n = random_to(BLOCKS);
		unsigned char *at;

		if (blocks[n] != 0) {
			at = slab_at(&slab, blocks[n]);
			for (size_t j = 0; j < sizes[n]; j++)
				ck_assert_uint_eq(at[j], n & 0xff);
			slab_put(&slab, blocks[n]);
			blocks[n] = 0;
			continue;
		}
		sizes[n] = 1 + random_to(random_to(100) == 0 ? 20000 : 300);
		ck_assert_uint_ge(slab_room_for(sizes[n]), sizes[n]);
		ck_assert(sizes[n] <= 32 ||
			  slab_room_for(sizes[n]) <= sizes[n] * 5 / 4 + 8);
		blocks[n] = slab_get(&slab, sizes[n]);
		ck_assert_uint_eq(slab_room(&slab, blocks[n]),
				  slab_room_for(sizes[n]));
		memset(slab_at(&slab, blocks[n]), (int)(n & 0xff), sizes[n]);
	}
	for (size_t n = 0; n < BLOCKS; n++)
		if (blocks[n] != 0)
			slab_put(&slab, blocks[n]);
	for (uint32_t i = 0; i < slab.chunk_count; i++)
		ck_assert_ptr_null(slab.chunks[i].chunk);
	ck_assert_uint_eq(slab_room_for(SLAB_SIZE_MAX), SLAB_SIZE_MAX);
	slab_put(&slab, slab_get(&slab, SLAB_SIZE_MAX));
	slab_fini(&slab);
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
	tc = case_of("keys");
	tcase_add_test(tc, idle_keys_go_first);
	tcase_add_test(tc, a_flood_of_fresh_keys_pushes_out_fresh_keys);
	tcase_add_test(tc, the_keys_of_a_call_stay_for_the_call);
	tcase_add_test(tc, the_sweep_forgets_what_is_worth_nothing);
	tcase_add_test(tc, rows_of_the_future_are_given_up);
	tcase_add_test(tc, records_move_and_keep_their_states);
	tcase_add_test(tc, memory_stays_within_what_was_promised);
	tcase_add_test(tc, blocks_do_not_overlap_and_go_back);
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
