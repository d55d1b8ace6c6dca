#ifndef GATEWAY_NET_LOOP_INT_H
#define GATEWAY_NET_LOOP_INT_H

/* What the files of gateway/net know of the loop and nobody else does. */

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "gateway/net/loop.h"

/*
 * Work for the next turn, in the order it was asked for. libevent's own
 * event_active() runs in the same turn, before the kernel is asked again: an
 * object that always has more to do would starve all others.
 */
struct deferred {
	TAILQ_ENTRY(deferred) link;
	void (*fn)(void *arg);
	void *arg;
	uint64_t turn;
	bool queued;
};

void loop_defer(struct loop *loop, struct deferred *d); /* again: no-op */
void loop_undefer(struct loop *loop, struct deferred *d);

/*
 * Objects without an owner (streams on their way out): loop_destroy ends
 * those that are left. There are at most LOOP_ORPHANS_MAX, since nobody counts
 * them and each has a descriptor: the oldest ends when one more comes.
 */
#define LOOP_ORPHANS_MAX 256

struct loop_orphan {
	TAILQ_ENTRY(loop_orphan) link;
	void (*end)(struct loop_orphan *orphan); /* must take itself off */
};

void loop_adopt(struct loop *loop, struct loop_orphan *orphan);
void loop_disown(struct loop *loop, struct loop_orphan *orphan);

struct event_base *loop_base(struct loop *loop);

/* Shared by everything on the loop; valid until control returns to it. */
#define LOOP_SCRATCH_SIZE 65536
char *loop_scratch(struct loop *loop);

#endif
