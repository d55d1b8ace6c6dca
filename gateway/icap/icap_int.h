#ifndef GATEWAY_ICAP_ICAP_INT_H
#define GATEWAY_ICAP_ICAP_INT_H

#include <sys/queue.h>

#include "gateway/base/digest.h"
#include "gateway/icap/options.h"
#include "gateway/net/connect.h"
#include "gateway/net/stream.h"

/*
 * icap.c hands requests to connections; conn.c is a connection's life, hear.c
 * what it hears, send.c what it says.
 *
 * Invariants
 * 1. A request is in the pool's `waiting`, or has a connection, or has `later`
 *    set: never two of them.
 * 2. A connection has a request while it connects and while it is busy, and
 *    at no other time.
 * 3. A done function is called as the last thing on the way back to the loop:
 *    it may destroy the pool.
 */
#define ICAP_CHUNK_BYTES 65536
/* Head, size line, data, CRLF, last chunk. */
#define ICAP_SCRATCH_BYTES (ICAP_REQUEST_BYTES + ICAP_CHUNK_BYTES + 64)
#define ICAP_REQUEST_BYTES 16384

enum icap_conn_state {
	ICAP_CONNECTING,
	ICAP_HANDSHAKE,
	ICAP_BUSY,
	ICAP_IDLE,
	ICAP_DRAINING, /* the verdict is known, its body is still coming */
};

enum icap_sending {
	ICAP_SEND_HEAD, /* and the preview, or the first chunk */
	ICAP_SEND_WAIT, /* for 100 Continue */
	ICAP_SEND_BODY,
	ICAP_SEND_DONE,
};

struct icap_conn {
	TAILQ_ENTRY(icap_conn) link;
	struct icap_pool *pool;
	struct icap_op *op;
	enum icap_conn_state state;
	struct sock_addr to;
	size_t tried; /* addresses */
	/* They were changed: the one that is being tried has no place among
	 * them. */
	bool other_list;
	struct connect_op *connect;
	struct stream *stream;
	struct timer_op *tick, *pump;
	int64_t since_ms; /* in this state */
	int64_t moved_ms; /* when bytes were last seen to have moved */
	uint64_t moved_bytes;
	bool last; /* not to be kept */
	enum icap_sending sending;
	int32_t preview;
	uint64_t sent_bytes, back_bytes, drained_bytes;
	struct digest *sent, *back;
	uint8_t sent_sum[DIGEST_SIZE]; /* when all is sent */
	struct icap_answer answer;
};

struct icap_op {
	TAILQ_ENTRY(icap_op) link;    /* of pool->ops */
	TAILQ_ENTRY(icap_op) waiting; /* of pool->waiting */
	struct icap_pool *pool;
	struct icap_conn *conn;
	struct timer_op *deadline;
	struct timer_op *later; /* result is to be told */
	bool is_options;
	bool fresh;    /* wants a connection nobody used */
	bool released; /* its body cannot be had again */
	bool judged;   /* result has the verdict */
	struct ip_addr client;
	struct icap_req req; /* its texts are copies */
	icap_done_fn *done;
	void *arg;
	struct icap_result result;
};

TAILQ_HEAD(icap_op_list, icap_op);
TAILQ_HEAD(icap_conn_list, icap_conn);

struct icap_pool {
	struct loop *loop;
	struct icap_service service; /* texts are copies; no zeroes */
	char name[SCAN_SERVER_SIZE];
	struct icap_options options;
	struct icap_terms terms;
	struct ip_addr *ips;
	size_t ip_count, ip_at;
	struct icap_conn_list conns; /* the one used last in front */
	struct icap_op_list ops, waiting;
	uint32_t conn_count, waiting_count;
	int64_t expires_wall_s;
	uint64_t request_count, retry_count, opened_count;
	char *scratch;
};

/* icap.c */
uint32_t icap_pool_limit(const struct icap_pool *pool);
/* Requests that wait get connections, if there are any. */
void icap_pool_dispatch(struct icap_pool *pool);
/* The result, escaped here. */
void icap_op_error(struct icap_op *op, enum scan_why why, const char *text);
/* Its connection is gone or no longer its own. Ends in done. */
void icap_op_finish(struct icap_op *op);
/* The same from the loop: for where done must not be called. */
void icap_op_finish_later(struct icap_op *op);
/* Once more, on a fresh connection. */
void icap_op_retry(struct icap_op *op);

/* conn.c */
void icap_conn_open(struct icap_pool *pool, struct icap_op *op);
void icap_conn_begin(struct icap_conn *conn, struct icap_op *op); /* IDLE */
void icap_conn_close(struct icap_conn **conn); /* its op is nobody's then */
/* If it broke off now, the request would be made anew. */
bool icap_conn_may_retry(const struct icap_conn *conn);
/* All of the request, or its preview, has left. */
bool icap_all_is_sent(const struct icap_conn *conn);
/* The request cannot go on; ends in done. */
void icap_conn_fail(struct icap_conn *conn, enum scan_why why,
		    const char *text);

/* hear.c */
/* What came, up to where something has to be done about it: MORE, END, BAD;
 * CONTINUE where none is awaited. A request's result may be judged then. */
enum icap_answer_step icap_hear(struct icap_conn *conn, struct slice *in);

/* send.c */
void icap_send_begin(struct icap_conn *conn);
void icap_send_continue(struct icap_conn *conn); /* 100 has come */
void icap_send_more(struct icap_conn *conn);	 /* what was queued has left */

#endif
