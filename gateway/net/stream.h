#ifndef GATEWAY_NET_STREAM_H
#define GATEWAY_NET_STREAM_H

#include <stdbool.h>

#include "gateway/base/slice.h"
#include "gateway/net/loop.h"
#include "gateway/net/tls.h"

/*
 * A connected socket, plain or TLS, on one loop. Built straight on readiness
 * events and SSL_read/SSL_write rather than on bufferevents: an idle stream
 * owns no buffer (32 KiB a session is our budget), and the read path copies
 * once. All four callbacks run from the loop, never inside a call of ours; the
 * owner may destroy the stream inside any of them.
 */
struct stream;

struct stream_ops {
	/*
	 * New bytes, after what was left over last time. Returns how many were
	 * used; the rest is kept (up to STREAM_PENDING_MAX, then reading
	 * stops) and presented again with the next bytes, or after
	 * stream_resume.
	 */
	size_t (*on_data)(void *arg, struct slice in);
	/* Everything written has left; only after a write did not finish at
	 * once. */
	void (*on_drain)(void *arg);
	/* The handshake ended well. */
	void (*on_secure)(void *arg);
	/*
	 * The peer closed (GW_ECLOSED), or GW_EIO, GW_ETLS; GW_EPROTO: bytes
	 * of the clear behind the start of TLS; GW_ETOOBIG: more than
	 * STREAM_UNSENT_MAX queued. Nothing follows; destroy or finish it. A
	 * close is told once all bytes before it were presented and the stream
	 * is not paused; a failure to write is told at once.
	 */
	void (*on_end)(void *arg, int err);
};

#define STREAM_PENDING_MAX 65536
/* The last bound, not a plan: who writes much waits for on_drain. */
#define STREAM_UNSENT_MAX (32u << 20)

/* Takes fd (nonblocking is set here, TCP_NODELAY too). ops outlives it. */
struct stream *stream_create(struct loop *loop, int fd,
			     const struct stream_ops *ops, void *arg);
void stream_destroy(struct stream **stream); /* closes at once */

/*
 * Takes the stream: sends what is queued, then close_notify and FIN, reads and
 * drops what still comes (no RST over our last reply), closes; by force after
 * linger_ms. No callback runs any more.
 */
void stream_finish(struct stream **stream, int64_t linger_ms);

/*
 * Start TLS, after everything written so far has left in the clear; what is
 * written from now on waits for the handshake.
 *
 * Bytes that came in the clear must never be read as if they had come inside
 * (CVE-2011-0411). GW_EPROTO when bytes are pending. Inside on_data nothing is
 * pending yet: there the owner checks that its slice ends with the STARTTLS
 * line, before it answers 220; should it leave bytes unused, on_end says
 * GW_EPROTO. Owners that count the line as used only later call this from
 * there, and get GW_EPROTO from here.
 *
 * For the client, name is what the certificate must show when ctx verifies (a
 * DNS name or an IP literal), and SNI (a DNS name only). GW_EINVAL: no name to
 * verify, or TLS is on already. GW_ETLS: OpenSSL did not take it.
 */
int stream_tls_server(struct stream *stream, struct tls_ctx *ctx);
int stream_tls_client(struct stream *stream, struct tls_ctx *ctx,
		      const char *name);
/* The same with TLSA records, whatever ctx verifies (tls.h). dane is borrowed
 * for the call only. */
int stream_tls_dane(struct stream *stream, struct tls_ctx *ctx,
		    const struct tls_dane *dane);
/* The peer has no more secrets to tell: it has logged in. Until then all that
 * came and went is wiped from memory after use. */
void stream_secrets_over(struct stream *stream);
bool stream_is_tls(const struct stream *stream);
/* The certificate matched one of the records. */
bool stream_is_dane(const struct stream *stream);
/* "TLSv1.3", "TLS_AES_256_GCM_SHA384"; NULL in the clear. */
const char *stream_tls_version(const struct stream *stream);
const char *stream_tls_cipher(const struct stream *stream);
/* notAfter of the certificate the peer showed; 0: none. */
int64_t stream_peer_expires_wall_s(const struct stream *stream);
/* OpenSSL's words for the last GW_ETLS; "" without one. */
const char *stream_tls_error(const struct stream *stream);

/* Copies. What does not go out at once is queued; see stream_unsent. Writes
 * made inside a callback leave together when it returns; elsewhere between
 * cork and uncork. */
void stream_write(struct stream *stream, struct slice in);
void stream_cork(struct stream *stream);
void stream_uncork(struct stream *stream);
size_t stream_unsent(const struct stream *stream); /* queued bytes */

/* Stop on_data (an answer is awaited); the socket is not read either. */
void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream); /* on_data comes from the loop */

/* Bytes of the peer so far, and bytes it took: for minimum progress. */
uint64_t stream_bytes_in(const struct stream *stream);
uint64_t stream_bytes_out(const struct stream *stream);
bool stream_has_pending(const struct stream *stream);

#endif
