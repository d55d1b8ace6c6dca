#ifndef TESTS_SCAN_QUARANTINE_WORLD_H
#define TESTS_SCAN_QUARANTINE_WORLD_H

#include <check.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/scan/quarantine_int.h"
#include "gateway/store/env.h"
#include "tests/scan/quarantine_help.h"

/*
 * A quarantine over a store of its own, and what tests do to it.
 *
 * size: all that several programs need of it, and they share no library.
 */

static char dir[64];
static struct store_env *store;
static struct quarantine *q;
static struct arena *arena;

static inline void
q_open(void)
{
	char error[256] = "";

	ck_assert_msg(quarantine_open(&q, dir, store, error, sizeof(error)) ==
			  0,
		      "%s", error);
}

static inline void
setup(void)
{
	struct store_opts opts;
	char path[80], error[256];

	strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/quar-XXXXXX"
						  : "/tmp/quar-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/index", dir);
	opts = (struct store_opts){.path = path, .map_bytes = 32 << 20};
	ck_assert_msg(store_open(&store, &opts, error, sizeof(error)) == 0,
		      "%s", error);
	arena = arena_create(1024);
	q_open();
}

static inline void
teardown(void)
{
	char command[128];

	quarantine_close(&q);
	store_close(&store);
	arena_destroy(&arena);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

static inline void
commit(const struct store_change *change)
{
	struct store_txn *txn = store_write(store);

	store_apply(txn, change, 1);
	ck_assert_int_eq(store_commit(&txn), 0);
}

static inline void
record_put(uint64_t id, int64_t expires_wall_s)
{
	struct quarantine_entry entry;
	struct store_change change;

	entry_make(&entry, id);
	entry.expires_wall_s = expires_wall_s;
	quarantine_put_change(&entry, arena, &change);
	commit(&change);
}

static inline void
path_of(uint64_t id, bool new, char path[PATH_MAX])
{
	char name[QUARANTINE_NAME_SIZE];

	if (new)
		quarantine_new_name(id, name);
	else
		quarantine_name(id, name);
	snprintf(path, PATH_MAX, "%s/quarantine/%s", dir, name);
}

static inline bool
there(uint64_t id, bool new)
{
	char path[PATH_MAX];

	path_of(id, new, path);
	return access(path, F_OK) == 0;
}

static inline void
file_put(const char *path, const char *p, size_t n)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(p, 1, n, file), n);
	fclose(file);
}

static inline int
try_open(uint64_t id)
{
	struct quarantine_reader *reader;
	int err = quarantine_reader_open(q, id, &reader);

	ck_assert((err == 0) == (reader != NULL));
	quarantine_reader_close(&reader);
	return err;
}

/* --- bytes that go in ---------------------------------------------------- */

struct source {
	const char *p;
	size_t n;
	size_t step; /* at most, a call; 0: any */
	int64_t err; /* instead of what is behind err_at */
	size_t err_at;
};

static inline int64_t
source_read(void *arg, uint64_t offset, void *p, size_t n)
{
	struct source *s = arg;

	if (s->err != 0 && offset >= s->err_at)
		return s->err;
	if (offset >= s->n)
		return 0;
	if (n > s->n - offset)
		n = (size_t)(s->n - offset);
	if (s->step != 0 && n > s->step)
		n = s->step;
	memcpy(p, s->p + offset, n);
	return (int64_t)n;
}

static inline void
digest_of(const void *p, size_t n, uint8_t out[DIGEST_SIZE])
{
	struct digest *digest = digest_create();

	digest_add(digest, slice_of(p, n));
	digest_final(digest, out);
	digest_destroy(&digest);
}

static inline int
write_as(uint64_t id, struct source *source)
{
	uint8_t digest[DIGEST_SIZE];

	digest_of(source->p, source->n, digest);
	return quarantine_write(q, id, source->n, digest, source_read, source);
}

static inline int
write_bytes(uint64_t id, const void *p, size_t n)
{
	struct source source = {.p = p, .n = n};

	return write_as(id, &source);
}

static inline char *
bytes_make(size_t n)
{
	char *p = mem_alloc(n + 1);

	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 31 + (i >> 8));
	return p;
}

static inline void
bytes_check(uint64_t id, const char *p, size_t n, size_t step,
	    const char *label)
{
	struct quarantine_reader *reader;
	char *out = mem_alloc(step);
	int64_t got;

	ck_assert_int_eq(quarantine_reader_open(q, id, &reader), 0);
	for (size_t at = 0; at <= n; at += step) {
		size_t want = n - at < step ? n - at : step;

		got = quarantine_reader_read(reader, at, out, step);
		ck_assert_msg(got == (int64_t)want, "%s: at %zu", label, at);
		ck_assert_msg(memcmp(out, p + at, want) == 0, "%s: at %zu",
			      label, at);
	}
	ck_assert_int_eq(quarantine_reader_read(reader, n, out, step), 0);
	ck_assert_int_eq(quarantine_reader_read(reader, n + 9, out, step), 0);
	quarantine_reader_close(&reader);
	ck_assert_ptr_null(reader);
	free(out);
}

#endif
