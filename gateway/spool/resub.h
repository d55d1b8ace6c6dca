#ifndef GATEWAY_SPOOL_RESUB_H
#define GATEWAY_SPOOL_RESUB_H

#include "gateway/spool/internal.h"

/* Within the transaction under way: the store thread's. */
void resub_put(struct store_txn *txn, const struct spool_msg *msg,
	       int64_t expiry);
/* Only the message's own: a later one may have taken its place. */
void resub_drop(struct store_txn *txn, uint64_t id,
		const uint8_t key[DIGEST_SIZE]);
/* True: the message is there already. */
bool resub_match(struct store_txn *txn, const struct spool_msg *msg,
		 int64_t now, uint64_t *first_id);

#endif
