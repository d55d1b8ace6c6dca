#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/clock.h"

START_TEST(writes_rfc5322)
{
	static const struct {
		const char *zone;
		int64_t wall_s;
		const char *text;
	} rows[] = {
	    {"UTC0", 0, "Thu, 01 Jan 1970 00:00:00 +0000"},
	    {"UTC0", 1795302329, "Sat, 21 Nov 2026 23:05:29 +0000"},
	    {"CET-1CEST,M3.5.0,M10.5.0/3", 1795298729,
	     "Sat, 21 Nov 2026 23:05:29 +0100"},
	    /* the hour that comes twice in autumn */
	    {"CET-1CEST,M3.5.0,M10.5.0/3", 1792888200,
	     "Sun, 25 Oct 2026 02:30:00 +0200"},
	    {"CET-1CEST,M3.5.0,M10.5.0/3", 1792891800,
	     "Sun, 25 Oct 2026 02:30:00 +0100"},
	    {"NST3:30", 1795302329, "Sat, 21 Nov 2026 19:35:29 -0330"},
	    {"IST-5:30", 951782400, "Tue, 29 Feb 2000 05:30:00 +0530"},
	    {"UTC0", -5, "Thu, 01 Jan 1970 00:00:00 +0000"},
	    {"UTC0", INT64_MAX, "Fri, 31 Dec 9999 23:59:59 +0000"},
	};
	char text[CLOCK_RFC5322_SIZE];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		setenv("TZ", rows[i].zone, 1);
		tzset();
		/* push the remembered second out, then ask twice */
		clock_rfc5322(1, text);
		clock_rfc5322(rows[i].wall_s, text);
		ck_assert_str_eq(text, rows[i].text);
		clock_rfc5322(rows[i].wall_s, text);
		ck_assert_str_eq(text, rows[i].text);
	}
}
END_TEST

START_TEST(iso_agrees_with_libc)
{
	char text[CLOCK_ISO_SIZE], want[64];

	clock_iso(1795302329123, text);
	ck_assert_str_eq(text, "2026-11-21T23:05:29.123Z");
	clock_iso(-1, text);
	ck_assert_str_eq(text, "1970-01-01T00:00:00.000Z");
	clock_iso(INT64_MAX, text);
	ck_assert_uint_eq(strlen(text), 24);
	/* each day of four centuries and more */
	for (int64_t day = 0; day < 170000; day++) {
		time_t t = (time_t)(day * 86400 + day % 86400);
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.007Z", &tm);
		clock_iso((int64_t)t * 1000 + 7, text);
		ck_assert_str_eq(text, want);
	}
}
END_TEST

START_TEST(human_names_the_day_when_it_is_another)
{
	static const struct {
		int64_t then, now;
		const char *text;
	} rows[] = {
	    {1795302329, 1795302330, "00:05"},
	    {1795298729, 1795302330, "2026-11-21 23:05"},
	    {1795302329 - 365 * 86400, 1795302329, "2025-11-22 00:05"},
	    {1795302329 + 86400, 1795302329, "2026-11-23 00:05"},
	};
	char text[CLOCK_HUMAN_SIZE];

	setenv("TZ", "CET-1", 1);
	tzset();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		clock_human(rows[i].then, rows[i].now, text);
		ck_assert_str_eq(text, rows[i].text);
	}
}
END_TEST

START_TEST(units_agree)
{
	int64_t us = clock_mono_us(), ms = clock_mono_ms();
	int64_t s = clock_wall_s(), wall_ms = clock_wall_ms();

	ck_assert_int_ge(ms, us / 1000);
	ck_assert_int_lt(ms - us / 1000, 60000);
	ck_assert_int_ge(wall_ms / 1000, s);
	ck_assert_int_lt(wall_ms / 1000 - s, 60);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("clock");
	TCase *tc = tcase_create("clock");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, writes_rfc5322);
	tcase_add_test(tc, iso_agrees_with_libc);
	tcase_add_test(tc, human_names_the_day_when_it_is_another);
	tcase_add_test(tc, units_agree);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
