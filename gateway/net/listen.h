#ifndef GATEWAY_NET_LISTEN_H
#define GATEWAY_NET_LISTEN_H

#include "gateway/base/addr.h"
#include "gateway/net/loop.h"

struct listener;

/* fd is nonblocking, close-on-exec and the callee's. local is where it came
 * in. */
typedef void accept_fn(void *arg, int fd, const struct sock_addr *peer,
		       const struct sock_addr *local);
/* accept(2) failed for want of descriptors or memory: shed something. The
 * listener rests for 100 ms. */
typedef void accept_full_fn(void *arg);

/* Bind and listen; the caller owns the descriptor. GW_EDENIED, GW_EEXIST
 * (address in use), GW_EIO. */
int listen_open(const struct sock_addr *addr, int backlog, int *fd);

/* fd stays the caller's and may be listened on by several loops. */
struct listener *listener_create(struct loop *loop, int fd, accept_fn *fn,
				 accept_full_fn *full, void *arg);
void listener_destroy(struct listener **listener);

#endif
