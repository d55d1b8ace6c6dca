/*
 * The header is looked at with MSG_PEEK first. While it is incomplete all that
 * was seen belongs to it and is taken, so the level-triggered watch does not
 * spin; once complete, just the rest of it is taken.
 */
#include "gateway/net/proxy_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/net/proxy.h"

struct proxy_read_op {
	int fd;
	struct watch *watch;
	struct timer_op *timer;
	proxy_read_fn *done;
	void *arg;
	size_t taken;
	char bytes[PROXY_HEADER_MAX];
};

static void
op_free(struct proxy_read_op *op)
{
	watch_stop(&op->watch);
	timer_cancel(&op->timer);
	free(op);
}

static void
op_end(struct proxy_read_op *op, const struct proxy_read_result *result)
{
	proxy_read_fn *done = op->done;
	void *arg = op->arg;

	op_free(op);
	done(arg, result);
}

static void
op_fail(struct proxy_read_op *op, int err)
{
	struct proxy_read_result result = {.err = err};

	op_end(op, &result);
}

static void
on_timeout(void *arg)
{
	struct proxy_read_op *op = arg;

	op->timer = NULL;
	op_fail(op, GW_ETIMEDOUT);
}

/* Take what has been peeked at already. */
static int
take(struct proxy_read_op *op, size_t n)
{
	ssize_t got;

	got = recv(op->fd, op->bytes + op->taken, n, MSG_DONTWAIT);
	if (got != (ssize_t)n)
		return GW_EIO;
	op->taken += n;
	return 0;
}

static void
on_readable(void *arg, int fd, int readable, int writable)
{
	struct proxy_read_result result = {0};
	struct proxy_read_op *op = arg;
	enum proxy_result parsed;
	size_t used = 0, seen;
	ssize_t n;

	(void)readable;
	(void)writable;
	n = recv(fd, op->bytes + op->taken, sizeof(op->bytes) - op->taken,
		 MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		op_fail(op, n == 0 ? GW_ECLOSED : GW_EIO);
		return;
	}
	seen = op->taken + (size_t)n;
	parsed = proxy_parse(slice_of(op->bytes, seen), &used, &result.source,
			     &result.destination);
	switch (parsed) {
	case PROXY_MORE:
		if (seen == sizeof(op->bytes) || take(op, (size_t)n) != 0)
			op_fail(op, GW_EPROTO);
		return;
	case PROXY_BAD:
		op_fail(op, GW_EPROTO);
		return;
	case PROXY_LOCAL:
	case PROXY_ADDR:
		break;
	}
	if (used > op->taken && take(op, used - op->taken) != 0) {
		op_fail(op, GW_EIO);
		return;
	}
	result.local = parsed == PROXY_LOCAL;
	op_end(op, &result);
}

struct proxy_read_op *
proxy_read_start(struct loop *loop, int fd, int64_t timeout_ms,
		 proxy_read_fn *done, void *arg)
{
	struct proxy_read_op *op = mem_zalloc(sizeof(*op));

	op->fd = fd;
	op->done = done;
	op->arg = arg;
	op->timer = timer_start(loop, timeout_ms, on_timeout, op);
	op->watch = watch_start(loop, fd, 1, 0, on_readable, op);
	return op;
}

void
proxy_read_cancel(struct proxy_read_op **op)
{
	if (*op == NULL)
		return;
	op_free(*op);
	*op = NULL;
}
