/*
 * Clocks, and times as text. Day and month names are ours: strftime's follow
 * the locale, and a Received header must not.
 *
 * localtime_r takes a lock that all threads share, so a thread keeps the last
 * second it converted: a busy loop asks for the same second thousands of
 * times. UTC needs no library at all.
 */
#include "gateway/base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MAX_WALL_S 253402300799 /* the end of the year 9999 */

static int64_t
read_clock(clockid_t id, int64_t per_second)
{
	struct timespec ts;

	/* Cannot fail for the two clocks asked. */
	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * per_second +
	       (int64_t)ts.tv_nsec / (1000000000 / per_second);
}

int64_t
clock_mono_ms(void)
{
	return read_clock(CLOCK_MONOTONIC, 1000);
}

int64_t
clock_mono_us(void)
{
	return read_clock(CLOCK_MONOTONIC, 1000000);
}

int64_t
clock_wall_s(void)
{
	return read_clock(CLOCK_REALTIME, 1);
}

int64_t
clock_wall_ms(void)
{
	return read_clock(CLOCK_REALTIME, 1000);
}

/* A time from a damaged record must not become an overlong year. */
static int64_t
clamp_s(int64_t wall_s)
{
	if (wall_s < 0)
		return 0;
	return wall_s > MAX_WALL_S ? MAX_WALL_S : wall_s;
}

static void
local_time(int64_t wall_s, struct tm *tm)
{
	time_t t = (time_t)clamp_s(wall_s);

	if (localtime_r(&t, tm) == NULL) {
		t = 0;
		gmtime_r(&t, tm);
	}
}

static char *
put_digits(char *p, int64_t value, int count)
{
	for (int i = count - 1; i >= 0; i--) {
		p[i] = (char)('0' + value % 10);
		value /= 10;
	}
	return p + count;
}

static char *
put_text(char *p, const char *s)
{
	size_t n = strlen(s);

	/* the caller ends the text: NOLINTNEXTLINE(bugprone-not-null*) */
	memcpy(p, s, n);
	return p + n;
}

static char *
put_hms(char *p, const struct tm *tm)
{
	p = put_digits(p, tm->tm_hour, 2);
	*p++ = ':';
	p = put_digits(p, tm->tm_min, 2);
	*p++ = ':';
	return put_digits(p, tm->tm_sec, 2);
}

static void
format_rfc5322(int64_t wall_s, char *p)
{
	static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed",
					"Thu", "Fri", "Sat"};
	static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr",
					   "May", "Jun", "Jul", "Aug",
					   "Sep", "Oct", "Nov", "Dec"};
	struct tm tm;
	long minutes;

	local_time(wall_s, &tm);
	p = put_text(p, days[tm.tm_wday]);
	p = put_text(p, ", ");
	p = put_digits(p, tm.tm_mday, 2);
	*p++ = ' ';
	p = put_text(p, months[tm.tm_mon]);
	*p++ = ' ';
	p = put_digits(p, tm.tm_year + 1900, 4);
	*p++ = ' ';
	p = put_hms(p, &tm);
	*p++ = ' ';
	*p++ = tm.tm_gmtoff < 0 ? '-' : '+';
	minutes = (tm.tm_gmtoff < 0 ? -tm.tm_gmtoff : tm.tm_gmtoff) / 60;
	p = put_digits(p, minutes / 60, 2);
	p = put_digits(p, minutes % 60, 2);
	*p = '\0';
}

void
clock_rfc5322(int64_t wall_s, char buf[CLOCK_RFC5322_SIZE])
{
	static _Thread_local struct {
		bool set;
		int64_t wall_s;
		char text[CLOCK_RFC5322_SIZE];
	} last;

	if (!last.set || last.wall_s != wall_s) {
		format_rfc5322(wall_s, last.text);
		last.wall_s = wall_s;
		last.set = true;
	}
	memcpy(buf, last.text, sizeof(last.text));
}

/* Days since 1970 to a civil date, in eras of 400 years from a 1 March. */
static void
civil_date(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
	int64_t z = days + 719468; /* days from 0000-03-01 */
	int64_t era = z / 146097;
	int64_t doe = z % 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153; /* month counted from March */

	*day = doy - (153 * mp + 2) / 5 + 1;
	*month = mp < 10 ? mp + 3 : mp - 9;
	*year = yoe + era * 400 + (*month <= 2 ? 1 : 0);
}

void
clock_iso(int64_t wall_ms, char buf[CLOCK_ISO_SIZE])
{
	int64_t s, ms, year, month, day;
	char *p = buf;

	s = clamp_s(wall_ms < 0 ? 0 : wall_ms / 1000);
	ms = wall_ms < 0 ? 0 : wall_ms % 1000;
	civil_date(s / 86400, &year, &month, &day);
	p = put_digits(p, year, 4);
	*p++ = '-';
	p = put_digits(p, month, 2);
	*p++ = '-';
	p = put_digits(p, day, 2);
	*p++ = 'T';
	p = put_digits(p, s / 3600 % 24, 2);
	*p++ = ':';
	p = put_digits(p, s / 60 % 60, 2);
	*p++ = ':';
	p = put_digits(p, s % 60, 2);
	*p++ = '.';
	p = put_digits(p, ms, 3);
	*p++ = 'Z';
	*p = '\0';
}

void
clock_human(int64_t wall_s, int64_t now_wall_s, char buf[CLOCK_HUMAN_SIZE])
{
	struct tm tm, now;
	char *p = buf;

	local_time(wall_s, &tm);
	local_time(now_wall_s, &now);
	if (tm.tm_year != now.tm_year || tm.tm_yday != now.tm_yday) {
		p = put_digits(p, tm.tm_year + 1900, 4);
		*p++ = '-';
		p = put_digits(p, tm.tm_mon + 1, 2);
		*p++ = '-';
		p = put_digits(p, tm.tm_mday, 2);
		*p++ = ' ';
	}
	p = put_digits(p, tm.tm_hour, 2);
	*p++ = ':';
	p = put_digits(p, tm.tm_min, 2);
	*p = '\0';
}
