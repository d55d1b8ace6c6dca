#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"

#define CAP 300

/* Each append at each fill from empty to full: whole, or absent with the flag
 * set, and never past the cap. */
START_TEST(appends_are_whole_or_absent)
{
	static const struct {
		const char *label;
		size_t size;
	} rows[] = {{"byte", 1}, {"str", 5}, {"printf", 70},
		    {"u32", 4},	 {"u64", 8}, {"bytes", 7}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t fill = 0; fill <= CAP; fill++) {
			bool fits = fill + rows[i].size <= CAP;
			struct buf b;

			buf_init(&b, CAP);
			for (size_t k = 0; k < fill; k++)
				buf_add_byte(&b, 'x');
			switch (i) {
			case 0:
				buf_add_byte(&b, 'y');
				break;
			case 1:
				buf_add_str(&b, "hello");
				break;
			case 2:
				buf_printf(&b, "%070d", 5);
				break;
			case 3:
				buf_put_u32(&b, 1);
				break;
			case 4:
				buf_put_u64(&b, 1);
				break;
			case 5:
				buf_put_bytes(&b, SLICE_LIT("abc"));
				break;
			}
			ck_assert_msg(b.overflow == !fits, "%s at %zu",
				      rows[i].label, fill);
			ck_assert_uint_eq(b.n,
					  fits ? fill + rows[i].size : fill);
			ck_assert_uint_eq(strlen(buf_cstr(&b)) <= b.n, 1);
			ck_assert_int_eq(b.p[b.n], 0);
			buf_fini(&b);
		}
	}
}
END_TEST

START_TEST(decimals)
{
	struct buf b;

	buf_init(&b, CAP);
	buf_add_i64(&b, 0);
	buf_add_byte(&b, ' ');
	buf_add_i64(&b, -1);
	buf_add_byte(&b, ' ');
	buf_add_i64(&b, INT64_MIN);
	buf_add_byte(&b, ' ');
	buf_add_i64(&b, INT64_MAX);
	buf_add_byte(&b, ' ');
	buf_add_u64(&b, UINT64_MAX);
	ck_assert_str_eq(buf_cstr(&b),
			 "0 -1 -9223372036854775808 9223372036854775807 "
			 "18446744073709551615");
	buf_fini(&b);
}
END_TEST

START_TEST(overflow_stays)
{
	struct buf b = {.cap = 4};

	buf_add_str(&b, "abc");
	buf_add_str(&b, "de");
	ck_assert(b.overflow);
	buf_add_str(&b, "f"); /* would fit, but comes after a gap */
	buf_printf(&b, "f");
	ck_assert(buf_reserve(&b, 1) == NULL);
	ck_assert(slice_eq(buf_slice(&b), SLICE_LIT("abc")));
	buf_clear(&b);
	buf_add_str(&b, "wxyz");
	ck_assert(!b.overflow);
	ck_assert_str_eq(buf_cstr(&b), "wxyz");
	buf_wipe(&b);
	ck_assert(b.p == NULL && b.n == 0 && b.cap == 4);
}
END_TEST

START_TEST(empty_owns_nothing)
{
	struct buf b = {.cap = 10}, none = {.cap = 0};

	buf_add(&b, NULL, 0);
	buf_add_slice(&b, SLICE_NONE);
	buf_add_str(&b, NULL);
	buf_drop(&b, 5);
	ck_assert(b.p == NULL && !b.overflow);
	ck_assert_str_eq(buf_cstr(&b), "");
	buf_fini(&b);
	ck_assert_str_eq(buf_cstr(&none), "");
	buf_add_byte(&none, 'x');
	ck_assert(none.overflow);
	buf_fini(&none);
}
END_TEST

START_TEST(drops_from_the_front)
{
	struct buf b = {.cap = 100};

	buf_add_str(&b, "0123456789");
	buf_drop(&b, 0);
	buf_drop(&b, 3);
	ck_assert_str_eq(buf_cstr(&b), "3456789");
	buf_drop(&b, 7);
	ck_assert_uint_eq(b.n, 0);
	buf_add_str(&b, "x");
	buf_drop(&b, 100);
	ck_assert_uint_eq(b.n, 0);
	buf_fini(&b);
}
END_TEST

/* Bytes survive growth over the border between copied and moved blocks. */
START_TEST(grows)
{
	struct buf b = {.cap = 1 << 20};

	for (uint32_t i = 0; i < 1 << 18; i++)
		buf_put_u32(&b, i);
	ck_assert(!b.overflow);
	ck_assert_uint_eq(b.n, b.cap);
	ck_assert(b.size <= b.cap + 1);
	for (uint32_t i = 0; i < 1 << 18; i++) {
		struct reader r;

		reader_init(&r, slice_from(buf_slice(&b), 4 * (size_t)i));
		ck_assert_uint_eq(reader_u32(&r), i);
	}
	buf_fini(&b);
}
END_TEST

static void
put_record(struct buf *b)
{
	buf_put_u8(b, 0xfe);
	buf_put_u16(b, 0x0102);
	buf_put_u32(b, 0x80000001);
	buf_put_u64(b, UINT64_MAX - 1);
	buf_put_bytes(b, SLICE_LIT("name"));
	buf_put_bytes(b, SLICE_NONE);
	buf_add_str(b, "raw");
}

static bool
read_record(struct slice s)
{
	struct reader r;
	bool same = true;

	reader_init(&r, s);
	same &= reader_u8(&r) == 0xfe;
	same &= reader_u16(&r) == 0x0102;
	same &= reader_u32(&r) == 0x80000001;
	same &= reader_u64(&r) == UINT64_MAX - 1;
	same &= slice_eq(reader_bytes(&r), SLICE_LIT("name"));
	same &= slice_eq(reader_bytes(&r), SLICE_NONE);
	same &= slice_eq(reader_raw(&r, 3), SLICE_LIT("raw"));
	ck_assert(!reader_end(&r) || same);
	if (!r.ok) { /* from then on zeroes, whatever is asked */
		ck_assert_uint_eq(reader_u64(&r), 0);
		ck_assert_uint_eq(reader_bytes(&r).n, 0);
		ck_assert(!reader_end(&r));
	}
	return reader_end(&r);
}

START_TEST(records_cut_anywhere_are_refused)
{
	struct buf b = {.cap = 1000};

	put_record(&b);
	ck_assert(read_record(buf_slice(&b)));
	for (size_t cut = 0; cut < b.n; cut++) {
		/* on the heap at its exact size: a byte past it is caught */
		char *piece = slice_dup(slice_head(buf_slice(&b), cut));

		ck_assert_msg(!read_record(slice_of(piece, cut)), "cut at %zu",
			      cut);
		free(piece);
	}
	buf_add_byte(&b, 0);
	ck_assert_msg(!read_record(buf_slice(&b)), "one byte too many");
	buf_fini(&b);
}
END_TEST

START_TEST(a_length_past_the_end_is_refused)
{
	struct buf b = {.cap = 100};
	struct reader r;

	buf_put_u32(&b, UINT32_MAX);
	buf_add_str(&b, "abc");
	reader_init(&r, buf_slice(&b));
	ck_assert_uint_eq(reader_bytes(&r).n, 0);
	ck_assert(!r.ok);
	buf_fini(&b);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("buf");
	TCase *tc = tcase_create("buf");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, appends_are_whole_or_absent);
	tcase_add_test(tc, decimals);
	tcase_add_test(tc, overflow_stays);
	tcase_add_test(tc, empty_owns_nothing);
	tcase_add_test(tc, drops_from_the_front);
	tcase_add_test(tc, grows);
	tcase_add_test(tc, records_cut_anywhere_are_refused);
	tcase_add_test(tc, a_length_past_the_end_is_refused);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
