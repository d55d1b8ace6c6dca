#ifndef GATEWAY_NET_PROXY_READ_H
#define GATEWAY_NET_PROXY_READ_H

#include "gateway/base/addr.h"
#include "gateway/net/loop.h"

/*
 * Reads a PROXY header off a fresh connection and not a byte more, so that a
 * TLS handshake right behind it is still in the socket. An op as in style.md
 * 3; fd stays the caller's and may become a stream in done.
 */
struct proxy_read_result {
	int err;    /* GW_EPROTO, GW_ETIMEDOUT, GW_ECLOSED, GW_EIO */
	bool local; /* LOCAL or UNKNOWN: nobody's connection */
	struct sock_addr source, destination;
};

struct proxy_read_op;
typedef void proxy_read_fn(void *arg, const struct proxy_read_result *result);

struct proxy_read_op *proxy_read_start(struct loop *loop, int fd,
				       int64_t timeout_ms, proxy_read_fn *done,
				       void *arg);
void proxy_read_cancel(struct proxy_read_op **op);

#endif
