#ifndef GATEWAY_NET_LOOP_H
#define GATEWAY_NET_LOOP_H

#include <stdint.h>

/*
 * One event loop a thread. Everything created on a loop is used and destroyed
 * on its thread only; the exceptions say so.
 */
struct loop;

struct loop *loop_create(void); /* NULL: out of descriptors */
void loop_destroy(struct loop **loop);
void loop_run(struct loop *loop);	      /* until loop_stop */
void loop_stop(struct loop *loop);	      /* any thread */
int64_t loop_now_ms(const struct loop *loop); /* monotonic */

/* One turn without waiting; for tests that drive a loop by hand. */
void loop_turn(struct loop *loop);

/* A one-shot timer: an op as in style.md 3. delay 0 runs in the next turn,
 * in the order of the starts. */
struct timer_op;
typedef void timer_fn(void *arg);

struct timer_op *timer_start(struct loop *loop, int64_t delay_ms,
			     timer_fn *done, void *arg);
void timer_cancel(struct timer_op **op);

/* Readiness of a descriptor somebody else owns (c-ares), which must be open
 * until watch_stop. At least one of the two is wanted. */
struct watch;
typedef void watch_fn(void *arg, int fd, int readable, int writable);

struct watch *watch_start(struct loop *loop, int fd, int want_read,
			  int want_write, watch_fn *fn, void *arg);
void watch_stop(struct watch **watch);

/* A signal, on one loop of the process only. */
typedef void signal_fn(void *arg, int signum);
struct signal_watch;
struct signal_watch *signal_watch_start(struct loop *loop, int signum,
					signal_fn *fn, void *arg);
void signal_watch_stop(struct signal_watch **watch);

#endif
