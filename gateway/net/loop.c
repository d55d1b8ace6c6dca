/*
 * The loop: one libevent base a thread, and the few things that are waited
 * for without a stream.
 *
 * The base has no lock (EVENT_BASE_FLAG_NOLOCK): nothing but its own thread
 * touches it. What other threads may do (stop, push to a queue) goes through
 * an eventfd, so a stop that comes before the loop runs is not lost, as it
 * would be with event_base_loopbreak.
 *
 * Work of delay 0 keeps its order. libevent's heap does not: timers of equal
 * deadline come out in any order, and ops that end at once would be reported
 * shuffled. So delay 0 goes through the deferred list.
 */
#include "gateway/net/loop.h"

#include <assert.h>
#include <event2/event_struct.h>
#include <event2/thread.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/net/loop_int.h"

struct loop {
	struct event_base *base;
	struct event stop_event;
	struct event defer_event;
	int stop_fd;
	uint64_t turn; /* of the deferred list */
	TAILQ_HEAD(deferred_list, deferred) deferred;
	TAILQ_HEAD(orphan_list, loop_orphan) orphans; /* oldest first */
	size_t orphan_count;
	char *scratch;
};

struct timer_op {
	struct loop *loop;
	struct event event;
	struct deferred soon; /* used instead of event when delay is 0 */
	timer_fn *done;
	void *arg;
};

struct watch {
	struct event event;
	watch_fn *fn;
	void *arg;
};

struct signal_watch {
	struct event event;
	signal_fn *fn;
	void *arg;
};

static pthread_once_t process_once = PTHREAD_ONCE_INIT;

static void
process_setup(void)
{
	evthread_use_pthreads();
	/* OpenSSL writes with write(2): no MSG_NOSIGNAL there. */
	signal(SIGPIPE, SIG_IGN);
}

static void
on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;
	eventfd_t count;

	(void)what;
	(void)eventfd_read(fd, &count);
	event_base_loopbreak(loop->base);
}

static void
on_deferred(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval at_once = {0, 0};
	struct loop *loop = arg;
	struct deferred *d;

	(void)fd;
	(void)what;
	loop->turn++;
	while ((d = TAILQ_FIRST(&loop->deferred)) != NULL &&
	       d->turn != loop->turn) {
		TAILQ_REMOVE(&loop->deferred, d, link);
		d->queued = false;
		d->fn(d->arg);
	}
	if (!TAILQ_EMPTY(&loop->deferred))
		event_add(&loop->defer_event, &at_once);
}

static struct event_base *
base_create(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (config == NULL)
		return NULL;
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK |
					  EVENT_BASE_FLAG_IGNORE_ENV);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

struct loop *
loop_create(void)
{
	struct loop *loop;

	pthread_once(&process_once, process_setup);
	loop = mem_zalloc(sizeof(*loop));
	TAILQ_INIT(&loop->deferred);
	TAILQ_INIT(&loop->orphans);
	loop->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (loop->stop_fd < 0) {
		free(loop);
		return NULL;
	}
	loop->base = base_create();
	if (loop->base == NULL) {
		close(loop->stop_fd);
		free(loop);
		return NULL;
	}
	loop->scratch = mem_alloc(LOOP_SCRATCH_SIZE);
	event_assign(&loop->stop_event, loop->base, loop->stop_fd,
		     EV_READ | EV_PERSIST, on_stop, loop);
	event_add(&loop->stop_event, NULL);
	evtimer_assign(&loop->defer_event, loop->base, on_deferred, loop);
	return loop;
}

void
loop_destroy(struct loop **loopp)
{
	struct loop *loop = *loopp;
	struct loop_orphan *orphan;

	*loopp = NULL;
	if (loop == NULL)
		return;
	while ((orphan = TAILQ_FIRST(&loop->orphans)) != NULL)
		orphan->end(orphan);
	event_del(&loop->stop_event);
	event_del(&loop->defer_event);
	event_base_free(loop->base);
	close(loop->stop_fd);
	free(loop->scratch);
	free(loop);
}

void
loop_run(struct loop *loop)
{
	event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void
loop_stop(struct loop *loop)
{
	(void)eventfd_write(loop->stop_fd, 1);
}

int64_t
loop_now_ms(const struct loop *loop)
{
	(void)loop;
	return clock_mono_ms();
}

void
loop_turn(struct loop *loop)
{
	/* Without ONCE it would go on for as long as something is active. */
	event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

struct event_base *
loop_base(struct loop *loop)
{
	return loop->base;
}

char *
loop_scratch(struct loop *loop)
{
	return loop->scratch;
}

void
loop_defer(struct loop *loop, struct deferred *d)
{
	static const struct timeval at_once = {0, 0};

	if (d->queued)
		return;
	if (TAILQ_EMPTY(&loop->deferred))
		event_add(&loop->defer_event, &at_once);
	d->queued = true;
	d->turn = loop->turn;
	TAILQ_INSERT_TAIL(&loop->deferred, d, link);
}

void
loop_undefer(struct loop *loop, struct deferred *d)
{
	if (!d->queued)
		return;
	TAILQ_REMOVE(&loop->deferred, d, link);
	d->queued = false;
}

void
loop_adopt(struct loop *loop, struct loop_orphan *orphan)
{
	struct loop_orphan *oldest = TAILQ_FIRST(&loop->orphans);

	TAILQ_INSERT_TAIL(&loop->orphans, orphan, link);
	if (++loop->orphan_count > LOOP_ORPHANS_MAX)
		oldest->end(oldest);
}

void
loop_disown(struct loop *loop, struct loop_orphan *orphan)
{
	TAILQ_REMOVE(&loop->orphans, orphan, link);
	loop->orphan_count--;
}

static void
timer_fire(void *arg)
{
	struct timer_op *op = arg;
	timer_fn *done = op->done;
	void *done_arg = op->arg;

	free(op);
	done(done_arg);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	timer_fire(arg);
}

struct timer_op *
timer_start(struct loop *loop, int64_t delay_ms, timer_fn *done, void *arg)
{
	struct timer_op *op = mem_zalloc(sizeof(*op));
	struct timeval tv;

	op->loop = loop;
	op->done = done;
	op->arg = arg;
	evtimer_assign(&op->event, loop->base, on_timer, op);
	if (delay_ms <= 0) {
		op->soon.fn = timer_fire;
		op->soon.arg = op;
		loop_defer(loop, &op->soon);
		return op;
	}
	tv.tv_sec = (time_t)(delay_ms / 1000);
	tv.tv_usec = (suseconds_t)(delay_ms % 1000 * 1000);
	event_add(&op->event, &tv);
	return op;
}

void
timer_cancel(struct timer_op **opp)
{
	struct timer_op *op = *opp;

	*opp = NULL;
	if (op == NULL)
		return;
	loop_undefer(op->loop, &op->soon);
	event_del(&op->event);
	free(op);
}

static void
on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct watch *watch = arg;

	watch->fn(watch->arg, fd, (what & EV_READ) != 0,
		  (what & EV_WRITE) != 0);
}

struct watch *
watch_start(struct loop *loop, int fd, int want_read, int want_write,
	    watch_fn *fn, void *arg)
{
	struct watch *watch = mem_zalloc(sizeof(*watch));
	short what = EV_PERSIST;

	assert(want_read || want_write);
	if (want_read)
		what |= EV_READ;
	if (want_write)
		what |= EV_WRITE;
	watch->fn = fn;
	watch->arg = arg;
	event_assign(&watch->event, loop->base, fd, what, on_watch, watch);
	event_add(&watch->event, NULL);
	return watch;
}

void
watch_stop(struct watch **watchp)
{
	struct watch *watch = *watchp;

	*watchp = NULL;
	if (watch == NULL)
		return;
	event_del(&watch->event);
	free(watch);
}

static void
on_signal(evutil_socket_t signum, short what, void *arg)
{
	struct signal_watch *watch = arg;

	(void)what;
	watch->fn(watch->arg, signum);
}

struct signal_watch *
signal_watch_start(struct loop *loop, int signum, signal_fn *fn, void *arg)
{
	struct signal_watch *watch = mem_zalloc(sizeof(*watch));

	watch->fn = fn;
	watch->arg = arg;
	evsignal_assign(&watch->event, loop->base, signum, on_signal, watch);
	event_add(&watch->event, NULL);
	return watch;
}

void
signal_watch_stop(struct signal_watch **watchp)
{
	struct signal_watch *watch = *watchp;

	*watchp = NULL;
	if (watch == NULL)
		return;
	event_del(&watch->event);
	free(watch);
}
