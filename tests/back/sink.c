#include "tests/back/sink.h"

#include <bsd/sys/queue.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/net/listen.h"
#include "gateway/net/stream.h"

struct session {
	TAILQ_ENTRY(session) link;
	struct sink *sink;
	struct stream *stream;
	struct timer_op *pause;
	bool in_data, refuse_dot, lose_dot;
	int refused_code;
	struct sink_mail mail;
	struct buf rcpts, body;
	struct ip_addr peer;
};

TAILQ_HEAD(session_list, session);

struct sink {
	struct loop *loop;
	struct listener *listener;
	int fd;
	uint16_t port;
	const char *const *offers;
	struct session_list sessions;
	struct sink_mail *mails;
	size_t count, size, connections, now;
	int64_t pause_ms;
	const char *refusal;
	enum sink_at refuse_at;
	unsigned refuse_left, refused;
};

static void
mail_fini(struct sink_mail *mail)
{
	free(mail->from);
	free(mail->rcpts);
	free(mail->body);
	free(mail->mail_line);
	free(mail->rcpt_line);
	memset(mail, 0, sizeof(*mail));
}

static void
session_end(struct session *s)
{
	struct sink *sink = s->sink;

	TAILQ_REMOVE(&sink->sessions, s, link);
	sink->now--;
	timer_cancel(&s->pause);
	stream_destroy(&s->stream);
	mail_fini(&s->mail);
	buf_fini(&s->rcpts);
	buf_fini(&s->body);
	free(s);
}

static void
say(struct session *s, const char *text)
{
	stream_write(s->stream, slice_str(text));
	stream_write(s->stream, SLICE_LIT("\r\n"));
}

/* False: it is not refused. */
static bool
is_refused(struct session *s, enum sink_at at)
{
	struct sink *sink = s->sink;

	if (sink->refuse_left == 0 || sink->refuse_at != at)
		return false;
	sink->refuse_left--;
	sink->refused++;
	say(s, sink->refusal);
	return true;
}

void
sink_refuse(struct sink *sink, enum sink_at at, const char *reply,
	    unsigned count)
{
	sink->refuse_at = at;
	sink->refusal = reply;
	sink->refuse_left = count;
}

unsigned
sink_refused(const struct sink *sink)
{
	return sink->refused;
}

static void
reset(struct session *s)
{
	mail_fini(&s->mail);
	buf_clear(&s->rcpts);
	buf_clear(&s->body);
	s->refused_code = 0;
	s->lose_dot = false;
}

static void
keep(struct session *s)
{
	struct sink *sink = s->sink;

	if (sink->count == sink->size) {
		sink->size = sink->size ? sink->size * 2 : 64;
		sink->mails =
		    mem_resize(sink->mails, sink->size * sizeof(*sink->mails));
	}
	s->mail.rcpts = slice_dup(buf_slice(&s->rcpts));
	s->mail.body = slice_dup(buf_slice(&s->body));
	s->mail.body_n = s->body.n;
	s->mail.peer = s->peer;
	sink->mails[sink->count++] = s->mail;
	memset(&s->mail, 0, sizeof(s->mail));
}

static void
answer_dot(void *arg)
{
	struct session *s = arg;
	char text[64];

	s->pause = NULL;
	if (s->refused_code != 0) {
		snprintf(text, sizeof(text), "%d 5.7.0 not this message",
			 s->refused_code);
		say(s, text);
	} else {
		keep(s);
		say(s, "250 2.0.0 taken");
	}
	reset(s);
}

/* False: the session is gone. */
static bool
on_dot(struct session *s)
{
	s->in_data = false;
	if (s->lose_dot) {
		keep(s);
		session_end(s);
		return false;
	}
	if (s->sink->pause_ms > 0)
		s->pause = timer_start(s->sink->loop, s->sink->pause_ms,
				       answer_dot, s);
	else
		answer_dot(s);
	return true;
}

static bool
on_body_line(struct session *s, struct slice line)
{
	if (slice_eq(line, SLICE_LIT(".\r\n")))
		return on_dot(s);
	if (line.p[0] == '.')
		line = slice_from(line, 1);
	buf_add_slice(&s->body, line);
	return true;
}

static struct slice
in_angles(struct slice line)
{
	struct slice s = slice_from(line, slice_find(line, '<') + 1);

	return slice_head(s, slice_find(s, '>'));
}

static bool
on_rcpt(struct session *s, struct slice line)
{
	struct slice address = in_angles(line);
	char text[64];
	int code;

	if (!s->mail.from) { /* pipelined behind a MAIL that was refused */
		say(s, "503 5.5.1 MAIL first");
		return true;
	}
	free(s->mail.rcpt_line);
	s->mail.rcpt_line = slice_dup(line);
	if (slice_starts(address, SLICE_LIT("drop-"))) {
		session_end(s);
		return false;
	}
	if (slice_starts(address, SLICE_LIT("lose-")))
		s->lose_dot = true;
	if (slice_starts(address, SLICE_LIT("dot")))
		s->refused_code = atoi(address.p + 3);
	code = address.p[0] >= '4' && address.p[0] <= '5' ? atoi(address.p) : 0;
	if (code != 0) {
		snprintf(text, sizeof(text), "%d %d.1.1 no such user here",
			 code, code / 100);
		say(s, text);
		return true;
	}
	if (s->rcpts.n > 0)
		buf_add_byte(&s->rcpts, ' ');
	buf_add_slice(&s->rcpts, address);
	say(s, "250 2.1.5 ok");
	return true;
}

static void
on_ehlo(struct session *s)
{
	const char *const *offers = s->sink->offers;

	say(s, "250-sink");
	for (; offers && *offers; offers++) {
		stream_write(s->stream, SLICE_LIT("250-"));
		say(s, *offers);
	}
	say(s, "250 HELP");
}

static bool
on_line(struct session *s, struct slice line)
{
	if (s->in_data)
		return on_body_line(s, line);
	if (slice_istarts(line, SLICE_LIT("EHLO"))) {
		on_ehlo(s);
	} else if (slice_istarts(line, SLICE_LIT("MAIL"))) {
		reset(s);
		if (is_refused(s, SINK_AT_MAIL))
			return true;
		s->mail.from = slice_dup(in_angles(line));
		s->mail.mail_line = slice_dup(line);
		say(s, "250 2.1.0 ok");
	} else if (slice_istarts(line, SLICE_LIT("RCPT"))) {
		return on_rcpt(s, line);
	} else if (slice_istarts(line, SLICE_LIT("DATA"))) {
		s->in_data = s->rcpts.n > 0;
		say(s, s->in_data ? "354 go on" : "554 5.5.1 nobody");
	} else if (slice_istarts(line, SLICE_LIT("QUIT"))) {
		say(s, "221 2.0.0 bye");
		session_end(s);
		return false;
	} else {
		say(s, "250 2.0.0 ok");
	}
	return true;
}

static size_t
on_data(void *arg, struct slice in)
{
	struct session *s = arg;
	size_t used = 0;

	while (!s->pause) {
		struct slice rest = slice_from(in, used);
		size_t end = slice_find(rest, '\n');

		if (end == rest.n)
			break;
		used += end + 1;
		if (!on_line(s, slice_head(rest, end + 1)))
			return used;
	}
	return used;
}

static void
on_end(void *arg, int err)
{
	(void)err;
	session_end(arg);
}

static void
on_nothing(void *arg)
{
	(void)arg;
}

static const struct stream_ops ops = {
    .on_data = on_data,
    .on_drain = on_nothing,
    .on_secure = on_nothing,
    .on_end = on_end,
};

static void
on_accept(void *arg, int fd, const struct sock_addr *peer,
	  const struct sock_addr *local)
{
	struct sink *sink = arg;
	struct session *s = mem_zalloc(sizeof(*s));

	(void)local;
	s->peer = peer->ip;
	s->sink = sink;
	buf_init(&s->rcpts, 1 << 20);
	buf_init(&s->body, 64 << 20);
	s->stream = stream_create(sink->loop, fd, &ops, s);
	TAILQ_INSERT_TAIL(&sink->sessions, s, link);
	sink->connections++;
	sink->now++;
	if (!is_refused(s, SINK_AT_GREETING))
		say(s, "220 sink ESMTP");
}

void
sink_open(struct sink *sink)
{
	struct sock_addr addr = {.port = sink->port};
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);

	ck_assert_int_eq(ip_parse(SLICE_LIT("127.0.0.1"), &addr.ip), 0);
	ck_assert_int_eq(listen_open(&addr, 128, &sink->fd), 0);
	ck_assert_int_eq(getsockname(sink->fd, (struct sockaddr *)&ss, &n), 0);
	ck_assert_int_eq(
	    sock_addr_from_native((struct sockaddr *)&ss, n, &addr), 0);
	sink->port = addr.port;
	sink->listener =
	    listener_create(sink->loop, sink->fd, on_accept, NULL, sink);
}

struct sink *
sink_create(struct loop *loop, const char *const *offers)
{
	struct sink *sink = mem_zalloc(sizeof(*sink));

	sink->loop = loop;
	sink->offers = offers;
	TAILQ_INIT(&sink->sessions);
	sink_open(sink);
	return sink;
}

void
sink_close(struct sink *sink)
{
	struct session *s;

	listener_destroy(&sink->listener);
	if (sink->fd >= 0)
		close(sink->fd);
	sink->fd = -1;
	while ((s = TAILQ_FIRST(&sink->sessions)) != NULL)
		session_end(s);
}

void
sink_destroy(struct sink **sink)
{
	sink_close(*sink);
	for (size_t i = 0; i < (*sink)->count; i++)
		mail_fini(&(*sink)->mails[i]);
	free((*sink)->mails);
	free(*sink);
	*sink = NULL;
}

uint16_t
sink_port(const struct sink *sink)
{
	return sink->port;
}

void
sink_pause_ms(struct sink *sink, int64_t ms)
{
	sink->pause_ms = ms;
}

size_t
sink_count(const struct sink *sink)
{
	return sink->count;
}

const struct sink_mail *
sink_mail(const struct sink *sink, size_t i)
{
	return &sink->mails[i];
}

size_t
sink_connections(const struct sink *sink)
{
	return sink->connections;
}

size_t
sink_connections_now(const struct sink *sink)
{
	return sink->now;
}
