/*
 * The table under eight threads: exactly as much is admitted as the limits
 * allow, whoever asks. Run it under -fsanitize=thread too.
 */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "ratelimit/rate.h"

#define S INT64_C(1000000)
#define HOUR (3600 * S)
#define START (1790000000 * S)
#define THREADS 8
#define RULES 10

static const struct rate_opts opts = {.key_max = 3000};

static struct rate_key
key_of(uint64_t n)
{
	return rate_key_of(slice_of(&n, sizeof(n)));
}

struct shared {
	struct rate_table *table;
	struct rate_rule rules[RULES];
	int64_t now;
	atomic_uint_fast64_t admitted, others;
};

struct worker {
	pthread_t thread;
	struct shared *shared;
	uint64_t number, random;
};

static void
work(struct shared *shared, void *(*run)(void *))
{
	struct worker workers[THREADS];

	for (uint64_t i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){
		    .shared = shared, .number = i, .random = i + 1};
		pthread_create(&workers[i].thread, NULL, run, &workers[i]);
	}
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
}

static uint64_t
random_to(struct worker *w, uint64_t n)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random % n;
}

static void
init(struct shared *shared, uint64_t limit)
{
	*shared = (struct shared){.now = START};
	shared->table = rate_create(&opts);
	for (uint32_t i = 0; i < RULES; i++)
		shared->rules[i] =
		    (struct rate_rule){.id = i + 1,
				       .kind = i == 8	? RATE_GCRA
					       : i == 9 ? RATE_LEVEL
							: RATE_WINDOW,
				       .limit = limit + (i == 4 ? 0 : i),
				       .period_us = HOUR};
}

/* Ten rules over four keys, each thread from an address of its own: rule 4
 * alone is the tightest. */
static void
fill_charges(struct shared *shared, uint64_t number, struct rate_charge *c)
{
	for (size_t i = 0; i < RULES; i++)
		c[i] = (struct rate_charge){
		    .key = key_of(i < 3 ? 1000 + number : i / 4),
		    .rule = &shared->rules[i],
		    .limit = shared->rules[i].limit,
		    .amount = 1};
}

static void *
send_as_fast_as_it_can(void *arg)
{
	struct worker *w = arg;
	struct rate_charge c[RULES];

	for (int i = 0; i < 4000; i++) {
		fill_charges(w->shared, w->number, c);
		if (!rate_charge(w->shared->table, c, RULES, w->shared->now))
			continue;
		if (random_to(w, 3) == 0) { /* a lost client */
			rate_refund(w->shared->table, c, RULES, w->shared->now);
			continue;
		}
		atomic_fetch_add(&w->shared->admitted, 1);
	}
	return NULL;
}

START_TEST(exactly_the_limit_is_admitted)
{
	struct shared shared;
	struct rate_charge c[RULES];

	init(&shared, 500);
	for (int window = 0; window < 3; window++) {
		atomic_store(&shared.admitted, 0);
		work(&shared, send_as_fast_as_it_can);
		ck_assert_uint_eq(atomic_load(&shared.admitted), 500);
		fill_charges(&shared, 0, c);
		ck_assert_uint_eq(c[4].limit, 500);
		rate_look(shared.table, &c[4], shared.now);
		ck_assert_uint_eq(c[4].used, 500);
		/* the level has no time, and gcra needs longer */
		shared.now += 600 * HOUR;
		for (size_t i = 0; i < RULES; i++)
			c[i].charged = i == 9;
		c[9].amount = 500;
		rate_refund(shared.table, c, RULES, shared.now);
	}
	rate_destroy(&shared.table);
}
END_TEST

/* Everything at once, at a table that is too small. */
static void *
do_anything(void *arg)
{
	struct worker *w = arg;
	struct shared *shared = w->shared;
	struct rate_status status;
	struct rate_charge c[4];
	struct rate_cell cell;
	size_t count;

	for (int i = 0; i < 20000; i++) {
		int64_t now = START + i * 20000 + (int64_t)random_to(w, 1000);

		count = 1 + random_to(w, 4);
		for (size_t j = 0; j < count; j++)
			c[j] = (struct rate_charge){
			    .key = key_of(random_to(w, 8000)),
			    .rule = &shared->rules[j + 5],
			    .limit = 1 + random_to(w, 20),
			    .amount = random_to(w, 4)};
		switch (random_to(w, 8)) {
		case 0:
			rate_look(shared->table, c, now);
			break;
		case 1:
			rate_status_get(shared->table, &status);
			break;
		case 2:
			rate_sweep(shared->table, 50, now);
			break;
		default:
			if (!rate_charge(shared->table, c, count, now))
				break;
			if (rate_cell_of(c, &cell) && random_to(w, 4) == 0)
				rate_load(shared->table, &c->key, c->rule,
					  &cell, now);
			if (random_to(w, 2) == 0)
				rate_refund(shared->table, c, count, now);
			break;
		}
	}
	return NULL;
}

START_TEST(anything_at_once)
{
	struct rate_status status;
	struct shared shared;

	init(&shared, 100);
	for (size_t i = 0; i < RULES; i++)
		shared.rules[i].period_us = 1 * S;
	work(&shared, do_anything);
	rate_status_get(shared.table, &status);
	ck_assert_uint_le(status.keys, 3000 + 64);
	rate_destroy(&shared.table);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("threads");
	TCase *tc = tcase_create("threads");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, exactly_the_limit_is_admitted);
	tcase_add_test(tc, anything_at_once);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
