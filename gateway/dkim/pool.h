#ifndef GATEWAY_DKIM_POOL_H
#define GATEWAY_DKIM_POOL_H

#include <bsd/sys/queue.h>

#include "gateway/dkim/sign.h"

/*
 * Threads that sign: an RSA signature takes a millisecond or several, which no
 * loop has.
 */
struct dkim_pool;

/* The caller's until done; there is no way to take one back. */
struct dkim_job {
	/* in */
	struct dkim_signing signing;
	/* Not NULL: is run instead, and sees to everything but done. */
	void (*run)(struct dkim_job *job);
	void (*done)(struct dkim_job *job); /* on a thread of the pool: hand it
					       over, nothing else */
	/* out */
	int err; /* dkim_sign's */
	struct buf fields;
	/* internal */
	STAILQ_ENTRY(dkim_job) link;
};

/* threads 0: one a core, eight at most. GW_EIO: none could be started. */
int dkim_pool_create(struct dkim_pool **pool, unsigned threads);
void dkim_pool_destroy(struct dkim_pool **pool); /* nothing is under way */
/* Any thread. The owner frees fields (buf_fini) afterwards. */
void dkim_pool_start(struct dkim_pool *pool, struct dkim_job *job);

#endif
