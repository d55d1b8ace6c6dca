/* Streams with TLS: both ends are ours on one loop, or the peer is OpenSSL by
 * hand where a client of ours would not do such a thing.
 * size: every story needs the same two ends and certificates. */
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "gateway/net/stream.h"
#include "tests/net/net_help.h"

#include "tests/net/cert_help.h"

struct side {
	struct stream *stream;
	struct tls_ctx *starttls; /* start TLS at a line STARTTLS */
	struct buf seen;
	int secure, ends, end, drain, starttls_err;
	bool pause_each;    /* pause at each on_data, and wait for resume */
	bool keep_behind;   /* leave what is behind the STARTTLS line */
	bool hold_line;	    /* use nothing yet */
	char on_secure_act; /* 'd' destroy, 'f' finish */
	char on_data_act;
};

static struct cert_dir dir;
static struct cert ca, other_ca;
static const char *ca_path;
static struct loop *loop;
static struct tls_ctx *server_ctx;
static struct side server, client;

static void
act(struct side *s, char what)
{
	if (what == 'd')
		stream_destroy(&s->stream);
	if (what == 'f') {
		stream_write(s->stream, SLICE_LIT("bye\n"));
		stream_finish(&s->stream, 5000);
	}
}

static size_t
on_data(void *arg, struct slice in)
{
	struct side *s = arg;
	struct slice line = SLICE_LIT("STARTTLS\n");

	if (s->hold_line)
		return 0;
	if (s->starttls != NULL && slice_starts(in, line)) {
		stream_write(s->stream, SLICE_LIT("220 go\n"));
		s->starttls_err = stream_tls_server(s->stream, s->starttls);
		s->starttls = NULL;
		return s->keep_behind ? line.n : in.n;
	}
	buf_add_slice(&s->seen, in);
	if (s->pause_each)
		stream_pause(s->stream);
	act(s, s->on_data_act);
	return in.n;
}

static void
on_secure(void *arg)
{
	struct side *s = arg;

	s->secure++;
	ck_assert(stream_is_tls(s->stream));
	act(s, s->on_secure_act);
}

static void
on_drain(void *arg)
{
	struct side *s = arg;

	s->drain++;
}

static void
on_end(void *arg, int err)
{
	struct side *s = arg;

	s->ends++;
	s->end = err;
}

static const struct stream_ops ops = {.on_data = on_data,
				      .on_drain = on_drain,
				      .on_secure = on_secure,
				      .on_end = on_end};

static void
side_start(struct side *s, int fd)
{
	memset(s, 0, sizeof(*s));
	buf_init(&s->seen, 64u << 20);
	if (fd >= 0)
		s->stream = stream_create(loop, fd, &ops, s);
}

static struct tls_ctx *
server_ctx_create(const char *san, int from, int to, const struct cert *issuer)
{
	struct cert cert = cert_create_ec(san, from, to, issuer);
	struct tls_server_opts opts;
	struct tls_ctx *ctx;
	char error[256];

	dir.count = 1; /* the CA stays, the last one is overwritten */
	opts.certificate = cert_write(&dir, "c", &cert);
	opts.key = cert_write_key(&dir, "k", &cert, NULL);
	ck_assert_int_eq(tls_server_create(&ctx, &opts, error, sizeof(error)),
			 0);
	cert_destroy(&cert);
	return ctx;
}

static struct tls_ctx *
client_ctx_create(bool verify)
{
	struct tls_client_opts opts = {.verify = verify, .ca_file = ca_path};
	struct tls_ctx *ctx;
	char error[256];

	ck_assert_int_eq(tls_client_create(&ctx, &opts, error, sizeof(error)),
			 0);
	return ctx;
}

static void
setup(void)
{
	cert_dir_create(&dir);
	ca = cert_create_ec(NULL, -1, 300, NULL);
	other_ca = cert_create_ec(NULL, -1, 300, NULL);
	ca_path = cert_write(&dir, "ca", &ca);
	server_ctx = server_ctx_create("DNS:mx.test", -1, 30, &ca);
	loop = loop_create();
}

static void
teardown(void)
{
	stream_destroy(&server.stream);
	stream_destroy(&client.stream);
	buf_fini(&server.seen);
	buf_fini(&client.seen);
	loop_destroy(&loop);
	tls_ctx_destroy(&server_ctx);
	cert_destroy(&ca);
	cert_destroy(&other_ca);
	cert_dir_destroy(&dir);
}

/* Both sides are streams; TLS is on when it returns. */
static void
both_secure(void)
{
	struct tls_ctx *ctx = client_ctx_create(true);
	int fd[2];

	tcp_pair(fd);
	side_start(&server, fd[0]);
	side_start(&client, fd[1]);
	ck_assert_int_eq(stream_tls_server(server.stream, server_ctx), 0);
	ck_assert_int_eq(stream_tls_client(client.stream, ctx, "mx.test"), 0);
	tls_ctx_destroy(&ctx); /* the session keeps what it needs */
	TURN_UNTIL(loop, server.secure == 1 && client.secure == 1);
}

/* The server is a stream, the client OpenSSL on a nonblocking socket. */
static SSL *
by_hand(int *peer, SSL_CTX **ctx)
{
	SSL *ssl;
	int fd[2], size = 200000, on = 1;

	tcp_pair(fd);
	setsockopt(fd[0], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	/* Nagle would hold the second record back. */
	setsockopt(fd[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	side_start(&server, fd[0]);
	side_start(&client, -1);
	set_nonblocking(fd[1]);
	*ctx = SSL_CTX_new(TLS_client_method());
	ssl = SSL_new(*ctx);
	SSL_set_fd(ssl, fd[1]);
	SSL_set_connect_state(ssl);
	*peer = fd[1];
	return ssl;
}

struct verify_row {
	const char *label;
	const char *san;
	const char *name; /* that the client asks for */
	int from, to;	  /* days */
	bool known_ca, verify, good;
	const char *error;
};

static const struct verify_row verify_rows[] = {
    {"right name", "DNS:mx.test", "mx.test", -1, 9, true, true, true, ""},
    {"other case", "DNS:mx.test", "MX.Test", -1, 9, true, true, true, ""},
    {"absolute name", "DNS:mx.test", "mx.test.", -1, 9, true, true, true, ""},
    {"wildcard", "DNS:*.mx.test", "a.mx.test", -1, 9, true, true, true, ""},
    {"partial wildcard", "DNS:a*.mx.test", "ab.mx.test", -1, 9, true, true,
     false, "hostname mismatch"},
    {"wrong name", "DNS:mx.test", "mail.test", -1, 9, true, true, false,
     "hostname mismatch"},
    {"IP literal", "IP:192.0.2.1", "192.0.2.1", -1, 9, true, true, true, ""},
    {"IPv6 literal", "IP:2001:db8::1", "2001:db8:0::1", -1, 9, true, true, true,
     ""},
    {"wrong IP", "IP:192.0.2.1", "192.0.2.2", -1, 9, true, true, false,
     "IP address mismatch"},
    {"an IP in a DNS name is none", "DNS:192.0.2.1", "192.0.2.1", -1, 9, true,
     true, false, "IP address mismatch"},
    {"unknown CA", "DNS:mx.test", "mx.test", -1, 9, false, true, false,
     "unable to"},
    {"expired", "DNS:mx.test", "mx.test", -9, -1, true, true, false, "expired"},
    {"not yet valid", "DNS:mx.test", "mx.test", 1, 9, true, true, false,
     "not yet valid"},
    {"all wrong, nothing verified", "DNS:x", "y", -9, -1, false, false, true,
     ""},
    {"no name, nothing verified", "DNS:x", NULL, -1, 9, false, false, true, ""},
};

START_TEST(verification)
{
	setup();
	for (size_t i = 0; i < sizeof(verify_rows) / sizeof(verify_rows[0]);
	     i++) {
		const struct verify_row *row = &verify_rows[i];
		struct tls_ctx *sctx =
		    server_ctx_create(row->san, row->from, row->to,
				      row->known_ca ? &ca : &other_ca);
		struct tls_ctx *cctx = client_ctx_create(row->verify);
		int fd[2];

		tcp_pair(fd);
		side_start(&server, fd[0]);
		side_start(&client, fd[1]);
		stream_tls_server(server.stream, sctx);
		ck_assert_int_eq(
		    stream_tls_client(client.stream, cctx, row->name), 0);
		TURN_UNTIL(loop, client.secure + client.ends > 0);
		ck_assert_msg(client.secure == row->good, "%s: %s", row->label,
			      stream_tls_error(client.stream));
		if (!row->good) {
			ck_assert_int_eq(client.end, GW_ETLS);
			ck_assert_msg(strstr(stream_tls_error(client.stream),
					     row->error) != NULL,
				      "%s: %s", row->label,
				      stream_tls_error(client.stream));
			ck_assert_ptr_null(stream_tls_version(client.stream));
		} else {
			ck_assert_str_eq(stream_tls_error(client.stream), "");
			ck_assert_str_eq(stream_tls_version(client.stream),
					 "TLSv1.3");
			ck_assert_ptr_nonnull(stream_tls_cipher(client.stream));
		}
		stream_destroy(&server.stream);
		stream_destroy(&client.stream);
		tls_ctx_destroy(&sctx);
		tls_ctx_destroy(&cctx);
	}
	teardown();
}
END_TEST

START_TEST(verifying_needs_a_name)
{
	struct tls_ctx *ctx;
	int fd[2];

	setup();
	tcp_pair(fd);
	side_start(&client, fd[0]);
	ctx = client_ctx_create(true);
	ck_assert_int_eq(stream_tls_client(client.stream, ctx, NULL),
			 GW_EINVAL);
	ck_assert_int_eq(stream_tls_client(client.stream, ctx, ""), GW_ETLS);
	ck_assert_int_eq(stream_tls_client(client.stream, ctx, "mx.test"), 0);
	ck_assert_int_eq(stream_tls_client(client.stream, ctx, "mx.test"),
			 GW_EINVAL);
	tls_ctx_destroy(&ctx);
	close(fd[1]);
	teardown();
}
END_TEST

/* What is written before the handshake ended goes inside it. */
START_TEST(early_writes_go_inside)
{
	SSL_CTX *ctx;
	char got[16] = "";
	int fd, n;
	SSL *ssl;

	setup();
	ssl = by_hand(&fd, &ctx);
	ck_assert_int_eq(stream_tls_server(server.stream, server_ctx), 0);
	stream_write(server.stream, SLICE_LIT("220 hello\n"));
	TURN_UNTIL(loop, (n = SSL_read(ssl, got, sizeof(got))) > 0);
	ck_assert_int_eq(n, 10);
	TURN_UNTIL(loop, server.drain == 1);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	teardown();
}
END_TEST

START_TEST(starttls_answer_leaves_in_the_clear)
{
	struct buf in = {.cap = 100};
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;

	setup();
	ssl = by_hand(&fd, &ctx);
	server.starttls = server_ctx;
	send_str(fd, "STARTTLS\n");
	TURN_UNTIL(loop, (recv_now(fd, &in), in.n >= 7));
	ck_assert(buf_is(&in, "220 go\n"));
	ck_assert_int_eq(server.starttls_err, 0);
	TURN_UNTIL(loop, (SSL_do_handshake(ssl), server.secure == 1));
	ck_assert_int_eq(SSL_write(ssl, "EHLO\n", 5), 5);
	TURN_UNTIL(loop, buf_is(&server.seen, "EHLO\n"));
	buf_fini(&in);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	teardown();
}
END_TEST

/* CVE-2011-0411: the clear bytes behind STARTTLS, in each way they can lie. */
START_TEST(starttls_with_bytes_behind)
{
	int fd[2];

	setup();
	/* The owner leaves them over: the stream ends, and never says them. */
	tcp_pair(fd);
	side_start(&server, fd[0]);
	side_start(&client, -1);
	server.starttls = server_ctx;
	server.keep_behind = true;
	send_str(fd[1], "STARTTLS\nRSET\n");
	TURN_UNTIL(loop, server.ends == 1);
	ck_assert_int_eq(server.end, GW_EPROTO);
	ck_assert_int_eq(server.secure, 0);
	ck_assert_uint_eq(server.seen.n, 0);
	close(fd[1]);
	stream_destroy(&server.stream);

	/* Kept, and TLS is started later, outside on_data. */
	tcp_pair(fd);
	side_start(&server, fd[0]);
	server.hold_line = true;
	send_str(fd[1], "RSET\n");
	TURN_UNTIL(loop, stream_has_pending(server.stream));
	ck_assert_int_eq(stream_tls_server(server.stream, server_ctx),
			 GW_EPROTO);
	ck_assert(!stream_is_tls(server.stream));
	close(fd[1]);
	stream_destroy(&server.stream);

	/* Still in the kernel: read as a handshake, which they are not. */
	tcp_pair(fd);
	side_start(&server, fd[0]);
	send_str(fd[1], "RSET\n");
	ck_assert_int_eq(stream_tls_server(server.stream, server_ctx), 0);
	TURN_UNTIL(loop, server.ends == 1);
	ck_assert_int_eq(server.end, GW_ETLS);
	ck_assert_str_ne(stream_tls_error(server.stream), "");
	ck_assert_uint_eq(server.seen.n, 0);
	close(fd[1]);
	teardown();
}
END_TEST

START_TEST(old_version_refused)
{
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;

	setup();
	ssl = by_hand(&fd, &ctx);
	SSL_set_security_level(ssl, 0);
	SSL_set_min_proto_version(ssl, TLS1_VERSION);
	SSL_set_max_proto_version(ssl, TLS1_1_VERSION);
	stream_tls_server(server.stream, server_ctx);
	TURN_UNTIL(loop, (SSL_do_handshake(ssl), server.ends == 1));
	ck_assert_int_eq(server.end, GW_ETLS);
	ck_assert_ptr_nonnull(
	    strstr(stream_tls_error(server.stream), "unsupported protocol"));
	ck_assert_int_eq(server.secure, 0);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	teardown();
}
END_TEST

/* Says nothing, or half of a hello; then goes. */
START_TEST(half_open)
{
	static const char *const said[] = {"", "\x16\x03\x01\x02"};

	setup();
	for (int i = 0; i < 4; i++) {
		int fd[2];

		tcp_pair(fd);
		side_start(&server, fd[0]);
		stream_tls_server(server.stream, server_ctx);
		if (said[i / 2][0] != '\0')
			send_str(fd[1], said[i / 2]);
		turn_some(loop);
		ck_assert_int_eq(server.secure + server.ends, 0);
		if (i % 2 == 0) { /* the owner's time is up */
			stream_destroy(&server.stream);
			close(fd[1]);
			continue;
		}
		close(fd[1]);
		TURN_UNTIL(loop, server.ends == 1);
		ck_assert_int_eq(server.end, GW_ECLOSED);
		stream_destroy(&server.stream);
	}
	teardown();
}
END_TEST

START_TEST(large_both_ways)
{
	static unsigned char chunk[300000];
	size_t total = 20 * sizeof(chunk);

	setup();
	both_secure();
	for (size_t i = 0; i < sizeof(chunk); i++)
		chunk[i] = (unsigned char)(i % 251);
	server.pause_each = true; /* with bytes left inside OpenSSL */
	for (int i = 0; i < 20; i++) {
		stream_write(client.stream, slice_of(chunk, sizeof(chunk)));
		stream_write(server.stream, slice_of(chunk, sizeof(chunk)));
	}
	ck_assert_uint_gt(stream_unsent(client.stream), 0);
	TURN_UNTIL(loop, (stream_resume(server.stream),
			  server.seen.n == total && client.seen.n == total));
	TURN_UNTIL(loop, client.drain == 1 && server.drain == 1);
	for (int i = 0; i < 20; i++) {
		size_t at = (size_t)i * sizeof(chunk);

		ck_assert_mem_eq(server.seen.p + at, chunk, sizeof(chunk));
		ck_assert_mem_eq(client.seen.p + at, chunk, sizeof(chunk));
	}
	ck_assert_uint_eq(stream_bytes_in(server.stream), total);
	ck_assert_uint_eq(stream_bytes_out(client.stream), total);
	teardown();
}
END_TEST

/* Many small records come in one read(2), and lie where epoll sees nothing. */
START_TEST(hidden_records_are_read)
{
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;

	setup();
	ssl = by_hand(&fd, &ctx);
	stream_tls_server(server.stream, server_ctx);
	TURN_UNTIL(loop, (SSL_do_handshake(ssl), server.secure == 1));
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(SSL_write(ssl, "x\n", 2), 2);
	TURN_UNTIL(loop, server.seen.n == 200);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	teardown();
}
END_TEST

/* The same behind a pause. What OpenSSL reads ahead ends with a record that it
 * began, so only a slice that is nearly full leaves any there: 5,536 bytes of
 * ten records find room, the rest is where only SSL_has_pending sees it. */
START_TEST(hidden_records_after_resume)
{
	static char record[1000];
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;

	setup();
	ssl = by_hand(&fd, &ctx);
	stream_tls_server(server.stream, server_ctx);
	TURN_UNTIL(loop, (SSL_do_handshake(ssl), server.secure == 1));
	server.hold_line = true;
	for (int i = 0; i < 60; i++)
		ck_assert_int_eq(SSL_write(ssl, record, sizeof(record)),
				 sizeof(record));
	TURN_UNTIL(loop, stream_bytes_in(server.stream) == 60000);
	server.hold_line = false;
	server.pause_each = true;
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(SSL_write(ssl, record, sizeof(record)),
				 sizeof(record));
	TURN_UNTIL(loop, server.seen.n > 0);
	turn_some(loop);
	ck_assert_uint_eq(server.seen.n, STREAM_PENDING_MAX);
	stream_resume(server.stream);
	TURN_UNTIL(loop, server.seen.n == 70000);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	teardown();
}
END_TEST

/* The close comes in with the data: it is told after the pause only. */
START_TEST(end_waits_for_pause)
{
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;

	setup();
	ssl = by_hand(&fd, &ctx);
	server.pause_each = true;
	stream_tls_server(server.stream, server_ctx);
	TURN_UNTIL(loop, (SSL_do_handshake(ssl), server.secure == 1));
	ck_assert_int_eq(SSL_write(ssl, "a\n", 2), 2);
	ck_assert_int_eq(SSL_write(ssl, "b\n", 2), 2);
	SSL_shutdown(ssl);
	TURN_UNTIL(loop, server.seen.n == 4);
	turn_some(loop);
	ck_assert_int_eq(server.ends, 0);
	stream_resume(server.stream);
	TURN_UNTIL(loop, server.ends == 1);
	ck_assert_int_eq(server.end, GW_ECLOSED);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	teardown();
}
END_TEST

START_TEST(finish_says_close_notify)
{
	setup();
	for (int i = 0; i < 2; i++) {
		SSL_CTX *ctx;
		char got[16];
		SSL *ssl;
		int fd, n;

		ssl = by_hand(&fd, &ctx);
		if (i == 0)
			server.on_secure_act = 'f';
		else
			server.on_data_act = 'f';
		stream_tls_server(server.stream, server_ctx);
		TURN_UNTIL(loop, (SSL_do_handshake(ssl), server.secure == 1));
		if (i == 1)
			ck_assert_int_eq(SSL_write(ssl, "QUIT\n", 5), 5);
		TURN_UNTIL(loop, (n = SSL_read(ssl, got, sizeof(got))) > 0);
		ck_assert_int_eq(n, 4);
		ck_assert_mem_eq(got, "bye\n", 4);
		TURN_UNTIL(loop, (n = SSL_read(ssl, got, sizeof(got))) == 0);
		ck_assert_int_eq(SSL_get_error(ssl, n), SSL_ERROR_ZERO_RETURN);
		ck_assert_int_ne(SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN,
				 0);
		ck_assert_ptr_null(server.stream);
		SSL_free(ssl);
		SSL_CTX_free(ctx);
		close(fd);
		turn_some(loop);
	}
	teardown();
}
END_TEST

/* With close_notify and without it is the same end, after all data. */
START_TEST(peer_closes)
{
	setup();
	for (int i = 0; i < 3; i++) {
		SSL_CTX *ctx;
		SSL *ssl;
		int fd;

		ssl = by_hand(&fd, &ctx);
		stream_tls_server(server.stream, server_ctx);
		TURN_UNTIL(loop, (SSL_do_handshake(ssl), server.secure == 1));
		/* Our ticket, or closing with it unread is a reset. */
		ck_assert_int_lt(SSL_read(ssl, &(char){0}, 1), 1);
		ck_assert_int_eq(SSL_write(ssl, "QUIT\n", 5), 5);
		if (i == 0)
			SSL_shutdown(ssl);
		SSL_free(ssl);
		SSL_CTX_free(ctx);
		if (i == 2)
			TURN_UNTIL(loop, server.seen.n == 5);
		if (i == 2)
			close_rst(fd);
		else
			close(fd);
		TURN_UNTIL(loop, server.ends == 1);
		ck_assert_int_eq(server.end, GW_ECLOSED);
		ck_assert(buf_is(&server.seen, "QUIT\n"));
		stream_destroy(&server.stream);
		buf_fini(&server.seen);
	}
	teardown();
}
END_TEST

START_TEST(destroy_in_callbacks)
{
	setup();
	for (int i = 0; i < 2; i++) {
		SSL_CTX *ctx;
		SSL *ssl;
		int fd;

		ssl = by_hand(&fd, &ctx);
		if (i == 0)
			server.on_secure_act = 'd';
		else
			server.on_data_act = 'd';
		stream_tls_server(server.stream, server_ctx);
		TURN_UNTIL(loop, (SSL_do_handshake(ssl), server.secure == 1));
		if (i == 1)
			ck_assert_int_eq(SSL_write(ssl, "QUIT\n", 5), 5);
		TURN_UNTIL(loop, server.stream == NULL);
		turn_some(loop);
		ck_assert_int_eq(server.ends, 0);
		SSL_free(ssl);
		SSL_CTX_free(ctx);
		close(fd);
		buf_fini(&server.seen);
	}
	teardown();
}
END_TEST

/* Plain garbage, or a reset, under an established session. */
START_TEST(broken_session)
{
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;

	setup();
	ssl = by_hand(&fd, &ctx);
	stream_tls_server(server.stream, server_ctx);
	TURN_UNTIL(loop, (SSL_do_handshake(ssl), server.secure == 1));
	send_str(fd, "MAIL FROM:<a@b>\r\n");
	TURN_UNTIL(loop, server.ends == 1);
	ck_assert_int_eq(server.end, GW_ETLS);
	ck_assert_uint_eq(server.seen.n, 0);
	stream_write(server.stream, SLICE_LIT("late\n"));
	stream_finish(&server.stream, 5000);
	turn_some(loop);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	teardown();
}
END_TEST

/* The certificate of the test ends in 30 days; the client showed none. */
START_TEST(peer_expires)
{
	int64_t day_s = 86400, now_wall_s = clock_wall_s(), at;
	int fd[2];

	setup();
	both_secure();
	at = stream_peer_expires_wall_s(client.stream);
	ck_assert_int_gt(at, now_wall_s + 30 * day_s - 100);
	ck_assert_int_lt(at, now_wall_s + 30 * day_s + 100);
	ck_assert_int_eq(stream_peer_expires_wall_s(server.stream), 0);
	teardown();
	/* in the clear there is none */
	loop = loop_create();
	tcp_pair(fd);
	side_start(&client, fd[0]);
	ck_assert_int_eq(stream_peer_expires_wall_s(client.stream), 0);
	stream_destroy(&client.stream);
	buf_fini(&client.seen);
	close(fd[1]);
	loop_destroy(&loop);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    verification,
	    verifying_needs_a_name,
	    early_writes_go_inside,
	    starttls_answer_leaves_in_the_clear,
	    starttls_with_bytes_behind,
	    old_version_refused,
	    half_open,
	    large_both_ways,
	    hidden_records_are_read,
	    hidden_records_after_resume,
	    end_waits_for_pause,
	    finish_says_close_notify,
	    peer_closes,
	    destroy_in_callbacks,
	    broken_session,
	    peer_expires,
	};

	return RUN_TESTS("net/stream_tls", tests);
}
