#ifndef GATEWAY_ICAP_ICAP_H
#define GATEWAY_ICAP_ICAP_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/digest.h"
#include "gateway/base/slice.h"
#include "gateway/net/loop.h"
#include "gateway/net/tls.h"
#include "gateway/scan/verdict.h"

/*
 * An ICAP client (RFC 3507) for one service of one server: its connections,
 * kept alive and bounded, its OPTIONS, and the requests that wait for one of
 * them. On one loop. It judges an answer (icap/verdict.c) but not the server:
 * health, retries elsewhere and caches are gateway/scan's.
 */
struct icap_pool;

enum icap_method { ICAP_RESPMOD, ICAP_REQMOD };

struct icap_service {
	const char *host; /* for Host:, the certificate, SNI */
	uint16_t port;
	const char *service; /* path without the first slash, with its query */
	struct tls_ctx *tls; /* NULL: in the clear; shared */
	enum icap_method method;
	const char *profile; /* row of icap/profile.h; NULL: by Service: */
	uint32_t
	    connection_max;   /* 0: 8; the server's Max-Connections if less */
	int64_t connect_ms;   /* 0: 5 s */
	int64_t io_ms;	      /* no byte either way for so long; 0: 30 s */
	int64_t idle_ms;      /* a kept connection; 0: 5 s */
	uint32_t preview_max; /* 0: as the server says, at most 4 KiB */
	bool authenticated_user; /* send X-Authenticated-User */
};

struct icap_pool *icap_pool_create(struct loop *loop,
				   const struct icap_service *service);
void icap_pool_destroy(struct icap_pool **pool); /* cancels all of it */
/* Where the name leads to now (none: requests fail as DOWN). */
void icap_pool_set_addresses(struct icap_pool *pool, const struct ip_addr *ips,
			     size_t count);
/* As io_ms of its service; counts for what is under way, too. */
void icap_pool_set_io_ms(struct icap_pool *pool, int64_t io_ms);

/* What OPTIONS said last; refreshed at its TTL by icap_options_start. */
struct icap_options {
	bool known;
	bool allow_204, respmod, reqmod;
	int32_t preview;	 /* -1: none */
	uint32_t connection_max; /* 0: not said */
	int64_t expires_ms;	 /* monotonic; TTL at most 1 h, at least 5 s */
	char istag[SCAN_ISTAG_SIZE];
	char service[128]; /* Service:, escaped */
};
const struct icap_options *icap_pool_options(const struct icap_pool *pool);
/* The row of icap/profile.h that it goes by; static. */
const char *icap_pool_profile(const struct icap_pool *pool);
/* notAfter of the certificate seen last; 0: none. */
int64_t icap_pool_expires_wall_s(const struct icap_pool *pool);

struct icap_result {
	/* SCAN_ERROR with its why too; istag as in this answer. CLEAN is of
	 * all of the body, or of a preview that was enough for the server (RFC
	 * 3507, 4.5); any other that comes earlier is ERROR, PROTOCOL. */
	struct scan_verdict verdict;
	int status; /* ICAP status; 0: none came */
	bool sent;  /* the whole body had left */
	/* SHA-256 of what read gave; set when sent. Whoever keeps the verdict
	 * for contents compares: the bytes may have been tampered with on
	 * disk since they were walked. */
	uint8_t digest[DIGEST_SIZE];
	/* The connection closed before the answer had begun, and this is how
	 * the one other try went, on a fresh one. */
	bool retried;
	/* REPAIRED bodies are not kept: the verdict is INFECTED. */
	char error[160]; /* for the log, escaped; "" */
};

/* For verdict kinds ERROR see result->error. Borrowed until it returns. */
struct icap_op;
typedef void icap_done_fn(void *arg, const struct icap_result *result);

struct icap_req {
	uint64_t bytes; /* of the body, decoded; exactly */
	/* The body, in order, from 0 again when a request is tried anew: n > 0,
	 * 0 at the end, below 0: cannot be read (ERROR, READ). Asked once more
	 * at `bytes`, where it must say 0. Not called any more once
	 * icap_scan_release said true, or done. */
	int64_t (*read)(void *arg, uint64_t offset, void *p, size_t n);
	void *read_arg;
	const char *name;	      /* file name, UTF-8; "" */
	const char *type;	      /* media type */
	const struct ip_addr *client; /* or NULL */
	const char *login;	      /* or NULL */
	int64_t timeout_ms;	      /* in all, waiting for a connection too */
};

struct icap_op *icap_scan_start(struct icap_pool *pool,
				const struct icap_req *req, icap_done_fn *done,
				void *arg);
/* True as soon as the whole body has left: read is not called any more, and the
 * request is not tried anew. For who wants to hear the answer out and let go of
 * read_arg. */
bool icap_scan_release(struct icap_op *op);
void icap_scan_cancel(struct icap_op **op); /* closes its connection */

/* verdict is CLEAN when OPTIONS were had; they are in the pool then. */
struct icap_op *icap_options_start(struct icap_pool *pool, int64_t timeout_ms,
				   icap_done_fn *done, void *arg);

struct icap_pool_status {
	uint32_t connections, busy, waiting;
	uint64_t requests, retries, opened;
};
void icap_pool_status_get(const struct icap_pool *pool,
			  struct icap_pool_status *status);

#endif
