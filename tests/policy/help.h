#ifndef TESTS_POLICY_HELP_H
#define TESTS_POLICY_HELP_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/store/env.h"
#include "tests/support/remove_tree.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A store in a directory of its own, opened inside the checked fixture: LMDB
 * must not cross Check's fork. */
static struct store_env *store;
static char store_dir[64];

static inline void
store_start(void)
{
	char path[80], error[256];
	struct store_opts opts = {.path = path, .map_bytes = 256U << 20};
	int err;

	snprintf(path, sizeof(path), "%s/db", store_dir); /* made by it */
	err = store_open(&store, &opts, error, sizeof(error));
	ck_assert_msg(err == 0, "%s", error);
}

static inline void
store_setup(void)
{
	strcpy(store_dir, "/tmp/sluice-policy-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(store_dir));
	store_start();
}

static inline void
store_teardown(void)
{
	store_close(&store);
	remove_tree(store_dir);
}

static inline void
store_keep(const struct store_change *change)
{
	struct store_txn *txn = store_write(store);

	ck_assert(store_change_valid(change));
	store_apply(txn, change, 1);
	ck_assert_int_eq(store_commit(&txn), 0);
}

static inline int
run_suite(const char *name, TCase *const *cases, size_t count)
{
	Suite *suite = suite_create(name);
	SRunner *runner;
	int failed;

	for (size_t i = 0; i < count; i++)
		suite_add_tcase(suite, cases[i]);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
