#ifndef GATEWAY_AUTH_VERIFY_H
#define GATEWAY_AUTH_VERIFY_H

#include "gateway/base/slice.h"
#include "gateway/net/loop.h"

/*
 * Comparing passwords with their hashes (crypt(5)) in threads of their own:
 * 25 ms and 16 MiB each. The pool is shared, a verify is one loop's door to
 * it.
 */
struct verify_pool;
struct verify;

/* NULL: no threads to be had. queue_max: how many may wait for a thread; who
 * comes later waits at his door. */
struct verify_pool *verify_pool_create(unsigned worker_count,
				       unsigned queue_max);
void verify_pool_destroy(struct verify_pool **pool); /* after its doors */

struct verify *verify_create(struct loop *loop,
			     struct verify_pool *pool); /* NULL: descriptors */
/* After its ops; waits for the hash under way, 25 ms. */
void verify_destroy(struct verify **verify);

enum verify_verdict {
	VERIFY_MATCH,
	VERIFY_WRONG,
	VERIFY_BROKEN,	/* the hash is none crypt(3) knows, or memory is gone */
	VERIFY_EXPIRED, /* not begun within wait_ms */
};

struct verify_req {
	struct slice password; /* without NUL */
	const char *hash;
	int64_t wait_ms;
};

/* As in style.md 3. */
struct verify_op;
typedef void verify_done_fn(void *arg, enum verify_verdict verdict);
struct verify_op *verify_start(struct verify *verify,
			       const struct verify_req *req,
			       verify_done_fn *done, void *arg);
void verify_cancel(struct verify_op **op);

#endif
