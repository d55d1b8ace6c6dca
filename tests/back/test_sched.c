#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/catalog.h"
#include "gateway/back/sched.h"
#include "gateway/back/weights.h"
#include "gateway/base/mem.h"

#define WEIGHT_MAX 100

static struct catalog *catalog;
static struct weight *weights[WEIGHT_MAX + 1];

/* 0: it has none. */
static void
weigh(struct job *job, uint32_t value)
{
	if (!weights[value])
		weights[value] = mem_zalloc(sizeof(struct weight) + 1);
	weights[value]->value = value;
	job->source->sender->weight = value > 0 ? weights[value] : NULL;
}

static struct job *
make(const char *cred, uint8_t lane, uint64_t id)
{
	static const struct ip_addr ip;
	struct job *job = job_create(id);

	job_set_source(job, catalog_source(catalog, cred, &ip, 0));
	if (lane == LANE_BULK)
		job->lane = LANE_BULK;
	else if (lane == LANE_DSN)
		job->lane = LANE_DSN;
	job_add_rcpt(job, 0, catalog_domain(catalog, SLICE_LIT("example.net")));
	catalog_add(catalog, job);
	return job;
}

static void
drop(struct job **job)
{
	catalog_remove(catalog, *job);
	job_destroy(job);
}

static void
setup(void)
{
	catalog = catalog_create();
}

static void
teardown(void)
{
	catalog_destroy(&catalog);
	for (size_t i = 0; i <= WEIGHT_MAX; i++) {
		free(weights[i]);
		weights[i] = NULL;
	}
}

static const struct {
	const char *label;
	const char *creds; /* a letter a job, in order; capitals: DSN lane;
			      digits: bulk lane; w and 3 weigh 3, v 2 */
	const char *order; /* in which they come */
} turns[] = {
    {"one: first in, first out", "aaa", "aaa"},
    {"a flood and one", "aaaaaab", "abaaaaa"},
    {"three take turns", "aaabbbccc", "abcabcabc"},
    {"one who ends leaves the turn", "aaabccc", "abcacac"},
    {"DSNs do not starve personal mail", "AAAAaaaa", "aAaaAaAA"},
    {"nor bulk", "111aaa", "aa1a11"},
    {"alone each lane has all", "11", "11"},
    {"three for one", "wwwwwwaa", "wawwawww"},
    {"whoever came first", "aawwwwww", "awwwawww"},
    {"two for one of each", "vvvvaabb", "vabvabvv"},
    {"three for two", "wwwwwwvvvv", "wvwvwvwwvw"},
    {"one behind a flood of weight", "wwwwwwwwwa", "wawwwwwwww"},
    {"bulk too", "33333311", "31331333"},
    {"a weight takes nothing from another lane", "33wwwaaa", "wa3ww3aa"},
};

static uint32_t
weight_of_letter(char c)
{
	return c == 'w' || c == '3' ? 3 : c == 'v' ? 2 : 0;
}

START_TEST(test_turns)
{
	for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++) {
		struct sched *sched = sched_create();
		struct ready ready;
		const char *p;
		char got[64] = "";
		size_t n = 0;
		struct job *job;

		ready_init(&ready);
		for (p = turns[i].creds; *p; p++) {
			char cred[2] = {*p, 0};
			uint8_t lane = *p >= 'a'   ? LANE_PERSONAL
				       : *p >= 'A' ? LANE_DSN
						   : LANE_BULK;

			job = make(cred, lane, (uint64_t)*p);
			weigh(job, weight_of_letter(*p));
			sched_ready(sched, &ready, job, false);
		}
		ck_assert_uint_eq(ready.count, strlen(turns[i].creds));
		while ((job = sched_take(sched, &ready)) != NULL) {
			got[n++] = (char)job->id;
			drop(&job);
		}
		got[n] = '\0';
		ck_assert_msg(strcmp(got, turns[i].order) == 0, "%s: %s",
			      turns[i].label, got);
		sched_destroy(&sched);
	}
}
END_TEST

START_TEST(test_front)
{
	struct sched *sched = sched_create();
	struct ready ready;
	struct job *job;

	ready_init(&ready);
	sched_ready(sched, &ready, make("a", 0, 1), false);
	sched_ready(sched, &ready, make("a", 0, 2), false);
	sched_ready(sched, &ready, make("a", 0, 3), true);
	for (uint64_t id = 3; id > 0; id = id == 3 ? 1 : id == 1 ? 2 : 0) {
		job = sched_take(sched, &ready);
		ck_assert_uint_eq(job->id, id);
		drop(&job);
	}
	sched_destroy(&sched);
}
END_TEST

/* --- who pays what -------------------------------------------------------- */

/* Sends count jobs of its size each time it is asked. */
struct party {
	const char *cred;
	uint32_t rcpts; /* a job */
	uint8_t large;	/* a job */
	uint32_t ahead; /* jobs ready at once */
	uint32_t share; /* of all that is paid, in percent; 0: any */
	uint32_t weight;
};

static const struct {
	const char *label;
	struct party parties[4];
} shares[] = {
    {"equal ones", {{"a", 1, 0, 9, 50, 0}, {"b", 1, 0, 9, 50, 0}}},
    {"one with 1,000 ready", {{"a", 1, 0, 1000, 50, 0}, {"b", 1, 0, 1, 50, 0}}},
    {"100 recipients a message",
     {{"a", 100, 0, 20, 50, 0}, {"b", 1, 0, 20, 50, 0}}},
    {"never two of them ready at once",
     {{"a", 100, 0, 1, 50, 0}, {"b", 1, 0, 20, 50, 0}}},
    {"16 MiB a message", {{"a", 1, 255, 20, 50, 0}, {"b", 1, 0, 20, 50, 0}}},
    {"all kinds",
     {{"a", 100, 0, 9, 25, 0},
      {"b", 1, 255, 2, 25, 0},
      {"c", 1, 0, 1, 25, 0},
      {"d", 7, 3, 100, 25, 0}}},
    {"weight 3", {{"a", 1, 0, 9, 75, 3}, {"b", 1, 0, 9, 25, 1}}},
    {"and 25 recipients a message",
     {{"a", 25, 0, 9, 75, 3}, {"b", 1, 0, 9, 25, 1}}},
    {"never two of them ready at once",
     {{"a", 7, 0, 1, 75, 3}, {"b", 1, 0, 9, 25, 1}}},
    {"against who has 10,000 ready",
     {{"a", 1, 0, 10, 75, 3}, {"b", 1, 0, 10000, 25, 1}}},
    {"one that nothing divides",
     {{"a", 1, 0, 9, 97, 97}, {"b", 1, 0, 9, 3, 3}}},
    {"the largest, and nobody starves",
     {{"a", 1, 0, 9, 98, 100}, {"b", 1, 0, 9, 1, 1}, {"c", 1, 0, 9, 1, 1}}},
};

static struct job *
make_party(const struct party *party, uint64_t id)
{
	static const struct ip_addr ip;
	struct job *job = job_create(id);

	job_set_source(job, catalog_source(catalog, party->cred, &ip, 0));
	for (uint32_t i = 0; i < party->rcpts; i++)
		job_add_rcpt(job, i,
			     catalog_domain(catalog, SLICE_LIT("a.test")));
	job->large = party->large;
	weigh(job, party->weight);
	catalog_add(catalog, job);
	return job;
}

START_TEST(test_shares)
{
	struct sched *sched = sched_create();
	uint64_t paid = 0;
	const struct party *parties = shares[_i].parties;
	uint64_t standing[4] = {0}, paid_by[4] = {0};
	struct ready ready;
	struct job *job;

	ready_init(&ready);
	while (paid < 200000) {
		for (uint64_t k = 0; k < 4 && parties[k].cred; k++) {
			for (; standing[k] < parties[k].ahead; standing[k]++)
				sched_ready(sched, &ready,
					    make_party(&parties[k], k), false);
		}
		job = sched_take(sched, &ready);
		standing[job->id]--;
		paid_by[job->id] += job_cost(job);
		paid += job_cost(job);
		drop(&job);
	}
	for (uint64_t k = 0; k < 4 && parties[k].cred; k++) {
		uint64_t percent = (paid_by[k] * 100 + paid / 2) / paid;

		ck_assert_msg(percent + 1 >= parties[k].share &&
				  percent <= parties[k].share + 1,
			      "%s: %s has %llu of 100", shares[_i].label,
			      parties[k].cred, (unsigned long long)percent);
	}
	while ((job = sched_take(sched, &ready)) != NULL)
		drop(&job);
	sched_destroy(&sched);
}
END_TEST

/* To the job, whatever the sizes: in each five there are three, one and one. */
START_TEST(test_exact)
{
	static const struct party parties[] = {
	    {.cred = "a", .rcpts = 1, .weight = 3},
	    {.cred = "b", .rcpts = 1, .weight = 1},
	    {.cred = "c", .rcpts = 1},
	};
	struct sched *sched = sched_create();
	uint64_t got[3] = {0};
	struct ready ready;
	struct job *job;

	ready_init(&ready);
	for (uint64_t i = 0; i < 3000; i++)
		sched_ready(sched, &ready, make_party(&parties[0], 0), false);
	for (uint64_t i = 0; i < 2000; i++) {
		sched_ready(sched, &ready, make_party(&parties[1], 1), false);
		sched_ready(sched, &ready, make_party(&parties[2], 2), false);
	}
	for (uint64_t i = 1; i <= 5000; i++) {
		job = sched_take(sched, &ready);
		got[job->id]++;
		drop(&job);
		if (i % 5 != 0)
			continue;
		ck_assert_uint_eq(got[0], i / 5 * 3);
		ck_assert_uint_eq(got[1], i / 5);
		ck_assert_uint_eq(got[2], i / 5);
	}
	while ((job = sched_take(sched, &ready)) != NULL)
		drop(&job);
	sched_destroy(&sched);
}
END_TEST

/* What was sent by the old weight is paid for; the next ones by the new. */
START_TEST(test_weight_changes)
{
	static const struct party a = {.cred = "a", .rcpts = 1, .weight = 3};
	static const struct party b = {.cred = "b", .rcpts = 1, .weight = 1};
	struct sched *sched = sched_create();
	char got[17] = "";
	struct ready ready;
	struct job *job;

	ready_init(&ready);
	for (int i = 0; i < 16; i++) {
		sched_ready(sched, &ready, make_party(&a, 'a'), false);
		sched_ready(sched, &ready, make_party(&b, 'b'), false);
	}
	for (size_t i = 0; i < 16; i++) {
		if (i == 8)
			weights[3]->value = 1;
		job = sched_take(sched, &ready);
		got[i] = (char)job->id;
		drop(&job);
	}
	ck_assert_str_eq(got, "abaabaaa"
			      "babababa");
	while ((job = sched_take(sched, &ready)) != NULL)
		drop(&job);
	sched_destroy(&sched);
}
END_TEST

/* Alone it has all there is; what it sent then is not held against it. */
START_TEST(test_no_debt_of_quiet_times)
{
	struct party a = {.cred = "a", .rcpts = 100};
	struct party b = {.cred = "b", .rcpts = 1};
	struct sched *sched = sched_create();
	struct ready ready;
	struct job *job;

	ready_init(&ready);
	for (int i = 0; i < 50; i++) {
		sched_ready(sched, &ready, make_party(&a, 1), false);
		job = sched_take(sched, &ready);
		drop(&job);
	}
	for (int i = 0; i < 10; i++)
		sched_ready(sched, &ready, make_party(&b, 2), false);
	sched_ready(sched, &ready, make_party(&a, 1), false);
	job = sched_take(sched, &ready);
	ck_assert_uint_eq(job->id, 2);
	drop(&job);
	job = sched_take(sched, &ready);
	ck_assert_uint_eq(job->id, 1);
	drop(&job);
	while ((job = sched_take(sched, &ready)) != NULL)
		drop(&job);
	sched_destroy(&sched);
}
END_TEST

/* Given back it is the next of its own, and not paid twice. */
START_TEST(test_give_back)
{
	struct party a = {.cred = "a", .rcpts = 50};
	struct party b = {.cred = "b", .rcpts = 50};
	struct sched *sched = sched_create();
	uint32_t got[3] = {0}, dead = 0;
	struct job *job, *last = NULL;
	struct ready ready;

	ready_init(&ready);
	for (int i = 0; i < 20; i++) {
		sched_ready(sched, &ready, make_party(&a, 1), false);
		sched_ready(sched, &ready, make_party(&b, 2), false);
	}
	while (got[1] + got[2] < 10) {
		job = sched_take(sched, &ready);
		if (job->id == 1 && dead++ % 3 != 2) { /* its connection */
			last = job;
			sched_ready(sched, &ready, job, true);
			continue;
		}
		ck_assert(job->id == 2 || job == last);
		got[job->id]++;
		drop(&job);
	}
	ck_assert_uint_eq(got[1], 5);
	ck_assert_uint_eq(got[2], 5);
	while ((job = sched_take(sched, &ready)) != NULL)
		drop(&job);
	sched_destroy(&sched);
}
END_TEST

/* Taken out of the middle, as a purge does: the others' order stays. */
START_TEST(test_unready)
{
	struct sched *sched = sched_create();
	struct job *jobs[9], *job;
	char got[10] = "";
	struct ready ready;
	size_t n = 0;

	ready_init(&ready);
	for (uint64_t i = 0; i < 9; i++) {
		static const char *const names[] = {"a", "b", "c"};

		jobs[i] = make(names[i % 3], LANE_PERSONAL, 'a' + i);
		sched_ready(sched, &ready, jobs[i], false);
	}
	for (size_t i = 1; i < 9; i += 3) {
		sched_unready(sched, &ready, jobs[i]);
		ck_assert_int_eq(jobs[i]->state, JOB_ACTIVE);
		drop(&jobs[i]);
	}
	ck_assert_uint_eq(ready.count, 6);
	while ((job = sched_take(sched, &ready)) != NULL) {
		got[n++] = (char)job->id;
		drop(&job);
	}
	ck_assert_str_eq(got, "acdfgi");
	/* The last one out leaves nothing behind. */
	job = make("a", LANE_BULK, 1);
	sched_ready(sched, &ready, job, false);
	sched_unready(sched, &ready, job);
	drop(&job);
	ck_assert_ptr_null(sched_take(sched, &ready));
	sched_destroy(&sched);
}
END_TEST

#define FLOOD 1000000

/* A million ready of one credential, 100 of another's with 100 recipients;
 * whoever comes with a single message waits for one job of each. */
START_TEST(test_flood)
{
	struct party wide = {.cred = "wide", .rcpts = 100};
	struct sched *sched = sched_create();
	struct ready ready;
	struct job *job;

	ready_init(&ready);
	for (uint64_t i = 0; i < FLOOD; i++)
		sched_ready(sched, &ready, make("flood", LANE_PERSONAL, 1),
			    false);
	for (uint64_t i = 0; i < 100; i++)
		sched_ready(sched, &ready, make_party(&wide, 2), false);
	for (int round = 0; round < 1000; round++) {
		char cred[16];
		int before = 0;

		snprintf(cred, sizeof(cred), "good%d", round % 7);
		sched_ready(sched, &ready, make(cred, LANE_PERSONAL, 3), false);
		while ((job = sched_take(sched, &ready))->id != 3) {
			before++;
			drop(&job);
		}
		drop(&job);
		ck_assert_int_le(before, 2);
		for (int i = 0; i < round % 5; i++) {
			job = sched_take(sched, &ready);
			drop(&job);
		}
	}
	while ((job = sched_take(sched, &ready)) != NULL)
		drop(&job);
	sched_destroy(&sched);
}
END_TEST

#define MANY 20000

START_TEST(test_due_in_order)
{
	struct sched *sched = sched_create();
	int64_t last = 0;
	struct job *job, *out = NULL;
	uint32_t r = 12345;
	size_t n = 0;

	for (uint64_t i = 0; i < MANY; i++) {
		r = r * 1664525 + 1013904223;
		job = make("a", 0, i);
		sched_wait(sched, job, 1 + (r >> 8) % 5000);
		if (i == MANY / 2)
			out = job;
	}
	sched_unwait(sched, out);
	drop(&out);
	ck_assert_ptr_null(sched_due(sched, 0));
	while ((job = sched_due(sched, 5000)) != NULL) {
		ck_assert_int_ge(job->due_wall_s, last);
		last = job->due_wall_s;
		n++;
		drop(&job);
	}
	ck_assert_uint_eq(n, MANY - 1);
	ck_assert_uint_eq(sched_waiting(sched), 0);
	sched_destroy(&sched);
}
END_TEST

static bool
is_odd(const void *arg, const struct job *job)
{
	(void)arg;
	return job->id & 1;
}

START_TEST(test_flush_in_slices)
{
	static const size_t slices[] = {1, 7, 100, MANY};

	for (size_t s = 0; s < sizeof(slices) / sizeof(slices[0]); s++) {
		struct sched *sched = sched_create();
		struct job *job;
		uint32_t r = 99;
		size_t n = 0;

		for (uint64_t i = 0; i < 2000; i++) {
			r = r * 1664525 + 1013904223;
			sched_wait(sched, make("a", 0, i),
				   1000 + (r >> 8) % 5000);
		}
		sched_flush_begin(sched);
		while (sched_flush_slice(sched, slices[s], 10, is_odd, NULL))
			ck_assert_ptr_null(sched_due(sched, 10000));
		while ((job = sched_due(sched, 10)) != NULL) {
			ck_assert(job->id & 1);
			n++;
			drop(&job);
		}
		ck_assert_uint_eq(n, 1000);
		while ((job = sched_drain(sched)) != NULL)
			drop(&job);
		sched_destroy(&sched);
	}
}
END_TEST

START_TEST(test_job_is_compact)
{
	static const struct ip_addr ip;
	uint32_t keep[] = {0, 5, 99};
	struct job *job = job_create(1);
	char name[32];

	/* With malloc's own 8 bytes a chunk of 192; 168 before there were
	 * campaigns, 96 before there were indexes. */
	ck_assert_uint_le(sizeof(*job), 176);
	job_set_source(job, catalog_source(catalog, "a", &ip, 0));
	for (uint32_t i = 0; i < JOB_RCPTS_MAX; i++) {
		struct domain *domain;

		snprintf(name, sizeof(name), "d%u.test", i / 2);
		domain = catalog_domain(catalog, slice_str(name));
		ck_assert(job_has_domain(job, domain) == (i & 1));
		job_add_rcpt(job, i, domain);
		ck_assert(job_has_domain(job, domain));
		ck_assert_uint_eq(job->domain_count, i / 2 + 1);
		for (uint32_t k = 0; k <= i; k++)
			ck_assert_uint_eq(job_rcpts(job)[k], k);
	}
	catalog_add(catalog, job);
	job_keep(job, keep, 3);
	ck_assert_uint_eq(job->rcpt_count, 3);
	ck_assert_uint_eq(job_rcpts(job)[2], 99);
	job_keep(job, keep + 1, 1);
	ck_assert_uint_eq(job_rcpts(job)[0], 5);
	drop(&job);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/sched");
	TCase *tc = tcase_create("sched");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 240);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_exact);
	tcase_add_test(tc, test_weight_changes);
	tcase_add_test(tc, test_turns);
	tcase_add_test(tc, test_front);
	tcase_add_loop_test(tc, test_shares, 0,
			    sizeof(shares) / sizeof(shares[0]));
	tcase_add_test(tc, test_no_debt_of_quiet_times);
	tcase_add_test(tc, test_give_back);
	tcase_add_test(tc, test_unready);
	tcase_add_test(tc, test_flood);
	tcase_add_test(tc, test_due_in_order);
	tcase_add_test(tc, test_flush_in_slices);
	tcase_add_test(tc, test_job_is_compact);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
