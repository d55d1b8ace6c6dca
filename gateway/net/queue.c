/*
 * A stack that many threads push on with one compare-and-swap, and that the
 * loop's thread takes whole and turns round: each pusher's order is kept, and
 * nothing can be popped singly, so there is no ABA. Only the push that finds
 * the stack empty wakes the loop: a busy queue costs no system call an item.
 *
 * At most BATCH items a turn, so that a full queue does not hold up the
 * loop's sockets.
 */
#include "gateway/net/queue.h"

#include <assert.h>
#include <event2/event_struct.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/net/loop_int.h"

#define BATCH 256

struct queue {
	_Atomic(struct queue_item *) pushed; /* newest first */
	int wake_fd;
	/* Below: the loop's thread only. */
	struct loop *loop;
	struct event event;
	struct deferred more;
	struct queue_item *first; /* taken, oldest first */
	struct queue_item **last;
	bool delivering;
	queue_fn *fn;
	void *arg;
};

static void
take_pushed(struct queue *queue)
{
	struct queue_item *item, *next, *turned = NULL, *end;

	item = atomic_exchange_explicit(&queue->pushed, NULL,
					memory_order_acquire);
	if (item == NULL)
		return;
	for (end = item; item != NULL; item = next) {
		next = item->next;
		item->next = turned;
		turned = item;
	}
	*queue->last = turned;
	queue->last = &end->next;
}

static void
deliver(struct queue *queue, size_t most)
{
	struct queue_item *item;

	queue->delivering = true;
	while (most-- > 0 && (item = queue->first) != NULL) {
		queue->first = item->next;
		if (queue->first == NULL)
			queue->last = &queue->first;
		item->next = NULL;
		queue->fn(queue->arg, item);
	}
	queue->delivering = false;
}

static void
on_more(void *arg)
{
	struct queue *queue = arg;

	deliver(queue, BATCH);
	if (queue->first != NULL)
		loop_defer(queue->loop, &queue->more);
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct queue *queue = arg;
	eventfd_t count;

	(void)what;
	/* Before the stack is taken, or a wake in between would be lost. */
	(void)eventfd_read(fd, &count);
	take_pushed(queue);
	if (!queue->more.queued)
		on_more(queue);
}

struct queue *
queue_create(struct loop *loop, queue_fn *fn, void *arg)
{
	struct queue *queue = mem_zalloc(sizeof(*queue));

	queue->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (queue->wake_fd < 0) {
		free(queue);
		return NULL;
	}
	atomic_init(&queue->pushed, NULL);
	queue->loop = loop;
	queue->last = &queue->first;
	queue->fn = fn;
	queue->arg = arg;
	queue->more.fn = on_more;
	queue->more.arg = queue;
	event_assign(&queue->event, loop_base(loop), queue->wake_fd,
		     EV_READ | EV_PERSIST, on_wake, queue);
	event_add(&queue->event, NULL);
	return queue;
}

void
queue_push(struct queue *queue, struct queue_item *item)
{
	struct queue_item *head =
	    atomic_load_explicit(&queue->pushed, memory_order_relaxed);

	do {
		item->next = head;
	} while (!atomic_compare_exchange_weak_explicit(
	    &queue->pushed, &head, item, memory_order_release,
	    memory_order_relaxed));
	/* item is no longer ours; head is the last value it had before. */
	if (head == NULL)
		(void)eventfd_write(queue->wake_fd, 1);
}

void
queue_destroy(struct queue **queuep)
{
	struct queue *queue = *queuep;

	*queuep = NULL;
	if (queue == NULL)
		return;
	assert(!queue->delivering);
	take_pushed(queue);
	deliver(queue, SIZE_MAX);
	loop_undefer(queue->loop, &queue->more);
	event_del(&queue->event);
	close(queue->wake_fd);
	free(queue);
}
