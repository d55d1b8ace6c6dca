/*
 * One reader for all times of the command line. What is written decides: a
 * colon and no dash is a time of day, a dash a date, else it is a span.
 *
 * The C library does the calendar; it turns the 31st of April into the 1st of
 * May without a word, so what it made is compared with what was asked for. The
 * hour is not: at the change to summer time one hour of the year is missing,
 * and an administrator is not to be sent away for it.
 */
#include "gateway/control/when.h"

#include <string.h>
#include <time.h>

#include "gateway/base/error.h"
#include "gateway/base/units.h"

#define LAST_WALL_S INT64_C(253402300799) /* the last second of 9999 */

int
when_span(struct slice s, int64_t *seconds)
{
	int64_t ms;

	if (s.n == 0 || (s.p[s.n - 1] >= '0' && s.p[s.n - 1] <= '9') ||
	    units_time_ms(s, &ms) != 0)
		return GW_EINVAL;
	*seconds = ms / 1000;
	return *seconds > 0 && *seconds <= WHEN_MOST_S ? 0 : GW_EINVAL;
}

/* Exactly n digits, taken off the front. */
static bool
take_number(struct slice *rest, size_t n, int *value)
{
	*value = 0;
	if (rest->n < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (rest->p[i] < '0' || rest->p[i] > '9')
			return false;
		*value = *value * 10 + (rest->p[i] - '0');
	}
	*rest = slice_from(*rest, n);
	return true;
}

static bool
take_char(struct slice *rest, char c)
{
	if (rest->n == 0 || rest->p[0] != c)
		return false;
	*rest = slice_from(*rest, 1);
	return true;
}

/* 9:05, 18:00 or 18:00:30 */
static bool
take_clock(struct slice *rest, struct tm *tm)
{
	size_t n = slice_find(*rest, ':') == 1 ? 1 : 2;

	if (!take_number(rest, n, &tm->tm_hour) || !take_char(rest, ':') ||
	    !take_number(rest, 2, &tm->tm_min))
		return false;
	tm->tm_sec = 0;
	if (take_char(rest, ':') && !take_number(rest, 2, &tm->tm_sec))
		return false;
	return tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec < 60;
}

static bool
take_date(struct slice *rest, struct tm *tm)
{
	if (!take_number(rest, 4, &tm->tm_year) || !take_char(rest, '-') ||
	    !take_number(rest, 2, &tm->tm_mon) || !take_char(rest, '-') ||
	    !take_number(rest, 2, &tm->tm_mday))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return true;
}

/* .000 of our own JSON; a fraction that says something is not asked for. */
static bool
take_fraction(struct slice *rest)
{
	int ms;

	return !take_char(rest, '.') || (take_number(rest, 3, &ms) && ms == 0);
}

static int
calendar(struct tm *tm, bool utc, int64_t *wall_s)
{
	struct tm made = *tm;

	made.tm_isdst = -1;
	*wall_s = utc ? timegm(&made) : mktime(&made);
	if (made.tm_mon != tm->tm_mon || made.tm_mday != tm->tm_mday ||
	    made.tm_year != tm->tm_year)
		return GW_EINVAL;
	return *wall_s > 0 && *wall_s <= LAST_WALL_S ? 0 : GW_EINVAL;
}

static int
date(struct slice s, int64_t *wall_s)
{
	struct tm tm = {0};
	bool utc;

	if (!take_date(&s, &tm))
		return GW_EINVAL;
	if (s.n == 0)
		return calendar(&tm, false, wall_s);
	if ((!take_char(&s, 'T') && !take_char(&s, ' ')) ||
	    !take_clock(&s, &tm) || !take_fraction(&s))
		return GW_EINVAL;
	utc = take_char(&s, 'Z');
	return s.n == 0 ? calendar(&tm, utc, wall_s) : GW_EINVAL;
}

/* Today's, and what lies `step` days from it when that is on the wrong side. */
static int
time_of_day(struct slice s, int64_t now_wall_s, int step, int64_t *wall_s)
{
	time_t now = now_wall_s;
	struct tm day, tm;

	if (localtime_r(&now, &day) == NULL || !take_clock(&s, &day) ||
	    s.n != 0)
		return GW_EINVAL;
	tm = day;
	tm.tm_isdst = -1;
	*wall_s = mktime(&tm);
	if (step > 0 ? *wall_s > now_wall_s : *wall_s <= now_wall_s)
		return 0;
	tm = day;
	tm.tm_mday += step;
	tm.tm_isdst = -1;
	*wall_s = mktime(&tm);
	return 0;
}

/* step: +1 for what is to come, -1 for what was. */
static int
when(struct slice s, int64_t now_wall_s, int step, int64_t *wall_s)
{
	int64_t seconds;
	int err;

	s = slice_trim(s);
	if (slice_find(s, '-') < s.n) {
		err = date(s, wall_s);
	} else if (slice_find(s, ':') < s.n) {
		err = time_of_day(s, now_wall_s, step, wall_s);
	} else {
		err = when_span(s, &seconds);
		if (err == 0)
			*wall_s = now_wall_s + step * seconds;
	}
	if (err == 0 &&
	    (step > 0 ? *wall_s <= now_wall_s : *wall_s > now_wall_s))
		err = GW_ETIMEDOUT;
	return err;
}

int
when_until(struct slice s, int64_t now_wall_s, int64_t *wall_s)
{
	return when(s, now_wall_s, 1, wall_s);
}

int
when_since(struct slice s, int64_t now_wall_s, int64_t *wall_s)
{
	return when(s, now_wall_s, -1, wall_s);
}
