#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/store/internal.h"
#include "gateway/store/key.h"
#include "gateway/store/tally.h"

/*
 * Transactions with a sticky error: whoever builds one writes straight on and
 * asks once, at the commit. A transaction whose begin failed is a transaction
 * with an error like any other, so no caller sees NULL.
 */

#define FULL_BYTES ((uint64_t)1 << 20)

static MDB_val
val_of(struct slice s)
{
	return (MDB_val){.mv_size = s.n, .mv_data = (void *)(uintptr_t)s.p};
}

static struct store_txn *
txn_begin(struct store_txn *txn, struct store_env *env, unsigned flags)
{
	int rc;

	memset(txn, 0, sizeof(*txn));
	txn->env = env;
	txn->writes = (flags & MDB_RDONLY) == 0;
	rc = mdb_txn_begin(env->mdb, NULL, flags, &txn->mdb);
	if (rc == MDB_PANIC)
		atomic_store(&env->dead, true);
	if (rc != 0) {
		txn->mdb = NULL;
		txn->err = store_err_from_mdb(rc);
	}
	return txn;
}

struct store_txn *
store_read(struct store_env *env)
{
	return txn_begin(mem_alloc(sizeof(struct store_txn)), env, MDB_RDONLY);
}

struct store_txn *
store_write(struct store_env *env)
{
	assert(env->writer.env == NULL);
	return txn_begin(&env->writer, env, 0);
}

static void
txn_free(struct store_txn **txn)
{
	if ((*txn)->writes)
		(*txn)->env = NULL;
	else
		free(*txn);
	*txn = NULL;
}

/* A write that the disk took in part is EIO to LMDB: on a disk without space it
 * is a full disk, which is met by smaller commits and passes. */
static int
commit_error(struct store_env *env, int rc)
{
	struct statvfs fs;
	mdb_filehandle_t fd;

	if (rc == EIO && mdb_env_get_fd(env->mdb, &fd) == 0 &&
	    fstatvfs(fd, &fs) == 0 &&
	    (uint64_t)fs.f_bavail * fs.f_frsize < FULL_BYTES)
		return GW_ENOSPC;
	return store_err_from_mdb(rc);
}

int
store_commit(struct store_txn **txn)
{
	struct store_txn *t = *txn;
	int err = t->err;

	if (err == 0)
		err = commit_error(t->env, mdb_txn_commit(t->mdb));
	else if (t->mdb != NULL)
		mdb_txn_abort(t->mdb);
	txn_free(txn);
	return err;
}

void
store_abort(struct store_txn **txn)
{
	if (*txn == NULL)
		return;
	if ((*txn)->mdb != NULL)
		mdb_txn_abort((*txn)->mdb);
	txn_free(txn);
}

int
store_error(const struct store_txn *txn)
{
	return txn->err;
}

void
store_fail(struct store_txn *txn, int err)
{
	if (txn->err == 0)
		txn->err = err;
}

int
store_get(struct store_txn *txn, enum store_table table, struct slice key,
	  struct slice *value)
{
	MDB_val k = val_of(key), v;
	int rc;

	*value = SLICE_NONE;
	if (txn->err != 0)
		return txn->err;
	rc = mdb_get(txn->mdb, txn->env->dbi[table], &k, &v);
	if (rc == MDB_NOTFOUND)
		return GW_ENOENT;
	if (rc != 0) {
		store_fail(txn, store_err_from_mdb(rc));
		return txn->err;
	}
	*value = slice_of(v.mv_data, v.mv_size);
	return 0;
}

static void *
reserve(struct store_txn *txn, enum store_table table, struct slice key,
	size_t n, unsigned flags)
{
	MDB_val k = val_of(key), v = {.mv_size = n, .mv_data = NULL};
	int rc;

	if (txn->err != 0)
		return NULL;
	rc = mdb_put(txn->mdb, txn->env->dbi[table], &k, &v,
		     MDB_RESERVE | flags);
	if (rc == MDB_KEYEXIST && flags != 0)
		rc = mdb_put(txn->mdb, txn->env->dbi[table], &k, &v,
			     MDB_RESERVE);
	if (rc != 0) {
		store_fail(txn, store_err_from_mdb(rc));
		return NULL;
	}
	return v.mv_data;
}

void *
store_reserve(struct store_txn *txn, enum store_table table, struct slice key,
	      size_t n)
{
	return reserve(txn, table, key, n, 0);
}

void *
store_reserve_last(struct store_txn *txn, enum store_table table,
		   struct slice key, size_t n)
{
	return reserve(txn, table, key, n, MDB_APPEND);
}

void
store_put(struct store_txn *txn, enum store_table table, struct slice key,
	  struct slice value)
{
	void *p = reserve(txn, table, key, value.n, 0);

	if (p != NULL && value.n > 0)
		memcpy(p, value.p, value.n);
}

bool
store_delete(struct store_txn *txn, enum store_table table, struct slice key)
{
	MDB_val k = val_of(key);
	int rc;

	if (txn->err != 0)
		return false;
	rc = mdb_del(txn->mdb, txn->env->dbi[table], &k, NULL);
	if (rc != 0 && rc != MDB_NOTFOUND)
		store_fail(txn, store_err_from_mdb(rc));
	return rc == 0;
}

static void
add(struct store_txn *txn, const struct store_change *change)
{
	struct slice old;
	uint8_t sum[8];
	uint64_t v = 0;
	int err;

	err = store_get(txn, change->table, change->key, &old);
	if (err == 0 && old.n == 8)
		v = key_get_u64(old.p);
	else if (err == 0) /* one bad counter must not stop all mail */
		log_event(GW_LOG_ERROR, "store-counter-bad",
			  LF_U64("table", change->table),
			  LF_U64("bytes", old.n));
	/* Two's complement: the unsigned sum is the signed one. */
	key_put_u64(sum, v + key_get_u64(change->value.p));
	store_put(txn, change->table, change->key, slice_of(sum, sizeof(sum)));
}

/* A record that cannot be read is replaced: the limits start anew, mail goes
 * on. */
static void
tally(struct store_txn *txn, const struct store_change *change)
{
	struct buf *merged = &txn->env->tally;
	struct slice record;
	int err;

	err = store_get(txn, change->table, change->key, &record);
	if (err != 0 && err != GW_ENOENT)
		return;
	err = tally_merge(record, change->value, merged);
	if (err == 1)
		log_event(GW_LOG_ERROR, "store-tally-bad",
			  LF_U64("table", change->table),
			  LF_U64("bytes", record.n));
	if (err < 0)
		store_fail(txn, err);
	else if (merged->n > 0)
		store_put(txn, change->table, change->key, buf_slice(merged));
	else if (record.p != NULL)
		store_delete(txn, change->table, change->key);
}

bool
store_change_valid(const struct store_change *change)
{
	if (change->table >= STORE_TABLES || change->key.n < 1 ||
	    change->key.n > STORE_KEY_MAX)
		return false;
	if (change->kind == STORE_TALLY)
		return tally_valid(change->value);
	return change->kind != STORE_ADD || change->value.n == 8;
}

void
store_apply(struct store_txn *txn, const struct store_change *changes,
	    size_t count)
{
	for (size_t i = 0; i < count && txn->err == 0; i++) {
		const struct store_change *c = &changes[i];

		if (!store_change_valid(c)) {
			store_fail(txn, GW_EINVAL);
			return;
		}
		switch (c->kind) {
		case STORE_PUT:
			store_put(txn, c->table, c->key, c->value);
			break;
		case STORE_DELETE:
			store_delete(txn, c->table, c->key);
			break;
		case STORE_ADD:
			add(txn, c);
			break;
		case STORE_TALLY:
			tally(txn, c);
			break;
		}
	}
}

void
store_each(struct store_txn *txn, enum store_table table, struct slice from,
	   store_each_fn *fn, void *arg)
{
	MDB_val k = val_of(from), v;
	MDB_cursor *cursor;
	int rc;

	if (txn->err != 0)
		return;
	rc = mdb_cursor_open(txn->mdb, txn->env->dbi[table], &cursor);
	if (rc != 0) {
		store_fail(txn, store_err_from_mdb(rc));
		return;
	}
	rc = mdb_cursor_get(cursor, &k, &v, from.p ? MDB_SET_RANGE : MDB_FIRST);
	while (rc == 0 && fn(arg, slice_of(k.mv_data, k.mv_size),
			     slice_of(v.mv_data, v.mv_size)))
		rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
	mdb_cursor_close(cursor);
	if (rc != 0 && rc != MDB_NOTFOUND)
		store_fail(txn, store_err_from_mdb(rc));
}
