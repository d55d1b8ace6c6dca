#ifndef TESTS_CONTROL_ASK_H
#define TESTS_CONTROL_ASK_H

/* Commands over the socket of the world that control stands on. */
#include <sys/un.h>

#include "gateway/control/protocol.h"
#include "tests/control/world.h"
#include "tests/net/net_help.h"

struct answer {
	struct buf out, err;
	int exit; /* -1: none came */
};

static inline int
dial(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", world.socket_path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

/* words are split at spaces. */
static inline void
ask(int fd, const char *words, const char *secret, bool json, bool tty)
{
	char copy[512];
	struct request request = {
	    .json = json, .tty = tty, .columns = 80, .secret = secret != NULL};
	struct buf body = {.cap = FRAME_MAX}, frames = {.cap = FRAME_MAX};

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *w = strtok(copy, " "); w != NULL; w = strtok(NULL, " "))
		request.words[request.count++] = w;
	ck_assert_int_eq(request_encode(&request, &body), 0);
	frame_put(&frames, FRAME_REQUEST, buf_slice(&body));
	if (secret != NULL)
		frame_put(&frames, FRAME_SECRET, slice_str(secret));
	ck_assert_int_eq(send(fd, frames.p, frames.n, MSG_NOSIGNAL),
			 (ssize_t)frames.n);
	buf_fini(&body);
	buf_fini(&frames);
}

/* With a file behind it, in frames of at most `most` bytes. */
static inline void
ask_input(int fd, const char *words, struct slice input, size_t most, bool json)
{
	char copy[512];
	struct request request = {.json = json, .input = true};
	struct buf body = {.cap = FRAME_MAX}, frames = {.cap = 64 << 20};
	size_t sent = 0;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *w = strtok(copy, " "); w != NULL; w = strtok(NULL, " "))
		request.words[request.count++] = w;
	ck_assert_int_eq(request_encode(&request, &body), 0);
	frame_put(&frames, FRAME_REQUEST, buf_slice(&body));
	while (input.n > 0) {
		frame_put(&frames, FRAME_INPUT, slice_head(input, most));
		input = slice_from(input, most);
	}
	frame_put(&frames, FRAME_INPUT, SLICE_NONE);
	while (sent < frames.n) {
		ssize_t n = send(fd, frames.p + sent, frames.n - sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			sent += (size_t)n;
		loop_turn(world.loop);
	}
	buf_fini(&body);
	buf_fini(&frames);
}

static inline bool
take(struct buf *in, struct answer *a)
{
	struct slice rest = buf_slice(in);
	struct frame frame;
	size_t used;

	while (frame_get(rest, &frame, &used) == 1) {
		if (frame.type == FRAME_EXIT)
			a->exit = frame.body.p[0];
		else
			buf_add_slice(frame.type == FRAME_STDOUT ? &a->out
								 : &a->err,
				      frame.body);
		rest = slice_from(rest, used);
	}
	buf_drop(in, in->n - rest.n);
	return a->exit >= 0;
}

static inline void
hear(int fd, struct answer *a)
{
	struct buf in = {.cap = 64 << 20};
	ssize_t n = -1;

	a->exit = -1;
	buf_init(&a->out, 64 << 20);
	buf_init(&a->err, 1 << 20);
	TURN_UNTIL(world.loop, (n = recv_now(fd, &in)) == 0 || take(&in, a));
	buf_fini(&in);
	close(fd);
}

static inline struct answer
command(const char *words, const char *secret, bool json)
{
	struct answer a;
	int fd = dial();

	ask(fd, words, secret, json, false);
	hear(fd, &a);
	return a;
}

static inline void
answer_fini(struct answer *a)
{
	buf_fini(&a->out);
	buf_fini(&a->err);
}

static inline void
expect(const char *words, const char *secret, int exit, const char *said)
{
	struct answer a = command(words, secret, false);

	ck_assert_msg(a.exit == exit, "%s: %d %s", words, a.exit,
		      buf_cstr(&a.err));
	ck_assert_msg(strstr(buf_cstr(exit == 0 ? &a.out : &a.err), said) !=
			  NULL,
		      "%s: %s%s", words, buf_cstr(&a.out), buf_cstr(&a.err));
	answer_fini(&a);
}

#endif
