#include <check.h>
#include <stdlib.h>

#include "gateway/campaign/bounce.h"
#include "gateway/campaign/pace.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MINUTE INT64_C(60000)
#define QUIET (15 * MINUTE)

static const struct bounce_throttle plain = {"421", 0, 0};
static const struct bounce_throttle pausing = {"pause", 10 * MINUTE, 0};
static const struct bounce_throttle slow = {"slow", 0, 90 * MINUTE};

/* How many of one recipient each start within span_ms from *now. */
static uint32_t
started(struct pace *pace, int64_t *now_ms, int64_t span_ms)
{
	int64_t end_ms = *now_ms + span_ms;
	uint32_t n = 0;

	for (;;) {
		int64_t wait_ms = pace_wait_ms(pace, *now_ms);

		if (*now_ms + wait_ms >= end_ms)
			break;
		*now_ms += wait_ms;
		if (wait_ms == 0) {
			pace_take(pace, 1, *now_ms);
			n++;
		}
		ck_assert_uint_lt(n, 1000000);
	}
	*now_ms = end_ms;
	return n;
}

struct rate_case {
	const char *label;
	uint32_t per_minute, steps_back, min, max; /* in ten minutes */
};

static const struct rate_case rates[] = {
    {"20 a minute", 20, 99, 199, 202},
    {"30 a minute", 30, 99, 299, 303},
    {"1 a minute", 1, 99, 10, 11},
    {"600 a minute", 600, 99, 5990, 6060},
    {"slowed: one a minute", 30, 0, 9, 10},
    {"slowed, whatever the rule", 6000, 0, 9, 10},
    {"slowed, no ceiling", 0, 0, 9, 10},
    {"one step back of 640", 640, 1, 195, 205},
    {"two steps back of 640", 640, 2, 395, 410},
    {"never under one a minute", 2, 1, 9, 11},
};

START_TEST(rate)
{
	const struct rate_case *c = &rates[_i];
	struct pace_rule rule = {.per_minute = c->per_minute,
				 .quiet_ms = QUIET};
	struct pace pace;
	int64_t now = 1000;
	uint32_t n;

	pace_init(&pace, &rule, now);
	if (c->steps_back < 99) {
		pace_throttled(&pace, &plain, now);
		now += c->steps_back * QUIET;
		/* A slow one's token of long ago is spent first. */
		if (c->steps_back > 0) {
			now += 1;
			while (pace_wait_ms(&pace, now) == 0)
				pace_take(&pace, 1, now);
		}
	}
	n = started(&pace, &now, 10 * MINUTE);
	ck_assert_msg(n >= c->min && n <= c->max, "%s: %u", c->label, n);
}
END_TEST

/* A minute's worth at each step; a slower step is never more. */
START_TEST(batch)
{
	struct pace_rule rule = {.per_minute = 64};
	static const uint32_t most[] = {1, 2, 4, 8, 16, 32, 64};
	struct pace pace;

	pace_init(&pace, &rule, 0);
	ck_assert_uint_eq(pace_batch(&pace, 0), 64);
	pace_throttled(&pace, &plain, 0);
	for (uint32_t step = 0; step <= PACE_STEPS; step++)
		ck_assert_uint_eq(pace_batch(&pace, (int64_t)step * QUIET),
				  most[step]);
	pace_init(&pace, &(struct pace_rule){0}, 0);
	ck_assert_uint_eq(pace_batch(&pace, 0), 0);
}
END_TEST

START_TEST(no_rule_no_wait)
{
	struct pace_rule rule = {0};
	struct pace pace;

	pace_init(&pace, &rule, 5);
	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(pace_wait_ms(&pace, 5), 0);
		pace_take(&pace, 100, 5);
	}
	ck_assert_uint_eq(pace_connections(&pace, 5), 0);
	ck_assert(!pace_is_slowed(&pace, 5));
}
END_TEST

START_TEST(one_reply_is_enough)
{
	struct pace_rule rule = {.connections = 8, .per_minute = 600};
	struct pace pace;

	pace_init(&pace, &rule, 0);
	ck_assert_int_eq(pace_wait_ms(&pace, 0), 0);
	pace_throttled(&pace, &plain, 0);
	ck_assert(pace_is_slowed(&pace, 0));
	ck_assert_uint_eq(pace_connections(&pace, 0), 1);
	ck_assert_int_ge(pace_wait_ms(&pace, 0), MINUTE);
	ck_assert_int_le(pace_wait_ms(&pace, 0), MINUTE + 1);
	ck_assert_int_eq(pace_wait_ms(&pace, MINUTE + 1), 0);
}
END_TEST

/* Asked each second or once at the end: the same place. */
START_TEST(steps)
{
	static const uint32_t connections[] = {1, 1, 2, 4, 8, 16, 32};
	struct pace_rule rule = {.connections = 32, .per_minute = 64};
	struct pace pace, lazy;
	int64_t now;

	pace_init(&pace, &rule, 0);
	pace_throttled(&pace, &plain, 0);
	for (uint32_t step = 0; step <= PACE_STEPS; step++) {
		for (now = (int64_t)step * QUIET;
		     now < (int64_t)(step + 1) * QUIET; now += 1000)
			ck_assert_uint_eq(pace_connections(&pace, now),
					  connections[step]);
		pace_init(&lazy, &rule, 0);
		pace_throttled(&lazy, &plain, 0);
		ck_assert_uint_eq(
		    pace_connections(&lazy, (int64_t)(step + 1) * QUIET - 1),
		    connections[step]);
	}
	ck_assert(!pace_is_slowed(&pace, now));
	ck_assert_uint_eq(pace_connections(&pace, now), 32);
}
END_TEST

START_TEST(again_begins_anew)
{
	struct pace_rule rule = {.connections = 32, .per_minute = 64};
	struct pace pace;

	pace_init(&pace, &rule, 0);
	pace_throttled(&pace, &plain, 0);
	ck_assert_uint_eq(pace_connections(&pace, 3 * QUIET), 4);
	pace_throttled(&pace, &plain, 3 * QUIET);
	ck_assert_uint_eq(pace_connections(&pace, 3 * QUIET), 1);
	ck_assert_uint_eq(pace_connections(&pace, 4 * QUIET - 1), 1);
}
END_TEST

START_TEST(pause)
{
	struct pace_rule rule = {.per_minute = 600};
	struct pace pace;

	pace_init(&pace, &rule, 0);
	pace_throttled(&pace, &pausing, 0);
	ck_assert_int_eq(pace_wait_ms(&pace, 0), 10 * MINUTE);
	ck_assert_int_eq(pace_wait_ms(&pace, 4 * MINUTE), 6 * MINUTE);
	/* A smaller reply in between does not cut it short. */
	pace_throttled(&pace, &plain, 5 * MINUTE);
	ck_assert_int_eq(pace_wait_ms(&pace, 5 * MINUTE), 5 * MINUTE);
	ck_assert_int_eq(pace_wait_ms(&pace, 10 * MINUTE), 0);
	ck_assert_uint_eq(pace_connections(&pace, 10 * MINUTE + QUIET - 1), 1);
}
END_TEST

START_TEST(lasts)
{
	struct pace_rule rule = {.connections = 32, .per_minute = 64};
	struct pace pace;

	pace_init(&pace, &rule, 0);
	pace_throttled(&pace, &slow, 0);
	pace_throttled(&pace, &plain, MINUTE);
	ck_assert_uint_eq(pace_connections(&pace, 90 * MINUTE - 1), 1);
	ck_assert_uint_eq(pace_connections(&pace, 91 * MINUTE + QUIET), 2);
}
END_TEST

/* A job of many recipients goes at once, and the next waits for all of them. */
START_TEST(debt)
{
	struct pace_rule rule = {.per_minute = 60};
	struct pace pace;

	pace_init(&pace, &rule, 0);
	ck_assert_int_eq(pace_wait_ms(&pace, 0), 0);
	pace_take(&pace, 25, 0); /* 5 were there */
	ck_assert_int_ge(pace_wait_ms(&pace, 0), 21000);
	ck_assert_int_le(pace_wait_ms(&pace, 0), 21001);
	pace_give_back(&pace, 25);
	ck_assert_int_eq(pace_wait_ms(&pace, 0), 0);
	pace_give_back(&pace, 1000); /* never more than was there */
	pace_take(&pace, 5, 0);
	ck_assert_int_gt(pace_wait_ms(&pace, 0), 0);
}
END_TEST

START_TEST(rule_changes)
{
	struct pace_rule rule = {.connections = 32, .per_minute = 600};
	struct pace_rule less = {.connections = 2, .per_minute = 12};
	struct pace pace;
	int64_t now = 0;

	pace_init(&pace, &rule, now);
	pace_rule_set(&pace, &less, now);
	ck_assert_uint_eq(pace_connections(&pace, now), 2);
	ck_assert_uint_le(started(&pace, &now, 10 * MINUTE), 121);
	pace_throttled(&pace, &plain, now);
	pace_rule_set(&pace, &rule, now);
	ck_assert_uint_eq(pace_connections(&pace, now), 1);
}
END_TEST

START_TEST(warmup)
{
	static const uint32_t plan[] = {50, 100, 200};
	static const struct {
		int64_t day;
		uint32_t most;
	} rows[] = {{-3, 50}, {0, 50},	{1, 100},
		    {2, 200}, {3, 200}, {INT64_MAX, 200}};

	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_uint_eq(pace_warmup(plan, 3, rows[i].day),
				  rows[i].most);
	ck_assert_uint_eq(pace_warmup(NULL, 0, 5), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pace");
	TCase *t = tcase_create("pace");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, rate, 0, COUNT(rates));
	tcase_add_test(t, no_rule_no_wait);
	tcase_add_test(t, batch);
	tcase_add_test(t, one_reply_is_enough);
	tcase_add_test(t, steps);
	tcase_add_test(t, again_begins_anew);
	tcase_add_test(t, pause);
	tcase_add_test(t, lasts);
	tcase_add_test(t, debt);
	tcase_add_test(t, rule_changes);
	tcase_add_test(t, warmup);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
