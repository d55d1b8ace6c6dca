#ifndef GATEWAY_SPOOL_TRASH_H
#define GATEWAY_SPOOL_TRASH_H

#include "gateway/spool/internal.h"

/* Within the transaction under way: the store thread's. */

/* The queue's entry goes into the trash as it is; the caller deletes it. */
void trash_take(struct spool *spool, struct store_txn *txn, uint64_t trash,
		uint64_t id, uint32_t index);
/* After that, once for all entries an outcome took of one message. */
void trash_note(struct batch *batch, struct store_txn *txn,
		const struct spool_outcome *op, uint32_t taken);
/* Some purge has an entry of the message. */
bool trash_has(struct store_txn *txn, uint64_t id);

void apply_undo(struct spool *spool, struct batch *batch, struct store_txn *txn,
		struct spool_undo *op, int64_t now_wall_s);
/* A slice of what is over; sets the batch's trash_due_s. */
void apply_trash_sweep(struct spool *spool, struct batch *batch,
		       struct store_txn *txn, int64_t now_wall_s);

#endif
