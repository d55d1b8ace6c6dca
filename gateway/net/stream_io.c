/*
 * Bytes between the socket and a stream's buffers, plain or through OpenSSL.
 *
 * Everything OpenSSL needs to be told is here: its error queue is emptied
 * before each call (an old entry is read as this call's failure), a session
 * is not touched again after a fatal error, and each direction remembers when
 * it waits for the other's readiness. A write that could not go is repeated
 * with the same bytes and at least as many of them: `out` only grows at its
 * end, so that holds by itself.
 *
 * A failure to write does not end the stream at once: the peer's last words
 * ("421 too many connections") may lie in the kernel still.
 */
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/net/stream_int.h"
#include "gateway/net/tls_int.h"

/* A record holds no more: a shorter one was the last for now. */
#define RECORD_MAX 16384

#define REASON_MAX 256

static int
io_err(int errnum)
{
	return errnum == ECONNRESET || errnum == EPIPE ? GW_ECLOSED : GW_EIO;
}

/* Before each call whose error is read from the thread's queue; that is nearly
 * always empty, and clearing it costs more than looking. */
static void
errors_forget(void)
{
	if (ERR_peek_error() != 0)
		ERR_clear_error();
}

/* A login of ours (Dovecot, a next hop) may have been in it; a body is not
 * worth the time. */
static void
out_free(struct stream *s)
{
	if (!s->secrets_over && s->out.size <= SECRET_UNDER)
		buf_wipe(&s->out);
	else
		buf_fini(&s->out);
	s->out_sent = 0;
}

/* Nothing waits to be presented before this end, unless now is false. */
static void
set_end(struct stream *s, int err, bool now)
{
	if (s->end != 0)
		return;
	s->end = err;
	s->end_now = now;
}

/* OpenSSL's words for what just failed. The verdict is set without
 * verification too, when it is no cause of anything. */
static void
keep_reason(struct stream *s)
{
	bool verifies = (SSL_get_verify_mode(s->ssl) & SSL_VERIFY_PEER) != 0;
	long verdict = SSL_get_verify_result(s->ssl);
	char text[REASON_MAX];

	if (verifies && verdict != X509_V_OK)
		snprintf(text, sizeof(text), "certificate verify failed: %s",
			 X509_verify_cert_error_string(verdict));
	else
		snprintf(text, sizeof(text), "%s", tls_reason());
	free(s->tls_error);
	s->tls_error = mem_strdup(text);
}

/*
 * What became of an SSL call that did not succeed: 0 and *needs, or an error.
 */
static int
tls_outcome(struct stream *s, int result, enum stream_need *needs)
{
	int errnum = errno;

	switch (SSL_get_error(s->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		*needs = NEED_READ;
		return 0;
	case SSL_ERROR_WANT_WRITE:
		*needs = NEED_WRITE;
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		return GW_ECLOSED;
	case SSL_ERROR_SYSCALL:
		s->tls_broken = true;
		return errnum == 0 ? GW_ECLOSED : io_err(errnum);
	default:
		s->tls_broken = true;
		keep_reason(s);
		return GW_ETLS;
	}
}

static size_t
fill_plain(struct stream *s, char *p, size_t size, bool *more)
{
	ssize_t n;

	do {
		n = recv(s->fd, p, size, 0);
	} while (n < 0 && errno == EINTR);
	*more = n == (ssize_t)size;
	if (n > 0)
		return (size_t)n;
	if (n == 0)
		set_end(s, GW_ECLOSED, false);
	else if (errno != EAGAIN)
		set_end(s, io_err(errno), false);
	return 0;
}

/* As many records as fit: one call of the owner for all of them. */
static size_t
fill_tls(struct stream *s, char *p, size_t size, bool *more)
{
	size_t total = 0, n;
	int result, err;

	*more = true;
	s->read_needs = NEED_NONE;
	while (total < size) {
		errors_forget();
		errno = 0;
		result = SSL_read_ex(s->ssl, p + total, size - total, &n);
		if (result != 1) {
			*more = false;
			err = tls_outcome(s, result, &s->read_needs);
			if (s->read_needs == NEED_READ)
				s->read_needs = NEED_NONE;
			if (err != 0)
				set_end(s, err, false);
			break;
		}
		total += n;
		if (n < RECORD_MAX && !SSL_has_pending(s->ssl)) {
			*more = false;
			break;
		}
	}
	return total;
}

size_t
stream_fill(struct stream *s, char *p, size_t size, bool *more)
{
	size_t n = s->tls == TLS_ON ? fill_tls(s, p, size, more)
				    : fill_plain(s, p, size, more);

	s->bytes_in += n;
	return n;
}

void
stream_shut_write(struct stream *s, int err)
{
	if (s->write_end != 0)
		return;
	s->write_end = err;
	s->again = true;
	s->want_drain = false;
	s->drained = false;
	out_free(s);
	s->clear = 0;
	stream_later(s);
}

static size_t
put_plain(struct stream *s, const char *p, size_t n)
{
	ssize_t sent;

	do {
		sent = send(s->fd, p, n, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return (size_t)sent;
	if (errno != EAGAIN)
		stream_shut_write(s, io_err(errno));
	return 0;
}

static size_t
put_tls(struct stream *s, const char *p, size_t n)
{
	size_t sent;
	int result, err;

	s->write_needs = NEED_NONE;
	if (s->tls_broken) {
		stream_shut_write(s, s->end != 0 ? s->end : GW_ECLOSED);
		return 0;
	}
	errors_forget();
	errno = 0;
	result = SSL_write_ex(s->ssl, p, n, &sent);
	if (result == 1)
		return sent;
	err = tls_outcome(s, result, &s->write_needs);
	if (s->write_needs == NEED_WRITE)
		s->write_needs = NEED_NONE;
	if (err != 0)
		stream_shut_write(s, err);
	return 0;
}

/* How many of n bytes went out. */
static size_t
put(struct stream *s, const char *p, size_t n)
{
	size_t done = 0, sent;

	while (done < n && done < STREAM_TURN_BYTES) {
		sent = s->tls == TLS_ON ? put_tls(s, p + done, n - done)
					: put_plain(s, p + done, n - done);
		if (sent == 0)
			break;
		done += sent;
	}
	s->bytes_out += done;
	return done;
}

size_t
stream_unsent_now(const struct stream *s)
{
	switch (s->tls) {
	case TLS_OFF:
	case TLS_ON:
		return s->out.n - s->out_sent;
	case TLS_WAIT:
		return s->clear;
	case TLS_HANDSHAKE:
		break;
	}
	return 0;
}

/* Take n sent bytes off; move the rest down seldom enough to cost nothing. */
static void
out_sent(struct stream *s, size_t n)
{
	s->out_sent += n;
	if (s->tls == TLS_WAIT)
		s->clear -= n;
	if (s->out_sent == s->out.n) {
		out_free(s);
		s->drained = s->want_drain;
		s->want_drain = false;
	} else if (s->out_sent > s->out.n / 2) {
		buf_drop(&s->out, s->out_sent);
		s->out_sent = 0;
	}
}

void
stream_flush(struct stream *s)
{
	size_t n = stream_unsent_now(s), sent;

	if (s->cork > 0 || s->write_end != 0)
		return;
	if (n > 0) {
		sent = put(s, s->out.p + s->out_sent, n);
		if (s->write_end != 0)
			return;
		out_sent(s, sent);
	}
	if (s->out.n > 0)
		s->want_drain = true;
	if (s->drained)
		stream_later(s);
}

void
stream_send(struct stream *s, struct slice in)
{
	size_t sent = 0;

	if (s->write_end != 0 || in.n == 0)
		return;
	if (s->cork == 0 && s->out.n == 0 &&
	    (s->tls == TLS_OFF || s->tls == TLS_ON))
		sent = put(s, in.p, in.n);
	if (s->write_end != 0 || sent == in.n)
		return;
	buf_add_slice(&s->out, slice_from(in, sent));
	if (s->out.overflow)
		stream_shut_write(s, GW_ETOOBIG);
	else if (s->cork == 0)
		s->want_drain = true;
}

void
stream_handshake(struct stream *s)
{
	int result, err;

	s->handshake_needs = NEED_NONE;
	errors_forget();
	errno = 0;
	result = SSL_do_handshake(s->ssl);
	if (result == 1) {
		s->tls = TLS_ON;
		s->secured = true;
		s->again = true;
		return;
	}
	err = tls_outcome(s, result, &s->handshake_needs);
	if (err == 0)
		return;
	s->tls_broken = true;
	set_end(s, err, true);
}

bool
stream_close_notify(struct stream *s)
{
	enum stream_need needs = NEED_NONE;
	int result;

	if (s->tls != TLS_ON || s->tls_broken || s->write_end != 0)
		return true;
	errors_forget();
	errno = 0;
	result = SSL_shutdown(s->ssl);
	return result >= 0 || tls_outcome(s, result, &needs) != 0 ||
	       needs != NEED_WRITE;
}

void
stream_io_fini(struct stream *s)
{
	SSL_free(s->ssl);
	s->ssl = NULL;
	free(s->tls_error);
	s->tls_error = NULL;
	buf_wipe(&s->pending);
	out_free(s);
}
