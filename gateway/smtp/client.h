#ifndef GATEWAY_SMTP_CLIENT_H
#define GATEWAY_SMTP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/slice.h"
#include "gateway/net/loop.h"
#include "gateway/net/tls.h"
#include "gateway/smtp/reply_parse.h"

/*
 * One connection to a next hop (RFC 5321, 3207, 4954, 2920, 3030 not used).
 * Opened as an op, then used for one message after the other, then closed.
 * Pipelines when the server says so; every step has a deadline (RFC 5321,
 * 4.5.3.2); replies are capped. A 421 or a broken reply closes it.
 */
struct smtp_client;

enum smtp_client_tls {
	CLIENT_TLS_NONE,
	CLIENT_TLS_OPPORTUNISTIC,
	CLIENT_TLS_REQUIRED,
	CLIENT_TLS_IMPLICIT
};

enum { /* what the server offers, after the last EHLO */
       CLIENT_CAP_PIPELINING = 1 << 0,
       CLIENT_CAP_8BITMIME = 1 << 1,
       CLIENT_CAP_SMTPUTF8 = 1 << 2,
       CLIENT_CAP_SIZE = 1 << 3,
       CLIENT_CAP_DSN = 1 << 4,
       CLIENT_CAP_STARTTLS = 1 << 5,
       CLIENT_CAP_AUTH_PLAIN = 1 << 6,
       CLIENT_CAP_ENHANCED = 1 << 7,
};

struct smtp_client_timeouts { /* 0: RFC 5321's minimum */
	int64_t connect_ms, greeting_ms, command_ms, data_block_ms, dot_ms;
};

struct smtp_client_req {
	struct sock_addr to;
	const struct ip_addr *from;
	const char *helo;
	enum smtp_client_tls tls;
	struct tls_ctx *tls_ctx; /* for all but NONE; shared */
	const char *tls_name;	 /* SNI, and the name to verify */
	/* What the certificate must match; NULL: nothing. Then TLS is required
	 * whatever tls says, and tls_name does not count. Copied. */
	const struct tls_dane *dane;
	const char *user, *password; /* NULL: no AUTH. Only inside TLS, or to
				      * a loopback address */
	struct smtp_client_timeouts timeouts;
};

/* An op as in style.md 3; 0: client is the callee's. On failure client is NULL
 * and reply says at which step (reply->text: "STARTTLS: 454 ..."). */
struct smtp_connect_op;
typedef void smtp_connect_fn(void *arg, struct smtp_client *client,
			     const struct smtp_reply *reply);
struct smtp_connect_op *smtp_connect_start(struct loop *loop,
					   const struct smtp_client_req *req,
					   smtp_connect_fn *done, void *arg);
void smtp_connect_cancel(struct smtp_connect_op **op);

uint32_t smtp_client_caps(const struct smtp_client *client);
uint64_t smtp_client_size_max(const struct smtp_client *client); /* 0: none */
const char *
smtp_client_tls_text(const struct smtp_client *client); /* or NULL */
/* Its certificate matched req->dane. */
bool smtp_client_is_dane(const struct smtp_client *client);
bool smtp_client_usable(const struct smtp_client *client); /* still open */
uint32_t
smtp_client_sent_count(const struct smtp_client *client); /* messages */

/*
 * One message. Body bytes are pulled: read gives the next bytes (n > 0), 0 at
 * the end, or a negative gw_err: then the final dot is never sent and the
 * connection is dropped. Lines end in CRLF already; dots are stuffed here. A
 * bare CR or LF or a NUL never was accepted: it is GW_ECORRUPT, before the dot.
 */
struct smtp_send_rcpt {
	const char *address;
	const char *orcpt;
	uint8_t notify;
};

struct smtp_send_req {
	const char *mail_from;
	uint64_t size_bytes;
	bool eightbit, utf8;
	uint8_t ret;
	const char *envid;
	const struct smtp_send_rcpt *rcpts;
	uint32_t rcpt_count;
	int64_t (*read)(void *arg, void *p, size_t n);
};

struct smtp_send_op;
/* rcpts[i] is the answer to RCPT i, or, when that was 2xx, to the message (the
 * reply to MAIL, DATA or the dot, or the failure). outcome_unknown: the
 * connection broke between the dot and its reply. */
typedef void smtp_send_fn(void *arg, const struct smtp_reply *rcpts,
			  uint32_t rcpt_count, bool outcome_unknown);
struct smtp_send_op *smtp_send_start(struct smtp_client *client,
				     const struct smtp_send_req *req,
				     smtp_send_fn *done, void *arg);
/* Drops the connection when the message is under way. */
void smtp_send_cancel(struct smtp_send_op **op);

/* QUIT without waiting for long; takes the client. */
void smtp_client_close(struct smtp_client **client);

#endif
