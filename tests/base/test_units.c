#include <check.h>

#include "gateway/base/error.h"
#include "gateway/base/units.h"

struct row {
	const char *text;
	int err;
	uint64_t value;
};

static const struct row sizes[] = {
    {"0", 0, 0},
    {"512", 0, 512},
    {"64K", 0, 65536},
    {"64k", 0, 65536},
    {"25M", 0, 25u << 20},
    {"1G", 0, 1u << 30},
    {"2T", 0, (uint64_t)2 << 40},
    {"16777215T", 0, (uint64_t)16777215 << 40},
    {"16777216T", GW_ETOOBIG, 0},
    {"18446744073709551615", 0, UINT64_MAX},
    {"18446744073709551616", GW_ETOOBIG, 0},
    {"", GW_EINVAL, 0},
    {"M", GW_EINVAL, 0},
    {"-1", GW_EINVAL, 0},
    {"1.5M", GW_EINVAL, 0},
    {"25MB", GW_EINVAL, 0},
    {"25 M", GW_EINVAL, 0},
    {"25m ", GW_EINVAL, 0},
    {"1M1K", GW_EINVAL, 0},
};

static const struct row times[] = {
    {"0", 0, 0},
    {"30", 0, 30000},
    {"300ms", 0, 300},
    {"30s", 0, 30000},
    {"5m", 0, 300000},
    {"2h", 0, 7200000},
    {"4d", 0, 345600000},
    {"1h30m", 0, 5400000},
    {"1d2h3m4s5ms", 0, 93784005},
    {"1m5ms", 0, 60005},
    {"90m", 0, 5400000},
    {"9223372036854775807ms", 0, INT64_MAX},
    {"9223372036854775808ms", GW_ETOOBIG, 0},
    {"9223372036854775807", GW_ETOOBIG, 0},
    {"106751991167d", 0, (uint64_t)106751991167 * 86400000},
    {"106751991168d", GW_ETOOBIG, 0},
    {"106751991167d24h", GW_ETOOBIG, 0},
    {"", GW_EINVAL, 0},
    {"s", GW_EINVAL, 0},
    {"-5m", GW_EINVAL, 0},
    {"1.5h", GW_EINVAL, 0},
    {"30m1h", GW_EINVAL, 0},
    {"1h1h", GW_EINVAL, 0},
    {"1h30", GW_EINVAL, 0},
    {"5 m", GW_EINVAL, 0},
    {"5min", GW_EINVAL, 0},
    {"5M", GW_EINVAL, 0}, /* minutes or months? not guessed */
    {"1w", GW_EINVAL, 0},
};

static const struct row counts[] = {
    {"0", 0, 0},	  {"400", 0, 400},
    {"", GW_EINVAL, 0},	  {"4k", GW_EINVAL, 0},
    {"4 ", GW_EINVAL, 0}, {"x", GW_EINVAL, 0},
    {"-4", GW_EINVAL, 0}, {"99999999999999999999", GW_ETOOBIG, 0},
};

START_TEST(reads_sizes)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t v = 77;

		ck_assert_msg(units_size(slice_str(sizes[i].text), &v) ==
				  sizes[i].err,
			      "'%s'", sizes[i].text);
		ck_assert_uint_eq(v, sizes[i].err == 0 ? sizes[i].value : 77);
	}
}
END_TEST

START_TEST(reads_times)
{
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		int64_t v = 77;

		ck_assert_msg(units_time_ms(slice_str(times[i].text), &v) ==
				  times[i].err,
			      "'%s'", times[i].text);
		ck_assert_int_eq(v, times[i].err == 0 ? (int64_t)times[i].value
						      : 77);
	}
}
END_TEST

START_TEST(reads_counts)
{
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		uint64_t v = 77;

		ck_assert_msg(units_count(slice_str(counts[i].text), &v) ==
				  counts[i].err,
			      "'%s'", counts[i].text);
		ck_assert_uint_eq(v, counts[i].err == 0 ? counts[i].value : 77);
	}
}
END_TEST

START_TEST(writes_the_shortest)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {{0, "0"},		{1023, "1023"},
		    {1024, "1K"},	{1536, "1536"},
		    {25u << 20, "25M"}, {1u << 30, "1G"},
		    {3072, "3K"},	{UINT64_MAX, "18446744073709551615"}};
	static const struct {
		int64_t ms;
		const char *text;
	} spans[] = {{0, "0s"},
		     {300, "300ms"},
		     {5400000, "1h30m"},
		     {345600000, "4d"},
		     {93784005, "1d2h3m4s5ms"},
		     {-1000, "-1s"},
		     {INT64_MIN, "-106751991167d7h12m55s808ms"}};
	struct buf out = {.cap = 100};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_clear(&out);
		units_format_size(&out, rows[i].bytes);
		ck_assert_str_eq(buf_cstr(&out), rows[i].text);
	}
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		buf_clear(&out);
		units_format_time(&out, spans[i].ms);
		ck_assert_str_eq(buf_cstr(&out), spans[i].text);
	}
	buf_fini(&out);
}
END_TEST

START_TEST(groups_digits)
{
	static const struct {
		uint64_t n;
		const char *text;
	} rows[] = {{0, "0"},
		    {7, "7"},
		    {999, "999"},
		    {1000, "1,000"},
		    {20050, "20,050"},
		    {1234567, "1,234,567"},
		    {UINT64_MAX, "18,446,744,073,709,551,615"}};
	char out[UNITS_GROUPED_SIZE];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_str_eq(units_grouped(rows[i].n, out), rows[i].text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("units");
	TCase *tc = tcase_create("units");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, reads_sizes);
	tcase_add_test(tc, reads_times);
	tcase_add_test(tc, reads_counts);
	tcase_add_test(tc, writes_the_shortest);
	tcase_add_test(tc, groups_digits);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
