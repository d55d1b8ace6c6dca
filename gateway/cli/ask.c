/*
 * Asking for a password. The terminal must have its echo back whatever
 * happens: the signals that end or stop a program are caught while it is off,
 * and raised again when it is on. Nothing goes through stdio, whose buffers
 * would keep the password.
 */
#include "gateway/cli/ask.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/secret.h"

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
#define CAUGHT (sizeof(caught) / sizeof(caught[0]))

static volatile sig_atomic_t last_signal;

static void
on_signal(int signum)
{
	last_signal = signum;
}

/* One byte. At a terminal the signals are blocked but while it waits: one that
 * came just before the read would otherwise be lost. */
static ssize_t
read_byte(int fd, char *c, const sigset_t *unblocked)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	ssize_t n;

	do {
		n = unblocked != NULL ? ppoll(&wait, 1, NULL, unblocked) : 1;
		if (n > 0)
			n = read(fd, c, 1);
	} while (n < 0 && errno == EINTR && last_signal == 0);
	return n;
}

/* One line without its end, byte by byte: what follows it is not ours.
 * GW_ECLOSED: nothing came; GW_ETOOBIG; GW_ECANCELED: a signal. */
static int
read_line(int fd, const sigset_t *unblocked, struct buf *line)
{
	bool any = false;
	ssize_t n;
	char c;

	for (;;) {
		n = read_byte(fd, &c, unblocked);
		if (n < 0)
			return last_signal != 0 ? GW_ECANCELED : GW_EIO;
		if (n == 0 || c == '\n')
			break;
		any = true;
		buf_add_byte(line, c);
	}
	if (n == 0 && !any)
		return GW_ECLOSED;
	/* A file written on Windows. */
	if (line->n > 0 && line->p[line->n - 1] == '\r')
		line->n--;
	return line->overflow ? GW_ETOOBIG : 0;
}

static void
say(const char *s)
{
	(void)!write(STDERR_FILENO, s, strlen(s));
}

/* A stop and a continue in between ask again. */
static int
ask_once(const char *before, const char *prompt, struct buf *line)
{
	struct sigaction act = {.sa_handler = on_signal}, old[CAUGHT];
	struct termios shown, hidden;
	sigset_t blocked, unblocked;
	int err;

	sigemptyset(&blocked);
	for (size_t i = 0; i < CAUGHT; i++)
		sigaddset(&blocked, caught[i]);
	do {
		last_signal = 0;
		buf_clear(line);
		if (tcgetattr(STDIN_FILENO, &shown) != 0)
			return GW_EIO;
		sigprocmask(SIG_BLOCK, &blocked, &unblocked);
		for (size_t i = 0; i < CAUGHT; i++)
			sigaction(caught[i], &act, &old[i]);
		hidden = shown;
		hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
		say(before);
		say(prompt);
		say(": ");
		err = read_line(STDIN_FILENO, &unblocked, line);
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
		say("\n");
		for (size_t i = 0; i < CAUGHT; i++)
			sigaction(caught[i], &old[i], NULL);
		sigprocmask(SIG_SETMASK, &unblocked, NULL);
		if (last_signal != 0)
			raise(last_signal);
	} while (last_signal == SIGTSTP);
	return err;
}

static int
ask_terminal(const char *prompt, struct buf *secret, struct buf *error)
{
	struct buf again;
	int err = ask_once("Password for ", prompt, secret);

	if (err != 0 || secret->n == 0)
		return err;
	buf_init(&again, secret->cap);
	err = ask_once("Once more for ", prompt, &again);
	if (err == 0 && !secret_eq(buf_slice(secret), buf_slice(&again))) {
		buf_add_str(error, "the two are not the same");
		err = GW_EINVAL;
	}
	buf_wipe(&again);
	return err;
}

int
ask_password(const char *prompt, struct buf *secret, struct buf *error)
{
	int err;

	/* At once: growing would leave copies behind in freed memory. */
	(void)buf_reserve(secret, secret->cap);
	err = isatty(STDIN_FILENO) ? ask_terminal(prompt, secret, error)
				   : read_line(STDIN_FILENO, NULL, secret);
	if (err == GW_ETOOBIG)
		buf_printf(error, "a password has at most %zu bytes",
			   secret->cap);
	else if (err == GW_ECLOSED || (err == 0 && secret->n == 0))
		buf_add_str(error, "no password was given");
	else if (err != 0 && error->n == 0)
		buf_add_str(error, "the password could not be read");
	return err == 0 && secret->n > 0 ? 0 : GW_EINVAL;
}
