#ifndef TESTS_NET_NET_HELP_H
#define TESTS_NET_NET_HELP_H

/* Loopback sockets, and a loop driven by hand until something is so. */

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/addr.h"
#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/net/loop.h"

#define HELP_PATIENCE_MS 240000

/* Turns until cond holds; a test that hangs fails here, with its line. */
#define TURN_UNTIL(loop, cond)                                       \
	do {                                                         \
		int64_t until_ = clock_mono_ms() + HELP_PATIENCE_MS; \
		while (!(cond)) {                                    \
			loop_turn(loop);                             \
			ck_assert_msg(clock_mono_ms() < until_,      \
				      "never came: %s", #cond);      \
			sched_yield();                               \
		}                                                    \
	} while (0)

/* A few turns in which something must not happen. */
static inline void
turn_some(struct loop *loop)
{
	for (int i = 0; i < 20; i++) {
		loop_turn(loop);
		sched_yield();
	}
}

/* A bound and listening socket on 127.0.0.1, and its port. */
static inline int
tcp_listen(int backlog, uint16_t *port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, n), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &n), 0);
	*port = ntohs(sin.sin_port);
	return fd;
}

static inline int
tcp_connect(uint16_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	return fd;
}

/* Both ends of one connection; blocking. */
static inline void
tcp_pair(int fd[2])
{
	uint16_t port;
	int lfd = tcp_listen(1, &port);

	fd[1] = tcp_connect(port);
	fd[0] = accept(lfd, NULL, NULL);
	ck_assert_int_ge(fd[0], 0);
	close(lfd);
}

static inline void
set_nonblocking(int fd)
{
	ck_assert_int_eq(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK),
			 0);
}

/* Close with RST instead of FIN. */
static inline void
close_rst(int fd)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static inline void
send_str(int fd, const char *s)
{
	ck_assert_int_eq(send(fd, s, strlen(s), MSG_NOSIGNAL),
			 (ssize_t)strlen(s));
}

/* What has arrived at fd now, appended; 0 at its end, else -1 or a count. */
static inline ssize_t
recv_now(int fd, struct buf *in)
{
	char chunk[65536];
	ssize_t n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (n > 0)
		buf_add(in, chunk, (size_t)n);
	return n;
}

static inline bool
buf_is(const struct buf *b, const char *s)
{
	return slice_eq(buf_slice(b), slice_str(s));
}

/* Runs one suite of one case list; each test in its own process. */
static inline int
run_tests(const char *name, const TTest *const *tests, size_t count)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define RUN_TESTS(name, tests) \
	run_tests((name), (tests), sizeof(tests) / sizeof((tests)[0]))

#endif
