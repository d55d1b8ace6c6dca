#ifndef GATEWAY_NET_TLS_H
#define GATEWAY_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/slice.h"

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

/*
 * What a server's certificate must match instead of an authority's signature:
 * TLSA records of usage DANE-TA(2) and DANE-EE(3), RFC 7671, 5.1 and 5.2. Of
 * EE neither names nor dates count. Of TA the chain must be good, and name
 * host or domain. When none of the records can be used the session is not
 * authenticated, only encrypted.
 */
struct tls_dane_record {
	uint8_t usage, selector, matching;
	struct slice data;
};

struct tls_dane {
	const char *host;   /* a DNS name: SNI */
	const char *domain; /* another name that will do; NULL: none */
	const struct tls_dane_record *records;
	uint32_t count;
};

/* A copy in one piece, to be freed. */
struct tls_dane *tls_dane_copy(const struct tls_dane *dane);

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
