/*
 * What a limit decision costs in the rate table, and what it keeps. Prints one
 * line a run:
 *
 *   one:     KEYS keys with one rule each, one charge a call, keys at random
 *   refused: the same keys, every one of them over its limit
 *   ten:     KEYS / 10 keys with ten rules each, ten charges a call
 *   busy:    as one, four threads at once
 *
 *   limit_bench [KEYS]          1,000,000 unless told
 *
 * "ns a decision" is CPU time by rules decided, the hash of the key included;
 * "bytes" is what the table says it holds and "resident" what the process grew
 * by, both for each rule and key.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ratelimit/rate.h"

#define HOUR_US INT64_C(3600000000)
#define START_US INT64_C(1790000000000000)
#define RULES 10
#define THREADS 4

static const struct rate_opts opts = {.key_max = 0};

static uint64_t
resident_bytes(void)
{
	unsigned long all = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu %lu", &all, &resident) != 2)
		resident = 0;
	fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static double
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint64_t
random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void
make_rules(struct rate_rule rules[RULES], uint64_t limit)
{
	for (unsigned i = 0; i < RULES; i++)
		rules[i] = (struct rate_rule){
		    .id = i + 1,
		    .kind = RATE_WINDOW,
		    .limit = limit,
		    .period_us = HOUR_US * (i + 1),
		    .pace_percent = i % 2 == 0 ? 150 : 0,
		};
}

static void
charge_all(struct rate_table *table, uint64_t number,
	   const struct rate_rule *rules, size_t count, int64_t now_us)
{
	struct rate_key key = rate_key_of(slice_of(&number, sizeof(number)));
	struct rate_charge charges[RULES];

	for (size_t i = 0; i < count; i++)
		charges[i] = (struct rate_charge){.key = key,
						  .rule = &rules[i],
						  .limit = rules[i].limit,
						  .amount = 1};
	rate_charge(table, charges, count, now_us);
}

static void
print(const char *what, size_t keys, size_t rules, double ns,
      struct rate_table *table, uint64_t before)
{
	struct rate_status s;

	rate_status_get(table, &s);
	printf("%-8s %8zu keys, %2zu rules: %5.0f ns a decision, %5.1f bytes "
	       "a rule and key, resident %5.1f\n",
	       what, keys, rules, ns, (double)s.bytes / (double)s.states,
	       (double)(resident_bytes() - before) / (double)s.states);
}

/* Fills the table, then decides at random. */
static void
run(const char *what, size_t count, size_t rule_count, uint64_t limit)
{
	uint64_t before = resident_bytes(), random = 88172645463325252;
	struct rate_table *table = rate_create(&opts);
	struct rate_rule rules[RULES];
	double begin_ns;
	size_t calls = count * 2;

	make_rules(rules, limit);
	for (size_t i = 0; i < count; i++)
		charge_all(table, i, rules, rule_count, START_US);
	begin_ns = cpu_ns();
	for (size_t i = 0; i < calls; i++)
		charge_all(table, random_next(&random) % count, rules,
			   rule_count, START_US + (int64_t)i * 100);
	print(what, count, rule_count,
	      (cpu_ns() - begin_ns) / (double)(calls * rule_count), table,
	      before);
	rate_destroy(&table);
}

struct busy {
	pthread_t thread;
	struct rate_table *table;
	const struct rate_rule *rules;
	size_t count;
	uint64_t random;
};

static void *
busy_run(void *arg)
{
	struct busy *b = arg;

	for (size_t i = 0; i < b->count; i++)
		charge_all(b->table, random_next(&b->random) % b->count,
			   b->rules, 1, START_US + (int64_t)i * 100);
	return NULL;
}

static void
run_busy(size_t count)
{
	uint64_t before = resident_bytes();
	struct rate_table *table = rate_create(&opts);
	struct rate_rule rules[RULES];
	struct busy busy[THREADS];
	double begin_ns;

	make_rules(rules, 1000);
	for (size_t i = 0; i < count; i++)
		charge_all(table, i, rules, 1, START_US);
	begin_ns = cpu_ns();
	for (size_t i = 0; i < THREADS; i++) {
		busy[i] = (struct busy){.table = table,

					.rules = rules,
					.count = count,
					.random = i + 1};
		pthread_create(&busy[i].thread, NULL, busy_run, &busy[i]);
	}
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(busy[i].thread, NULL);
	print("busy", count, 1,
	      (cpu_ns() - begin_ns) / (double)(count * THREADS), table, before);
	rate_destroy(&table);
}

/* Each run in a process of its own, or its growth would be what others left. */
static bool
alone(void)
{
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child != 0)
		waitpid(child, NULL, 0);
	return child == 0;
}

int
main(int argc, char **argv)
{
	size_t count = argc > 1 ? (size_t)atol(argv[1]) : 1000000;

	if (count < RULES) {
		fprintf(stderr, "usage: limit_bench [KEYS]\n");
		return 64;
	}
	if (alone())
		run("one", count, 1, 1000);
	else if (alone())
		run("refused", count, 1, 1);
	else if (alone())
		run("ten", count / 10, RULES, 1000);
	else if (alone())
		run_busy(count);
	return 0;
}
