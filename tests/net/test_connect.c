/* Connecting: each result, told from the loop, once; and cancelled. */
#include "gateway/net/connect.h"

#include <sys/un.h>

#include "tests/net/net_help.h"

static struct {
	struct loop *loop;
	struct connect_op *op;
	int calls, err, fd;
} got;

static void
on_done(void *arg, int err, int fd)
{
	ck_assert_ptr_eq(arg, &got);
	got.op = NULL;
	got.calls++;
	got.err = err;
	got.fd = fd;
}

static void
got_start(void)
{
	memset(&got, 0, sizeof(got));
	got.fd = -2;
	got.loop = loop_create();
}

static void
got_end(void)
{
	if (got.fd >= 0)
		close(got.fd);
	loop_destroy(&got.loop);
}

static void
start(uint16_t port, const char *from, int64_t timeout_ms)
{
	struct ip_addr from_ip;
	struct connect_req req = {.timeout_ms = timeout_ms};

	ck_assert_int_eq(ip_parse(slice_str("127.0.0.1"), &req.to.ip), 0);
	req.to.port = port;
	if (from != NULL) {
		ck_assert_int_eq(ip_parse(slice_str(from), &from_ip), 0);
		req.from = &from_ip;
	}
	got.op = connect_start(got.loop, &req, on_done, &got);
	ck_assert_ptr_nonnull(got.op);
	ck_assert_int_eq(got.calls, 0);
}

/* A listener whose queue is full drops SYNs: nobody answers. */
static int
listen_deaf(uint16_t *port, int filler[3])
{
	int lfd = tcp_listen(0, port);

	for (int i = 0; i < 3; i++) {
		struct sockaddr_in sin = {.sin_family = AF_INET,
					  .sin_port = htons(*port),
					  .sin_addr.s_addr =
					      htonl(INADDR_LOOPBACK)};

		filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(filler[i], (struct sockaddr *)&sin, sizeof(sin));
	}
	return lfd;
}

enum peer { LISTENS, CLOSED, DEAF };

struct row {
	const char *label;
	enum peer peer;
	const char *from;
	int64_t timeout_ms;
	int err;
};

static const struct row rows[] = {
    {"taken", LISTENS, NULL, 10000, 0},
    {"taken, from an address of ours", LISTENS, "127.0.0.9", 10000, 0},
    {"from an address not ours", LISTENS, "192.0.2.1", 10000, GW_EIO},
    {"from another family", LISTENS, "::1", 10000, GW_EIO},
    {"nobody listens", CLOSED, NULL, 10000, GW_EREFUSED},
    {"no answer", DEAF, NULL, 20, GW_ETIMEDOUT},
    {"no time at all", DEAF, NULL, 0, GW_ETIMEDOUT},
};

START_TEST(results)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		int filler[3] = {-1, -1, -1}, lfd;
		uint16_t port;

		got_start();
		lfd = row->peer == DEAF ? listen_deaf(&port, filler)
					: tcp_listen(4, &port);
		if (row->peer == CLOSED)
			close(lfd);
		start(port, row->from, row->timeout_ms);
		TURN_UNTIL(got.loop, got.calls > 0);
		ck_assert_msg(got.err == row->err, "%s: %d", row->label,
			      got.err);
		ck_assert_int_eq(got.fd >= 0, row->err == 0);
		if (got.fd >= 0)
			ck_assert_int_ne(fcntl(got.fd, F_GETFL) & O_NONBLOCK,
					 0);
		turn_some(got.loop);
		ck_assert_int_eq(got.calls, 1);
		if (row->peer != CLOSED)
			close(lfd);
		for (int f = 0; f < 3; f++)
			if (filler[f] >= 0)
				close(filler[f]);
		got_end();
	}
}
END_TEST

START_TEST(cancelled)
{
	static const enum peer peers[] = {LISTENS, CLOSED, DEAF};

	for (int i = 0; i < 3; i++) {
		int filler[3] = {-1, -1, -1}, lfd;
		uint16_t port;

		got_start();
		lfd = peers[i] == DEAF ? listen_deaf(&port, filler)
				       : tcp_listen(4, &port);
		if (peers[i] == CLOSED)
			close(lfd);
		start(port, NULL, 10);
		connect_cancel(&got.op);
		ck_assert_ptr_null(got.op);
		connect_cancel(&got.op);
		turn_some(got.loop);
		ck_assert_int_eq(got.calls, 0);
		if (peers[i] != CLOSED)
			close(lfd);
		for (int f = 0; f < 3; f++)
			if (filler[f] >= 0)
				close(filler[f]);
		got_end();
	}
}
END_TEST

static int
unix_listen(const char *path, int backlog)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_uint_lt(strlen(path), sizeof(un.sun_path));
	memcpy(un.sun_path, path, strlen(path) + 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

static void
start_unix(const char *path, int64_t timeout_ms)
{
	int calls = got.calls;

	got.op = connect_unix_start(got.loop, path, timeout_ms, on_done, &got);
	ck_assert_int_eq(got.calls, calls);
}

START_TEST(unix_socket)
{
	char dir[] = "/tmp/net_connect_XXXXXX", path[64], longer[200];
	int lfd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	got_start();
	start_unix(path, 1000);
	TURN_UNTIL(got.loop, got.calls == 1);
	ck_assert_int_eq(got.err, GW_EREFUSED); /* no such path */
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	start_unix(longer, 1000);
	TURN_UNTIL(got.loop, got.calls == 2);
	ck_assert_int_eq(got.err, GW_EINVAL);
	lfd = unix_listen(path, 5);
	start_unix(path, 1000);
	TURN_UNTIL(got.loop, got.calls == 3);
	ck_assert_int_eq(got.err, 0);
	close(lfd);
	unlink(path);
	rmdir(dir);
	got_end();
}
END_TEST

/* A full backlog is EAGAIN without any later readiness: tried again until
 * there is room, or no time. */
START_TEST(unix_backlog_full)
{
	char dir[] = "/tmp/net_connect_XXXXXX", path[64];
	int lfd, first, second;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	got_start();
	lfd = unix_listen(path, 0);
	start_unix(path, 1000);
	TURN_UNTIL(got.loop, got.calls == 1);
	ck_assert_int_eq(got.err, 0);
	first = got.fd;
	start_unix(path, 30);
	TURN_UNTIL(got.loop, got.calls == 2);
	ck_assert_int_eq(got.err, GW_ETIMEDOUT);
	start_unix(path, 10000);
	turn_some(got.loop);
	ck_assert_int_eq(got.calls, 2);
	second = accept(lfd, NULL, NULL);
	TURN_UNTIL(got.loop, got.calls == 3);
	ck_assert_int_eq(got.err, 0);
	close(first);
	close(second);
	close(lfd);
	unlink(path);
	rmdir(dir);
	got_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {results, cancelled, unix_socket,
				      unix_backlog_full};

	return RUN_TESTS("net/connect", tests);
}
