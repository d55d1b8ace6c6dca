#ifndef GATEWAY_NET_TLS_H
#define GATEWAY_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * TLS contexts: TLS 1.2 and later, no renegotiation, one ticket. A context is
 * read-only once made and counts its users itself (OpenSSL does), so
 * destroying it while streams use it is right; any thread may use it.
 */
struct tls_ctx;

struct tls_server_opts {
	const char *certificate; /* PEM file, chain included */
	const char *key;	 /* PEM file */
};

struct tls_client_opts {
	bool verify;	     /* chain and name, against ca or the system's */
	const char *ca_file; /* PEM; NULL: the system's store */
};

/* On failure the reason (file and OpenSSL's words) is in error. */
int tls_server_create(struct tls_ctx **ctx, const struct tls_server_opts *opts,
		      char *error, size_t error_size);
int tls_client_create(struct tls_ctx **ctx, const struct tls_client_opts *opts,
		      char *error, size_t error_size);
struct tls_ctx *tls_ctx_share(struct tls_ctx *ctx); /* one more owner */
void tls_ctx_destroy(struct tls_ctx **ctx);

/* The leaf certificate's notAfter; 0 for a client context. */
int64_t tls_ctx_expires_wall_s(const struct tls_ctx *ctx);

#endif
