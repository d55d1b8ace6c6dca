/* The loop: timers, deferral, watches, signals, stopping. */
#include <pthread.h>
#include <signal.h>

#include "gateway/net/loop.h"
#include "tests/net/net_help.h"

struct note {
	struct buf text;
	struct loop *loop;
	struct timer_op *timer[4];
	int turns;
};

static struct note note;

static void
note_start(void)
{
	memset(&note, 0, sizeof(note));
	buf_init(&note.text, 4096);
	note.loop = loop_create();
	ck_assert_ptr_nonnull(note.loop);
}

static void
note_end(void)
{
	buf_fini(&note.text);
	loop_destroy(&note.loop);
	ck_assert_ptr_null(note.loop);
}

static void
write_letter(void *arg)
{
	buf_add_str(&note.text, arg);
}

struct timer_row {
	const char *label;
	struct {
		int64_t delay_ms;
		char *letter;
	} timer[6];
	const char *order;
};

static const struct timer_row timer_rows[] = {
    {"by deadline, not by start",
     {{30, "c"}, {10, "a"}, {20, "b"}, {40, "d"}},
     "abcd"},
    {"delay 0 keeps the order of the starts",
     {{0, "a"}, {0, "b"}, {0, "c"}, {0, "d"}, {0, "e"}},
     "abcde"},
    {"delay 0 before any other", {{1, "c"}, {0, "a"}, {0, "b"}}, "abc"},
    {"a negative delay is 0", {{0, "a"}, {-5000, "b"}, {0, "c"}}, "abc"},
};

START_TEST(timers_run_in_order)
{
	for (size_t i = 0; i < sizeof(timer_rows) / sizeof(timer_rows[0]);
	     i++) {
		const struct timer_row *row = &timer_rows[i];

		note_start();
		for (int t = 0; row->timer[t].letter != NULL; t++)
			timer_start(note.loop, row->timer[t].delay_ms,
				    write_letter, row->timer[t].letter);
		TURN_UNTIL(note.loop, note.text.n >= strlen(row->order));
		ck_assert_msg(buf_is(&note.text, row->order), "%s: got %s",
			      row->label, buf_cstr(&note.text));
		note_end();
	}
}
END_TEST

static void
cancel_others(void *arg)
{
	write_letter(arg);
	note.timer[0] = NULL;
	for (int i = 1; i < 4; i++) {
		timer_cancel(&note.timer[i]);
		ck_assert_ptr_null(note.timer[i]);
	}
	timer_start(note.loop, 5, write_letter, "z");
}

START_TEST(cancel_in_callback)
{
	static const int64_t delays[] = {0, 1};

	for (int d = 0; d < 2; d++) {
		note_start();
		note.timer[0] =
		    timer_start(note.loop, delays[d], cancel_others, "a");
		/* Due in the same turn, soon, and later. */
		note.timer[1] =
		    timer_start(note.loop, delays[d], write_letter, "b");
		note.timer[2] =
		    timer_start(note.loop, delays[d] + 1, write_letter, "c");
		note.timer[3] =
		    timer_start(note.loop, 60000, write_letter, "d");
		/* One of equal deadline may come first when it is not 0. */
		TURN_UNTIL(note.loop, note.text.n > 0 &&
					  note.text.p[note.text.n - 1] == 'z');
		ck_assert(buf_is(&note.text, "az") ||
			  (d == 1 && buf_is(&note.text, "baz")));
		note_end();
	}
}
END_TEST

START_TEST(cancel_nothing)
{
	struct timer_op *none = NULL;

	timer_cancel(&none);
	note_start();
	note.timer[0] = timer_start(note.loop, 0, write_letter, "a");
	timer_cancel(&note.timer[0]);
	turn_some(note.loop);
	ck_assert_uint_eq(note.text.n, 0);
	note_end();
}
END_TEST

static void
start_again(void *arg)
{
	note.turns++;
	note.timer[0] = timer_start(note.loop, 0, start_again, arg);
}

START_TEST(restarting_does_not_starve)
{
	note_start();
	note.timer[0] = timer_start(note.loop, 0, start_again, NULL);
	for (int i = 1; i <= 5; i++) {
		loop_turn(note.loop);
		ck_assert_int_eq(note.turns, i);
	}
	timer_cancel(&note.timer[0]);
	note_end();
}
END_TEST

static void *
stop_from_outside(void *arg)
{
	loop_stop(arg);
	return NULL;
}

START_TEST(stop_from_thread)
{
	pthread_t thread;

	note_start();
	pthread_create(&thread, NULL, stop_from_outside, note.loop);
	loop_run(note.loop); /* comes back, whoever was first */
	pthread_join(thread, NULL);
	note_end();
}
END_TEST

START_TEST(stop_before_run_is_kept)
{
	note_start();
	loop_stop(note.loop);
	loop_run(note.loop);
	note_end();
}
END_TEST

static struct watch *watch;
static int watch_calls;

static void
on_watch(void *arg, int fd, int readable, int writable)
{
	(void)arg;
	(void)fd;
	watch_calls++;
	ck_assert_int_eq(readable, 1);
	ck_assert_int_eq(writable, 0);
	watch_stop(&watch);
}

START_TEST(watch_stops_in_callback)
{
	int fd[2];

	watch_calls = 0;
	note_start();
	tcp_pair(fd);
	watch = watch_start(note.loop, fd[0], 1, 0, on_watch, NULL);
	turn_some(note.loop);
	ck_assert_int_eq(watch_calls, 0);
	send_str(fd[1], "x");
	TURN_UNTIL(note.loop, watch_calls > 0);
	turn_some(note.loop);
	ck_assert_int_eq(watch_calls, 1);
	watch_stop(&watch);
	close(fd[0]);
	close(fd[1]);
	note_end();
}
END_TEST

static void
on_signal(void *arg, int signum)
{
	*(int *)arg = signum;
}

START_TEST(signals)
{
	struct signal_watch *signal_watch;
	int got = 0;

	note_start();
	signal_watch = signal_watch_start(note.loop, SIGUSR1, on_signal, &got);
	raise(SIGUSR1);
	TURN_UNTIL(note.loop, got == SIGUSR1);
	signal_watch_stop(&signal_watch);
	ck_assert_ptr_null(signal_watch);
	note_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    timers_run_in_order,     cancel_in_callback,
	    cancel_nothing,	     restarting_does_not_starve,
	    stop_from_thread,	     stop_before_run_is_kept,
	    watch_stops_in_callback, signals,
	};

	return RUN_TESTS("net/loop", tests);
}
