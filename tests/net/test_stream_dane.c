/* TLSA records against real handshakes (RFC 7671, 5; 7672, 3). */
#include <openssl/ssl.h>

#include "gateway/net/stream.h"
#include "tests/net/net_help.h"

#include "tests/net/cert_help.h"

enum whose { LEAF, AUTHORITY, STRANGER };

struct record {
	uint8_t usage, selector, matching;
	enum whose whose;
	size_t cut; /* bytes that are missing */
};

#define RECORDS 3
#define EE(s, m, w)           \
	{                     \
		3, s, m, w, 0 \
	}
#define TA(s, m, w)           \
	{                     \
		2, s, m, w, 0 \
	}

struct row {
	const char *label;
	const char *san, *domain;
	int from, to; /* days */
	bool authority_is_sent;
	struct record records[RECORDS];
	uint32_t count;
	bool good, verified;
	const char *error;
};

static const struct row rows[] = {
    {"EE, key, SHA-256",
     "DNS:mx.test",
     NULL,
     -1,
     9,
     false,
     {EE(1, 1, LEAF)},
     1,
     true,
     true,
     ""},
    {"EE, key, SHA-512",
     "DNS:mx.test",
     NULL,
     -1,
     9,
     false,
     {EE(1, 2, LEAF)},
     1,
     true,
     true,
     ""},
    {"EE, key, whole",
     "DNS:mx.test",
     NULL,
     -1,
     9,
     false,
     {EE(1, 0, LEAF)},
     1,
     true,
     true,
     ""},
    {"EE, certificate, SHA-256",
     "DNS:mx.test",
     NULL,
     -1,
     9,
     false,
     {EE(0, 1, LEAF)},
     1,
     true,
     true,
     ""},
    {"EE, certificate, whole",
     "DNS:mx.test",
     NULL,
     -1,
     9,
     false,
     {EE(0, 0, LEAF)},
     1,
     true,
     true,
     ""},
    {"EE: another key",
     "DNS:mx.test",
     NULL,
     -1,
     9,
     false,
     {EE(1, 1, STRANGER)},
     1,
     false,
     false,
     "TLSA"},
    {"EE: another name does not matter",
     "DNS:other.test",
     NULL,
     -1,
     9,
     false,
     {EE(1, 1, LEAF)},
     1,
     true,
     true,
     ""},
    {"EE: expired does not matter",
     "DNS:mx.test",
     NULL,
     -9,
     -1,
     false,
     {EE(1, 1, LEAF)},
     1,
     true,
     true,
     ""},
    {"EE: not yet valid does not matter",
     "DNS:mx.test",
     NULL,
     1,
     9,
     false,
     {EE(0, 1, LEAF)},
     1,
     true,
     true,
     ""},
    {"EE: of two keys the second, as in a change of keys",
     "DNS:mx.test",
     NULL,
     -1,
     9,
     false,
     {EE(1, 1, STRANGER), EE(1, 1, LEAF)},
     2,
     true,
     true,
     ""},
    {"EE: the strongest digest counts, not the one that matches",
     "DNS:mx.test",
     NULL,
     -1,
     9,
     false,
     {EE(1, 1, LEAF), EE(1, 2, STRANGER)},
     2,
     false,
     false,
     "TLSA"},
    {"TA, key, SHA-256",
     "DNS:mx.test",
     NULL,
     -1,
     9,
     true,
     {TA(1, 1, AUTHORITY)},
     1,
     true,
     true,
     ""},
    {"TA, certificate, SHA-512",
     "DNS:mx.test",
     NULL,
     -1,
     9,
     true,
     {TA(0, 2, AUTHORITY)},
     1,
     true,
     true,
     ""},
    {"TA, certificate, whole: need not be sent",
     "DNS:mx.test",
     NULL,
     -1,
     9,
     false,
     {TA(0, 0, AUTHORITY)},
     1,
     true,
     true,
     ""},
    {"TA, digest, but the server leaves it out",
     "DNS:mx.test",
     NULL,
     -1,
     9,
     false,
     {TA(1, 1, AUTHORITY)},
     1,
     false,
     false,
     ""},
    {"TA: another authority",
     "DNS:mx.test",
     NULL,
     -1,
     9,
     true,
     {TA(1, 1, STRANGER)},
     1,
     false,
     false,
     ""},
    {"TA: another name",
     "DNS:other.test",
     NULL,
     -1,
     9,
     true,
     {TA(1, 1, AUTHORITY)},
     1,
     false,
     false,
     "mismatch"},
    {"TA: the name of the domain",
     "DNS:lab.test",
     "lab.test",
     -1,
     9,
     true,
     {TA(1, 1, AUTHORITY)},
     1,
     true,
     true,
     ""},
    {"TA: neither name",
     "DNS:x.test",
     "lab.test",
     -1,
     9,
     true,
     {TA(1, 1, AUTHORITY)},
     1,
     false,
     false,
     "mismatch"},
    {"TA: wildcard",
     "DNS:*.lab.test",
     "mx.lab.test",
     -1,
     9,
     true,
     {TA(1, 1, AUTHORITY)},
     1,
     true,
     true,
     ""},
    {"TA: partial wildcard",
     "DNS:m*.lab.test",
     "mx.lab.test",
     -1,
     9,
     true,
     {TA(1, 1, AUTHORITY)},
     1,
     false,
     false,
     "mismatch"},
    {"TA: expired",
     "DNS:mx.test",
     NULL,
     -9,
     -1,
     true,
     {TA(1, 1, AUTHORITY)},
     1,
     false,
     false,
     "expired"},
    {"TA does not match, EE does",
     "DNS:other.test",
     NULL,
     -9,
     -1,
     true,
     {TA(1, 1, STRANGER), EE(1, 1, LEAF)},
     2,
     true,
     true,
     ""},
    {"none at all: encrypted, with whomever",
     "DNS:other.test",
     NULL,
     -9,
     -1,
     false,
     {EE(1, 1, LEAF)},
     0,
     true,
     false,
     ""},
    {"a digest that is cut is no record",
     "DNS:mx.test",
     NULL,
     -1,
     9,
     false,
     {{3, 1, 1, LEAF, 1}},
     1,
     true,
     false,
     ""},
    {"a certificate that is cut is no record",
     "DNS:mx.test",
     NULL,
     -1,
     9,
     false,
     {{3, 0, 0, LEAF, 5}},
     1,
     true,
     false,
     ""},
    {"a cut one beside a good one",
     "DNS:mx.test",
     NULL,
     -1,
     9,
     false,
     {{3, 1, 1, LEAF, 1}, EE(1, 1, STRANGER)},
     2,
     false,
     false,
     "TLSA"},
    {"a matching that nobody knows is no record",
     "DNS:mx.test",
     NULL,
     -1,
     9,
     false,
     {EE(1, 7, LEAF)},
     1,
     true,
     false,
     ""},
};

struct side {
	struct stream *stream;
	int secure, ends, end;
};

static size_t
on_data(void *arg, struct slice in)
{
	(void)arg;
	return in.n;
}

static void
on_secure(void *arg)
{
	struct side *s = arg;

	s->secure++;
}

static void
on_end(void *arg, int err)
{
	struct side *s = arg;

	s->ends++;
	s->end = err;
}

static const struct stream_ops ops = {
    .on_data = on_data, .on_secure = on_secure, .on_end = on_end};

static unsigned char data[RECORDS][2000];

static void
record_make(const struct record *r, const struct cert *cert, int i,
	    struct tls_dane_record *made)
{
	unsigned char der[2000], *p = der;
	unsigned int n;

	if (r->selector == 0)
		n = (unsigned)i2d_X509(cert->x509, &p);
	else
		n = (unsigned)i2d_PUBKEY(cert->key, &p);
	ck_assert_uint_lt(n, sizeof(der));
	if (r->matching == 0)
		memcpy(data[i], der, n);
	else
		EVP_Digest(der, n, data[i], &n,
			   r->matching == 2 ? EVP_sha512() : EVP_sha256(),
			   NULL);
	*made = (struct tls_dane_record){
	    .usage = r->usage,
	    .selector = r->selector,
	    .matching = r->matching,
	    .data = slice_of(data[i], n - r->cut),
	};
}

static struct tls_ctx *
server_create(struct cert_dir *dir, const struct cert *leaf,
	      const struct cert *chain)
{
	struct tls_server_opts opts;
	struct tls_ctx *ctx;
	char error[256];
	FILE *f;

	opts.certificate = cert_write(dir, "c", leaf);
	opts.key = cert_write_key(dir, "k", leaf, NULL);
	if (chain != NULL) {
		f = fopen(opts.certificate, "a");
		ck_assert_ptr_nonnull(f);
		ck_assert_int_eq(PEM_write_X509(f, chain->x509), 1);
		fclose(f);
	}
	ck_assert_int_eq(tls_server_create(&ctx, &opts, error, sizeof(error)),
			 0);
	return ctx;
}

static struct tls_dane *
dane_make(const struct row *row, const struct cert *certs)
{
	struct tls_dane_record records[RECORDS];
	struct tls_dane dane = {.host = "mx.test",
				.domain = row->domain,
				.records = records,
				.count = row->count};

	for (uint32_t i = 0; i < row->count; i++)
		record_make(&row->records[i], &certs[row->records[i].whose],
			    (int)i, &records[i]);
	return tls_dane_copy(&dane);
}

static void
check(const struct row *row, struct side *client)
{
	const char *why = stream_tls_error(client->stream);

	ck_assert_msg(client->secure == row->good, "%s: %s", row->label, why);
	ck_assert_msg(stream_is_dane(client->stream) == row->verified,
		      "%s: verified", row->label);
	if (row->good)
		return;
	ck_assert_msg(client->end == GW_ETLS, "%s", row->label);
	ck_assert_msg(strstr(why, row->error) != NULL, "%s: %s", row->label,
		      why);
}

START_TEST(records)
{
	struct cert_dir dir;
	struct cert certs[3];
	struct tls_ctx *client_ctx;
	char error[256];

	cert_dir_create(&dir);
	certs[AUTHORITY] = cert_create_ec(NULL, -1, 300, NULL);
	certs[STRANGER] = cert_create_ec(NULL, -1, 300, NULL);
	ck_assert_int_eq(tls_client_create(&client_ctx,
					   &(struct tls_client_opts){0}, error,
					   sizeof(error)),
			 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct side client = {0}, server = {0};
		struct loop *loop = loop_create();
		struct tls_ctx *server_ctx;
		struct tls_dane *dane;
		int fd[2];

		dir.count = 0;
		certs[LEAF] = cert_create_ec(row->san, row->from, row->to,
					     &certs[AUTHORITY]);
		server_ctx = server_create(
		    &dir, &certs[LEAF],
		    row->authority_is_sent ? &certs[AUTHORITY] : NULL);
		dane = dane_make(row, certs);
		tcp_pair(fd);
		server.stream = stream_create(loop, fd[0], &ops, &server);
		client.stream = stream_create(loop, fd[1], &ops, &client);
		stream_tls_server(server.stream, server_ctx);
		ck_assert_int_eq(
		    stream_tls_dane(client.stream, client_ctx, dane), 0);
		free(dane);
		memset(data, 0, sizeof(data));
		ck_assert(!stream_is_dane(client.stream));
		TURN_UNTIL(loop, client.secure + client.ends > 0);
		check(row, &client);
		stream_destroy(&client.stream);
		stream_destroy(&server.stream);
		tls_ctx_destroy(&server_ctx);
		cert_destroy(&certs[LEAF]);
		loop_destroy(&loop);
	}
	tls_ctx_destroy(&client_ctx);
	cert_destroy(&certs[AUTHORITY]);
	cert_destroy(&certs[STRANGER]);
	cert_dir_destroy(&dir);
}
END_TEST

/* SNI is the host's name, which a server with many certificates goes by. */
static int
on_sni(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	char *seen = arg;

	(void)alert;
	snprintf(seen, 64, "%s", name == NULL ? "-" : name);
	return SSL_TLSEXT_ERR_OK;
}

START_TEST(sends_the_name)
{
	struct tls_dane dane = {.host = "mx.test", .domain = "lab.test"};
	struct loop *loop = loop_create();
	struct side client = {0};
	struct tls_ctx *ctx;
	char error[256], seen[64] = "";
	SSL_CTX *peer = SSL_CTX_new(TLS_server_method());
	SSL *ssl;
	int fd[2];

	ck_assert_int_eq(
	    tls_client_create(&ctx, &(struct tls_client_opts){.verify = true},
			      error, sizeof(error)),
	    0);
	tcp_pair(fd);
	set_nonblocking(fd[0]);
	SSL_CTX_set_tlsext_servername_callback(peer, on_sni);
	SSL_CTX_set_tlsext_servername_arg(peer, seen);
	ssl = SSL_new(peer);
	SSL_set_fd(ssl, fd[0]);
	SSL_set_accept_state(ssl);
	client.stream = stream_create(loop, fd[1], &ops, &client);
	ck_assert_int_eq(stream_tls_dane(client.stream, ctx, &dane), 0);
	ck_assert_int_eq(stream_tls_dane(client.stream, ctx, &dane), GW_EINVAL);
	TURN_UNTIL(loop, (SSL_do_handshake(ssl), seen[0] != '\0'));
	ck_assert_str_eq(seen, "mx.test");
	stream_destroy(&client.stream);
	SSL_free(ssl);
	SSL_CTX_free(peer);
	close(fd[0]);
	tls_ctx_destroy(&ctx);
	loop_destroy(&loop);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {records, sends_the_name};

	return RUN_TESTS("net/stream_dane", tests);
}
