#ifndef TESTS_AUTH_STORE_HELP_H
#define TESTS_AUTH_STORE_HELP_H

#include <stdio.h>
#include <unistd.h>

#include "gateway/auth/user.h"
#include "gateway/store/env.h"
#include "tests/auth/auth_help.h"
#include "tests/support/remove_tree.h"

/* A store in a directory of its own, opened inside the checked fixture: LMDB
 * must not cross Check's fork. */
static struct store_env *store;
static char store_dir[64];

static inline void
store_setup(void)
{
	char path[80], error[256];
	struct store_opts opts = {.path = path, .map_bytes = 16U << 20};
	int err;

	strcpy(store_dir, "/tmp/sluice-auth-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(store_dir));
	snprintf(path, sizeof(path), "%s/db", store_dir); /* made by it */
	err = store_open(&store, &opts, error, sizeof(error));
	ck_assert_msg(err == 0, "%s", error);
}

static inline void
store_teardown(void)
{
	store_close(&store);
	remove_tree(store_dir);
}

static inline void
store_raw(struct slice key, struct slice value)
{
	struct store_txn *txn = store_write(store);

	store_put(txn, STORE_USER, key, value);
	ck_assert_int_eq(store_commit(&txn), 0);
}

static inline void
store_user(const char *name, const char *password, const char *owner,
	   const char *class)
{
	struct user user = {
	    .name = (char *)(uintptr_t)name,
	    .owner_address = (char *)(uintptr_t)owner,
	    .class = (char *)(uintptr_t) class,
	    .created_wall_s = 1000,
	    .changed_wall_s = 2000,
	};
	struct buf value;

	ck_assert_int_eq(user_hash(slice_str(password), &user.hash), 0);
	buf_init(&value, 4096);
	user_encode(&user, &value);
	store_raw(slice_str(name), buf_slice(&value));
	buf_fini(&value);
	free(user.hash);
}

#endif
