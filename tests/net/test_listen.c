/* Listening: where it binds, what it hands over, and no descriptors left. */
#include "gateway/net/listen.h"

#include <sys/resource.h>

#include "tests/net/net_help.h"

static struct {
	struct loop *loop;
	struct listener *listener;
	int fd[64];
	int count, full;
	bool destroy;
	char peer[SOCK_ADDR_TEXT_SIZE], local[SOCK_ADDR_TEXT_SIZE];
} got;

static void
got_start(void)
{
	memset(&got, 0, sizeof(got));
	got.loop = loop_create();
}

static void
got_end(void)
{
	listener_destroy(&got.listener);
	for (int i = 0; i < got.count; i++)
		close(got.fd[i]);
	loop_destroy(&got.loop);
}

static void
on_accept(void *arg, int fd, const struct sock_addr *peer,
	  const struct sock_addr *local)
{
	ck_assert_ptr_eq(arg, &got);
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	got.fd[got.count++] = fd;
	sock_addr_format(peer, got.peer);
	sock_addr_format(local, got.local);
	if (got.destroy)
		listener_destroy(&got.listener);
}

static void
on_full(void *arg)
{
	ck_assert_ptr_eq(arg, &got);
	got.full++;
	if (got.destroy)
		listener_destroy(&got.listener);
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_storage ss;
	struct sock_addr addr;
	socklen_t n = sizeof(ss);

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ss, &n), 0);
	ck_assert_int_eq(
	    sock_addr_from_native((struct sockaddr *)&ss, n, &addr), 0);
	return addr.port;
}

static int
open_text(const char *text, int *fd)
{
	struct sock_addr addr;

	ck_assert_int_eq(sock_addr_parse(slice_str(text), &addr), 0);
	return listen_open(&addr, 64, fd);
}

static int
open_good(const char *text)
{
	int fd;

	ck_assert_int_eq(open_text(text, &fd), 0);
	got.listener = listener_create(got.loop, fd, on_accept, on_full, &got);
	return fd;
}

START_TEST(hands_over_addresses)
{
	static const char *const binds[] = {"127.0.0.1:0", "*:0"};

	for (int i = 0; i < 2; i++) {
		struct sockaddr_in sin;
		socklen_t n = sizeof(sin);
		char text[SOCK_ADDR_TEXT_SIZE];
		int lfd, fd;

		got_start();
		lfd = open_good(binds[i]);
		fd = tcp_connect(port_of(lfd));
		TURN_UNTIL(got.loop, got.count == 1);
		getsockname(fd, (struct sockaddr *)&sin, &n);
		snprintf(text, sizeof(text), "127.0.0.1:%u",
			 ntohs(sin.sin_port));
		ck_assert_str_eq(got.peer, text);
		snprintf(text, sizeof(text), "127.0.0.1:%u", port_of(lfd));
		ck_assert_str_eq(got.local, text);
		close(fd);
		got_end();
		close(lfd);
	}
}
END_TEST

START_TEST(open_errors)
{
	char text[SOCK_ADDR_TEXT_SIZE];
	int lfd, fd;

	got_start();
	lfd = open_good("127.0.0.1:0");
	snprintf(text, sizeof(text), "127.0.0.1:%u", port_of(lfd));
	ck_assert_int_eq(open_text(text, &fd), GW_EEXIST);
	ck_assert_int_eq(open_text("192.0.2.77:0", &fd), GW_EIO);
	if (geteuid() != 0)
		ck_assert_int_eq(open_text("127.0.0.1:7", &fd), GW_EDENIED);
	got_end();
	close(lfd);
}
END_TEST

START_TEST(destroy_in_callback)
{
	int lfd, a, b;

	got_start();
	got.destroy = true;
	lfd = open_good("127.0.0.1:0");
	a = tcp_connect(port_of(lfd));
	b = tcp_connect(port_of(lfd));
	TURN_UNTIL(got.loop, got.count > 0);
	turn_some(got.loop);
	ck_assert_int_eq(got.count, 1);
	ck_assert_ptr_null(got.listener);
	close(a);
	close(b);
	got_end();
	close(lfd);
}
END_TEST

START_TEST(at_most_32_a_turn)
{
	int lfd, fd[40];

	got_start();
	lfd = open_good("127.0.0.1:0");
	for (int i = 0; i < 40; i++)
		fd[i] = tcp_connect(port_of(lfd));
	loop_turn(got.loop);
	ck_assert_int_eq(got.count, 32);
	loop_turn(got.loop);
	ck_assert_int_eq(got.count, 40);
	for (int i = 0; i < 40; i++)
		close(fd[i]);
	got_end();
	close(lfd);
}
END_TEST

/* No descriptor is left: told once, then a rest instead of a spin; the
 * connection is taken afterwards. */
START_TEST(rests_without_descriptors)
{
	struct rlimit old, none;
	int lfd, fd, turns = 0;
	int64_t start;

	got_start();
	lfd = open_good("127.0.0.1:0");
	fd = tcp_connect(port_of(lfd));
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = (rlim_t)fd + 1;
	setrlimit(RLIMIT_NOFILE, &none);
	start = clock_mono_ms();
	TURN_UNTIL(got.loop, got.full > 0);
	while (turns++ < 100)
		loop_turn(got.loop);
	/* A machine that took 100 ms for this may have tried again. */
	if (clock_mono_ms() - start < 90)
		ck_assert_int_eq(got.full, 1);
	setrlimit(RLIMIT_NOFILE, &old);
	TURN_UNTIL(got.loop, got.count == 1);
	close(fd);
	got_end();
	close(lfd);
}
END_TEST

START_TEST(destroy_when_full)
{
	struct rlimit old, none;
	int lfd, fd;

	got_start();
	got.destroy = true;
	lfd = open_good("127.0.0.1:0");
	fd = tcp_connect(port_of(lfd));
	getrlimit(RLIMIT_NOFILE, &old);
	none = old;
	none.rlim_cur = (rlim_t)fd + 1;
	setrlimit(RLIMIT_NOFILE, &none);
	TURN_UNTIL(got.loop, got.full > 0);
	ck_assert_ptr_null(got.listener);
	setrlimit(RLIMIT_NOFILE, &old);
	turn_some(got.loop);
	ck_assert_int_eq(got.count, 0);
	close(fd);
	got_end();
	close(lfd);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    hands_over_addresses,      open_errors,
	    destroy_in_callback,       at_most_32_a_turn,
	    rests_without_descriptors, destroy_when_full,
	};

	return RUN_TESTS("net/listen", tests);
}
