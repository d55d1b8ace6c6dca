#include <check.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/store/env.h"
#include "gateway/store/key.h"

static char dir[64];
static char path[80];
static struct store_opts opts;
static struct store_env *env;
static char error[256];

static void
open_it(void)
{
	ck_assert_msg(store_open(&env, &opts, error, sizeof(error)) == 0, "%s",
		      error);
}

static void
setup(void)
{
	strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/store-XXXXXX"
						  : "/tmp/store-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/index", dir);
	opts = (struct store_opts){.path = path, .map_bytes = 4 << 20};
	open_it();
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
put(struct slice key, struct slice value)
{
	struct store_txn *txn = store_write(env);

	store_put(txn, STORE_USER, key, value);
	ck_assert_int_eq(store_commit(&txn), 0);
	ck_assert_ptr_null(txn);
}

static int
get(struct slice key, char *out, size_t size)
{
	struct store_txn *txn = store_read(env);
	struct slice value;
	int err = store_get(txn, STORE_USER, key, &value);

	out[0] = '\0';
	if (err == 0)
		snprintf(out, size, "%.*s", (int)value.n, value.p);
	store_abort(&txn);
	return err;
}

START_TEST(test_durable)
{
	char out[16];

	put(SLICE_LIT("k"), SLICE_LIT("v"));
	put(SLICE_LIT("k"), SLICE_LIT("w"));
	ck_assert_int_eq(get(SLICE_LIT("k"), out, sizeof(out)), 0);
	ck_assert_str_eq(out, "w");
	store_close(&env);
	open_it();
	ck_assert_int_eq(get(SLICE_LIT("k"), out, sizeof(out)), 0);
	ck_assert_str_eq(out, "w");
	ck_assert_int_eq(get(SLICE_LIT("none"), out, sizeof(out)), GW_ENOENT);
}
END_TEST

START_TEST(test_sticky)
{
	struct store_txn *txn = store_write(env);
	struct slice value;
	char out[16];

	store_put(txn, STORE_USER, SLICE_LIT("a"), SLICE_LIT("1"));
	ck_assert_int_eq(store_get(txn, STORE_USER, SLICE_LIT("none"), &value),
			 GW_ENOENT);
	ck_assert_int_eq(store_error(txn), 0); /* not sticky */
	store_put(txn, STORE_USER, SLICE_LIT(""), SLICE_LIT("1"));
	ck_assert_int_eq(store_error(txn), GW_EINVAL);
	store_fail(txn, GW_EIO); /* the first stays */
	ck_assert_ptr_null(store_reserve(txn, STORE_USER, SLICE_LIT("b"), 10));
	ck_assert(!store_delete(txn, STORE_USER, SLICE_LIT("a")));
	ck_assert_int_eq(store_commit(&txn), GW_EINVAL);
	ck_assert_int_eq(get(SLICE_LIT("a"), out, sizeof(out)), GW_ENOENT);
	put(SLICE_LIT("a"), SLICE_LIT("2")); /* the next is free of it */
}
END_TEST

START_TEST(test_full)
{
	static char big[64 * 1024];
	struct store_txn *txn = store_write(env);
	uint8_t key[4];
	char out[16];
	uint64_t used, map;

	for (uint32_t i = 0; i < 200; i++) {
		key_put_u32(key, i);
		store_put(txn, STORE_USER, slice_of(key, 4),
			  slice_of(big, sizeof(big)));
	}
	ck_assert_int_eq(store_commit(&txn), GW_ENOSPC);
	store_usage(env, &used, &map);
	ck_assert_uint_eq(map, 4 << 20);
	ck_assert_uint_lt(used, map / 4);
	put(SLICE_LIT("a"), SLICE_LIT("1"));
	ck_assert_int_eq(get(SLICE_LIT("a"), out, sizeof(out)), 0);
}
END_TEST

START_TEST(test_apply)
{
	uint8_t plus[8] = {0}, minus[8] = {0};
	struct store_change changes[] = {
	    {STORE_RATE, STORE_ADD, SLICE_LIT("n"), slice_of(plus, 8)},
	    {STORE_RATE, STORE_ADD, SLICE_LIT("n"), slice_of(minus, 8)},
	    {STORE_USER, STORE_PUT, SLICE_LIT("u"), SLICE_LIT("x")},
	    {STORE_USER, STORE_DELETE, SLICE_LIT("u"), SLICE_NONE},
	    {STORE_USER, STORE_DELETE, SLICE_LIT("absent"), SLICE_NONE},
	};
	struct store_txn *txn = store_write(env);
	struct slice value;

	key_put_u64(plus, 5);
	key_put_u64(minus, (uint64_t)-7);
	store_apply(txn, changes, 5);
	ck_assert_int_eq(store_get(txn, STORE_RATE, SLICE_LIT("n"), &value), 0);
	ck_assert_int_eq((int64_t)key_get_u64(value.p), -2);
	ck_assert_int_eq(store_get(txn, STORE_USER, SLICE_LIT("u"), &value),
			 GW_ENOENT);
	ck_assert_int_eq(store_commit(&txn), 0);
}
END_TEST

static bool
collect(void *arg, struct slice key, struct slice value)
{
	char *out = arg;

	(void)value;
	strncat(out, key.p, key.n);
	return strlen(out) < 3;
}

START_TEST(test_each)
{
	static const struct {
		const char *label, *from, *keys;
	} rows[] = {
	    {"from the start, stopped", NULL, "abc"},
	    {"from a key", "c", "cde"},
	    {"from between", "cc", "de"},
	    {"from behind", "f", ""},
	};
	struct store_txn *txn;

	for (const char *k = "ebdac"; *k != '\0'; k++)
		put(slice_of(k, 1), SLICE_LIT("v"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[16] = "";

		txn = store_read(env);
		store_each(txn, STORE_USER, slice_str(rows[i].from), collect,
			   out);
		ck_assert_int_eq(store_error(txn), 0);
		store_abort(&txn);
		ck_assert_msg(strcmp(out, rows[i].keys) == 0, "%s: %s",
			      rows[i].label, out);
	}
}
END_TEST

START_TEST(test_reserve_last)
{
	static const char *const keys[] = {"b", "c", "a", "c", "d"};
	struct store_txn *txn = store_write(env);
	char out[16] = "";

	for (size_t i = 0; i < 5; i++) { /* in order, out of order, again */
		char *p =
		    store_reserve_last(txn, STORE_USER, slice_str(keys[i]), 1);

		ck_assert_ptr_nonnull(p);
		*p = (char)('0' + i);
	}
	ck_assert_int_eq(store_commit(&txn), 0);
	ck_assert_int_eq(get(SLICE_LIT("c"), out, sizeof(out)), 0);
	ck_assert_str_eq(out, "3");
	ck_assert_int_eq(get(SLICE_LIT("a"), out, sizeof(out)), 0);
}
END_TEST

START_TEST(test_second)
{
	struct store_env *other;

	ck_assert_int_eq(store_open(&other, &opts, error, sizeof(error)),
			 GW_EBUSY);
	ck_assert_ptr_null(other);
	store_close(&env);
	open_it();
}
END_TEST

START_TEST(test_interrupted_creation)
{
	char name[128];
	int fd;

	teardown();
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	snprintf(name, sizeof(name), "%s.new", path);
	ck_assert_int_eq(mkdir(name, 0700), 0);
	snprintf(name, sizeof(name), "%s.new/data.mdb", path);
	fd = open(name, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_eq(write(fd, "half a page", 11), 11);
	close(fd);
	open_it();
	put(SLICE_LIT("a"), SLICE_LIT("1"));
}
END_TEST

START_TEST(test_damaged)
{
	static const struct {
		const char *label;
		off_t keep; /* -1: overwrite the beginning instead */
	} rows[] = {{"not ours", -1}, {"cut short", 100}};
	char name[128];
	int fd;

	store_close(&env);
	snprintf(name, sizeof(name), "%s/data.mdb", path);
	fd = open(name, O_WRONLY);
	if (rows[_i].keep >= 0)
		ck_assert_int_eq(ftruncate(fd, rows[_i].keep), 0);
	else
		for (int i = 0; i < 2; i++)
			ck_assert_int_eq(pwrite(fd, dir, 60, i * 4096), 60);
	close(fd);
	ck_assert_msg(store_open(&env, &opts, error, sizeof(error)) ==
			  GW_ECORRUPT,
		      "%s: %s", rows[_i].label, error);
	ck_assert_ptr_nonnull(strstr(error, "index"));
}
END_TEST

START_TEST(test_later_version)
{
	struct store_txn *txn = store_write(env);
	uint8_t value[8];

	key_put_u64(value, 2);
	store_put(txn, STORE_META, SLICE_LIT("version"), slice_of(value, 8));
	ck_assert_int_eq(store_commit(&txn), 0);
	store_close(&env);
	ck_assert_int_eq(store_open(&env, &opts, error, sizeof(error)),
			 GW_ECORRUPT);
	ck_assert_ptr_nonnull(strstr(error, "version 2"));
}
END_TEST

/* A table of an earlier version, made as that made it: true, it is there. */
static bool
retired(bool make)
{
	MDB_val k = {4, "good"}, v = {0, NULL};
	MDB_txn *txn;
	MDB_env *mdb;
	MDB_dbi dbi;
	int rc;

	ck_assert_int_eq(mdb_env_create(&mdb), 0);
	ck_assert_int_eq(mdb_env_set_maxdbs(mdb, 1), 0);
	ck_assert_int_eq(mdb_env_open(mdb, path, MDB_NOTLS, 0600), 0);
	ck_assert_int_eq(mdb_txn_begin(mdb, NULL, 0, &txn), 0);
	rc = mdb_dbi_open(txn, "cred", make ? MDB_CREATE : 0, &dbi);
	if (make)
		ck_assert_int_eq(mdb_put(txn, dbi, &k, &v, 0), 0);
	ck_assert_int_eq(mdb_txn_commit(txn), 0);
	mdb_env_close(mdb);
	return rc == 0;
}

START_TEST(test_retired)
{
	uint64_t used, after, map;
	char out[16];

	put(SLICE_LIT("a"), SLICE_LIT("1"));
	store_usage(env, &used, &map);
	store_close(&env);
	retired(true);
	open_it();
	ck_assert_int_eq(get(SLICE_LIT("a"), out, sizeof(out)), 0);
	put(SLICE_LIT("a"), SLICE_LIT("2"));
	store_close(&env);
	ck_assert(!retired(false));
	open_it(); /* and once more, without it */
	ck_assert_int_eq(get(SLICE_LIT("a"), out, sizeof(out)), 0);
	ck_assert_str_eq(out, "2");
	store_usage(env, &after, &map);
	ck_assert_uint_le(after, used + 4 * 4096);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("store/env");
	TCase *tc = tcase_create("env");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_durable);
	tcase_add_test(tc, test_sticky);
	tcase_add_test(tc, test_full);
	tcase_add_test(tc, test_apply);
	tcase_add_test(tc, test_each);
	tcase_add_test(tc, test_reserve_last);
	tcase_add_test(tc, test_second);
	tcase_add_test(tc, test_interrupted_creation);
	tcase_add_loop_test(tc, test_damaged, 0, 2);
	tcase_add_test(tc, test_later_version);
	tcase_add_test(tc, test_retired);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
