#ifndef GATEWAY_SPOOL_RESUB_H
#define GATEWAY_SPOOL_RESUB_H

#include "gateway/spool/internal.h"

/* At start: what is on disk. What cannot be read is logged and unknown. */
void resub_load(struct spool *spool);
void resub_fini(struct spool *spool);

/* Within the transaction under way: the store thread's. Its end, whichever,
 * must be told by one of the two below. */
void resub_put(struct spool *spool, struct store_txn *txn,
	       const struct spool_msg *msg, int64_t expiry);
void resub_drop(struct spool *spool, struct store_txn *txn, uint64_t id);
/* True: the message is there already. */
bool resub_match(struct spool *spool, struct store_txn *txn,
		 const struct spool_msg *msg, int64_t now, uint64_t *first_id);
/* There are more than resub_max. */
bool resub_excess(const struct spool *spool);
void resub_committed(struct spool *spool);
void resub_rolled_back(struct spool *spool);

#endif
