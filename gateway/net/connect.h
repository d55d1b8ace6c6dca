#ifndef GATEWAY_NET_CONNECT_H
#define GATEWAY_NET_CONNECT_H

#include "gateway/base/addr.h"
#include "gateway/net/loop.h"

/* Connect to one address; an op as in style.md 3. */
struct connect_req {
	struct sock_addr to;
	const struct ip_addr *from; /* NULL: the kernel's choice */
	int64_t timeout_ms;
};

struct connect_op;
/* 0 and a nonblocking fd that is the callee's; or GW_ETIMEDOUT, GW_EREFUSED
 * (also: unreachable, no such path), GW_EDENIED, GW_EIO and -1. */
typedef void connect_done_fn(void *arg, int err, int fd);

struct connect_op *connect_start(struct loop *loop,
				 const struct connect_req *req,
				 connect_done_fn *done, void *arg);
void connect_cancel(struct connect_op **op);

/* The same for a UNIX socket's path; too long a path is GW_EINVAL. */
struct connect_op *connect_unix_start(struct loop *loop, const char *path,
				      int64_t timeout_ms, connect_done_fn *done,
				      void *arg);

#endif
