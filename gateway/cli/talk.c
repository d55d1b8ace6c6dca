/*
 * The conversation with the daemon. What it sends was escaped there; here it
 * is only passed on. A daemon that dies in the middle leaves no exit frame:
 * that is said, because half a listing looks like a whole one.
 */
#include "gateway/cli/talk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/base/mem.h"

static void
complain(const char *path, const char *what)
{
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
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		s = slice_from(s, (size_t)n);
	}
	return true;
}

static bool
send_request(int fd, const char *path, const struct request *request,
	     struct slice secret)
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
			frame_put(&frames, FRAME_SECRET, secret);
		/* Sent even to a daemon that has already hung up: what it
		 * said is still to be read. */
		ok = write_all(fd, buf_slice(&frames)) || errno == EPIPE;
		if (!ok)
			complain(path, strerror(errno));
	}
	buf_fini(&body);
	buf_wipe(&frames);
	return ok;
}

/* 1: the conversation is over, with *status; 0: more; -1: not our daemon. */
static int
take_frame(struct slice in, size_t *used, int *status)
{
	struct frame frame;
	int fd, got = frame_get(in, &frame, used);

	if (got <= 0)
		return got;
	if (frame.type == FRAME_EXIT && frame.body.n == 1) {
		*status = (unsigned char)frame.body.p[0];
		return 1;
	}
	if (frame.type != FRAME_STDOUT && frame.type != FRAME_STDERR)
		return -1;
	fd = frame.type == FRAME_STDOUT ? STDOUT_FILENO : STDERR_FILENO;
	if (!write_all(fd, frame.body)) {
		fprintf(stderr, "sluice: standard output: %s\n",
			strerror(errno));
		*status = EXIT_FAILED;
		return 1;
	}
	return 0;
}

/* As take_frame, for all whole frames; the rest stays in `in`. */
static int
take_frames(struct buf *in, int *status)
{
	struct slice rest = buf_slice(in);
	size_t used;
	int got = 0;

	do {
		used = 0;
		got = take_frame(rest, &used, status);
		rest = slice_from(rest, used);
	} while (got == 0 && used > 0);
	buf_drop(in, in->n - rest.n);
	return got;
}

static int
listen_to(int fd, const char *path)
{
	struct buf in;
	int got = 0, status = EXIT_UNAVAILABLE;
	ssize_t n = 1;
	char *p;

	buf_init(&in, 2 * FRAME_MAX);
	while (got == 0 && n > 0) {
		p = buf_reserve(&in, FRAME_MAX);
		do
			n = read(fd, p, FRAME_MAX);
		while (n < 0 && errno == EINTR);
		if (n > 0) {
			in.n += (size_t)n;
			got = take_frames(&in, &status);
		}
	}
	buf_fini(&in);
	if (got < 0)
		complain(path, "what answers there is not sluiced");
	else if (got == 0)
		complain(path, "the daemon hung up before it had finished");
	return got == 1 ? status : EXIT_UNAVAILABLE;
}

int
talk(const char *socket_path, const struct request *request,
     struct slice secret)
{
	int fd = dial(socket_path);
	int status = EXIT_UNAVAILABLE;

	if (fd < 0)
		return status;
	if (send_request(fd, socket_path, request, secret))
		status = listen_to(fd, socket_path);
	close(fd);
	return status;
}
