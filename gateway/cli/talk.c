/*
 * The conversation with the daemon. What it sends was escaped there; here it
 * is only passed on. A daemon that dies in the middle leaves no exit frame:
 * that is said, because half a listing looks like a whole one. The daemon hangs
 * up on who does not read: while standard output blocks (a pager that is left
 * alone) the answer is read ahead into memory.
 */
#include "gateway/cli/talk.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/base/mem.h"

#define AHEAD_MAX ((size_t)64 << 20)

/* Said once, before anything else on standard error: ends a line that is
 * being drawn. */
static const char *lead = "";

static void
say_lead(void)
{
	fputs(lead, stderr);
	lead = "";
}

static void
complain(const char *path, const char *what)
{
	say_lead();
	fprintf(stderr, "sluice: %s: %s\n", path, what);
}

static void
complain_connect(const char *path, int errnum)
{
	switch (errnum) {
	case ENOENT:
		complain(path, "no such socket: is sluiced running? (-s names "
			       "another)");
		break;
	case ECONNREFUSED:
		complain(path, "nobody answers: sluiced is not running");
		break;
	case EACCES:
		complain(path, "permission denied: be root, or in the group "
			       "that owns the socket");
		break;
	case EAGAIN:
		complain(path, "too many commands are waiting: try again");
		break;
	default:
		complain(path, strerror(errnum));
		break;
	}
}

static int
dial(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		complain(path, "too long for a socket");
		return -1;
	}
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	complain_connect(path, errno);
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool
write_all(int fd, struct slice s)
{
	while (s.n > 0) {
		ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		s = slice_from(s, (size_t)n);
	}
	return true;
}

/* In frames, and the empty one behind them. */
static bool
send_input(int fd, struct slice input)
{
	const size_t most = FRAME_MAX - FRAME_HEADER_SIZE;
	struct buf frame;
	bool ok = true, last = false;

	buf_init(&frame, FRAME_MAX);
	while (ok && !last) {
		last = input.n == 0;
		buf_clear(&frame);
		frame_put(&frame, FRAME_INPUT, slice_head(input, most));
		input = slice_from(input, most);
		ok = write_all(fd, buf_slice(&frame));
	}
	buf_fini(&frame);
	return ok;
}

static bool
send_request(int fd, const char *path, const struct request *request,
	     struct slice payload)
{
	struct buf body, frames;
	bool ok = true;

	buf_init(&body, FRAME_MAX);
	buf_init(&frames, 2 * FRAME_MAX);
	(void)buf_reserve(&frames, FRAME_MAX); /* no copies of the secret */
	if (request_encode(request, &body) != 0) {
		fprintf(stderr, "sluice: the command is too long\n");
		ok = false;
	} else {
		frame_put(&frames, FRAME_REQUEST, buf_slice(&body));
		if (request->secret)
			frame_put(&frames, FRAME_SECRET, payload);
		/* Sent even to a daemon that has already hung up: what it
		 * said is still to be read. */
		ok = (write_all(fd, buf_slice(&frames)) &&
		      (!request->input || send_input(fd, payload))) ||
		     errno == EPIPE;
		if (!ok)
			complain(path, strerror(errno));
	}
	buf_fini(&body);
	buf_wipe(&frames);
	return ok;
}

/* What has come and is not written yet. */
struct answer {
	struct buf in;
	size_t at;	/* the first frame that is not done */
	size_t written; /* of its body */
	int status;
};

static struct slice
answer_rest(const struct answer *answer)
{
	return slice_from(buf_slice(&answer->in), answer->at);
}

/* The space of what is written, once that is the greater part: dropping it
 * after each frame would move all the others each time. */
static void
make_room(struct answer *answer)
{
	if (answer->at < answer->in.n / 2)
		return;
	buf_drop(&answer->in, answer->at);
	answer->at = 0;
}

/* Passes over all that needs no writing. 1: the conversation is over, with
 * answer->status; 0: go on, *out holds what is to be written next to *fd, or
 * nothing when more must come first; -1: not our daemon. */
static int
next_output(struct answer *answer, struct slice *out, int *fd)
{
	struct frame frame;
	size_t used = 0;
	int got;

	*out = SLICE_NONE;
	while ((got = frame_get(answer_rest(answer), &frame, &used)) > 0) {
		if (frame.type == FRAME_EXIT && frame.body.n == 1) {
			answer->status = (unsigned char)frame.body.p[0];
			return 1;
		}
		if (frame.type != FRAME_STDOUT && frame.type != FRAME_STDERR)
			return -1;
		if (answer->written < frame.body.n) {
			*out = slice_from(frame.body, answer->written);
			*fd = frame.type == FRAME_STDOUT ? STDOUT_FILENO
							 : STDERR_FILENO;
			return 0;
		}
		answer->at += used;
		answer->written = 0;
		make_room(answer);
	}
	return got;
}

/* No more than poll() promises room for in a pipe: this must not block. */
static int
write_some(struct answer *answer, struct slice out, int fd)
{
	ssize_t n = write(fd, out.p, out.n < PIPE_BUF ? out.n : PIPE_BUF);

	if (n >= 0) {
		answer->written += (size_t)n;
		return 0;
	}
	if (errno == EINTR || errno == EAGAIN)
		return 0;
	fprintf(stderr, "sluice: standard output: %s\n", strerror(errno));
	answer->status = EXIT_FAILED;
	return 1;
}

/* False: nothing comes any more. */
static bool
read_some(struct answer *answer, int fd)
{
	char *p = buf_reserve(&answer->in, FRAME_MAX);
	ssize_t n = read(fd, p, FRAME_MAX);

	if (n > 0)
		answer->in.n += (size_t)n;
	return n > 0 || (n < 0 && errno == EINTR);
}

/* As next_output, but 0 is the end of a daemon that said no exit status. */
static int
pass_on(struct answer *answer, int fd)
{
	bool open = true;
	struct slice out;
	int got, to = -1;

	while ((got = next_output(answer, &out, &to)) == 0) {
		bool room = answer->in.n - answer->at < AHEAD_MAX;
		struct pollfd p[] = {
		    {.fd = open && room ? fd : -1, .events = POLLIN},
		    {.fd = out.n > 0 ? to : -1, .events = POLLOUT},
		};

		if (!open && out.n == 0)
			return 0;
		if (poll(p, 2, -1) < 0)
			continue; /* a signal */
		if (p[1].revents != 0 &&
		    (got = write_some(answer, out, to)) != 0)
			return got;
		if (p[0].revents != 0)
			open = read_some(answer, fd);
	}
	return got;
}

static int
listen_to(int fd, const char *path)
{
	struct answer answer = {.status = EXIT_UNAVAILABLE};
	int got;

	/* Up to as much again is written and not yet dropped. */
	buf_init(&answer.in, 2 * AHEAD_MAX + 2 * FRAME_MAX);
	got = pass_on(&answer, fd);
	buf_fini(&answer.in);
	if (got < 0)
		complain(path, "what answers there is not sluiced");
	else if (got == 0)
		complain(path, "the daemon hung up before it had finished");
	return got == 1 ? answer.status : EXIT_UNAVAILABLE;
}

int
talk(const char *socket_path, const struct request *request,
     struct slice payload)
{
	int fd = dial(socket_path);
	int status = EXIT_UNAVAILABLE;

	if (fd < 0)
		return status;
	if (send_request(fd, socket_path, request, payload))
		status = listen_to(fd, socket_path);
	close(fd);
	return status;
}

/* --- an answer that is short and looked at ---------------------------------
 */

/* As next_output: 1 is the end, 0 more must come, -1 not our daemon. */
static int
take_frames(struct answer *answer, struct buf *out)
{
	struct frame frame;
	size_t used = 0;
	int got;

	while ((got = frame_get(answer_rest(answer), &frame, &used)) > 0) {
		answer->at += used;
		if (frame.type == FRAME_EXIT && frame.body.n == 1) {
			answer->status = (unsigned char)frame.body.p[0];
			return 1;
		}
		if (frame.type == FRAME_STDOUT) {
			buf_add_slice(out, frame.body);
		} else if (frame.type == FRAME_STDERR) {
			say_lead();
			fprintf(stderr, "%.*s", (int)frame.body.n,
				frame.body.p);
		} else {
			return -1;
		}
	}
	return got;
}

static int
take_from(int fd, const char *path, struct buf *out)
{
	struct answer answer = {.status = EXIT_UNAVAILABLE};
	int got;

	buf_init(&answer.in, AHEAD_MAX);
	while ((got = take_frames(&answer, out)) == 0) {
		if (!read_some(&answer, fd))
			break;
	}
	buf_fini(&answer.in);
	if (got == 1)
		return answer.status;
	complain(path, got < 0 ? "what answers there is not sluiced"
			       : "the daemon hung up before it had finished");
	return EXIT_UNAVAILABLE;
}

int
talk_take(const char *socket_path, const struct request *request,
	  struct buf *out, const char *before)
{
	int fd, status = EXIT_UNAVAILABLE;

	lead = before;
	fd = dial(socket_path);
	if (fd < 0)
		return status;
	if (send_request(fd, socket_path, request, SLICE_NONE))
		status = take_from(fd, socket_path, out);
	close(fd);
	return status;
}
