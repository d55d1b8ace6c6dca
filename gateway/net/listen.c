/*
 * Listening sockets. Opening is apart from watching, because the privileged
 * part happens once and the descriptor serves every front loop (or comes from
 * systemd).
 *
 * A loop takes at most ACCEPTS_A_TURN connections before it looks at the ones
 * it has. When the process is out of descriptors the socket stays readable: a
 * listener that did not rest would spin.
 */
#include "gateway/net/listen.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/net/loop_int.h"

#define ACCEPTS_A_TURN 32
#define REST_MS 100

struct listener {
	struct loop *loop;
	int fd;
	struct event event;
	struct timer_op *rest;
	accept_fn *fn;
	accept_full_fn *full;
	void *arg;
	bool calling; /* inside a callback of the owner */
	bool gone;    /* destroyed there: freed when it returns */
};

static int
open_native(const struct sockaddr_storage *ss, socklen_t n, int backlog)
{
	int on = 1, off = 0, fd, saved;

	fd = socket(ss->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    (ss->ss_family != AF_INET6 ||
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ==
		 0) &&
	    bind(fd, (const struct sockaddr *)ss, n) == 0 &&
	    listen(fd, backlog) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
listen_err(int errnum)
{
	switch (errnum) {
	case EACCES:
	case EPERM:
		return GW_EDENIED;
	case EADDRINUSE:
		return GW_EEXIST;
	default:
		return GW_EIO;
	}
}

int
listen_open(const struct sock_addr *addr, int backlog, int *fd)
{
	static const struct ip_addr any;
	struct sockaddr_storage ss;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&ss;
	socklen_t n = sock_addr_to_native(addr, &ss);

	*fd = open_native(&ss, n, backlog);
	/* "*" on a host without IPv6. */
	if (*fd < 0 && ip_eq(&addr->ip, &any) &&
	    (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
		memset(&ss, 0, sizeof(ss));
		v4->sin_family = AF_INET;
		v4->sin_port = htons(addr->port);
		*fd = open_native(&ss, sizeof(*v4), backlog);
	}
	return *fd < 0 ? listen_err(errno) : 0;
}

/* Whether the listener is still there after a callback. */
static bool
still_there(struct listener *listener)
{
	listener->calling = false;
	if (!listener->gone)
		return true;
	free(listener);
	return false;
}

static bool
hand_over(struct listener *listener, int fd, const struct sockaddr *sa,
	  socklen_t n)
{
	struct sockaddr_storage ss;
	struct sock_addr peer, local;
	socklen_t local_n = sizeof(ss);

	/* Not IP (a UNIX socket from systemd): all zeroes. */
	if (sock_addr_from_native(sa, n, &peer) != 0)
		memset(&peer, 0, sizeof(peer));
	if (getsockname(fd, (struct sockaddr *)&ss, &local_n) != 0 ||
	    sock_addr_from_native((struct sockaddr *)&ss, local_n, &local) != 0)
		memset(&local, 0, sizeof(local));
	listener->calling = true;
	listener->fn(listener->arg, fd, &peer, &local);
	return still_there(listener);
}

static void
on_rested(void *arg)
{
	struct listener *listener = arg;

	listener->rest = NULL;
	event_add(&listener->event, NULL);
}

static void
rest(struct listener *listener, bool full)
{
	event_del(&listener->event);
	listener->rest =
	    timer_start(listener->loop, REST_MS, on_rested, listener);
	if (!full || listener->full == NULL)
		return;
	listener->calling = true;
	listener->full(listener->arg);
	(void)still_there(listener);
}

/* What is wrong with one connection, or the network, and not with us. */
static bool
is_passing(int errnum)
{
	switch (errnum) {
	case EINTR:
	case ECONNABORTED:
	case ENETDOWN:
	case EPROTO:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case EOPNOTSUPP:
	case ENETUNREACH:
	case ETIMEDOUT:
	case EPERM:
		return true;
	default:
		return false;
	}
}

static void
on_connection(evutil_socket_t listen_fd, short what, void *arg)
{
	struct listener *listener = arg;
	struct sockaddr_storage ss;
	int i, fd;

	(void)what;
	for (i = 0; i < ACCEPTS_A_TURN; i++) {
		socklen_t n = sizeof(ss);

		fd = accept4(listen_fd, (struct sockaddr *)&ss, &n,
			     SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			if (!hand_over(listener, fd, (struct sockaddr *)&ss, n))
				return;
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (is_passing(errno))
			continue;
		rest(listener, errno == EMFILE || errno == ENFILE ||
				   errno == ENOBUFS || errno == ENOMEM);
		return;
	}
}

struct listener *
listener_create(struct loop *loop, int fd, accept_fn *fn, accept_full_fn *full,
		void *arg)
{
	struct listener *listener = mem_zalloc(sizeof(*listener));

	listener->loop = loop;
	listener->fd = fd;
	listener->fn = fn;
	listener->full = full;
	listener->arg = arg;
	event_assign(&listener->event, loop_base(loop), fd,
		     EV_READ | EV_PERSIST, on_connection, listener);
	event_add(&listener->event, NULL);
	return listener;
}

void
listener_destroy(struct listener **listenerp)
{
	struct listener *listener = *listenerp;

	*listenerp = NULL;
	if (listener == NULL)
		return;
	event_del(&listener->event);
	timer_cancel(&listener->rest);
	if (listener->calling)
		listener->gone = true;
	else
		free(listener);
}
