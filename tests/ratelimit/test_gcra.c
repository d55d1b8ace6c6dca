/*
 * GCRA through the table, against a list of all kept charges that is played
 * again from the start each time. What is given back must never let more
 * through than the list allows, and from rest must restore exactly.
 */
#include <check.h>
#include <stdlib.h>

#include "gateway/base/mem.h"
#include "ratelimit/rate.h"
#include "tests/support/steps.h"

#define S INT64_C(1000000)
#define START (1790000000 * S)
#define LIST_MAX 8192

static uint64_t seed = 88172645463325252;

static uint64_t
random_to(uint64_t n)
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
	uint64_t limit;
	int64_t now, seen; /* seen: the latest that was charged */
	int64_t run_out;   /* what the list says after the last play */
	int64_t last;	   /* leaving time in it */
	bool gave_back;	   /* since it was last empty */
	struct rate_charge list[LIST_MAX]; /* in order of leaving */
	size_t count;
};

static const struct rate_opts opts;

/* The list conforms at each leaving time. */
static void
play(struct model *m)
{
	int64_t tat = 0, at, burst = (int64_t)m->limit * m->rule.period_us;

	m->last = 0;
	for (size_t i = 0; i < m->count; i++) {
		at = m->list[i].at_us;
		tat = (tat > at ? tat : at) +
		      (int64_t)m->list[i].amount * m->rule.period_us;
		ck_assert_msg(tat <= at + burst, "%s: more than the burst",
			      m->label);
		m->last = at;
	}
	m->run_out = tat;
}

static void
keep(struct model *m, const struct rate_charge *charge)
{
	size_t i = m->count++;

	ck_assert_uint_lt(m->count, LIST_MAX);
	for (; i > 0 && m->list[i - 1].at_us > charge->at_us; i--)
		m->list[i] = m->list[i - 1];
	m->list[i] = *charge;
}

static void
check_frees(const struct model *m, const struct rate_charge *charge)
{
	struct rate_charge look = *charge;

	ck_assert_int_gt(charge->frees_us, m->now);
	rate_look(m->table, &look, charge->frees_us - 1);
	ck_assert_int_eq(look.result, RATE_OVER);
	rate_look(m->table, &look, charge->frees_us);
	ck_assert_msg(look.result == RATE_FITS || look.result == RATE_PACED,
		      "%s: refused when it frees", m->label);
}

/* Nothing was given back: the verdict of the list itself. */
static void
check_exact(const struct model *m, const struct rate_charge *charge)
{
	int64_t begin = m->run_out > m->now ? m->run_out : m->now;
	int64_t after =
	    begin + (int64_t)charge->amount * m->rule.period_us - m->now;
	int64_t burst = (int64_t)m->limit * m->rule.period_us;
	int64_t most = burst;

	if (m->rule.pace_percent > 100)
		most = burst / 100 * m->rule.pace_percent +
		       burst % 100 * m->rule.pace_percent / 100;
	if (charge->amount > m->limit)
		ck_assert_int_eq(charge->result, RATE_NEVER);
	else if (charge->amount == 0 || after <= burst)
		ck_assert_int_eq(charge->result, RATE_FITS);
	else if (after <= most)
		ck_assert_int_eq(charge->result, RATE_PACED);
	else
		ck_assert_int_eq(charge->result, RATE_OVER);
}

static void
step_charge(struct model *m)
{
	struct rate_charge charge = {
	    .key = m->key,
	    .rule = &m->rule,
	    .limit = m->limit,
	    .amount = random_to(random_to(20) == 0 ? 25 : 4),
	};
	int64_t real = m->now;
	bool in = rate_charge(m->table, &charge, 1, m->now);

	if (m->now < m->seen)
		m->now = m->seen;
	play(m);
	if (!m->gave_back && real == m->now)
		check_exact(m, &charge);
	if (m->run_out > m->now) /* nothing of the list is forgotten */
		ck_assert_uint_ge((charge.used + charge.paced) *
				      (uint64_t)m->rule.period_us,
				  (uint64_t)(m->run_out - m->now));
	m->now = real;
	ck_assert_int_eq(in, charge.result == RATE_FITS ||
				 charge.result == RATE_PACED);
	ck_assert_int_eq(charge.charged, in && charge.amount > 0);
	if (charge.result == RATE_OVER)
		check_frees(m, &charge);
	if (!charge.charged)
		return;
	if (charge.result == RATE_PACED)
		ck_assert_int_gt(charge.at_us, m->now);
	else
		ck_assert_int_ge(charge.at_us, m->now);
	if (m->now > m->seen)
		m->seen = m->now;
	if (charge.used + charge.paced == 0) { /* all before has run out */
		ck_assert_int_le(m->run_out, charge.at_us);
		m->count = 0;
		m->gave_back = false;
	}
	keep(m, &charge);
	play(m);
}

static void
step_refund(struct model *m)
{
	size_t i;

	if (m->count == 0)
		return;
	i = random_to(m->count);
	rate_refund(m->table, &m->list[i], 1, m->now);
	for (m->count--; i < m->count; i++)
		m->list[i] = m->list[i + 1];
	m->gave_back = true;
}

static void
step_time(struct model *m)
{
	int64_t period = m->rule.period_us;

	switch (random_to(12)) {
	case 0:
		m->now +=
		    (int64_t)random_to((uint64_t)period * m->rule.limit * 3);
		break;
	case 1:
		m->now -= (int64_t)random_to((uint64_t)period * 3);
		break;
	case 2:
		m->now = m->run_out - (int64_t)random_to(3) + 1;
		break;
	case 3:
	case 4:
		m->now += (int64_t)random_to((uint64_t)period * 2);
		break;
	default:
		break;
	}
	if (m->now < START)
		m->now = START;
}

static const struct {
	const char *label;
	int64_t period;
	uint64_t limit;
	uint16_t pace;
	bool refunds;
} walks[] = {
    {"30/m burst 40", 2 * S, 40, 0, false},
    {"30/m burst 40, given back", 2 * S, 40, 0, true},
    {"burst 1", 1 * S, 1, 0, true},
    {"1 us", 1, 20, 0, true},
    {"31 d", 31 * 86400 * S, 20, 0, true},
    {"pace 150", 2 * S, 20, 150, false},
    {"pace 150, given back", 2 * S, 20, 150, true},
    {"burst 1, pace 1000, given back", 10 * S, 1, 1000, true},
    {"burst 3, pace 400, given back", 1 * S, 3, 400, true},
};

START_TEST(a_million_steps_beside_the_list)
{
	struct model *m = mem_zalloc(sizeof(*m));

	m->label = walks[_i].label;
	m->rule = (struct rate_rule){
	    .id = 7,
	    .kind = RATE_GCRA,
	    .limit = walks[_i].limit,
	    .period_us = walks[_i].period,
	    .pace_percent = walks[_i].pace,
	};
	m->limit = m->rule.limit;
	m->now = m->run_out = START;
	m->key = rate_key_of(SLICE_LIT("key"));
	m->table = rate_create(&opts);
	for (int i = 0; i < STEPS(112000); i++) {
		step_time(m);
		if (walks[_i].refunds && random_to(6) == 0)
			step_refund(m);
		else
			step_charge(m);
	}
	rate_destroy(&m->table);
	free(m);
}
END_TEST

/* --- giving back -----------------------------------------------------------
 */

static struct rate_rule slow = {
    .id = 1, .kind = RATE_GCRA, .limit = 10, .period_us = 3600 * S};

static bool
take_one(struct rate_table *table, struct rate_charge *charge, int64_t now)
{
	*charge = (struct rate_charge){.key = rate_key_of(SLICE_LIT("k")),
				       .rule = &slow,
				       .limit = slow.limit,
				       .amount = 1};
	return rate_charge(table, charge, 1, now);
}

START_TEST(from_rest_all_of_it_comes_back_in_any_order)
{
	struct rate_table *table = rate_create(&opts);
	struct rate_charge c[10], more;
	size_t left = 10, i;

	for (i = 0; i < 10; i++)
		ck_assert(take_one(table, &c[i], START + (int64_t)i));
	ck_assert(!take_one(table, &more, START + 10));
	for (; left > 0; left--) { /* they end seconds later */
		i = random_to(left);
		rate_refund(table, &c[i], 1, START + 60 * S);
		c[i] = c[left - 1];
	}
	for (i = 0; i < 10; i++)
		ck_assert(take_one(table, &c[i], START + 61 * S));
	ck_assert(!take_one(table, &more, START + 61 * S));
	rate_destroy(&table);
}
END_TEST

START_TEST(what_ran_out_meanwhile_is_no_gift)
{
	struct rate_table *table = rate_create(&opts);
	struct rate_charge held[10], sent[10], more;
	int64_t now = START + 10 * slow.period_us;

	for (int i = 0; i < 10; i++)
		ck_assert(take_one(table, &held[i], START));
	for (int i = 0; i < 10; i++)
		ck_assert(take_one(table, &sent[i], now));
	rate_refund(table, held, 10, now);
	ck_assert(!take_one(table, &more, now));
	rate_destroy(&table);
}
END_TEST

START_TEST(one_room_is_free_as_soon_as_it_is_given_back)
{
	struct rate_table *table = rate_create(&opts);
	struct rate_charge c[10], more;

	for (int i = 0; i < 10; i++)
		ck_assert(take_one(table, &c[i], START - (10 - i) * 1000 * S));
	while (take_one(table, &c[0], START))
		;
	for (int i = 0; i < 50; i++) {
		rate_refund(table, &c[9], 1, START + i * 10 * S);
		ck_assert(take_one(table, &c[9], START + i * 10 * S));
		ck_assert(!take_one(table, &more, START + i * 10 * S));
	}
	rate_destroy(&table);
}
END_TEST

/* --- rules that change ------------------------------------------------------
 */

static const struct {
	const char *label;
	enum rate_mode mode;
	uint16_t pace;
	struct rate_rule then; /* enforced afterwards */
	int64_t frees_us;      /* one more, from now */
} turns[] = {
    {"observe, then enforced",
     RATE_OBSERVE,
     0,
     {.limit = 10, .period_us = 3600 * S},
     3600 * S},
    {"observe with pace, then enforced",
     RATE_OBSERVE,
     200,
     {.limit = 10, .period_us = 3600 * S, .pace_percent = 200},
     3600 * S},
    {"observe with pace, then enforced without",
     RATE_OBSERVE,
     200,
     {.limit = 10, .period_us = 3600 * S},
     11 * 3600 * S},
    {"ten times as fast",
     RATE_ENFORCE,
     0,
     {.limit = 10, .period_us = 360 * S},
     360 * S},
    {"ten times as slow",
     RATE_ENFORCE,
     0,
     {.limit = 10, .period_us = 36000 * S},
     36000 * S},
    {"as fast, half the burst",
     RATE_ENFORCE,
     0,
     {.limit = 5, .period_us = 360 * S},
     360 * S},
};

START_TEST(a_full_burst_is_no_more_than_full)
{
	struct rate_table *table = rate_create(&opts);
	struct rate_rule first = slow, then = turns[_i].then;
	struct rate_charge c = {.key = rate_key_of(SLICE_LIT("k")),
				.rule = &first,
				.limit = first.limit,
				.amount = 1,
				.mode = turns[_i].mode};

	first.pace_percent = turns[_i].pace;
	for (int i = 0; i < (c.mode == RATE_OBSERVE ? 1000 : 10); i++)
		ck_assert(rate_charge(table, &c, 1, START));
	then.id = first.id;
	then.kind = RATE_GCRA;
	c.rule = &then;
	c.limit = then.limit;
	c.mode = RATE_ENFORCE;
	ck_assert_msg(!rate_charge(table, &c, 1, START), "%s", turns[_i].label);
	/* a division may have been rounded up */
	ck_assert_msg(c.frees_us - START >= turns[_i].frees_us &&
			  c.frees_us - START <= turns[_i].frees_us + 1,
		      "%s: in %lld s", turns[_i].label,
		      (long long)((c.frees_us - START) / S));
	ck_assert_msg(rate_charge(table, &c, 1, c.frees_us), "%s",
		      turns[_i].label);
	rate_destroy(&table);
}
END_TEST

START_TEST(what_is_replaced_makes_room_for_itself)
{
	struct rate_table *table = rate_create(&opts);
	int64_t now = START + slow.period_us / 2;
	struct rate_charge c[10], again;
	struct rate_back back;

	for (int i = 0; i < 10; i++)
		ck_assert(take_one(table, &c[i], START));
	for (int i = 0; i < 10; i++) {
		back = (struct rate_back){1, c[i].at_us};
		again = c[i];
		again.back = &back;
		again.back_count = 1;
		ck_assert(rate_charge(table, &again, 1, now));
	}
	/* all ten are of now */
	ck_assert(!take_one(table, &again, now + slow.period_us - 1));
	ck_assert(take_one(table, &again, now + slow.period_us));
	rate_destroy(&table);
}
END_TEST

START_TEST(what_is_replaced_is_charged_anew)
{
	struct rate_table *table = rate_create(&opts);
	struct rate_charge c[11], again;
	struct rate_back back;
	int64_t now = START + 5 * slow.period_us;

	for (int i = 0; i < 10; i++)
		ck_assert(take_one(table, &c[i], START));
	for (int i = 0; i < 5; i++) /* the place of five has grown back */
		ck_assert(take_one(table, &c[10], now));
	again = c[0];
	back = (struct rate_back){again.amount, again.at_us};
	again.back = &back;
	again.back_count = 1;
	/* five have come meanwhile: what ran out of this one is theirs */
	ck_assert(!rate_charge(table, &again, 1, now));
	ck_assert_int_eq(again.result, RATE_OVER);
	/* nothing was given back by the way */
	ck_assert(!take_one(table, &c[10], now + slow.period_us - 1));
	ck_assert(take_one(table, &c[10], now + slow.period_us));
	rate_destroy(&table);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("gcra");
	TCase *tc = tcase_create("gcra");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, a_million_steps_beside_the_list, 0,
			    sizeof(walks) / sizeof(*walks));
	tcase_add_test(tc, from_rest_all_of_it_comes_back_in_any_order);
	tcase_add_test(tc, what_ran_out_meanwhile_is_no_gift);
	tcase_add_test(tc, one_room_is_free_as_soon_as_it_is_given_back);
	tcase_add_loop_test(tc, a_full_burst_is_no_more_than_full, 0,
			    sizeof(turns) / sizeof(*turns));
	tcase_add_test(tc, what_is_replaced_makes_room_for_itself);
	tcase_add_test(tc, what_is_replaced_is_charged_anew);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
