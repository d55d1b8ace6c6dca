#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/campaign/record.h"

/* Records as they are written, cut at each offset, and with something behind
 * them; and each byte changed, which must be read as something valid or not at
 * all. */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct campaign_record record = {
    .cred = {"ann", 3},
    .owner = {"ann@example.com", 15},
    .name = {"Report", 6},
    .why = CAMPAIGN_WHY_SAME,
    .state = CAMPAIGN_CHECKING,
    .confirm = true,
    .rate_per_h = 1000,
    .connections = 3,
    .began_wall_s = 1800000000,
    .fuzzy = 0x1122334455667788,
    .exact = {1, 2, 3},
};
static const struct campaign_standing standing = {
    .seq = 9,
    .state = CAMPAIGN_STOPPED,
    .forgiven = true,
    .rate_per_h = 5,
    .connections = 6,
    .ended_wall_s = 1800000001,
    .reason = {"bounces", 7},
    .state_seq = 8,
    .trash = 77,
    .bounce = true,
};
static const struct campaign_failed failed = {
    .count = CAMPAIGN_BOUNCED + BOUNCE_POLICY,
    .wall_s = 1800000002,
    .address = {"x@example.net", 13},
    .text = {"550 5.7.1 no", 12},
};

/* Whoever shows one multiplies it. */
static bool
is_time(int64_t wall_s)
{
	return wall_s >= 0 && wall_s <= CAMPAIGN_TIME_MAX_S;
}

static int
read_record(struct slice in)
{
	struct campaign_record got;
	int err = campaign_record_decode(in, &got);

	if (err == 0) {
		ck_assert(got.why <= CAMPAIGN_WHY_CHOSEN);
		ck_assert(got.state < CAMPAIGN_STATES);
		ck_assert(is_time(got.began_wall_s));
	}
	return err;
}

static int
read_standing(struct slice in)
{
	struct campaign_standing got;
	int err = campaign_standing_decode(in, &got);

	if (err == 0) {
		ck_assert(got.state < CAMPAIGN_STATES);
		ck_assert(is_time(got.ended_wall_s));
	}
	return err;
}

static int
read_failed(struct slice in)
{
	struct campaign_failed got;
	int err = campaign_failed_decode(in, &got);

	if (err == 0) {
		ck_assert(got.count < CAMPAIGN_COUNTS);
		ck_assert(is_time(got.wall_s));
	}
	return err;
}

static void
write_record(struct buf *out)
{
	campaign_record_encode(&record, out);
}

static void
write_standing(struct buf *out)
{
	campaign_standing_encode(&standing, out);
}

static void
write_failed(struct buf *out)
{
	campaign_failed_encode(&failed, out);
}

static const struct kind {
	void (*write)(struct buf *out);
	int (*read)(struct slice in);
} kinds[] = {
    {write_record, read_record},
    {write_standing, read_standing},
    {write_failed, read_failed},
};

START_TEST(cut_and_changed)
{
	const struct kind *kind = &kinds[_i];
	struct buf value;

	buf_init(&value, 4096);
	kind->write(&value);
	ck_assert(!value.overflow);
	ck_assert_int_eq(kind->read(buf_slice(&value)), 0);
	for (size_t n = 0; n < value.n; n++) {
		char *cut = malloc(n + 1); /* so that a byte over is seen */

		memcpy(cut, value.p, n);
		ck_assert_int_eq(kind->read(slice_of(cut, n)), GW_ECORRUPT);
		free(cut);
	}
	for (size_t i = 0; i < value.n; i++)
		for (int c = 1; c < 256; c++) {
			value.p[i] = (char)(value.p[i] ^ c);
			(void)kind->read(buf_slice(&value));
			value.p[i] = (char)(value.p[i] ^ c);
		}
	buf_add_byte(&value, 'x');
	ck_assert_int_eq(kind->read(buf_slice(&value)), GW_ECORRUPT);
	buf_fini(&value);
}
END_TEST

START_TEST(comes_back)
{
	struct campaign_record r;
	struct campaign_standing s;
	struct campaign_failed f;
	struct buf value;

	buf_init(&value, 4096);
	write_record(&value);
	ck_assert_int_eq(campaign_record_decode(buf_slice(&value), &r), 0);
	ck_assert(slice_eq(r.cred, record.cred));
	ck_assert(slice_eq(r.owner, record.owner));
	ck_assert(slice_eq(r.name, record.name));
	ck_assert_int_eq((int)r.why, (int)record.why);
	ck_assert_int_eq((int)r.state, (int)record.state);
	ck_assert(r.confirm);
	ck_assert_uint_eq(r.rate_per_h, record.rate_per_h);
	ck_assert_uint_eq(r.connections, record.connections);
	ck_assert_int_eq(r.began_wall_s, record.began_wall_s);
	ck_assert_uint_eq(r.fuzzy, record.fuzzy);
	ck_assert_int_eq(memcmp(r.exact, record.exact, sizeof(r.exact)), 0);
	buf_clear(&value);
	write_standing(&value);
	ck_assert_int_eq(campaign_standing_decode(buf_slice(&value), &s), 0);
	ck_assert_uint_eq(s.seq, standing.seq);
	ck_assert_int_eq((int)s.state, (int)standing.state);
	ck_assert(s.forgiven);
	ck_assert_uint_eq(s.rate_per_h, standing.rate_per_h);
	ck_assert_uint_eq(s.connections, standing.connections);
	ck_assert_int_eq(s.ended_wall_s, standing.ended_wall_s);
	ck_assert(slice_eq(s.reason, standing.reason));
	ck_assert_uint_eq(s.state_seq, standing.state_seq);
	ck_assert_uint_eq(s.trash, standing.trash);
	ck_assert(s.bounce);
	buf_clear(&value);
	write_failed(&value);
	ck_assert_int_eq(campaign_failed_decode(buf_slice(&value), &f), 0);
	ck_assert_int_eq((int)f.count, (int)failed.count);
	ck_assert_int_eq(f.wall_s, failed.wall_s);
	ck_assert(slice_eq(f.address, failed.address));
	ck_assert(slice_eq(f.text, failed.text));
	buf_fini(&value);
}
END_TEST

START_TEST(strings)
{
	struct campaign_record with = record, got;
	char longer[2000];
	struct buf value;

	memset(longer, 'x', sizeof(longer));
	buf_init(&value, 4096);
	with.owner = SLICE_NONE;
	with.name = slice_of(longer, sizeof(longer));
	with.cred = SLICE_LIT("a\0b");
	campaign_record_encode(&with, &value);
	ck_assert_int_eq(campaign_record_decode(buf_slice(&value), &got), 0);
	ck_assert_ptr_null(got.owner.p);
	ck_assert_uint_eq(got.name.n, CAMPAIGN_TEXT_MAX);
	ck_assert_uint_eq(got.cred.n, 1);
	buf_fini(&value);
}
END_TEST

static const struct {
	const char *label;
	struct slice key;
	int err;
} keys[] = {
    {"number", {"a", 1}, 0},
    {"record", {"b\0\0\0\0\0\0\0\7", 9}, 0},
    {"count", {"c\0\0\0\0\0\0\0\7\5", 10}, 0},
    {"a count there is none of", {"c\0\0\0\0\0\0\0\7\77", 10}, GW_ECORRUPT},
    {"state", {"d\0\0\0\0\0\0\0\7\7", 10}, 0},
    {"a slot there is none of", {"d\0\0\0\0\0\0\0\7\10", 10}, GW_ECORRUPT},
    {"failure", {"f\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\1\0\0\0\2", 21}, 0},
    {"a number that nobody counts to",
     {"b\377\377\377\377\377\377\377\377", 9},
     GW_ECORRUPT},
    {"number 0", {"b\0\0\0\0\0\0\0\0", 9}, GW_ECORRUPT},
    {"too short", {"b\0\0\0\0\0\0\7", 8}, GW_ECORRUPT},
    {"too long", {"b\0\0\0\0\0\0\0\7\0", 10}, GW_ECORRUPT},
    {"no tag", {"z\0\0\0\0\0\0\0\7", 9}, GW_ECORRUPT},
    {"none", {"", 0}, GW_ECORRUPT},
};

START_TEST(keys_are_checked)
{
	struct campaign_key key;
	uint8_t out[CAMPAIGN_KEY_MAX];

	ck_assert_msg(campaign_key_decode(keys[_i].key, &key) == keys[_i].err,
		      "%s", keys[_i].label);
	if (keys[_i].err == 0)
		ck_assert(
		    slice_eq(slice_of(out, campaign_key_encode(&key, out)),
			     keys[_i].key));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("record");
	TCase *tc = tcase_create("record");
	SRunner *runner;
	int bad;

	tcase_add_loop_test(tc, cut_and_changed, 0, COUNT(kinds));
	tcase_add_test(tc, comes_back);
	tcase_add_test(tc, strings);
	tcase_add_loop_test(tc, keys_are_checked, 0, COUNT(keys));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	bad = srunner_ntests_failed(runner);
	srunner_free(runner);
	return bad != 0;
}
