#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/catalog.h"
#include "gateway/back/sched.h"
#include "gateway/base/mem.h"

static struct catalog *catalog;

static struct job *
make(const char *cred, uint8_t lane, uint64_t id)
{
	static const struct ip_addr ip;
	struct job *job = job_create(id);

	job_set_source(job, catalog_source(catalog, cred, &ip));
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
}

static const struct {
	const char *label;
	const char *creds; /* a letter a job, in order; capitals: DSN lane;
			      digits: bulk lane */
	const char *order; /* in which they come */
} turns[] = {
    {"one: first in, first out", "aaa", "aaa"},
    {"a flood and one", "aaaaaab", "abaaaaa"},
    {"three take turns", "aaabbbccc", "abcabcabc"},
    {"one who ends leaves the turn", "aaabccc", "abcacac"},
    {"DSNs do not starve personal mail", "AAAAaaaa", "aAaaAaAA"},
    {"nor bulk", "111aaa", "aa1a11"},
    {"alone each lane has all", "11", "11"},
};

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

			sched_ready(sched, &ready,
				    make(cred, lane, (uint64_t)*p), false);
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

	/* With malloc's own 8 bytes a chunk of 176; 96 before there were
	 * indexes. */
	ck_assert_uint_le(sizeof(*job), 168);
	job_set_source(job, catalog_source(catalog, "a", &ip));
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

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_turns);
	tcase_add_test(tc, test_front);
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
