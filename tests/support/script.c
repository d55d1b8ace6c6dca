#include "tests/support/script.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/net/listen.h"
#include "gateway/net/stream.h"

#define CONNS_MAX 8
#define DRIP_MS 5

struct conn {
	struct script_server *server;
	struct stream *stream;
	const char *step; /* in the script; NULL: at its end */
	struct timer_op *drip;
	size_t drip_at;
	size_t skipped; /* of an N step */
	bool peer_gone;
};

struct script_server {
	struct loop *loop;
	struct listener *listener;
	int fd;
	unsigned short port;
	const char *const *scripts;
	size_t count;
	struct tls_ctx *tls;
	struct conn conns[CONNS_MAX];
	unsigned accepted;
	size_t burst;
	struct buf lines, body;
	char trouble[512];
};

static struct slice
step_slice(const struct conn *c)
{
	struct slice s = slice_str(c->step);

	return slice_head(s, slice_find(s, '\n'));
}

static void
step_next(struct conn *c)
{
	c->step += step_slice(c).n;
	c->step = *c->step == '\n' && c->step[1] != '\0' ? c->step + 1 : NULL;
	c->drip_at = 0;
	c->skipped = 0;
}

static void
say(struct conn *c, struct slice text, bool end)
{
	struct buf out = {.cap = 1 << 20};

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '|')
			buf_add_str(&out, "\r\n");
		else
			buf_add_byte(&out, text.p[i]);
	}
	if (end)
		buf_add_str(&out, "\r\n");
	stream_write(c->stream, buf_slice(&out));
	buf_fini(&out);
}

static void
on_drip(void *arg)
{
	struct conn *c = arg;
	struct slice text = slice_from(step_slice(c), 1);

	c->drip = timer_start(c->server->loop, DRIP_MS, on_drip, c);
	stream_write(c->stream, slice_of(text.p + c->drip_at % text.n, 1));
	c->drip_at++;
}

static void steps_run(struct conn *c, struct slice *in);

static void
on_slept(void *arg)
{
	struct conn *c = arg;
	struct slice none = SLICE_NONE;

	c->drip = NULL;
	step_next(c);
	steps_run(c, &none);
}

static void
trouble(struct script_server *s, struct slice want, struct slice got)
{
	if (s->trouble[0] == '\0')
		snprintf(s->trouble, sizeof(s->trouble),
			 "wanted \"%.*s\", got \"%.*s\"", (int)want.n, want.p,
			 (int)got.n, got.p);
}

/* False: needs more. */
static bool
take_line(struct conn *c, struct slice want, struct slice *in)
{
	size_t end = slice_find(*in, '\n');
	struct slice line = slice_head(*in, end);

	if (end == in->n)
		return false;
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	buf_add_slice(&c->server->lines, line);
	buf_add_byte(&c->server->lines, '\n');
	if (!slice_starts(line, want))
		trouble(c->server, want, line);
	*in = slice_from(*in, end + 1);
	return true;
}

static bool
take_body(struct conn *c, struct slice *in)
{
	static const char dot[] = "\r\n.\r\n";
	struct buf *body = &c->server->body;

	while (in->n > 0) {
		buf_add_byte(body, in->p[0]);
		*in = slice_from(*in, 1);
		if ((body->n >= 5 &&
		     memcmp(body->p + body->n - 5, dot, 5) == 0) ||
		    (body->n == 3 && memcmp(body->p, dot + 2, 3) == 0)) {
			body->n -= 3;
			return true;
		}
	}
	return false;
}

static bool
take_count(struct conn *c, size_t want, struct slice *in)
{
	size_t n = want - c->skipped;

	n = n < in->n ? n : in->n;
	c->skipped += n;
	*in = slice_from(*in, n);
	return c->skipped == want;
}

/* False: wait for more, or the stream is gone. */
static bool
step_run(struct conn *c, struct slice *in)
{
	struct slice text = slice_from(step_slice(c), 1);

	switch (c->step[0]) {
	case 'S':
	case 'R':
		say(c, text, c->step[0] == 'S');
		return true;
	case 'C':
		return take_line(c, text, in);
	case 'D':
		return take_body(c, in);
	case 'N':
		return take_count(c, (size_t)atol(text.p), in);
	case 'T':
		ck_assert_int_eq(stream_tls_server(c->stream, c->server->tls),
				 0);
		return true;
	case 'P':
		if (c->drip == NULL)
			on_drip(c);
		*in = slice_from(*in, in->n);
		return false;
	case 'Z':
		if (c->drip == NULL)
			c->drip = timer_start(c->server->loop, 1, on_slept, c);
		return false;
	case 'W':
		stream_pause(c->stream);
		return false;
	case 'H':
		*in = slice_from(*in, in->n);
		return false;
	case 'X':
		stream_destroy(&c->stream);
		return false;
	case 'F':
		stream_finish(&c->stream, 100);
		return false;
	default:
		ck_abort_msg("script: %.*s", (int)text.n + 1, c->step);
	}
	return false;
}

static void
steps_run(struct conn *c, struct slice *in)
{
	while (c->step != NULL) {
		if (!step_run(c, in))
			return;
		step_next(c);
	}
	*in = slice_from(*in, in->n);
}

static size_t
on_data(void *arg, struct slice in)
{
	struct conn *c = arg;
	struct slice rest = in;

	if (c->step != NULL && c->step[0] == 'C' && in.n > c->server->burst)
		c->server->burst = in.n;
	steps_run(c, &rest);
	return c->stream == NULL ? in.n : in.n - rest.n;
}

static void
on_end(void *arg, int err)
{
	struct conn *c = arg;

	(void)err;
	timer_cancel(&c->drip);
	c->peer_gone = true;
	stream_destroy(&c->stream);
}

static void
on_accept(void *arg, int fd, const struct sock_addr *peer,
	  const struct sock_addr *local)
{
	static const struct stream_ops ops = {.on_data = on_data,
					      .on_end = on_end};
	struct script_server *s = arg;
	struct conn *c = &s->conns[s->accepted];
	struct slice none = SLICE_NONE;

	(void)peer;
	(void)local;
	ck_assert_uint_lt(s->accepted, CONNS_MAX);
	buf_printf(&s->lines, "#%u\n", s->accepted);
	c->server = s;
	c->step = s->accepted < s->count ? s->scripts[s->accepted] : "X";
	s->accepted++;
	c->stream = stream_create(s->loop, fd, &ops, c);
	steps_run(c, &none);
}

struct script_server *
script_create(struct loop *loop, const char *const *scripts, size_t count)
{
	struct script_server *s = mem_zalloc(sizeof(*s));
	struct sock_addr addr = {.port = 0};
	struct sockaddr_in sin;
	socklen_t n = sizeof(sin);

	s->loop = loop;
	s->scripts = scripts;
	s->count = count;
	buf_init(&s->lines, 16 << 20);
	buf_init(&s->body, 64 << 20);
	ck_assert_int_eq(ip_parse(SLICE_LIT("127.0.0.1"), &addr.ip), 0);
	ck_assert_int_eq(listen_open(&addr, 16, &s->fd), 0);
	ck_assert_int_eq(getsockname(s->fd, (struct sockaddr *)&sin, &n), 0);
	s->port = ntohs(sin.sin_port);
	s->listener = listener_create(loop, s->fd, on_accept, NULL, s);
	return s;
}

void
script_destroy(struct script_server **server)
{
	struct script_server *s = *server;

	*server = NULL;
	for (unsigned i = 0; i < s->accepted; i++) {
		timer_cancel(&s->conns[i].drip);
		stream_destroy(&s->conns[i].stream);
	}
	listener_destroy(&s->listener);
	close(s->fd);
	buf_fini(&s->lines);
	buf_fini(&s->body);
	free(s);
}

void
script_tls(struct script_server *server, struct tls_ctx *ctx)
{
	server->tls = ctx;
}

unsigned short
script_port(const struct script_server *server)
{
	return server->port;
}

unsigned
script_accepted_count(const struct script_server *server)
{
	return server->accepted;
}

const char *
script_lines(struct script_server *server)
{
	return buf_cstr(&server->lines);
}

struct slice
script_body(const struct script_server *server)
{
	return buf_slice(&server->body);
}

const char *
script_trouble(const struct script_server *server)
{
	return server->trouble;
}

size_t
script_burst_bytes(const struct script_server *server)
{
	return server->burst;
}

bool
script_peer_gone(const struct script_server *server)
{
	return server->accepted > 0 &&
	       server->conns[server->accepted - 1].peer_gone;
}
