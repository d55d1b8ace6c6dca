#ifndef GATEWAY_STORE_ENV_H
#define GATEWAY_STORE_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/slice.h"
#include "gateway/store/change.h"

/*
 * The LMDB environment: opened once in the process, written by one thread.
 */
struct store_env;

struct store_opts {
	const char *path; /* directory */
	uint64_t map_bytes;
	unsigned reader_count; /* 0: 256 */
};

/* GW_EBUSY when another process has it open (our own lock file). */
int store_open(struct store_env **env, const struct store_opts *opts,
	       char *error, size_t error_size);
void store_close(struct store_env **env);
/* Bytes of the map in use, and its size. */
void store_usage(struct store_env *env, uint64_t *used, uint64_t *map);
/* The same without LMDB's list of free pages: cheap, an upper bound. */
void store_high_water(struct store_env *env, uint64_t *used, uint64_t *map);
/* LMDB gave up on its file (MDB_PANIC): nothing is written until a restart. */
bool store_is_dead(const struct store_env *env);
void store_check_readers(struct store_env *env); /* each minute */

/*
 * A transaction with a sticky error: after the first failure every call does
 * nothing and commit returns that failure. Writers: the store thread only.
 * Readers: any thread, never held across a return to a loop. Values got are
 * valid until the next write or the end of the transaction.
 */
struct store_txn;

struct store_txn *store_read(struct store_env *env);
struct store_txn *store_write(struct store_env *env);
int store_commit(struct store_txn **txn); /* synced: GW_EIO, GW_ENOSPC */
void store_abort(struct store_txn **txn); /* also ends a reader */
int store_error(const struct store_txn *txn);
void store_fail(struct store_txn *txn, int err); /* set the sticky error */

/* 0, or GW_ENOENT (which is not sticky). */
int store_get(struct store_txn *txn, enum store_table table, struct slice key,
	      struct slice *value);
void store_put(struct store_txn *txn, enum store_table table, struct slice key,
	       struct slice value);
/* A buffer of n bytes to fill in place, NULL after an error. */
void *store_reserve(struct store_txn *txn, enum store_table table,
		    struct slice key, size_t n);
/* The same, quicker when the key sorts behind all others of the table. */
void *store_reserve_last(struct store_txn *txn, enum store_table table,
			 struct slice key, size_t n);
bool store_delete(struct store_txn *txn, enum store_table table,
		  struct slice key); /* true: it was there */
/* What is not valid fails the whole transaction: ask first. */
#define STORE_KEY_MAX 511
bool store_change_valid(const struct store_change *change);
void store_apply(struct store_txn *txn, const struct store_change *changes,
		 size_t count);

/* In key order from the first key >= from (NULL p: the start). fn returns
 * false to stop. fn must not write to the same table. */
typedef bool store_each_fn(void *arg, struct slice key, struct slice value);
void store_each(struct store_txn *txn, enum store_table table,
		struct slice from, store_each_fn *fn, void *arg);

#endif
