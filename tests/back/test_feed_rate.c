/*
 * The rate of a campaign, in recipients an hour: what it lets go over time,
 * whatever it is asked how often.
 */
#include <check.h>
#include <stdlib.h>

#include "gateway/back/feeder_int.h"

static const struct rate_case {
	const char *label;
	uint32_t rate; /* an hour */
	uint32_t job;  /* recipients each */
	int64_t step_ms, span_ms;
	uint32_t least, most; /* recipients in span */
} cases[] = {
    {"one a second, one each", 3600, 1, 200, 60000, 60, 61},
    {"asked seldom: a minute's worth at most", 3600, 1, 300000, 900000, 180,
     184},
    {"twenty-five each: none is cut", 1000, 25, 200, 3600000, 1000, 1025},
    {"slower than a job a minute", 60, 25, 200, 3600000, 75, 100},
    {"four thousand a minute", 240000, 1, 200, 60000, 4000, 4001},
    {"one an hour", 1, 1, 1000, 7200000, 2, 3},
};

START_TEST(test_rate)
{
	const struct rate_case *c = &cases[_i];
	struct feed feed = {.terms.rate_per_h = c->rate, .filled_ms = 1000};
	uint32_t gone = 0;

	for (int64_t at = 0; at <= c->span_ms; at += c->step_ms) {
		while (feed_has_tokens(&feed, 1000 + at)) {
			feed_take_tokens(&feed, c->job);
			gone += c->job;
		}
	}
	ck_assert_msg(gone >= c->least && gone <= c->most, "%s: %u", c->label,
		      gone);
}
END_TEST

START_TEST(test_given_back)
{
	struct feed feed = {.terms.rate_per_h = 60, .filled_ms = 0};

	ck_assert(feed_has_tokens(&feed, 0));
	feed_take_tokens(&feed, 25);
	ck_assert(!feed_has_tokens(&feed, 1000));
	feed_give_back_tokens(&feed, 25);
	ck_assert(feed_has_tokens(&feed, 1000));
}
END_TEST

/* What it owes under an old rate is not paid under none. */
START_TEST(test_no_rate)
{
	struct feed feed = {.terms.rate_per_h = 1, .filled_ms = 0};

	feed_take_tokens(&feed, 1000);
	ck_assert(!feed_has_tokens(&feed, 1000));
	feed.terms.rate_per_h = 0;
	for (int i = 0; i < 1000; i++) {
		ck_assert(feed_has_tokens(&feed, 1000));
		feed_take_tokens(&feed, 25);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/feed_rate");
	TCase *tc = tcase_create("feed_rate");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, test_rate, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, test_given_back);
	tcase_add_test(tc, test_no_rate);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
