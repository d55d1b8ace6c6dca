#ifndef GATEWAY_NET_TLS_INT_H
#define GATEWAY_NET_TLS_INT_H

#include <openssl/ssl.h>

#include "gateway/net/tls.h"

/* A session over fd, ready to accept or to connect; NULL with OpenSSL's error
 * queue set. */
SSL *tls_session_server(struct tls_ctx *ctx, int fd);
/* name: what to verify and to send as SNI; NULL only without verification. */
SSL *tls_session_client(struct tls_ctx *ctx, int fd, const char *name);
SSL *tls_session_dane(struct tls_ctx *ctx, int fd, const struct tls_dane *dane);
/* The handshake is over, and the certificate matched a record. */
bool tls_session_is_dane(SSL *ssl);
/* Without a name; the caller says what is verified. */
SSL *tls_session_create(struct tls_ctx *ctx, int fd);
bool tls_ctx_verifies(const struct tls_ctx *ctx);

/* The reason of the oldest error in this thread's queue; never NULL. */
const char *tls_reason(void);

#endif
