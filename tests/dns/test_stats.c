/* When resolvers are said to fail, and what is counted. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "dns/stats.h"
#include "gateway/base/mem.h"

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

/* U usable, F failed, T timed out, B given up, s failed of the second ones, a
 * blank: a second goes by, '.': ten do */
static const struct {
	const char *label, *story;
	bool failing;
} rows[] = {
    {"nothing", "", false},
    {"four failures are no proof", "FFFF", false},
    {"five are", "FFFFF", true},
    {"time-outs too", "TTFTT", true},
    {"a good one among them", "FFFFFFUFFF", false},
    {"a good one afterwards", "FFFFFFFU", false},
    {"a good one, then only bad ones for ten seconds", "U.FFFFF", true},
    {"a good one nine seconds ago", "U         FFFFF", false},
    {"over the seconds", "F F F F F", true},
    {"too far apart", "F   F   F   F   F", false},
    {"long ago", "FFFFF.", false},
    {"longer than the ring", "FFFFF.......", false},
    {"the place of a second long ago", "FFFF.      F", false},
    {"our own caps are no failure", "BBBBBBBBBB", false},
    {"nor is the second opinion", "ssssssssss", false},
    {"it comes back", "FFFFF.FFFFF", true},
};

static void
play(struct dns_stats *stats, const char *story)
{
	struct dns_stats_loop *loop = dns_stats_join(stats);
	int64_t now_ms = 1000000;

	for (const char *p = story; *p != '\0'; p++) {
		enum dns_outcome outcome = DNS_OUTCOME_FAILED;

		if (*p == ' ' || *p == '.') {
			now_ms += *p == ' ' ? 1000 : 10000;
			continue;
		}
		if (*p == 'U')
			outcome = DNS_OUTCOME_USABLE;
		if (*p == 'T')
			outcome = DNS_OUTCOME_TIMEOUT;
		if (*p == 'B')
			outcome = DNS_OUTCOME_BUSY;
		dns_stats_ended(stats, loop, outcome, *p == 's', 100, now_ms);
	}
	dns_stats_refresh(stats, now_ms);
	dns_stats_leave(&loop);
}

START_TEST(test_failing)
{
	struct dns_stats *stats = mem_zalloc(sizeof(*stats));

	play(stats, rows[_i].story);
	ck_assert_msg(dns_stats_failing(stats) == rows[_i].failing, "%s",
		      rows[_i].label);
	free(stats);
}
END_TEST

/* Without anybody refreshing it: as the questions end. */
START_TEST(test_at_once)
{
	struct dns_stats *stats = mem_zalloc(sizeof(*stats));
	struct dns_stats_loop *loop = dns_stats_join(stats);

	for (int i = 0; i < 5; i++) {
		ck_assert(!dns_stats_failing(stats));
		dns_stats_ended(stats, loop, DNS_OUTCOME_TIMEOUT, false, 1, 1);
	}
	ck_assert(dns_stats_failing(stats));
	dns_stats_ended(stats, loop, DNS_OUTCOME_USABLE, false, 1, 2);
	ck_assert(!dns_stats_failing(stats));
	free(stats);
}
END_TEST

/* Of a loop that comes late: it does not take a newer second's place. */
START_TEST(test_late)
{
	struct dns_stats *stats = mem_zalloc(sizeof(*stats));
	struct dns_stats_loop *loop = dns_stats_join(stats);
	int64_t now_ms = 1000000;

	for (int i = 0; i < 5; i++)
		dns_stats_ended(stats, loop, DNS_OUTCOME_TIMEOUT, false, 1,
				now_ms);
	dns_stats_ended(stats, loop, DNS_OUTCOME_USABLE, false, 1,
			now_ms - DNS_STATS_SECONDS * 1000);
	dns_stats_refresh(stats, now_ms);
	ck_assert(dns_stats_failing(stats));
	free(stats);
}
END_TEST

START_TEST(test_sum)
{
	struct dns_stats *stats = mem_zalloc(sizeof(*stats));
	struct dns_stats_loop *a = dns_stats_join(stats),
			      *b = dns_stats_join(stats);
	struct dns_stats_sum sum;

	ck_assert_ptr_ne(a, b);
	atomic_store(&a->asked, 7);
	atomic_store(&b->asked, 5);
	atomic_store(&a->fast, 2);
	atomic_store(&b->slow, 3);
	for (int i = 0; i < 98; i++)
		dns_stats_ended(stats, a, DNS_OUTCOME_USABLE, false, 400, 10);
	dns_stats_ended(stats, b, DNS_OUTCOME_TIMEOUT, false, 6000000, 10);
	dns_stats_ended(stats, b, DNS_OUTCOME_FAILED, true, 6000000, 10);
	dns_stats_sum(stats, 20, &sum);
	ck_assert_uint_eq(sum.asked, 12);
	ck_assert_uint_eq(sum.timeouts, 1);
	ck_assert_uint_eq(sum.failures, 1);
	ck_assert_uint_eq(sum.fast, 2);
	ck_assert_uint_eq(sum.slow, 3);
	ck_assert(sum.latency_p50_ms >= 0.4 && sum.latency_p50_ms < 0.5);
	ck_assert(sum.latency_p99_ms >= 6000 && sum.latency_p99_ms < 7000);
	/* a loop that is gone has nothing on the wire, but has asked */
	dns_stats_leave(&a);
	ck_assert_ptr_null(a);
	dns_stats_sum(stats, 20, &sum);
	ck_assert_uint_eq(sum.asked, 12);
	ck_assert_uint_eq(sum.fast, 0);
	free(stats);
}
END_TEST

START_TEST(test_more_loops_than_places)
{
	struct dns_stats *stats = mem_zalloc(sizeof(*stats));
	struct dns_stats_loop *loops[DNS_STATS_LOOPS + 5];

	for (int i = 0; i < COUNT(loops); i++) {
		loops[i] = dns_stats_join(stats);
		ck_assert_ptr_nonnull(loops[i]);
	}
	for (int i = 0; i < COUNT(loops); i++)
		dns_stats_leave(&loops[i]);
	free(stats);
}
END_TEST

#define EACH 20000

static void *
writer(void *arg)
{
	struct dns_stats *stats = arg;
	struct dns_stats_loop *loop = dns_stats_join(stats);

	for (int i = 0; i < EACH; i++)
		dns_stats_ended(stats, loop, DNS_OUTCOME_FAILED, false, 1,
				1000 + i / 10);
	dns_stats_leave(&loop);
	return NULL;
}

/* Two loops begin the same seconds: no count of an old one stays in a new. */
START_TEST(test_threads)
{
	struct dns_stats *stats = mem_zalloc(sizeof(*stats));
	struct dns_stats_sum sum;
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, writer, stats), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	dns_stats_refresh(stats, 1000 + EACH / 10);
	ck_assert(dns_stats_failing(stats));
	dns_stats_sum(stats, 1000, &sum);
	ck_assert_uint_eq(sum.failures, 2 * EACH);
	dns_stats_refresh(stats, 1000 + EACH / 10 + 11000);
	ck_assert(!dns_stats_failing(stats));
	free(stats);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("dns/stats");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, test_failing, 0, COUNT(rows));
	tcase_add_test(tc, test_at_once);
	tcase_add_test(tc, test_late);
	tcase_add_test(tc, test_sum);
	tcase_add_test(tc, test_more_loops_than_places);
	tcase_add_test(tc, test_threads);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
