#ifndef GATEWAY_NET_STREAM_INT_H
#define GATEWAY_NET_STREAM_INT_H

#include <event2/event_struct.h>
#include <openssl/ssl.h>

#include "gateway/base/buf.h"
#include "gateway/net/loop_int.h"
#include "gateway/net/stream.h"

/*
 * Two layers: stream_io.c moves bytes between the socket and the two buffers
 * and knows TLS; stream.c decides when, and calls the owner. stream_finish.c
 * is the way out.
 *
 * Invariants
 * 1. The owner is called from stream.c's turn only, and a turn never runs
 *    inside a call of the owner's: stream_later() asks for one.
 * 2. After each callback the stream may be gone, or no longer the owner's; who
 *    called back goes on only when call_end() says so.
 * 3. While tls is TLS_WAIT the first `clear` bytes of out still go in the
 *    clear; nothing is read until they have gone.
 * 4. `pending` is what the owner left over, never what it has not seen, and is
 *    empty while it is being called.
 */
enum stream_tls { TLS_OFF, TLS_WAIT, TLS_HANDSHAKE, TLS_ON };

/* A direction that waits for the other one's readiness (TLS only). */
enum stream_need { NEED_NONE, NEED_READ, NEED_WRITE };

struct stream {
	struct loop *loop;
	const struct stream_ops *ops;
	void *arg;
	int fd;
	struct event ev_read;
	struct event ev_write;
	struct deferred later;
	SSL *ssl;
	char *tls_error;
	struct buf pending;
	struct buf out;
	size_t out_sent; /* of out, gone already */
	size_t clear;
	uint64_t bytes_in;
	uint64_t bytes_out;
	struct stream_out *leaving; /* after stream_finish */
	unsigned cork;
	int end;       /* what on_end will say; 0: none yet */
	int write_end; /* why writing is over; 0: it is not */
	enum stream_tls tls;
	enum stream_need handshake_needs, read_needs, write_needs;
	bool reading, writing; /* which events are added */
	bool paused;
	bool present; /* show pending to the owner in the next turn */
	bool again;   /* the next turn reads without waiting */
	bool want_drain, drained, secured; /* callbacks owed */
	bool end_now;	   /* do not wait for paused data to be taken */
	bool tls_broken;   /* no SSL call after a fatal error */
	bool calling;	   /* inside a callback of the owner */
	bool gone;	   /* destroyed there */
	bool secrets_over; /* buffers are not wiped after use */
	bool quiet;	   /* on_end was given, or the owner has left */
};

/* stream.c */
void stream_later(struct stream *s);
void stream_arm(struct stream *s);
void stream_free(struct stream *s);

/* stream_io.c */
#define STREAM_TURN_BYTES 262144 /* what one stream may move in a turn */
#define SECRET_UNDER 16384	 /* bytes with a password among them */

size_t stream_unsent_now(const struct stream *s); /* may go out now */
void stream_flush(struct stream *s);
void stream_send(struct stream *s, struct slice in); /* now, or queued */
void stream_shut_write(struct stream *s, int err);
/* Up to size bytes; 0: none now, or s->end is set. *more: worth asking again
 * before the kernel says so. */
size_t stream_fill(struct stream *s, char *p, size_t size, bool *more);
void stream_handshake(struct stream *s);
/* close_notify; true when done, also when there is none to send. */
bool stream_close_notify(struct stream *s);
void stream_io_fini(struct stream *s);

/* stream_finish.c */
void stream_finish_turn(struct stream *s); /* may free s */
void stream_finish_fini(struct stream *s);
bool stream_finish_wants_read(const struct stream *s);
bool stream_finish_wants_write(const struct stream *s);

#endif
