#ifndef GATEWAY_BACK_SIGNATURE_H
#define GATEWAY_BACK_SIGNATURE_H

#include "gateway/dkim/pool.h"
#include "gateway/spool/spool.h"

/*
 * The DKIM signature of what is made here: reports, notices, cleaned copies.
 * Who signs is found as in front, by the domain of the one address in From.
 */

/* A signature of ours leaves the message's prefix: its body is another now. */
void signature_drop(struct spool_msg *msg);

/* The message gets the fields in front of its prefix. Reads all of the body,
 * which has ended, and may wait for the disk: not on a loop. keys may be
 * NULL. */
void signature_make(const struct dkim_keys *keys, struct spool_msg *msg,
		    struct spool_body *body);

/* The same for both messages of an outcome, on the pool: done runs there. Until
 * then nobody else touches them; pool NULL is not for this. */
typedef void signature_done_fn(void *arg);
void signature_start(struct dkim_pool *pool, struct dkim_keys *keys,
		     struct spool_outcome *op, signature_done_fn *done,
		     void *arg);

#endif
