#include "tests/icap/server.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/net/listen.h"
#include "gateway/net/stream.h"

#define PREFIX "ICAP/1.0 204 Unmodified|ISTag: \"T-1\"||"
#define BODY_KEPT (64u << 20)

enum at { AT_HEAD, AT_HTTP, AT_SIZE, AT_DATA, AT_DATA_END, AT_LAST, AT_WAIT };

struct conn {
	LIST_ENTRY(conn) link;
	struct icap_server *server;
	struct stream *stream;
	int fd;
	enum at at;
	struct buf text, body, out; /* out: what drips */
	size_t out_at;
	struct timer_op *drip;
	uint64_t left;
	int64_t preview; /* -1: none, or taken */
	bool preview_wanted, ieof, last_chunk;
	unsigned answers;
	const struct icap_reply *reply;
};

struct icap_server {
	struct loop *loop;
	struct listener *listener;
	int fd;
	uint16_t port;
	const struct icap_reply *replies;
	size_t count;
	struct tls_ctx *tls;
	const char *options;
	unsigned most;
	bool frozen;
	LIST_HEAD(, conn) conns;
	struct digest *digest;
	struct icap_seen seen;
};

static void take(struct conn *c, struct slice *in);

static void
trouble(struct conn *c, const char *what)
{
	struct icap_seen *seen = &c->server->seen;

	if (seen->trouble[0] == '\0')
		snprintf(seen->trouble, sizeof(seen->trouble), "%s", what);
}

static void
conn_free(struct conn *c)
{
	LIST_REMOVE(c, link);
	timer_cancel(&c->drip);
	stream_destroy(&c->stream);
	buf_fini(&c->text);
	buf_fini(&c->body);
	buf_fini(&c->out);
	c->server->seen.open--;
	free(c);
}

static void
lines_add(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '|')
			buf_add_str(out, "\r\n");
		else
			buf_add_byte(out, *text);
	}
}

/* False: the connection is gone. */
static bool
answered(struct conn *c)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	enum reply_then then = c->reply == NULL ? THEN_KEEP : c->reply->then;

	c->answers++;
	if (c->server->most > 0 && c->answers >= c->server->most)
		then = THEN_CLOSE;
	switch (then) {
	case THEN_KEEP:
		c->reply = NULL;
		return true;
	case THEN_RESET:
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		break;
	case THEN_CLOSE:
		stream_finish(&c->stream, 1000);
		break;
	}
	c->server->seen.closed++;
	conn_free(c);
	return false;
}

static void
on_drip(void *arg)
{
	struct conn *c = arg;

	c->drip = NULL;
	stream_write(c->stream, slice_of(c->out.p + c->out_at++, 1));
	/* its next request may come with the last byte */
	if (c->out_at == c->out.n)
		(void)answered(c);
	else
		c->drip =
		    timer_start(c->server->loop, c->reply->drip_ms, on_drip, c);
}

static void
body_add(struct buf *out, struct slice body)
{
	while (body.n > 0) {
		struct slice part = slice_head(body, 30000);

		buf_printf(out, "%zX; x=y\r\n", part.n);
		buf_add_slice(out, part);
		buf_add_str(out, "\r\n");
		body = slice_from(body, part.n);
	}
	buf_add_str(out, "0\r\n\r\n");
}

/* False: the connection is gone, or still answering. */
static bool
answer(struct conn *c)
{
	const struct icap_reply *r = c->reply;

	if (r->when == NEVER)
		return false;
	buf_clear(&c->out);
	for (unsigned i = 0; i < r->continues; i++)
		buf_add_str(&c->out, "ICAP/1.0 100 Continue\r\n\r\n");
	lines_add(&c->out, r->text == NULL ? PREFIX : r->text);
	if (r->same)
		body_add(&c->out, buf_slice(&c->body));
	if (r->drip_ms > 0) {
		c->out_at = 0;
		c->drip = timer_start(c->server->loop, 0, on_drip, c);
		return false;
	}
	stream_write(c->stream, buf_slice(&c->out));
	return answered(c);
}

static void
seen_keep(struct conn *c)
{
	struct icap_seen *seen = &c->server->seen;

	seen->bytes = c->body.n;
	seen->ieof = c->ieof;
	seen->preview_bytes = c->preview;
	digest_add(c->server->digest, buf_slice(&c->body));
	digest_final(c->server->digest, seen->digest);
}

/* The zero chunk has come. False: the connection is gone, or still
 * answering. */
static bool
body_end(struct conn *c)
{
	c->at = AT_HEAD;
	if (c->reply == NULL) { /* answered after the head */
		seen_keep(c);
		return true;
	}
	if (c->preview_wanted && !c->ieof) {
		c->preview_wanted = false;
		c->preview = (int64_t)c->body.n;
		seen_keep(c);
		if (c->reply->when == AFTER_PREVIEW)
			return answer(c);
		c->server->seen.continued = true;
		stream_write(c->stream,
			     SLICE_LIT("ICAP/1.0 100 Continue\r\n\r\n"));
		c->at = AT_SIZE;
		return true;
	}
	if (c->preview_wanted)
		c->preview = (int64_t)c->body.n;
	seen_keep(c);
	return answer(c);
}

static struct slice
field(struct conn *c, const char *name, struct slice head)
{
	struct slice line, rest = head;

	(void)c;
	while (slice_split(&rest, '\n', &line)) {
		if (slice_istarts(line, slice_str(name)))
			return slice_trim(slice_head(
			    slice_from(line, strlen(name)),
			    slice_find(slice_from(line, strlen(name)), '\r')));
	}
	return SLICE_NONE;
}

/* Where the body begins, by Encapsulated. */
static uint64_t
body_offset(struct conn *c, struct slice head)
{
	struct slice list = field(c, "Encapsulated:", head), entity;
	uint64_t at = 0;

	while (slice_split(&list, ',', &entity)) {
		entity = slice_trim(entity);
		if (!slice_u64(slice_from(entity, slice_find(entity, '=') + 1),
			       &at))
			trouble(c, "Encapsulated");
	}
	return at;
}

static bool
options(struct conn *c)
{
	struct buf out = {.cap = 65536};

	c->server->seen.options++;
	lines_add(&out, c->server->options);
	stream_write(c->stream, buf_slice(&out));
	buf_fini(&out);
	c->reply = NULL;
	return answered(c);
}

/* The ICAP head is in text. */
static bool
head_end(struct conn *c)
{
	struct icap_server *s = c->server;
	struct slice head = buf_slice(&c->text), preview;
	uint64_t n = 0;
	size_t i = s->seen.requests;

	buf_clear(&s->seen.head);
	buf_add_slice(&s->seen.head, head);
	if (slice_starts(head, SLICE_LIT("OPTIONS "))) {
		buf_clear(&c->text);
		return options(c);
	}
	s->seen.requests++;
	c->reply = &s->replies[i < s->count ? i : s->count - 1];
	preview = field(c, "Preview:", head);
	c->preview_wanted = preview.n > 0;
	if (c->preview_wanted && !slice_u64(preview, &n))
		trouble(c, "Preview");
	c->preview = -1;
	c->ieof = false;
	s->seen.continued = false;
	s->seen.chunk_most = 0;
	buf_clear(&c->body);
	c->left = body_offset(c, head);
	c->at = AT_HTTP;
	buf_clear(&c->text);
	return c->reply->when != AFTER_HEAD || answer(c);
}

static void
http_end(struct conn *c)
{
	struct slice http = buf_slice(&c->text);

	buf_clear(&c->server->seen.http);
	buf_add_slice(&c->server->seen.http, http);
	if (http.n < 4 || memcmp(http.p + http.n - 4, "\r\n\r\n", 4) != 0)
		trouble(c, "the HTTP heads do not end where they should");
	buf_clear(&c->text);
	c->at = AT_SIZE;
}

static bool
size_end(struct conn *c)
{
	struct slice line = buf_slice(&c->text);
	char *end;

	c->left = strtoull(buf_cstr(&c->text), &end, 16);
	if (end == c->text.p || (*end != '\r' && *end != ';'))
		trouble(c, "chunk size");
	if (c->left > c->server->seen.chunk_most)
		c->server->seen.chunk_most = c->left;
	c->ieof = line.n >= 6 && memmem(line.p, line.n, "; ieof", 6) != NULL;
	c->at = c->left > 0 ? AT_DATA : AT_LAST;
	buf_clear(&c->text);
	return true;
}

/* Moves bytes to text up to the end of a line; false: it is not there yet. */
static bool
line_take(struct conn *c, struct slice *in)
{
	size_t at = slice_find(*in, '\n');
	size_t n = at < in->n ? at + 1 : in->n;

	buf_add(&c->text, in->p, n);
	*in = slice_from(*in, n);
	return c->text.n > 0 && c->text.p[c->text.n - 1] == '\n';
}

static bool
ends_head(const struct buf *b)
{
	return b->n >= 4 && memcmp(b->p + b->n - 4, "\r\n\r\n", 4) == 0;
}

static void
take_data(struct conn *c, struct slice *in)
{
	size_t n = c->left < in->n ? (size_t)c->left : in->n;

	if (c->at == AT_HTTP)
		buf_add(&c->text, in->p, n);
	else if (c->at == AT_DATA)
		buf_add(&c->body, in->p, n);
	*in = slice_from(*in, n);
	c->left -= n;
}

/* False: stop, c may be gone. */
static bool
take_line(struct conn *c, struct slice *in)
{
	if (c->at == AT_HEAD) {
		if (!line_take(c, in) || !ends_head(&c->text))
			return in->n > 0;
		return head_end(c);
	}
	if (!line_take(c, in))
		return false;
	if (c->at == AT_SIZE)
		return size_end(c);
	if (c->text.n != 2)
		trouble(c, "something behind the last chunk");
	buf_clear(&c->text);
	return body_end(c);
}

static void
take(struct conn *c, struct slice *in)
{
	while (in->n > 0) {
		switch (c->at) {
		case AT_HEAD:
		case AT_SIZE:
		case AT_LAST:
			if (!take_line(c, in))
				return;
			break;
		case AT_HTTP:
			take_data(c, in);
			if (c->left == 0)
				http_end(c);
			break;
		case AT_DATA:
			take_data(c, in);
			if (c->left == 0) {
				c->at = AT_DATA_END;
				c->left = 2;
			}
			break;
		case AT_DATA_END:
			take_data(c, in);
			if (c->left == 0)
				c->at = AT_SIZE;
			break;
		case AT_WAIT:
			return;
		}
	}
}

static size_t
on_data(void *arg, struct slice in)
{
	struct conn *c = arg;
	struct slice rest = in;

	take(c, &rest);
	return in.n;
}

static void
on_end(void *arg, int err)
{
	(void)err;
	conn_free(arg);
}

static void
on_accept(void *arg, int fd, const struct sock_addr *peer,
	  const struct sock_addr *local)
{
	static const struct stream_ops ops = {.on_data = on_data,
					      .on_end = on_end};
	struct icap_server *s = arg;
	struct conn *c = mem_zalloc(sizeof(*c));

	(void)peer;
	(void)local;
	c->server = s;
	c->fd = fd;
	buf_init(&c->text, 1 << 20);
	buf_init(&c->body, BODY_KEPT);
	buf_init(&c->out, BODY_KEPT + (8u << 20));
	LIST_INSERT_HEAD(&s->conns, c, link);
	s->seen.accepted++;
	if (++s->seen.open > s->seen.open_most)
		s->seen.open_most = s->seen.open;
	c->stream = stream_create(s->loop, fd, &ops, c);
	if (s->frozen)
		stream_pause(c->stream);
	if (s->tls != NULL)
		ck_assert_int_eq(stream_tls_server(c->stream, s->tls), 0);
	c->reply = &s->replies[0];
	if (c->reply->when == AT_ONCE)
		(void)answer(c);
}

struct icap_server *
icap_server_create(struct loop *loop, const struct icap_reply *replies,
		   size_t count)
{
	struct icap_server *s = mem_zalloc(sizeof(*s));
	struct sock_addr addr = {.port = 0};
	struct sockaddr_in sin;
	socklen_t n = sizeof(sin);

	s->loop = loop;
	s->replies = replies;
	s->count = count;
	s->digest = digest_create();
	s->options = "ICAP/1.0 200 OK|Methods: RESPMOD, REQMOD|"
		     "Service: test|ISTag: \"T-1\"|Options-TTL: 60|"
		     "Preview: 1024|Allow: 204|Encapsulated: null-body=0||";
	LIST_INIT(&s->conns);
	buf_init(&s->seen.head, 1 << 20);
	buf_init(&s->seen.http, 1 << 20);
	ck_assert_int_eq(ip_parse(SLICE_LIT("127.0.0.1"), &addr.ip), 0);
	ck_assert_int_eq(listen_open(&addr, 64, &s->fd), 0);
	ck_assert_int_eq(getsockname(s->fd, (struct sockaddr *)&sin, &n), 0);
	s->port = ntohs(sin.sin_port);
	s->listener = listener_create(loop, s->fd, on_accept, NULL, s);
	return s;
}

void
icap_server_destroy(struct icap_server **server)
{
	struct icap_server *s = *server;

	*server = NULL;
	while (!LIST_EMPTY(&s->conns))
		conn_free(LIST_FIRST(&s->conns));
	listener_destroy(&s->listener);
	close(s->fd);
	digest_destroy(&s->digest);
	tls_ctx_destroy(&s->tls);
	buf_fini(&s->seen.head);
	buf_fini(&s->seen.http);
	free(s);
}

void
icap_server_tls(struct icap_server *server, struct tls_ctx *ctx)
{
	server->tls = ctx;
}

uint16_t
icap_server_port(const struct icap_server *server)
{
	return server->port;
}

void
icap_server_options(struct icap_server *server, const char *text)
{
	server->options = text;
}

void
icap_server_most(struct icap_server *server, unsigned requests)
{
	server->most = requests;
}

void
icap_server_freeze(struct icap_server *server, bool frozen)
{
	struct conn *c;

	server->frozen = frozen;
	LIST_FOREACH (c, &server->conns, link) {
		if (frozen)
			stream_pause(c->stream);
		else
			stream_resume(c->stream);
	}
}

void
icap_server_say(struct icap_server *server, const char *text)
{
	struct buf out = {.cap = 65536};
	struct conn *c;

	lines_add(&out, text);
	LIST_FOREACH (c, &server->conns, link)
		stream_write(c->stream, buf_slice(&out));
	buf_fini(&out);
}

const struct icap_seen *
icap_server_seen(const struct icap_server *server)
{
	return &server->seen;
}
