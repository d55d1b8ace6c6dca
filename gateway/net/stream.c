/*
 * When a stream reads, writes, and calls its owner.
 *
 * One function, stream_turn, does all of it in one order: handshake, what is
 * queued, the owner's callbacks. It is run by the socket's readiness and by
 * stream_later, and by nothing else, so a callback never runs inside a call
 * of the owner's, and an error met inside stream_write is told from the loop.
 *
 * Reading stops lazily: stream_pause leaves the read event alone, and it is
 * taken off when it fires for nothing. Most pauses (a lookup, a commit) are
 * over before the peer sends anything, and cost no system call this way.
 *
 * A stream moves at most STREAM_TURN_BYTES a turn in each direction.
 */
#include "gateway/net/stream.h"

#include <assert.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"
#include "gateway/net/stream_int.h"
#include "gateway/net/tls_int.h"

void
stream_later(struct stream *s)
{
	loop_defer(s->loop, &s->later);
}

static void
call_begin(struct stream *s)
{
	s->calling = true;
	s->cork++;
}

/* false: the stream is gone or no longer the owner's; do not touch it. */
static bool
call_end(struct stream *s)
{
	s->calling = false;
	if (s->gone) {
		stream_free(s);
		return false;
	}
	if (s->leaving != NULL) {
		stream_finish_turn(s);
		return false;
	}
	if (--s->cork == 0)
		stream_flush(s);
	return true;
}

/* Give the owner in; keep what it leaves in `keep`, where in may lie. */
static bool
call_data(struct stream *s, struct slice in, struct buf *keep)
{
	bool was_clear = s->tls == TLS_OFF;
	size_t used;

	call_begin(s);
	used = s->ops->on_data(s->arg, in);
	assert(used <= in.n);
	if (s->gone || s->leaving != NULL) {
		buf_wipe(keep);
		return call_end(s);
	}
	if (used < in.n && was_clear && s->tls != TLS_OFF) {
		/* The owner started TLS with bytes of the clear behind it. */
		buf_wipe(keep);
		s->end = GW_EPROTO;
		s->end_now = true;
	} else if (keep->n > 0) {
		buf_drop(keep, used);
	} else {
		buf_add_slice(keep, slice_from(in, used));
	}
	s->pending = *keep;
	if (s->pending.n == 0)
		buf_wipe(&s->pending);
	return call_end(s);
}

/* What was left over, if any, with n new bytes behind it. */
static bool
present(struct stream *s, const char *p, size_t n)
{
	struct buf keep = s->pending;

	s->present = false;
	buf_init(&s->pending, STREAM_PENDING_MAX);
	if (keep.n == 0)
		return n == 0 || call_data(s, slice_of(p, n), &keep);
	buf_add(&keep, p, n);
	return call_data(s, buf_slice(&keep), &keep);
}

static bool
may_read(const struct stream *s)
{
	return !s->paused && s->end == 0 && !s->quiet &&
	       (s->tls == TLS_OFF || s->tls == TLS_ON) &&
	       s->pending.n < STREAM_PENDING_MAX;
}

/* false: stop touching the stream. */
static bool
turn_input(struct stream *s, bool readable)
{
	char *scratch = loop_scratch(s->loop);
	size_t room, n, total = 0;
	bool more, there = true, wipe = !s->secrets_over;

	if (s->present && !s->paused && !present(s, NULL, 0))
		return false;
	more = readable || s->again ||
	       (s->ssl != NULL && !s->tls_broken && SSL_has_pending(s->ssl));
	s->again = false;
	while (there && more && may_read(s)) {
		if (total >= STREAM_TURN_BYTES) {
			s->again = true;
			stream_later(s);
			break;
		}
		room = STREAM_PENDING_MAX - s->pending.n;
		n = stream_fill(s, scratch, room, &more);
		total += n;
		if (n == 0)
			continue;
		there = present(s, scratch, n);
		/* It may have been a password; who sends one does not send
		 * much with it. */
		if (wipe)
			secret_wipe(scratch,
				    n < SECRET_UNDER ? n : SECRET_UNDER);
	}
	return there;
}

static bool
turn_secured(struct stream *s)
{
	if (!s->secured || s->quiet)
		return true;
	s->secured = false;
	call_begin(s);
	if (s->ops->on_secure != NULL)
		s->ops->on_secure(s->arg);
	return call_end(s);
}

static bool
turn_drained(struct stream *s)
{
	if (!s->drained || s->quiet)
		return true;
	s->drained = false;
	if (s->out.n > 0) { /* written since, and not gone at once */
		s->want_drain = true;
		return true;
	}
	call_begin(s);
	if (s->ops->on_drain != NULL)
		s->ops->on_drain(s->arg);
	return call_end(s);
}

static bool
turn_end(struct stream *s)
{
	/* Writing failed: what could still be read was, by now. */
	if (s->write_end != 0 && s->end == 0 && !s->again) {
		s->end = s->write_end;
		s->end_now = true;
	}
	if (s->end == 0 || s->quiet ||
	    (!s->end_now && (s->paused || s->present)))
		return true;
	s->quiet = true;
	call_begin(s);
	s->ops->on_end(s->arg, s->end);
	return call_end(s);
}

static void
stream_turn(struct stream *s, bool readable)
{
	if (s->leaving != NULL) {
		stream_finish_turn(s);
		return;
	}
	if (s->tls == TLS_WAIT && s->end == 0 && s->write_end == 0) {
		stream_flush(s);
		if (s->clear == 0 && s->write_end == 0)
			s->tls = TLS_HANDSHAKE;
	}
	if (s->tls == TLS_HANDSHAKE && s->end == 0 && s->write_end == 0)
		stream_handshake(s);
	if (!turn_secured(s))
		return;
	stream_flush(s);
	if (!turn_input(s, readable) || !turn_drained(s) || !turn_end(s))
		return;
	if (s->tls == TLS_WAIT && s->clear == 0)
		stream_later(s);
	stream_arm(s);
}

static bool
wants_read(const struct stream *s)
{
	if (s->leaving != NULL)
		return stream_finish_wants_read(s);
	if (s->tls == TLS_HANDSHAKE)
		return s->end == 0 && s->handshake_needs != NEED_WRITE;
	return (may_read(s) && s->read_needs != NEED_WRITE) ||
	       (s->write_needs == NEED_READ && s->write_end == 0);
}

static bool
wants_write(const struct stream *s)
{
	if (s->leaving != NULL)
		return stream_finish_wants_write(s);
	if (s->tls == TLS_HANDSHAKE)
		return s->end == 0 && s->handshake_needs == NEED_WRITE;
	return (s->cork == 0 && stream_unsent_now(s) > 0 &&
		s->write_needs != NEED_READ) ||
	       (may_read(s) && s->read_needs == NEED_WRITE);
}

/* Add what is wanted; only an unwanted write is taken off here. */
void
stream_arm(struct stream *s)
{
	bool write = wants_write(s);

	if (!s->reading && wants_read(s)) {
		event_add(&s->ev_read, NULL);
		s->reading = true;
	}
	if (s->writing == write)
		return;
	if (write)
		event_add(&s->ev_write, NULL);
	else
		event_del(&s->ev_write);
	s->writing = write;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd;
	(void)what;
	if (!wants_read(s)) {
		event_del(&s->ev_read);
		s->reading = false;
		return;
	}
	/* It had its share, and goes on in the turn it asked for. */
	if (s->again && s->later.queued)
		return;
	stream_turn(s, true);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd;
	(void)what;
	stream_turn(s, s->read_needs == NEED_WRITE);
}

static void
on_later(void *arg)
{
	stream_turn(arg, false);
}

struct stream *
stream_create(struct loop *loop, int fd, const struct stream_ops *ops,
	      void *arg)
{
	struct stream *s = mem_zalloc(sizeof(*s));
	int on = 1, flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && (flags & O_NONBLOCK) == 0)
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	/* Fails on a UNIX socket, which has nothing to delay. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	s->loop = loop;
	s->fd = fd;
	s->ops = ops;
	s->arg = arg;
	s->later.fn = on_later;
	s->later.arg = s;
	buf_init(&s->pending, STREAM_PENDING_MAX);
	buf_init(&s->out, STREAM_UNSENT_MAX);
	event_assign(&s->ev_read, loop_base(loop), fd, EV_READ | EV_PERSIST,
		     on_readable, s);
	event_assign(&s->ev_write, loop_base(loop), fd, EV_WRITE | EV_PERSIST,
		     on_writable, s);
	stream_arm(s);
	return s;
}

/* OpenSSL wipes its whole read buffer each time it lets go of it, eight times
 * a message. */
void
stream_secrets_over(struct stream *s)
{
	s->secrets_over = true;
	if (s->ssl != NULL)
		SSL_clear_options(s->ssl, SSL_OP_CLEANSE_PLAINTEXT);
}

void
stream_free(struct stream *s)
{
	if (s->leaving != NULL)
		stream_finish_fini(s);
	loop_undefer(s->loop, &s->later);
	if (s->fd >= 0) {
		event_del(&s->ev_read);
		event_del(&s->ev_write);
		stream_io_fini(s);
		close(s->fd);
	}
	free(s);
}

void
stream_destroy(struct stream **sp)
{
	struct stream *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	if (!s->calling) {
		stream_free(s);
		return;
	}
	s->gone = true;
	event_del(&s->ev_read);
	event_del(&s->ev_write);
	stream_io_fini(s);
	close(s->fd);
	s->fd = -1;
}

static int
tls_start(struct stream *s, SSL *ssl)
{
	if (ssl == NULL)
		return GW_ETLS;
	s->ssl = ssl;
	s->tls = TLS_WAIT;
	s->clear = s->out.n - s->out_sent;
	stream_later(s);
	return 0;
}

static int
tls_check(const struct stream *s)
{
	if (s->tls != TLS_OFF || s->end != 0 || s->quiet)
		return GW_EINVAL;
	return s->pending.n > 0 ? GW_EPROTO : 0;
}

int
stream_tls_server(struct stream *s, struct tls_ctx *ctx)
{
	int err = tls_check(s);

	return err != 0 ? err : tls_start(s, tls_session_server(ctx, s->fd));
}

int
stream_tls_client(struct stream *s, struct tls_ctx *ctx, const char *name)
{
	int err = tls_check(s);

	if (err == 0 && name == NULL && tls_ctx_verifies(ctx))
		err = GW_EINVAL;
	return err != 0 ? err
			: tls_start(s, tls_session_client(ctx, s->fd, name));
}

int
stream_tls_dane(struct stream *s, struct tls_ctx *ctx,
		const struct tls_dane *dane)
{
	int err = tls_check(s);

	return err != 0 ? err
			: tls_start(s, tls_session_dane(ctx, s->fd, dane));
}

bool
stream_is_tls(const struct stream *s)
{
	return s->tls == TLS_ON;
}

bool
stream_is_dane(const struct stream *s)
{
	return s->tls == TLS_ON && s->ssl != NULL &&
	       tls_session_is_dane(s->ssl);
}

const char *
stream_tls_version(const struct stream *s)
{
	return s->tls == TLS_ON && s->ssl != NULL ? SSL_get_version(s->ssl)
						  : NULL;
}

const char *
stream_tls_cipher(const struct stream *s)
{
	return s->tls == TLS_ON && s->ssl != NULL ? SSL_get_cipher_name(s->ssl)
						  : NULL;
}

const char *
stream_tls_error(const struct stream *s)
{
	return s->tls_error == NULL ? "" : s->tls_error;
}

void
stream_write(struct stream *s, struct slice in)
{
	stream_send(s, in);
	if (s->cork == 0)
		stream_arm(s);
}

void
stream_cork(struct stream *s)
{
	s->cork++;
}

void
stream_uncork(struct stream *s)
{
	assert(s->cork > 0);
	if (--s->cork > 0)
		return;
	stream_flush(s);
	stream_arm(s);
}

size_t
stream_unsent(const struct stream *s)
{
	return s->out.n - s->out_sent;
}

void
stream_pause(struct stream *s)
{
	s->paused = true;
}

void
stream_resume(struct stream *s)
{
	s->paused = false;
	s->present = true;
	stream_later(s);
}

uint64_t
stream_bytes_in(const struct stream *s)
{
	return s->bytes_in;
}

uint64_t
stream_bytes_out(const struct stream *s)
{
	return s->bytes_out;
}

bool
stream_has_pending(const struct stream *s)
{
	return s->pending.n > 0;
}
