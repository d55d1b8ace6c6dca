#ifndef GATEWAY_CONTROL_HTTP_H
#define GATEWAY_CONTROL_HTTP_H

#include "gateway/base/addr.h"
#include "gateway/base/buf.h"
#include "gateway/net/loop.h"

/*
 * GET and HEAD of a few pages, one request a connection, over our own streams.
 * evhttp was to do this; it has no deadline for a head that drips, gives no
 * handle on a connection before its request is whole, and looks at no Host.
 * What is needed is smaller than what would have to be built around it.
 */
#define HTTP_CLIENTS 64
#define HTTP_DEADLINE_MS 10000 /* from connect to the last byte */

struct http;

/* Writes the page at path into body, its type into *type, and returns the
 * status: 200, 503, or 404 for no such page. */
typedef int http_page_fn(void *arg, struct slice path, struct buf *body,
			 const char **type);

/* On a loopback address only local names are answered as Host. */
int http_create(struct http **http, struct loop *loop,
		const struct sock_addr *addr, http_page_fn *page, void *arg,
		char *error, size_t error_size);
void http_destroy(struct http **http);

#endif
