#ifndef GATEWAY_FRONT_TRACE_H
#define GATEWAY_FRONT_TRACE_H

#include <stdbool.h>

#include "gateway/base/addr.h"
#include "gateway/base/buf.h"

/*
 * What we put in front of a message (RFC 5321 4.4, RFC 6409 8): Received, and
 * Date and Message-ID where they are missing. Pure.
 */
struct trace {
	const char *hostname;
	const char *helo; /* the client's word; "" when it gave none */
	const struct ip_addr *client;
	const char *tls_version; /* NULL: in the clear */
	const char *tls_cipher;
	bool authenticated;
	bool extended; /* EHLO */
	bool utf8;     /* SMTPUTF8 was asked for */
	const char *id;
	int64_t now_wall_s;
	bool add_date, add_message_id;
	const char *scan_token; /* a field with its CRLF; or NULL */
	bool headerless;	/* the message starts with no header field */
};

void trace_write(const struct trace *trace, struct buf *out);

#endif
