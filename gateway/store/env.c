#include "gateway/store/env.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/store/internal.h"
#include "gateway/store/key.h"

/*
 * Opening and closing the environment. LMDB itself never syncs the directory
 * it makes its file in, and a power cut between its first two writes leaves a
 * file it cannot open. So a new environment is made beside its place, with all
 * its tables, and renamed there when it is whole: the place holds either
 * nothing or an environment that opens.
 *
 * Flags: no WRITEMAP (a full disk would be a SIGBUS, and each dirtied page is
 * written as a whole folio), no NOMETASYNC (it may lose the last commit), NOTLS
 * because readers belong to a call and not to a thread.
 *
 * The lock is ours, beside the directory: LMDB's own allows several processes,
 * and a second daemon must not come up at all.
 */

#define STORE_VERSION 1
#define STORE_FLAGS MDB_NOTLS

static const char *const table_names[STORE_TABLES] = {
    [STORE_META] = "meta",	   [STORE_MESSAGE] = "message",
    [STORE_RCPT] = "rcpt",	   [STORE_RESUB] = "resubmission",
    [STORE_RESUB_OLD] = "resub",   [STORE_SEGMENT] = "segment",
    [STORE_LEDGER] = "ledger",	   [STORE_USER] = "user",
    [STORE_RATE] = "rate",	   [STORE_BLOCK] = "block",
    [STORE_AUDIT] = "audit",	   [STORE_ACCOUNT] = "account",
    [STORE_TRASH] = "trash",	   [STORE_DNS] = "dns",
    [STORE_DOMAIN] = "domain",	   [STORE_QUARANTINE] = "quarantine",
    [STORE_CAMPAIGN] = "campaign", [STORE_SUPPRESS] = "suppress",
    [STORE_DAY] = "day",
};

/* Tables of earlier versions that nobody reads any more. */
static const char *const retired_names[] = {"cred", "expiry"};
#define RETIRED (sizeof(retired_names) / sizeof(retired_names[0]))

int
store_err_from_mdb(int rc)
{
	switch (rc) {
	case MDB_SUCCESS:
		return 0;
	case MDB_NOTFOUND:
		return GW_ENOENT;
	case MDB_MAP_FULL:
		return GW_ENOSPC;
	case MDB_TXN_FULL:
		return GW_ETOOBIG;
	case MDB_READERS_FULL:
		return GW_EBUSY;
	case MDB_BAD_VALSIZE:
		return GW_EINVAL;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
		return GW_ECORRUPT;
	default:
		return rc > 0 ? gw_err_from_errno(rc) : GW_EIO;
	}
}

static int
say(char *error, size_t size, int err, const char *what, const char *path,
    const char *why)
{
	snprintf(error, size, "%s: %s: %s", path, what, why);
	return err;
}

static int
say_mdb(char *error, size_t size, int rc, const char *what, const char *path)
{
	return say(error, size, store_err_from_mdb(rc), what, path,
		   mdb_strerror(rc));
}

static int
say_errno(char *error, size_t size, const char *what, const char *path)
{
	int errnum = errno;

	return say(error, size, gw_err_from_errno(errnum), what, path,
		   strerror(errnum));
}

static int
lock_take(struct store_env *env, const char *path, char *error, size_t size)
{
	char name[PATH_MAX];

	if (snprintf(name, sizeof(name), "%s.lock", path) >= (int)sizeof(name))
		return say(error, size, GW_EINVAL, "lock", path, "too long");
	env->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (env->lock_fd < 0)
		return say_errno(error, size, "lock", name);
	if (flock(env->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return say(error, size, GW_EBUSY, "lock", name,
			   "another process has it open");
	return say_errno(error, size, "lock", name);
}

static int
dir_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

static int
parent_sync(const char *path)
{
	char parent[PATH_MAX];
	char *slash;

	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (slash == NULL)
		return dir_sync(".");
	slash[slash == parent ? 1 : 0] = '\0';
	return dir_sync(parent);
}

static int
tables_open(struct store_env *env)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(env->mdb, NULL, 0, &txn);

	if (rc != 0)
		return rc;
	for (int i = 0; i < STORE_TABLES && rc == 0; i++)
		rc =
		    mdb_dbi_open(txn, table_names[i], MDB_CREATE, &env->dbi[i]);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return rc;
	}
	return mdb_txn_commit(txn);
}

static int
environment_open(struct store_env *env, const struct store_opts *opts,
		 const char *path, char *error, size_t size)
{
	int rc = mdb_env_create(&env->mdb);

	if (rc != 0)
		return say_mdb(error, size, rc, "create", path);
	rc = mdb_env_set_mapsize(env->mdb, opts->map_bytes);
	if (rc == 0)
		rc = mdb_env_set_maxdbs(env->mdb, STORE_TABLES + RETIRED);
	if (rc == 0)
		rc = mdb_env_set_maxreaders(
		    env->mdb, opts->reader_count ? opts->reader_count : 256);
	if (rc == 0)
		rc = mdb_env_open(env->mdb, path, STORE_FLAGS, 0600);
	if (rc != 0)
		return say_mdb(error, size, rc, "open", path);
	rc = tables_open(env);
	if (rc != 0)
		return say_mdb(error, size, rc, "tables", path);
	return 0;
}

static void
environment_shut(struct store_env *env)
{
	if (env->mdb != NULL)
		mdb_env_close(env->mdb);
	env->mdb = NULL;
}

static int
version_write(struct store_env *env, const char *path, char *error, size_t size)
{
	struct store_txn *txn = store_write(env);
	uint8_t value[8];
	int err;

	key_put_u64(value, STORE_VERSION);
	store_put(txn, STORE_META, SLICE_LIT("version"),
		  slice_of(value, sizeof(value)));
	err = store_commit(&txn);
	if (err != 0)
		return say(error, size, err, "first commit", path,
			   gw_err_text(err));
	return 0;
}

static int
version_check(struct store_env *env, const char *path, char *error, size_t size)
{
	struct store_txn *txn = store_read(env);
	struct slice value;
	uint64_t version = 0;
	int err;

	err = store_get(txn, STORE_META, SLICE_LIT("version"), &value);
	if (err == 0 && value.n == 8)
		version = key_get_u64(value.p);
	store_abort(&txn);
	if (err != 0 && err != GW_ENOENT)
		return say(error, size, err, "version", path, gw_err_text(err));
	if (version == STORE_VERSION)
		return 0;
	snprintf(error, size, "%s: format version %llu, this program knows %d",
		 path, (unsigned long long)version, STORE_VERSION);
	return GW_ECORRUPT;
}

/* What an interrupted creation left is never opened, only thrown away. */
static void
leftovers_remove(const char *path)
{
	static const char *const names[] = {"data.mdb", "lock.mdb"};
	char name[PATH_MAX + 16];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(name, sizeof(name), "%s/%s", path, names[i]);
		unlink(name);
	}
	rmdir(path);
}

static int
env_create(struct store_env *env, const struct store_opts *opts, char *error,
	   size_t size)
{
	char fresh[PATH_MAX];
	int err;

	if (snprintf(fresh, sizeof(fresh), "%s.new", opts->path) >=
	    (int)sizeof(fresh))
		return say(error, size, GW_EINVAL, "create", opts->path,
			   "too long");
	leftovers_remove(fresh);
	if (mkdir(fresh, 0700) != 0)
		return say_errno(error, size, "mkdir", fresh);
	err = environment_open(env, opts, fresh, error, size);
	if (err == 0)
		err = version_write(env, fresh, error, size);
	environment_shut(env);
	if (err != 0)
		return err;
	if (dir_sync(fresh) != 0 || rename(fresh, opts->path) != 0 ||
	    parent_sync(opts->path) != 0)
		return say_errno(error, size, "create", opts->path);
	return 0;
}

/* Only of an environment whose version is ours. Where it fails there is space
 * that is not given back before the next start, and nothing else. */
static void
tables_retire(struct store_env *env)
{
	MDB_txn *txn;
	MDB_dbi dbi;
	bool any = false;
	int rc = mdb_txn_begin(env->mdb, NULL, 0, &txn);

	if (rc != 0)
		return;
	for (size_t i = 0; i < RETIRED && rc == 0; i++) {
		rc = mdb_dbi_open(txn, retired_names[i], 0, &dbi);
		if (rc == 0) {
			any = true;
			rc = mdb_drop(txn, dbi, 1);
		} else if (rc == MDB_NOTFOUND) {
			rc = 0;
		}
	}
	if (rc == 0 && any)
		mdb_txn_commit(txn);
	else
		mdb_txn_abort(txn);
}

static int
env_open(struct store_env *env, const struct store_opts *opts, char *error,
	 size_t size)
{
	int err = lock_take(env, opts->path, error, size);

	if (err != 0)
		return err;
	if (access(opts->path, F_OK) != 0) {
		if (errno != ENOENT)
			return say_errno(error, size, "open", opts->path);
		err = env_create(env, opts, error, size);
		if (err != 0)
			return err;
	}
	err = environment_open(env, opts, opts->path, error, size);
	if (err != 0)
		return err;
	err = version_check(env, opts->path, error, size);
	if (err == 0)
		tables_retire(env);
	return err;
}

int
store_open(struct store_env **env, const struct store_opts *opts, char *error,
	   size_t error_size)
{
	struct store_env *e = mem_zalloc(sizeof(*e));
	int err;

	e->lock_fd = -1;
	buf_init(&e->tally, STORE_TALLY_BYTES);
	err = env_open(e, opts, error, error_size);
	if (err != 0)
		store_close(&e);
	*env = e;
	return err;
}

void
store_close(struct store_env **env)
{
	struct store_env *e = *env;

	*env = NULL;
	if (e == NULL)
		return;
	environment_shut(e);
	buf_fini(&e->tally);
	if (e->lock_fd >= 0)
		close(e->lock_fd);
	free(e);
}

/* Pages on LMDB's own free list: table 0, each value a count and the pages. */
static uint64_t
pages_free(struct store_env *env)
{
	MDB_val key, value;
	MDB_cursor *cursor;
	MDB_txn *txn;
	uint64_t pages = 0;
	size_t count;

	if (mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, &txn) != 0)
		return 0;
	if (mdb_cursor_open(txn, 0, &cursor) == 0) {
		while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
			if (value.mv_size < sizeof(count))
				continue;
			memcpy(&count, value.mv_data, sizeof(count));
			pages += count;
		}
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
	return pages;
}

void
store_high_water(struct store_env *env, uint64_t *bytes, uint64_t *map)
{
	MDB_envinfo info;
	MDB_stat stat;

	*bytes = *map = 0;
	if (mdb_env_info(env->mdb, &info) != 0 ||
	    mdb_env_stat(env->mdb, &stat) != 0)
		return;
	*bytes = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
	*map = info.me_mapsize;
}

void
store_usage(struct store_env *env, uint64_t *used, uint64_t *map)
{
	MDB_stat stat;
	uint64_t unused;

	store_high_water(env, used, map);
	if (mdb_env_stat(env->mdb, &stat) != 0)
		return;
	unused = pages_free(env) * stat.ms_psize;
	*used = *used > unused ? *used - unused : 0;
}

bool
store_is_dead(const struct store_env *env)
{
	return atomic_load(&env->dead);
}

void
store_check_readers(struct store_env *env)
{
	int dead;

	mdb_reader_check(env->mdb, &dead);
}
