#ifndef GATEWAY_NET_QUEUE_H
#define GATEWAY_NET_QUEUE_H

#include "gateway/net/loop.h"

/*
 * Many threads push, the loop's thread gets each item once, in the order of
 * each pusher. Items are intrusive: put a struct queue_item into your own. The
 * queue never allocates and never drops; who pushes bounds.
 */
struct queue_item {
	struct queue_item *next;
};

struct queue;
typedef void queue_fn(void *arg, struct queue_item *item);

struct queue *queue_create(struct loop *loop, queue_fn *fn, void *arg);
void queue_push(struct queue *queue, struct queue_item *item); /* any thread */
/* On the loop's thread, after all pushers are gone, not inside fn; fn gets
 * what is left. */
void queue_destroy(struct queue **queue);

#endif
