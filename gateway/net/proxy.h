#ifndef GATEWAY_NET_PROXY_H
#define GATEWAY_NET_PROXY_H

#include "gateway/base/addr.h"

/*
 * The PROXY protocol header, versions 1 and 2 (haproxy.org, proxy-protocol.txt
 * of 2020). A pull parser: feed everything received so far.
 */
enum proxy_result {
	PROXY_MORE,  /* need more bytes; never with PROXY_HEADER_MAX given */
	PROXY_ADDR,  /* source and destination are set */
	PROXY_LOCAL, /* health check, UNKNOWN or a family that is not IP */
	PROXY_BAD
};

#define PROXY_HEADER_MAX 4096

/* used: bytes of the header, for PROXY_ADDR and PROXY_LOCAL. */
enum proxy_result proxy_parse(struct slice in, size_t *used,
			      struct sock_addr *source,
			      struct sock_addr *destination);

#endif
