#include "gateway/store/key.h"
#include "tests/scan/quarantine_world.h"

/*
 * The table: what is listed, what is over, and what becomes of a record or a
 * file that is found without the other at start.
 */

/* count of them from first on, in one commit */
static void
records_put(uint64_t first, size_t count, int64_t expires_wall_s)
{
	struct store_txn *txn = store_write(store);
	struct quarantine_entry entry;
	struct store_change change;

	for (size_t i = 0; i < count; i++) {
		entry_make(&entry, first + i);
		entry.expires_wall_s = expires_wall_s;
		quarantine_put_change(&entry, arena, &change);
		store_apply(txn, &change, 1);
	}
	ck_assert_int_eq(store_commit(&txn), 0);
}

/* --- the table */

START_TEST(test_get)
{
	struct quarantine_entry entry, expected;
	struct store_change gone;

	ck_assert_int_eq(quarantine_get(q, 7, arena, &entry), GW_ENOENT);
	entry_make(&expected, 7);
	record_put(7, expected.expires_wall_s);
	ck_assert_int_eq(quarantine_get(q, 7, arena, &entry), 0);
	ck_assert_ptr_null(entry_differs(&expected, &entry));
	quarantine_delete_change(7, arena, &gone);
	commit(&gone);
	ck_assert_int_eq(quarantine_get(q, 7, arena, &entry), GW_ENOENT);
	commit(&gone); /* absent is fine */
}
END_TEST

static void
bad_put(uint64_t id)
{
	uint8_t key[8] = {0};
	struct store_change change = {STORE_QUARANTINE, STORE_PUT,
				      slice_of(key, 8), SLICE_LIT("bad")};

	key_put_u64(key, id);
	commit(&change);
}

START_TEST(test_list)
{
	struct quarantine_entry entry;
	uint64_t ids[8];

	ck_assert_int_eq(quarantine_list(q, 0, ids, 8), 0);
	for (uint64_t id = 10; id <= 60; id += 10)
		record_put(id, 1000);
	bad_put(35);
	ck_assert_int_eq(quarantine_get(q, 35, arena, &entry), GW_ECORRUPT);
	ck_assert_int_eq(quarantine_list(q, 0, ids, 8), 7);
	ck_assert_uint_eq(ids[0], 10);
	ck_assert_uint_eq(ids[3], 35);
	ck_assert_uint_eq(ids[6], 60);
	ck_assert_int_eq(quarantine_list(q, 30, ids, 2), 2);
	ck_assert_uint_eq(ids[0], 35);
	ck_assert_uint_eq(ids[1], 40);
	ck_assert_int_eq(quarantine_list(q, 60, ids, 8), 0);
	ck_assert_int_eq(quarantine_list(q, UINT64_MAX, ids, 8), 0);
	ck_assert_int_eq(quarantine_list(q, 0, ids, 0), 0);
}
END_TEST

START_TEST(test_expired)
{
	static const struct {
		const char *label;
		int64_t now_wall_s;
		size_t max;
		int count;
	} rows[] = {
	    {"nothing yet", 999, 8, 0}, {"at the second", 1000, 8, 2},
	    {"some", 2000, 8, 3},	{"all", 3000, 8, 4},
	    {"in parts", 3000, 3, 3},	{"none wanted", 3000, 0, 0},
	};
	uint64_t ids[8];

	record_put(10, 1000);
	record_put(20, 3000);
	bad_put(25); /* unreadable: an administrator's */
	record_put(30, 2000);
	record_put(40, 1000);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(quarantine_expired(q, rows[i].now_wall_s, ids,
						 rows[i].max) == rows[i].count,
			      "%s", rows[i].label);
	/* The rest is next, then from the start again. */
	ck_assert_int_eq(quarantine_expired(q, 3000, ids, 1), 1);
	ck_assert_uint_eq(ids[0], 40);
	ck_assert_int_eq(quarantine_expired(q, 3000, ids, 1), 1);
	ck_assert_uint_eq(ids[0], 10);
	/* From within, once around and no further. */
	ck_assert_int_eq(quarantine_expired(q, 2000, ids, 8), 3);
	ck_assert_uint_eq(ids[0], 30);
	ck_assert_uint_eq(ids[1], 40);
	ck_assert_uint_eq(ids[2], 10);
}
END_TEST

/* A large one is looked through in slices, and none is left out. */
START_TEST(test_expired_slices)
{
	enum { COUNT = QUARANTINE_LOOK * 2 + 100 };
	const uint64_t middle = 1000 + COUNT / 2, last = 1000 + COUNT;
	uint64_t ids[64];

	records_put(1000, COUNT, 5000);
	record_put(1, 10);
	record_put(middle, 10);
	record_put(last, 10);
	ck_assert_int_eq(quarantine_expired(q, 100, ids, 64), 1);
	ck_assert_uint_eq(ids[0], 1);
	ck_assert_int_eq(quarantine_expired(q, 100, ids, 64), 1);
	ck_assert_uint_eq(ids[0], middle);
	/* The end, and what is left of the slice from the start. */
	ck_assert_int_eq(quarantine_expired(q, 100, ids, 64), 2);
	ck_assert_uint_eq(ids[0], last);
	ck_assert_uint_eq(ids[1], 1);
	ck_assert_int_eq(quarantine_expired(q, 100, ids, 64), 1);
	ck_assert_uint_eq(ids[0], middle);
}
END_TEST

/* --- at start */

static void
foreign_put(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/quarantine/%s", dir, name);
	file_put(path, "x", 1);
}

static bool
foreign_there(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/quarantine/%s", dir, name);
	return access(path, F_OK) == 0;
}

START_TEST(test_sweep)
{
	static const struct {
		uint64_t id;
		bool file, record;
	} rows[] = {
	    {5, true, false},  {10, true, true},	  {11, true, false},
	    {20, false, true}, {21, false, true},	  {30, true, true},
	    {40, true, false}, {UINT64_MAX, true, false},
	};
	static const char *const others[] = {"README", "0000000000abc",
					     "0000000000abc.new", "x.new",
					     "000000000000a.NEW"};
	uint64_t ids[8];
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].file)
			ck_assert_int_eq(write_bytes(rows[i].id, "abc", 3), 0);
		if (rows[i].record)
			record_put(rows[i].id, 1000);
	}
	path_of(10, true, path); /* a write that was cut off */
	file_put(path, "x", 1);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		foreign_put(others[i]);
	for (int again = 0; again < 2; again++) {
		quarantine_close(&q);
		q_open();
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			ck_assert_msg(there(rows[i].id, false) ==
					  (rows[i].file && rows[i].record),
				      "row %zu", i);
		ck_assert(!there(10, true));
		ck_assert_int_eq(quarantine_list(q, 0, ids, 8), 4);
		bytes_check(10, "abc", 3, 10, "sweep");
		ck_assert_int_eq(try_open(20), GW_ENOENT);
	}
	ck_assert(foreign_there("README"));
	ck_assert(foreign_there("x.new"));
	ck_assert(foreign_there("000000000000a.NEW"));
	/* those are ids */
	ck_assert(!foreign_there("0000000000abc"));
	ck_assert(!foreign_there("0000000000abc.new"));
}
END_TEST

/* Opened up by somebody: closed again. */
START_TEST(test_mode)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/quarantine", dir);
	quarantine_close(&q);
	ck_assert_int_eq(chmod(path, 0755), 0);
	q_open();
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0700);
}
END_TEST

START_TEST(test_no_directory)
{
	char path[PATH_MAX], error[256] = "";

	quarantine_close(&q);
	quarantine_close(&q); /* none */
	snprintf(path, sizeof(path), "%s/quarantine", dir);
	ck_assert_int_eq(rmdir(path), 0);
	file_put(path, "x", 1);
	ck_assert_int_lt(quarantine_open(&q, dir, store, error, sizeof(error)),
			 0);
	ck_assert_ptr_null(q);
	ck_assert_ptr_nonnull(strstr(error, path));
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(symlink("/tmp", path), 0);
	ck_assert_int_lt(quarantine_open(&q, dir, store, error, sizeof(error)),
			 0);
	ck_assert_int_eq(
	    quarantine_open(&q, "/nowhere/at/all", store, error, sizeof(error)),
	    GW_ENOENT);
}
END_TEST

static Suite *
suite_make(void)
{
	Suite *suite = suite_create("scan/quarantine");
	TCase *tc = tcase_create("quarantine");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_get);
	tcase_add_test(tc, test_list);
	tcase_add_test(tc, test_expired);
	tcase_add_test(tc, test_expired_slices);
	tcase_add_test(tc, test_sweep);
	tcase_add_test(tc, test_mode);
	tcase_add_test(tc, test_no_directory);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	SRunner *runner = srunner_create(suite_make());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
