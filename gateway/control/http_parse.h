#ifndef GATEWAY_CONTROL_HTTP_PARSE_H
#define GATEWAY_CONTROL_HTTP_PARSE_H

#include <stdbool.h>

#include "gateway/base/slice.h"

/*
 * The head of an HTTP/1.x request (RFC 9112), as much of it as a server needs
 * that answers GET and HEAD and closes.
 */
#define HTTP_HEAD_MAX 8192

struct http_head {
	struct slice method;
	struct slice path; /* without a query */
	bool minor0;	   /* HTTP/1.0 */
	struct slice host; /* p NULL: none */
};

/* 1 and the head; 0: more bytes are needed; GW_EPROTO; GW_ETOOBIG. */
int http_parse(struct slice in, struct http_head *head);

/*
 * Whether a Host is one that a person on this machine would use: localhost or
 * a loopback address. A page on the Internet whose name is made to resolve to
 * 127.0.0.1 (DNS rebinding) sends its own name.
 */
bool http_host_is_local(struct slice host);

#endif
