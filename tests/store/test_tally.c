#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/store/env.h"
#include "gateway/store/tally.h"

#define CAP (512 * 1024)

/* Cells in words: "id:slot=value@expires", "!" behind the value: the largest
 * counts. */
static void
words_put(struct buf *out, int64_t now, const char *words)
{
	struct tally_cell cell;
	char mark;
	int used;

	tally_begin(out, now);
	while (sscanf(words,
		      " %" SCNu32 ":%" SCNd64 "=%" SCNu64 "%c%" SCNd64 "%n",
		      &cell.id, &cell.slot, &cell.value, &mark,
		      &cell.expires_wall_s, &used) == 5) {
		cell.largest = mark == '!';
		tally_put(out, &cell);
		words += used;
	}
}

static void
words_get(struct slice value, char *out, size_t size)
{
	struct tally_reader reader;
	struct tally_cell c;
	size_t n = 0;
	int rc;

	out[0] = '\0';
	if (value.n == 0)
		return;
	ck_assert_int_eq(tally_read(&reader, value), 0);
	while ((rc = tally_next(&reader, &c)) == 1 && n < size)
		n += (size_t)snprintf(out + n, size - n,
				      "%s%" PRIu32 ":%" PRId64 "=%" PRIu64
				      "%c%" PRId64,
				      n > 0 ? " " : "", c.id, c.slot, c.value,
				      c.largest ? '!' : '@', c.expires_wall_s);
	ck_assert_int_eq(rc, 0);
}

static const struct {
	const char *label, *was, *change, *is;
} merges[] = {
    {"a first charge", "", "1:5=2@200", "1:5=2@200"},
    {"the same slot adds up", "1:5=2@200", "1:5=3@200", "1:5=5@200"},
    {"slots apart", "1:5=2@200", "1:6=3@210", "1:5=2@200 1:6=3@210"},
    {"a slot before", "1:5=2@200", "1:4=3@190", "1:4=3@190 1:5=2@200"},
    {"rules apart", "1:5=2@200 3:5=1@200", "2:5=7@200",
     "1:5=2@200 2:5=7@200 3:5=1@200"},
    {"the last of a rule, the first of the next", "1:9=1@200 2:1=1@200",
     "1:10=1@200 2:0=1@200", "1:9=1@200 1:10=1@200 2:0=1@200 2:1=1@200"},
    {"over is over", "1:5=2@100 1:6=1@101", "2:1=1@300", "1:6=1@101 2:1=1@300"},
    {"nothing is left", "1:5=2@100 1:6=1@99", "", ""},
    {"a charge that is over already", "1:5=2@200", "1:6=1@100", "1:5=2@200"},
    {"the larger stands", "1:-1=7!200", "1:-1=5!201", "1:-1=7!201"},
    {"the larger comes", "1:-1=7!200", "1:-1=9!190", "1:-1=9!200"},
    {"a rule that became the other kind", "1:-1=7@200", "1:-1=5!200",
     "1:-1=7!200"},
    {"a sum stops at the end", "1:5=18446744073709551615@200", "1:5=1@200",
     "1:5=18446744073709551615@200"},
    {"the far ends of all numbers",
     "0:-9223372036854775808=0@9223372036854775807",
     "4294967295:9223372036854775807=18446744073709551615!9223372036854775807",
     "0:-9223372036854775808=0@9223372036854775807 "
     "4294967295:9223372036854775807=18446744073709551615!"
     "9223372036854775807"},
    {"the far ends within one rule",
     "1:-9223372036854775808=1@9223372036854775807",
     "1:9223372036854775807=1@101",
     "1:-9223372036854775808=1@9223372036854775807 "
     "1:9223372036854775807=1@101"},
    {"twice in one change", "1:5=1@200", "1:5=1@200 1:5=1@200", "1:5=3@200"},
    {"a change out of order", "2:5=1@200", "3:1=1@200 1:2=1@200 1:1=4@200",
     "1:1=4@200 1:2=1@200 2:5=1@200 3:1=1@200"},
    {"out of order and twice", "", "2:5=1@200 1:1=1@200 2:5=2@200",
     "1:1=1@200 2:5=3@200"},
};

START_TEST(test_merge)
{
	struct buf was = {.cap = CAP}, change = {.cap = CAP};
	struct buf record = {.cap = CAP}, out = {.cap = CAP};
	char text[512];

	/* The record as tally_merge itself writes it. */
	words_put(&was, 90, merges[_i].was);
	ck_assert_int_eq(tally_merge(SLICE_NONE, buf_slice(&was), &record), 0);
	words_put(&change, 100, merges[_i].change);
	ck_assert(tally_valid(buf_slice(&change)));
	ck_assert_int_eq(
	    tally_merge(buf_slice(&record), buf_slice(&change), &out), 0);
	words_get(buf_slice(&out), text, sizeof(text));
	ck_assert_msg(strcmp(text, merges[_i].is) == 0, "%s: %s",
		      merges[_i].label, text);
	buf_fini(&was);
	buf_fini(&change);
	buf_fini(&record);
	buf_fini(&out);
}
END_TEST

START_TEST(test_time)
{
	struct tally_reader reader;
	struct buf b = {.cap = CAP};

	tally_begin(&b, 1234567890);
	ck_assert_int_eq(tally_read(&reader, buf_slice(&b)), 0);
	ck_assert_int_eq(reader.wall_s, 1234567890);
	buf_clear(&b);
	tally_begin(&b, -5);
	ck_assert_int_eq(tally_read(&reader, buf_slice(&b)), 0);
	ck_assert_int_eq(reader.wall_s, 0);
	buf_clear(&b);
	tally_begin(&b, INT64_MAX);
	ck_assert_int_eq(tally_read(&reader, buf_slice(&b)), 0);
	ck_assert_int_eq(reader.wall_s, UINT32_MAX);
	buf_fini(&b);
}
END_TEST

/* Each prefix of a record either ends between two cells or is found out, and
 * a record that is found out is replaced. */
START_TEST(test_cut)
{
	static const char words[] =
	    "1:100000=300@1000000 1:100001=1@1000004 1:100009=70000@1000010 "
	    "7:-1=123456789012!2000000";
	struct buf change = {.cap = CAP}, record = {.cap = CAP};
	struct buf plus = {.cap = CAP}, out = {.cap = CAP};
	struct slice whole;
	unsigned good = 0;
	char text[256];

	words_put(&change, 100, words);
	ck_assert_int_eq(tally_merge(SLICE_NONE, buf_slice(&change), &record),
			 0);
	words_put(&plus, 100, "9:1=1@200");
	whole = buf_slice(&record);
	for (size_t n = 1; n < whole.n; n++) {
		char *exact = slice_dup(slice_head(whole, n));
		struct slice cut = slice_of(exact, n);
		bool valid = tally_valid(cut);
		int rc = tally_merge(cut, buf_slice(&plus), &out);

		good += valid;
		ck_assert_msg(rc == !valid, "at %zu", n);
		words_get(buf_slice(&out), text, sizeof(text));
		if (!valid)
			ck_assert_str_eq(text, "9:1=1@200");
		ck_assert_int_eq(tally_merge(buf_slice(&record), cut, &out),
				 valid ? 0 : GW_EINVAL);
		free(exact);
	}
	ck_assert_uint_eq(good, 4); /* the head, and behind each of three */
	ck_assert_uint_lt(whole.n, 50);
	buf_fini(&change);
	buf_fini(&record);
	buf_fini(&plus);
	buf_fini(&out);
}
END_TEST

#define HEAD "\x01\0\0\0\x64"

static const struct {
	const char *label;
	const char *bytes;
	size_t n;
} bads[] = {
    {"nothing at all", "", 0},
    {"another version", "\x02\0\0\0\x64", 5},
    {"no time", "\x01\0\0\0", 4},
    {"unknown flags", HEAD "\x04\0\0\0\x01\x02\x01\x02", 13},
    {"the first is like the one before", HEAD "\x02\x02\x01\x02", 9},
    {"a number without end",
     HEAD "\0\0\0\0\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01\x7f",
     23},
    {"a number of 65 bits",
     HEAD "\0\0\0\0\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x01\x7f", 22},
    {"a byte behind the last", HEAD "\0\0\0\0\x01\x02\x01\x7f\x01", 14},
};

START_TEST(test_bad)
{
	struct slice bad = slice_of(bads[_i].bytes, bads[_i].n);
	struct buf plus = {.cap = CAP}, out = {.cap = CAP};
	char text[64];

	ck_assert_msg(!tally_valid(bad), "%s", bads[_i].label);
	ck_assert_int_eq(tally_merge(SLICE_NONE, bad, &out), GW_EINVAL);
	ck_assert_uint_eq(out.n, 0);
	words_put(&plus, 100, "9:1=1@200");
	ck_assert_int_eq(tally_merge(bad, buf_slice(&plus), &out), bad.n > 0);
	words_get(buf_slice(&out), text, sizeof(text));
	ck_assert_str_eq(text, "9:1=1@200");
	buf_fini(&plus);
	buf_fini(&out);
}
END_TEST

/* A record as no merge writes it is not believed. */
START_TEST(test_record_disorder)
{
	static const char *const rows[] = {"2:1=1@200 1:1=1@200",
					   "1:2=1@200 1:1=1@200",
					   "1:1=1@200 1:1=1@200"};
	struct buf record = {.cap = CAP}, plus = {.cap = CAP};
	struct buf out = {.cap = CAP};
	char text[64];

	words_put(&record, 90, rows[_i]);
	words_put(&plus, 100, "9:1=1@200");
	ck_assert_int_eq(
	    tally_merge(buf_slice(&record), buf_slice(&plus), &out), 1);
	words_get(buf_slice(&out), text, sizeof(text));
	ck_assert_str_eq(text, "9:1=1@200");
	buf_fini(&record);
	buf_fini(&plus);
	buf_fini(&out);
}
END_TEST

static void
crowd_put(struct buf *b, uint32_t count)
{
	tally_begin(b, 100);
	for (uint32_t i = 0; i < count; i++) {
		struct tally_cell cell = {
		    .id = 1, .slot = i, .value = 1, .expires_wall_s = 1000 + i};
		tally_put(b, &cell);
	}
}

START_TEST(test_cap)
{
	struct buf change = {.cap = CAP}, record = {.cap = CAP};
	struct buf out = {.cap = CAP};
	struct tally_reader reader;
	struct tally_cell cell;
	size_t count = 0;

	crowd_put(&change, TALLY_CELLS_MAX);
	ck_assert(tally_valid(buf_slice(&change)));
	ck_assert_int_eq(tally_merge(SLICE_NONE, buf_slice(&change), &record),
			 0);
	buf_clear(&change);
	words_put(&change, 100, "2:1=1@200 2:2=1@99999");
	ck_assert_int_eq(
	    tally_merge(buf_slice(&record), buf_slice(&change), &out), 0);
	ck_assert_int_eq(tally_read(&reader, buf_slice(&out)), 0);
	while (tally_next(&reader, &cell) == 1) {
		ck_assert_int_ge(cell.expires_wall_s, 1000); /* not 200 */
		count++;
	}
	ck_assert_int_eq(cell.expires_wall_s, 99999);
	ck_assert_uint_le(count, TALLY_CELLS_MAX);
	ck_assert_uint_gt(count, TALLY_CELLS_MAX / 10 * 9);
	buf_clear(&change);
	crowd_put(&change, TALLY_CELLS_MAX + 1);
	ck_assert(!tally_valid(buf_slice(&change)));
	ck_assert_int_eq(tally_merge(SLICE_NONE, buf_slice(&change), &out),
			 GW_EINVAL);
	buf_fini(&change);
	buf_fini(&record);
	buf_fini(&out);
}
END_TEST

START_TEST(test_no_room)
{
	struct buf change = {.cap = CAP}, out = {.cap = 10};

	words_put(&change, 100, "1:5=2@200 2:1=1@200");
	ck_assert_int_eq(tally_merge(SLICE_NONE, buf_slice(&change), &out),
			 GW_ETOOBIG);
	buf_fini(&change);
	buf_fini(&out);
}
END_TEST

/* A day of a window, an hour of another and a burst stay within a leaf. */
START_TEST(test_size)
{
	struct buf change = {.cap = CAP}, out = {.cap = CAP};

	tally_begin(&change, 1790000000);
	for (uint32_t rule = 1; rule <= 4; rule++)
		for (int64_t i = 0; i < 16; i++) {
			struct tally_cell cell = {.id = rule * 0x12345678,
						  .slot = 1790000000 / 240 + i,
						  .value = 100 + (uint64_t)i,
						  .expires_wall_s =
						      1790003600 + i * 240};
			tally_put(&change, &cell);
		}
	ck_assert_int_eq(tally_merge(SLICE_NONE, buf_slice(&change), &out), 0);
	ck_assert_uint_lt(out.n, 450);
	buf_fini(&change);
	buf_fini(&out);
}
END_TEST

/* --- in the store -----------------------------------------------------------
 */

static char dir[64];
static struct store_env *env;

static void
setup(void)
{
	struct store_opts opts = {.map_bytes = 4 << 20};
	static char path[80];
	char error[256];

	strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/tally-XXXXXX"
						  : "/tmp/tally-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/index", dir);
	opts.path = path;
	ck_assert_int_eq(store_open(&env, &opts, error, sizeof(error)), 0);
}

static void
teardown(void)
{
	char command[128];

	store_close(&env);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

static void
stored_get(const char *key, char *out, size_t size)
{
	struct store_txn *txn = store_read(env);
	struct slice value;

	if (store_get(txn, STORE_RATE, slice_str(key), &value) == 0)
		words_get(value, out, size);
	else
		strcpy(out, "none");
	store_abort(&txn);
}

START_TEST(test_apply)
{
	struct buf one = {.cap = CAP}, two = {.cap = CAP};
	struct store_change changes[3];
	struct store_txn *txn;
	char text[64];

	words_put(&one, 100, "1:5=2@200");
	words_put(&two, 300, "");
	changes[0] = (struct store_change){STORE_RATE, STORE_TALLY,
					   SLICE_LIT("k"), buf_slice(&one)};
	changes[1] = changes[0];
	changes[2] = changes[0];
	changes[2].key = SLICE_LIT("bad");
	for (int round = 0; round < 2; round++) {
		txn = store_write(env);
		if (round == 0)
			store_put(txn, STORE_RATE, SLICE_LIT("bad"),
				  SLICE_LIT("no tally"));
		store_apply(txn, changes, 3);
		ck_assert_int_eq(store_commit(&txn), 0);
	}
	stored_get("k", text, sizeof(text));
	ck_assert_str_eq(text, "1:5=8@200");
	stored_get("bad", text, sizeof(text));
	ck_assert_str_eq(text, "1:5=4@200");
	/* Nothing left: no record. Nor for a key that never had one. */
	changes[0].value = changes[1].value = buf_slice(&two);
	changes[1].key = SLICE_LIT("new");
	txn = store_write(env);
	store_apply(txn, changes, 2);
	ck_assert_int_eq(store_commit(&txn), 0);
	stored_get("k", text, sizeof(text));
	ck_assert_str_eq(text, "none");
	stored_get("new", text, sizeof(text));
	ck_assert_str_eq(text, "none");
	buf_fini(&one);
	buf_fini(&two);
}
END_TEST

START_TEST(test_apply_invalid)
{
	struct store_change change = {STORE_RATE, STORE_TALLY, SLICE_LIT("k"),
				      SLICE_LIT("not a tally")};
	struct store_txn *txn = store_write(env);

	ck_assert(!store_change_valid(&change));
	store_apply(txn, &change, 1);
	ck_assert_int_eq(store_commit(&txn), GW_EINVAL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("store/tally");
	TCase *tc = tcase_create("merge"), *store = tcase_create("store");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, test_merge, 0,
			    sizeof(merges) / sizeof(merges[0]));
	tcase_add_test(tc, test_time);
	tcase_add_test(tc, test_cut);
	tcase_add_loop_test(tc, test_bad, 0, sizeof(bads) / sizeof(bads[0]));
	tcase_add_loop_test(tc, test_record_disorder, 0, 3);
	tcase_add_test(tc, test_cap);
	tcase_add_test(tc, test_no_room);
	tcase_add_test(tc, test_size);
	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(store, setup, teardown);
	tcase_add_test(store, test_apply);
	tcase_add_test(store, test_apply_invalid);
	suite_add_tcase(suite, store);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
