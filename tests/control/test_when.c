/* Times as they are typed. The zone has summer time, so that both odd days of
 * a year are there. */
#include <check.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/base/error.h"
#include "gateway/control/when.h"
#include "tests/net/net_help.h"

/* Sunday, 22 November 2026, 15:30:20 in Berlin. */
#define NOW INT64_C(1795357820)
#define H 3600
#define MIDNIGHT (NOW - 15 * H - 30 * 60 - 20)

struct row {
	const char *label, *text;
	int64_t until, since; /* > 0; else an error */
};

static const struct row rows[] = {
    {"hours", "2h", NOW + 2 * H, NOW - 2 * H},
    {"hours and minutes", "1h30m", NOW + 5400, NOW - 5400},
    {"seconds", "90s", NOW + 90, NOW - 90},
    {"days", "3d", NOW + 3 * 24 * H, NOW - 3 * 24 * H},
    {"blanks around", " 2h ", NOW + 2 * H, NOW - 2 * H},
    {"a number alone", "90", GW_EINVAL, GW_EINVAL},
    {"nothing at all", "0s", GW_EINVAL, GW_EINVAL},
    {"less than a second", "300ms", GW_EINVAL, GW_EINVAL},
    {"eleven years", "4015d", GW_EINVAL, GW_EINVAL},
    {"later today", "18:00", MIDNIGHT + 18 * H, MIDNIGHT - 6 * H},
    {"earlier today", "09:05", MIDNIGHT + 33 * H + 300, MIDNIGHT + 9 * H + 300},
    {"with seconds", "18:00:30", MIDNIGHT + 18 * H + 30, MIDNIGHT - 6 * H + 30},
    {"this very second", "15:30:20", NOW + 24 * H, NOW},
    {"midnight", "00:00", MIDNIGHT + 24 * H, MIDNIGHT},
    {"24:00", "24:00", GW_EINVAL, GW_EINVAL},
    {"12:60", "12:60", GW_EINVAL, GW_EINVAL},
    {"9:05", "9:05", MIDNIGHT + 33 * H + 300, MIDNIGHT + 9 * H + 300},
    {"009:05", "009:05", GW_EINVAL, GW_EINVAL},
    {":05", ":05", GW_EINVAL, GW_EINVAL},
    {"6pm", "6pm", GW_EINVAL, GW_EINVAL},
    {"18:", "18:", GW_EINVAL, GW_EINVAL},
    {"18:00x", "18:00x", GW_EINVAL, GW_EINVAL},
    {"18:00:", "18:00:", GW_EINVAL, GW_EINVAL},
    {"a date to come", "2026-11-23", MIDNIGHT + 24 * H, GW_ETIMEDOUT},
    {"today's date", "2026-11-22", GW_ETIMEDOUT, MIDNIGHT},
    {"date and time", "2026-11-22 18:00", MIDNIGHT + 18 * H, GW_ETIMEDOUT},
    {"with a T", "2026-11-22T14:00", GW_ETIMEDOUT, MIDNIGHT + 14 * H},
    {"UTC", "2026-11-22T14:00:00Z", GW_ETIMEDOUT, MIDNIGHT + 15 * H},
    {"as our JSON has it", "2026-11-22T14:31:20.000Z", NOW + 60, GW_ETIMEDOUT},
    {"as our JSON has it, past", "2026-11-22T14:29:20.000Z", GW_ETIMEDOUT,
     NOW - 60},
    {"a fraction", "2026-11-22T14:31:20.5Z", GW_EINVAL, GW_EINVAL},
    {"summer", "2026-07-01 12:00", GW_ETIMEDOUT, INT64_C(1782900000)},
    {"the hour that is missing", "2027-03-28 02:30", INT64_C(1806197400),
     GW_ETIMEDOUT},
    {"31 April", "2027-04-31", GW_EINVAL, GW_EINVAL},
    {"29 February", "2027-02-29", GW_EINVAL, GW_EINVAL},
    {"29 February, leap year", "2028-02-29", INT64_C(1835391600), GW_ETIMEDOUT},
    {"month 13", "2026-13-01", GW_EINVAL, GW_EINVAL},
    {"month 0", "2026-00-01", GW_EINVAL, GW_EINVAL},
    {"year 0", "0000-01-01", GW_EINVAL, GW_EINVAL},
    {"half a date", "2026-11", GW_EINVAL, GW_EINVAL},
    {"German", "22.11.2026", GW_EINVAL, GW_EINVAL},
    {"minus", "-2h", GW_EINVAL, GW_EINVAL},
    {"empty", "", GW_EINVAL, GW_EINVAL},
    {"a word", "tomorrow", GW_EINVAL, GW_EINVAL},
    {"too many digits", "99999999999999999999h", GW_EINVAL, GW_EINVAL},
};

static void
check(const char *label, int err, int64_t got, int64_t want)
{
	if (want < 0)
		ck_assert_msg(err == want, "%s: %d", label, err);
	else
		ck_assert_msg(err == 0 && got == want,
			      "%s: %d, %lld s from what is wanted", label, err,
			      (long long)(got - want));
}

START_TEST(times)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		int64_t got = 0;
		int err;

		err = when_until(slice_str(row->text), NOW, &got);
		check(row->label, err, got, row->until);
		err = when_since(slice_str(row->text), NOW, &got);
		check(row->label, err, got, row->since);
	}
}
END_TEST

/* Whatever is cut off, what is left is a time or an error, and within reach. */
START_TEST(cut)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice s = slice_str(rows[i].text);

		for (size_t n = 0; n <= s.n; n++) {
			int64_t at;

			if (when_until(slice_head(s, n), NOW, &at) == 0)
				ck_assert_msg(at > NOW, "%s", rows[i].label);
			if (when_since(slice_head(s, n), NOW, &at) == 0)
				ck_assert_msg(at <= NOW, "%s", rows[i].label);
		}
	}
}
END_TEST

/* A time of day over the night on which an hour is gone, or is twice. */
START_TEST(summer_time)
{
	int64_t at;

	/* Saturday 27 March 2027, 20:00; 08:00 is eleven hours away */
	ck_assert_int_eq(when_until(SLICE_LIT("08:00"), 1806174000, &at), 0);
	ck_assert_int_eq(at - 1806174000, 11 * H);
	/* Saturday 30 October 2027, 20:00; 08:00 is thirteen hours away */
	ck_assert_int_eq(when_until(SLICE_LIT("08:00"), 1824919200, &at), 0);
	ck_assert_int_eq(at - 1824919200, 13 * H);
}
END_TEST

START_TEST(spans)
{
	int64_t s;

	ck_assert_int_eq(when_span(SLICE_LIT("2h"), &s), 0);
	ck_assert_int_eq(s, 2 * H);
	ck_assert_int_eq(when_span(SLICE_LIT("7"), &s), GW_EINVAL);
	ck_assert_int_eq(when_span(SLICE_LIT("18:00"), &s), GW_EINVAL);
	ck_assert_int_eq(when_span(SLICE_LIT(""), &s), GW_EINVAL);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {times, cut, summer_time, spans};

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	return RUN_TESTS("control/when", tests);
}
