/*
 * TLS contexts. What every session of ours has in common is set here, once:
 * versions, options, the modes that keep an idle session small. Who is
 * connected to whom, and when, is the stream's.
 *
 * An idle session must stay under 24 KiB: RELEASE_BUFFERS frees the record
 * buffers (34 KiB) between records, and there is no session cache: a ticket
 * is enough to resume, and costs us nothing until it comes back.
 */
#include "gateway/net/tls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/net/tls_int.h"
#include "gateway/net/tls_ticket.h"

#define NAME_MAX_BYTES 255 /* of a DNS name */

struct tls_ctx {
	SSL_CTX *ssl;
	atomic_uint owners;
	bool verify;
	int64_t expires_wall_s;
};

const char *
tls_reason(void)
{
	unsigned long e = ERR_peek_error();
	const char *reason;

	if (e == 0)
		return "unknown reason";
	if (ERR_SYSTEM_ERROR(e))
		reason = strerrordesc_np(ERR_GET_REASON(e));
	else
		reason = ERR_reason_error_string(e);
	return reason == NULL ? "unknown reason" : reason;
}

/* "FILE: reason"; always -1 as GW_ETLS, and leaves the queue empty. */
static int
fail(char *error, size_t error_size, const char *file, const char *hint)
{
	snprintf(error, error_size, "%s: %s%s", file, hint, tls_reason());
	ERR_clear_error();
	return GW_ETLS;
}

/* An encrypted key would make OpenSSL ask on the terminal, and wait. */
static int
no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static SSL_CTX *
ctx_create(const SSL_METHOD *method)
{
	SSL_CTX *ssl;

	ERR_clear_error();
	ssl = SSL_CTX_new(method);
	if (ssl == NULL)
		return NULL;
	/* Costs a table; sessions without records are as before. */
	if (SSL_CTX_dane_enable(ssl) != 1) {
		SSL_CTX_free(ssl);
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
	/* SMTP sees for itself when it was cut off: a peer that closes without
	 * close_notify is an end like any other. */
	SSL_CTX_set_options(
	    ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
		     SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS |
				  SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* One read(2) a record instead of two. What is then in OpenSSL's
	 * buffer epoll does not see: the stream asks SSL_has_pending. */
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
	return ssl;
}

static int
ctx_wrap(struct tls_ctx **ctx, SSL_CTX *ssl, bool verify)
{
	*ctx = mem_zalloc(sizeof(**ctx));
	(*ctx)->ssl = ssl;
	(*ctx)->verify = verify;
	atomic_init(&(*ctx)->owners, 1);
	return 0;
}

static int64_t
leaf_expires(SSL_CTX *ssl)
{
	const X509 *leaf = SSL_CTX_get0_certificate(ssl);
	struct tm tm;

	if (leaf == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm) != 1)
		return 0;
	return timegm(&tm);
}

static int
server_setup(SSL_CTX *ssl, const struct tls_server_opts *opts, char *error,
	     size_t error_size)
{
	static const unsigned char id_context[] = "sluice";

	/* SHA-256 has instructions of its own, SHA-384 has not: the key
	 * schedule of TLS 1.3 is 30 hashes a handshake. Phones without AES
	 * still get ChaCha20. */
	SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE |
				     SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_ciphersuites(ssl, "TLS_AES_128_GCM_SHA256:"
				      "TLS_AES_256_GCM_SHA384:"
				      "TLS_CHACHA20_POLY1305_SHA256");
	SSL_CTX_set_num_tickets(ssl, 1);
	tls_ticket_setup(ssl);
	SSL_CTX_set_session_id_context(ssl, id_context, sizeof(id_context) - 1);
	if (SSL_CTX_use_certificate_chain_file(ssl, opts->certificate) != 1)
		return fail(error, error_size, opts->certificate, "");
	if (SSL_CTX_use_PrivateKey_file(ssl, opts->key, SSL_FILETYPE_PEM) != 1)
		return fail(error, error_size, opts->key, "");
	/* A key of another type than the certificate's gets this far. */
	if (SSL_CTX_check_private_key(ssl) != 1)
		return fail(error, error_size, opts->key,
			    "does not belong to the certificate: ");
	return 0;
}

int
tls_server_create(struct tls_ctx **ctx, const struct tls_server_opts *opts,
		  char *error, size_t error_size)
{
	SSL_CTX *ssl = ctx_create(TLS_server_method());
	int err;

	*ctx = NULL;
	if (ssl == NULL)
		return fail(error, error_size, "tls", "");
	err = server_setup(ssl, opts, error, error_size);
	if (err != 0) {
		SSL_CTX_free(ssl);
		return err;
	}
	err = ctx_wrap(ctx, ssl, false);
	(*ctx)->expires_wall_s = leaf_expires(ssl);
	return err;
}

int
tls_client_create(struct tls_ctx **ctx, const struct tls_client_opts *opts,
		  char *error, size_t error_size)
{
	SSL_CTX *ssl = ctx_create(TLS_client_method());
	int err = 0;

	*ctx = NULL;
	if (ssl == NULL)
		return fail(error, error_size, "tls", "");
	if (!opts->verify) {
		/* Opportunistic: a weak certificate is better than the clear,
		 * which is where a refusal would end (RFC 7435). */
		SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, NULL);
		SSL_CTX_set_security_level(ssl, 0);
		return ctx_wrap(ctx, ssl, false);
	}
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	if (opts->ca_file != NULL) {
		if (SSL_CTX_load_verify_file(ssl, opts->ca_file) != 1)
			err = fail(error, error_size, opts->ca_file, "");
	} else if (SSL_CTX_set_default_verify_paths(ssl) != 1) {
		err = fail(error, error_size, "system certificates", "");
	}
	if (err != 0) {
		SSL_CTX_free(ssl);
		return err;
	}
	return ctx_wrap(ctx, ssl, true);
}

struct tls_ctx *
tls_ctx_share(struct tls_ctx *ctx)
{
	atomic_fetch_add_explicit(&ctx->owners, 1, memory_order_relaxed);
	return ctx;
}

void
tls_ctx_destroy(struct tls_ctx **ctxp)
{
	struct tls_ctx *ctx = *ctxp;

	*ctxp = NULL;
	if (ctx == NULL || atomic_fetch_sub_explicit(&ctx->owners, 1,
						     memory_order_acq_rel) != 1)
		return;
	SSL_CTX_free(ctx->ssl);
	free(ctx);
}

int64_t
tls_ctx_expires_wall_s(const struct tls_ctx *ctx)
{
	return ctx->expires_wall_s;
}

bool
tls_ctx_verifies(const struct tls_ctx *ctx)
{
	return ctx->verify;
}

SSL *
tls_session_create(struct tls_ctx *ctx, int fd)
{
	SSL *ssl;

	ERR_clear_error();
	ssl = SSL_new(ctx->ssl);
	if (ssl != NULL && SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	return ssl;
}

SSL *
tls_session_server(struct tls_ctx *ctx, int fd)
{
	SSL *ssl = tls_session_create(ctx, fd);

	if (ssl != NULL)
		SSL_set_accept_state(ssl);
	return ssl;
}

static bool
is_ip_literal(const char *name)
{
	struct in6_addr any;

	return inet_pton(AF_INET, name, &any) == 1 ||
	       inet_pton(AF_INET6, name, &any) == 1;
}

/* false: OpenSSL did not take the name. */
static bool
session_expect(SSL *ssl, const char *name, bool verify)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	char host[NAME_MAX_BYTES + 1];
	size_t n = strlen(name);

	if (is_ip_literal(name))
		return !verify ||
		       X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
	/* The dot of an absolute name is not part of SNI, nor of any
	 * certificate. */
	if (n > 0 && name[n - 1] == '.')
		n--;
	if (n == 0 || n >= sizeof(host))
		return !verify;
	memcpy(host, name, n);
	host[n] = '\0';
	if (SSL_set_tlsext_host_name(ssl, host) != 1)
		return false;
	if (!verify)
		return true;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, host) == 1;
}

SSL *
tls_session_client(struct tls_ctx *ctx, int fd, const char *name)
{
	SSL *ssl = tls_session_create(ctx, fd);

	if (ssl == NULL)
		return NULL;
	if (name != NULL && !session_expect(ssl, name, ctx->verify)) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_connect_state(ssl);
	return ssl;
}
