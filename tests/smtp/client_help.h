#ifndef TESTS_SMTP_CLIENT_HELP_H
#define TESTS_SMTP_CLIENT_HELP_H

/* A client under test against a scripted server, on one loop. */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/smtp/client.h"
#include "tests/support/script.h"
#include "tests/support/turn.h"

#define RCPTS_KEPT 8

struct kept_reply {
	int err, code;
	uint8_t enhanced[3];
	char text[REPLY_TEXT_MAX + 1];
};

struct bench {
	const char *label;
	struct loop *loop;
	struct script_server *server;
	struct smtp_client *client;
	/* of the connect */
	bool connected;
	struct kept_reply connect;
	/* of the last send */
	unsigned sent;
	bool unknown;
	uint32_t rcpt_count;
	struct kept_reply rcpts[RCPTS_KEPT];
	/* the body that is read */
	const char *body;
	size_t body_size, body_at;
	size_t read_max;  /* bytes a read gives; 0: all */
	int read_err;	  /* at the end, instead of 0 */
	size_t read_most; /* how far reading went */
};

static inline void
keep_reply(struct kept_reply *to, const struct smtp_reply *from)
{
	to->err = from->err;
	to->code = from->code;
	memcpy(to->enhanced, from->enhanced, 3);
	ck_assert_uint_le(from->text.n, REPLY_TEXT_MAX);
	if (from->text.n > 0)
		memcpy(to->text, from->text.p, from->text.n);
	to->text[from->text.n] = '\0';
}

static inline void
on_connected(void *arg, struct smtp_client *client,
	     const struct smtp_reply *reply)
{
	struct bench *b = arg;

	ck_assert_msg(!b->connected, "%s: done twice", b->label);
	b->connected = true;
	b->client = client;
	keep_reply(&b->connect, reply);
}

static inline void
on_sent(void *arg, const struct smtp_reply *rcpts, uint32_t count,
	bool outcome_unknown)
{
	struct bench *b = arg;

	b->sent++;
	b->unknown = outcome_unknown;
	b->rcpt_count = count;
	for (uint32_t i = 0; i < count && i < RCPTS_KEPT; i++)
		keep_reply(&b->rcpts[i], &rcpts[i]);
}

static inline int64_t
read_body(void *arg, void *p, size_t n)
{
	struct bench *b = arg;
	size_t left = b->body_size - b->body_at;

	if (left == 0)
		return b->read_err;
	if (b->read_max > 0 && n > b->read_max)
		n = b->read_max;
	n = n < left ? n : left;
	memcpy(p, b->body + b->body_at, n);
	b->body_at += n;
	if (b->body_at > b->read_most)
		b->read_most = b->body_at;
	return (int64_t)n;
}

static inline void
bench_init(struct bench *b, const char *label, const char *const *scripts,
	   size_t count)
{
	memset(b, 0, sizeof(*b));
	b->label = label;
	b->loop = loop_create();
	b->server = script_create(b->loop, scripts, count);
}

static inline void
bench_fini(struct bench *b)
{
	smtp_client_close(&b->client);
	turn_some(b->loop);
	script_destroy(&b->server);
	turn_some(b->loop);
	loop_destroy(&b->loop);
}

static inline struct smtp_client_req
bench_req(struct bench *b)
{
	struct smtp_client_req req = {.helo = "relay.test"};

	ck_assert_int_eq(ip_parse(SLICE_LIT("127.0.0.1"), &req.to.ip), 0);
	req.to.port = script_port(b->server);
	return req;
}

static inline void
bench_connect(struct bench *b, const struct smtp_client_req *req)
{
	struct smtp_connect_op *op =
	    smtp_connect_start(b->loop, req, on_connected, b);

	ck_assert_ptr_nonnull(op);
	ck_assert_msg(!b->connected, "%s: done inside start", b->label);
	TURN_UNTIL(b->loop, b->connected, b->label);
}

static inline void
bench_body(struct bench *b, const char *body, size_t n)
{
	b->body = body;
	b->body_size = n;
	b->body_at = 0;
}

static inline struct smtp_send_op *
bench_send_start(struct bench *b, struct smtp_send_req *req)
{
	req->read = read_body;
	return smtp_send_start(b->client, req, on_sent, b);
}

static inline void
bench_send(struct bench *b, struct smtp_send_req *req)
{
	unsigned before = b->sent;

	ck_assert_ptr_nonnull(bench_send_start(b, req));
	ck_assert_msg(b->sent == before, "%s: done inside start", b->label);
	TURN_UNTIL(b->loop, b->sent > before, b->label);
	turn_some(b->loop);
	ck_assert_msg(b->sent == before + 1, "%s: done twice", b->label);
}

#endif
