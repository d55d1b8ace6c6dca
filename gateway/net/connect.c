/*
 * One connection attempt to one address. Which address, and what to try when
 * it fails, is the caller's.
 *
 * A UNIX socket whose backlog is full gives EAGAIN and never becomes
 * writable: there is nothing to wait for, so the attempt is repeated until the
 * deadline.
 */
#include "gateway/net/connect.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/net/loop_int.h"

#define UNIX_AGAIN_MS 10

struct connect_op {
	struct loop *loop;
	int fd;
	int err; /* what the deferred report will say */
	struct event event;
	struct deferred report;
	struct timer_op *deadline;
	struct timer_op *again;
	struct sockaddr_storage to;
	socklen_t to_size;
	connect_done_fn *done;
	void *arg;
};

static int
connect_err(int errnum)
{
	switch (errnum) {
	case ETIMEDOUT:
		return GW_ETIMEDOUT;
	case ENOENT: /* a UNIX socket's path */
	case ECONNREFUSED:
	case ECONNRESET:
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENETUNREACH:
		return GW_EREFUSED;
	case EACCES:
	case EPERM:
		return GW_EDENIED;
	default:
		return GW_EIO;
	}
}

/* Frees all but the descriptor, which must still be open: the kernel forgets a
 * closed one by itself, libevent does not. */
static void
op_free(struct connect_op *op)
{
	event_del(&op->event);
	loop_undefer(op->loop, &op->report);
	timer_cancel(&op->deadline);
	timer_cancel(&op->again);
	free(op);
}

static void
finish(struct connect_op *op, int err)
{
	connect_done_fn *done = op->done;
	void *arg = op->arg;
	int fd = op->fd;

	op_free(op);
	if (err != 0 && fd >= 0) {
		close(fd);
		fd = -1;
	}
	done(arg, err, fd);
}

static void
on_report(void *arg)
{
	struct connect_op *op = arg;

	finish(op, op->err);
}

static void
report(struct connect_op *op, int err)
{
	op->err = err;
	loop_defer(op->loop, &op->report);
}

static void
on_deadline(void *arg)
{
	struct connect_op *op = arg;

	op->deadline = NULL;
	finish(op, GW_ETIMEDOUT);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	int errnum = 0;
	socklen_t n = sizeof(errnum);

	(void)what;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &n) != 0)
		errnum = errno;
	finish(arg, errnum == 0 ? 0 : connect_err(errnum));
}

static void attempt(struct connect_op *op);

static void
on_again(void *arg)
{
	struct connect_op *op = arg;

	op->again = NULL;
	attempt(op);
}

static void
attempt(struct connect_op *op)
{
	if (connect(op->fd, (struct sockaddr *)&op->to, op->to_size) == 0)
		report(op, 0);
	/* Interrupted, it goes on by itself, like any other. */
	else if (errno == EINPROGRESS || errno == EINTR)
		event_add(&op->event, NULL);
	else if (errno == EAGAIN && op->to.ss_family == AF_UNIX)
		op->again = timer_start(op->loop, UNIX_AGAIN_MS, on_again, op);
	else
		report(op, connect_err(errno));
}

static struct connect_op *
op_create(struct loop *loop, connect_done_fn *done, void *arg)
{
	struct connect_op *op = mem_zalloc(sizeof(*op));

	op->loop = loop;
	op->fd = -1;
	op->done = done;
	op->arg = arg;
	op->report.fn = on_report;
	op->report.arg = op;
	evtimer_assign(&op->event, loop_base(loop), on_writable, op);
	return op;
}

/* The socket and its events; false when an error will be reported. */
static bool
op_open(struct connect_op *op, int64_t timeout_ms)
{
	op->fd = socket(op->to.ss_family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (op->fd < 0) {
		report(op, GW_EIO);
		return false;
	}
	event_assign(&op->event, loop_base(op->loop), op->fd, EV_WRITE,
		     on_writable, op);
	op->deadline = timer_start(op->loop, timeout_ms, on_deadline, op);
	return true;
}

/* The port is chosen at connect, or 28,000 connections would be the most we
 * have to all hosts together. */
static int
bind_from(int fd, const struct ip_addr *from)
{
	struct sock_addr addr = {.ip = *from, .port = 0};
	struct sockaddr_storage ss;
	socklen_t n = sock_addr_to_native(&addr, &ss);
	int on = 1;

	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
			 sizeof(on));
	return bind(fd, (struct sockaddr *)&ss, n);
}

struct connect_op *
connect_start(struct loop *loop, const struct connect_req *req,
	      connect_done_fn *done, void *arg)
{
	struct connect_op *op = op_create(loop, done, arg);

	op->to_size = sock_addr_to_native(&req->to, &op->to);
	if (!op_open(op, req->timeout_ms))
		return op;
	if (req->from != NULL && bind_from(op->fd, req->from) != 0)
		report(op, connect_err(errno));
	else
		attempt(op);
	return op;
}

struct connect_op *
connect_unix_start(struct loop *loop, const char *path, int64_t timeout_ms,
		   connect_done_fn *done, void *arg)
{
	struct connect_op *op = op_create(loop, done, arg);
	struct sockaddr_un *un = (struct sockaddr_un *)&op->to;
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof(un->sun_path)) {
		report(op, GW_EINVAL);
		return op;
	}
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, n + 1);
	op->to_size = sizeof(*un);
	if (op_open(op, timeout_ms))
		attempt(op);
	return op;
}

void
connect_cancel(struct connect_op **opp)
{
	struct connect_op *op = *opp;
	int fd;

	*opp = NULL;
	if (op == NULL)
		return;
	fd = op->fd;
	op_free(op);
	if (fd >= 0)
		close(fd);
}
