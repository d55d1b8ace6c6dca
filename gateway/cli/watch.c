/*
 * Ctrl-C must not leave the prompt behind half a line: the signal only ends
 * the waiting, the line is ended here, and then the signal does what it always
 * does, so that a shell's loop ends with us.
 */
#include "gateway/cli/watch.h"

#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/cli/talk.h"

#define ANSWER_MAX 65536

static volatile sig_atomic_t stopped; /* by which signal */

static void
on_signal(int signum)
{
	stopped = signum;
}

static void
catch_signals(void)
{
	/* without SA_RESTART: what waits shall end */
	struct sigaction action = {.sa_handler = on_signal};

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static void
die_of_it(void)
{
	signal(stopped, SIG_DFL);
	raise(stopped);
}

/* The window may have changed since. */
static void
measure(struct request *request)
{
	struct winsize size;

	if (request->tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		request->columns = size.ws_col;
}

/* "\r", the line, and what was longer before is cleared. */
static void
draw(struct slice text, bool tty)
{
	struct slice line;

	if (!tty) {
		fwrite(text.p, 1, text.n, stdout);
	} else if (slice_split(&text, '\n', &line)) {
		fputc('\r', stdout);
		fwrite(line.p, 1, line.n, stdout);
		fputs("\033[K", stdout);
	}
	fflush(stdout);
}

int
watch(const char *socket_path, struct request *request)
{
	const struct timespec second = {.tv_sec = 1};
	struct buf text;
	int status;
	bool drawn = false;

	buf_init(&text, ANSWER_MAX);
	catch_signals();
	do {
		buf_clear(&text);
		measure(request);
		/* what it says on standard error stands on a line of its own */
		status = talk_take(socket_path, request, &text,
				   request->tty && drawn ? "\n" : "");
		if (text.n > 0) {
			draw(buf_slice(&text), request->tty);
			drawn = true;
		}
		if (ferror(stdout) != 0)
			status = EXIT_FAILED;
		if (status == EXIT_AGAIN && stopped == 0)
			nanosleep(&second, NULL);
	} while (status == EXIT_AGAIN && stopped == 0);
	if (drawn && request->tty && status != EXIT_UNAVAILABLE) {
		fputc('\n', stdout);
		fflush(stdout);
	}
	buf_fini(&text);
	if (stopped != 0)
		die_of_it();
	return status == EXIT_AGAIN ? EXIT_DONE : status;
}
