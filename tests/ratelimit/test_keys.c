/* Which keys the table keeps, and the memory it keeps them in. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "ratelimit/rate.h"
#include "ratelimit/slab.h"
#include "tests/support/steps.h"

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

	fill(table, &rule, 0, 900, 90, START);
	/* most are idle now: of a few that are looked at, one is */
	fill(table, &rule, 900, 1200, 1, START + 2 * HOUR);
	ck_assert_uint_eq(status_of(table).keys, 1000);
	ck_assert_uint_eq(status_of(table).evicted, 0);
	for (uint64_t i = 900; i < 1200; i++)
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
	for (int i = 0; i < STEPS(200000); i++) {
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
	for (int i = 0; i < STEPS(60000); i++) {
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
keys_suite(void)
{
	Suite *suite = suite_create("keys");
	TCase *tc = case_of("keys");

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
	SRunner *runner = srunner_create(keys_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
