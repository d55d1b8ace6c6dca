#ifndef GATEWAY_GUARD_H
#define GATEWAY_GUARD_H

#include "gateway/back/back.h"
#include "gateway/net/loop.h"
#include "gateway/spool/spool.h"
#include "policy/accounts.h"
#include "policy/blocklist.h"
#include "policy/decisions.h"
#include "policy/limits.h"
#include "policy/top.h"

/*
 * What front, back and control share to decide who may send: limits, block
 * list, accounts, decisions, top. It is made before the spool, which asks it
 * for a veto, and outlives all of them. It keeps on disk what has no message to
 * go with: counts of connections and logins, blocks whose time is over.
 *
 * On the main thread but for guard_veto; the parts may be used by any.
 */
struct guard;

struct guard_parts {
	struct accounts *accounts;
	struct blocklist *blocklist;
	struct limits *limits; /* NULL before guard_load */
	struct decisions *decisions;
	struct top *top;
};

struct guard *guard_create(struct loop *loop);
/* After the spool is closed. */
void guard_destroy(struct guard **guard);
/* For spool_opts.veto: the block list, asked on the store thread. */
bool guard_veto(void *guard, const struct spool_msg *msg);

/* Reads what the spool keeps. error says what could not be read: starting
 * without a block list would let the blocked in. */
int guard_load(struct guard *guard, struct spool *spool,
	       const struct limits_conf *conf, char *error, size_t error_size);
const struct guard_parts *guard_parts(const struct guard *guard);
void guard_reload(struct guard *guard, const struct limits_conf *conf);

/* Starts work on the queue, as back_work_start does. */
typedef void guard_work_fn(void *arg, struct back_work *work);

/* From now on a tick each second. work: for what was held by a block whose time
 * is over; NULL: nobody looks at it. */
void guard_start(struct guard *guard, guard_work_fn *work, void *arg);
void guard_tick(struct guard *guard, int64_t now_wall_s, int64_t mono_us);
/* After the front and before the back is stopped: no more ticks; what is not
 * on disk yet is on its way there. */
void guard_stop(struct guard *guard);

#endif
