#ifndef TESTS_POLICY_BLOCK_KIT_H
#define TESTS_POLICY_BLOCK_KIT_H

#include "gateway/base/error.h"
#include "policy/block_int.h"
#include "tests/policy/help.h"

/* A block list, and short words to fill it. */
#define NOW 1000000

static struct blocklist *list;
static uint64_t next_id;

static inline void
setup(void)
{
	list = blocklist_create();
	next_id = 100;
}

static inline void
teardown(void)
{
	blocklist_destroy(&list);
	ck_assert_ptr_null(list);
}

static inline uint64_t
add(enum block_kind kind, enum block_action action, const char *value)
{
	struct block block = {
	    .id = ++next_id, .kind = kind, .action = action, .value = value};
	struct buf error;
	uint64_t id = 0;
	int err;

	buf_init(&error, 1000);
	err = blocklist_add(list, &block, &id, &error);
	ck_assert_msg(err == 0, "%s: %s", value, buf_cstr(&error));
	buf_fini(&error);
	return id;
}

static inline void
add_until(enum block_kind kind, const char *value, int64_t until_wall_s)
{
	struct block block = {.id = ++next_id,
			      .kind = kind,
			      .value = value,
			      .until_wall_s = until_wall_s};
	uint64_t id;

	ck_assert_int_eq(blocklist_add(list, &block, &id, NULL), 0);
}

static inline void
del(enum block_kind kind, enum block_action action, const char *value)
{
	uint64_t id;

	ck_assert_int_eq(
	    blocklist_del(list, kind, action, slice_str(value), &id, NULL), 0);
}

static inline bool
copy_block(void *arg, const struct block *block)
{
	*(struct block *)arg = *block;
	return false;
}

struct seen {
	uint64_t last;
	size_t count, stop;
};

static inline bool
see(void *arg, const struct block *block)
{
	struct seen *seen = arg;

	ck_assert_uint_gt(block->id, seen->last);
	seen->last = block->id;
	return ++seen->count != seen->stop;
}

#endif
