#ifndef GATEWAY_STORE_INTERNAL_H
#define GATEWAY_STORE_INTERNAL_H

#include <lmdb.h>
#include <stdatomic.h>

#include "gateway/base/buf.h"
#include "gateway/store/env.h"

/* Shared by env.c and txn.c only. */
struct store_txn {
	struct store_env *env;
	MDB_txn *mdb;
	int err; /* sticky */
	bool writes;
};

struct store_env {
	MDB_env *mdb;
	MDB_dbi dbi[STORE_TABLES];
	int lock_fd;
	struct store_txn writer; /* there is only one at a time */
	struct buf tally;	 /* the writer's: a record being merged */
	_Atomic bool dead;
};

/* More than any two sets of TALLY_CELLS_MAX cells take. */
#define STORE_TALLY_BYTES (512 * 1024)

int store_err_from_mdb(int rc);

#endif
