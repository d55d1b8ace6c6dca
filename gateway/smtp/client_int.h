#ifndef GATEWAY_SMTP_CLIENT_INT_H
#define GATEWAY_SMTP_CLIENT_INT_H

#include "gateway/base/buf.h"
#include "gateway/net/stream.h"
#include "gateway/smtp/client.h"

/*
 * What client.c gives to client_connect.c and client_send.c, which drive the
 * connection one after the other; nobody else includes this.
 *
 * One of them at a time is the driver. Each function of it may end its op, and
 * with that start the next one or destroy the client: after calling the driver
 * nothing here may be touched.
 */
struct client_driver {
	/* A line of a reply, before reply; NULL: not wanted. */
	void (*line)(void *arg, struct slice line);
	/* A whole reply. more: bytes of the server follow it already. */
	void (*reply)(void *arg, const struct smtp_reply *reply, bool more);
	void (*secured)(void *arg); /* NULL: no handshake is under way */
	void (*drained)(void *arg); /* NULL: not wanted */
	/* The connection is gone; why is for reply->text. */
	void (*broken)(void *arg, int err, const char *why);
};

struct smtp_client {
	struct loop *loop;
	struct stream *stream;		    /* NULL: broken or not there yet */
	const struct client_driver *driver; /* NULL: idle */
	void *driver_arg;
	/* One timer that is moved only when it fires too early: a message of
	 * five steps costs no timer at all. */
	struct timer_op *timer;
	int64_t timer_at_ms;
	int64_t deadline_ms; /* of the step under way; 0: none */
	struct smtp_client_timeouts timeouts; /* no zeroes */
	struct reply_parse reply;
	bool reply_used; /* the next line begins a new reply */
	bool *gone;	 /* set when destroyed inside on_data */
	uint32_t caps;
	uint64_t size_max;
	uint32_t sent_count;
	bool need_rset; /* a transaction is open that did not reach its dot */
	uint64_t written_bytes; /* to this stream */
	bool all_left;	/* when the stream ended: every byte of it was out */
	struct buf out; /* commands, then body; kept between messages */
	bool is_dane;
	char tls_text[80];
};

struct smtp_client *client_create(struct loop *loop,
				  const struct smtp_client_timeouts *timeouts);
void client_destroy(struct smtp_client **client); /* at once, no QUIT */
void client_stream_start(struct smtp_client *client, int fd); /* takes fd */
void client_drive(struct smtp_client *client,
		  const struct client_driver *driver, void *arg);
void client_release(struct smtp_client *client); /* idle from now on */
void client_write(struct smtp_client *client, struct slice s);
/* The whole of the next answer is due within ms. */
void client_deadline(struct smtp_client *client, int64_t ms);
/* Close the connection; the driver is not told. polite: let what is queued go
 * out first. */
void client_drop(struct smtp_client *client, bool polite);
/* Close it and tell the driver. */
void client_fail(struct smtp_client *client, int err, const char *why);

/* ---- client_ehlo.c ---- */

#define CLIENT_AUTH_MAX 12288 /* RFC 4954, 4 */

/* One line of the answer to EHLO, but the first: sets caps, size_max. */
void client_ehlo_keyword(struct smtp_client *client, struct slice line);
/* Our own name comes from gateway.conf; a line end in it would be a command. */
bool client_helo_ok(const char *helo);
/* The response of AUTH PLAIN, base64; stays empty without a user. False: too
 * long. */
bool client_auth_encode(struct buf *out, const char *user,
			const char *password);

/* ---- client_body.c ---- */

struct lines_stuff;

/* The next bytes of a body into out, checked and dot-stuffed, about 64 KiB.
 * 1: more to come; 0: it ends in out with the dot; or gw_err. */
int client_body_fill(struct buf *out, struct lines_stuff *stuff,
		     int64_t (*read)(void *arg, void *p, size_t n), void *arg);

#endif
