#ifndef TESTS_SUPPORT_TURN_H
#define TESTS_SUPPORT_TURN_H

#include <check.h>
#include <sched.h>

#include "gateway/base/clock.h"
#include "gateway/net/loop.h"

/* Under a sanitizer, on a machine that has other things to do. */
#define TURN_PATIENCE_MS 240000

/* Turns until cond holds; a test that hangs fails here, with its label. */
#define TURN_UNTIL(loop, cond, label)                                      \
	do {                                                               \
		int64_t until_ = clock_mono_ms() + TURN_PATIENCE_MS;       \
		while (!(cond)) {                                          \
			loop_turn(loop);                                   \
			ck_assert_msg(clock_mono_ms() < until_,            \
				      "%s: never came: %s", label, #cond); \
			sched_yield();                                     \
		}                                                          \
	} while (0)

static inline void
turn_some(struct loop *loop)
{
	for (int i = 0; i < 50; i++) {
		loop_turn(loop);
		sched_yield();
	}
}

#endif
