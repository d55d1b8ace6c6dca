#ifndef TESTS_ICAP_SERVER_H
#define TESTS_ICAP_SERVER_H

#include "gateway/base/buf.h"
#include "gateway/base/digest.h"
#include "gateway/net/loop.h"
#include "gateway/net/tls.h"

/*
 * An ICAP server that does as it is told, on the loop of the test. It reads
 * requests on its own (by the offsets of Encapsulated, which makes wrong ones
 * show) and answers request i, OPTIONS not counted, with replies[i], the last
 * one again and again.
 */
enum reply_when {
	AFTER_BODY,
	AFTER_PREVIEW, /* no 100; the body follows nobody */
	AFTER_HEAD,    /* while the body is on its way */
	AT_ONCE,       /* as soon as the connection is there */
	NEVER,
};

enum reply_then {
	THEN_KEEP,
	THEN_CLOSE, /* without a word about it */
	THEN_RESET,
};

struct icap_reply {
	enum reply_when when;
	/* '|' is CRLF; NULL: "204" with the ISTag; "" says nothing. With
	 * `same` the body follows, in chunks. */
	const char *text;
	bool same;
	enum reply_then then;
	int64_t drip_ms;    /* a byte each; 0: all at once */
	unsigned continues; /* 100 Continue so often in front */
};

struct icap_server;

struct icap_server *icap_server_create(struct loop *loop,
				       const struct icap_reply *replies,
				       size_t count);
void icap_server_destroy(struct icap_server **server);
/* Takes ctx. */
void icap_server_tls(struct icap_server *server, struct tls_ctx *ctx);
uint16_t icap_server_port(const struct icap_server *server);
/* The answer to OPTIONS, '|' is CRLF. */
void icap_server_options(struct icap_server *server, const char *text);
/* Closes after so many answers on a connection. */
void icap_server_most(struct icap_server *server, unsigned requests);
/* Does not read from now on, or does again. */
void icap_server_freeze(struct icap_server *server, bool frozen);
/* Says text on all open connections. */
void icap_server_say(struct icap_server *server, const char *text);

/* What it saw. */
struct icap_seen {
	unsigned accepted, open, open_most, requests, options, closed;
	/* of the last request that came whole, or with its preview */
	struct buf head, http; /* of ICAP; the encapsulated ones */
	uint64_t bytes;	       /* of the body */
	uint8_t digest[DIGEST_SIZE];
	bool ieof, continued;
	int64_t preview_bytes; /* -1: none was sent */
	uint64_t chunk_most;
	char trouble[256]; /* "" when all was in order */
};
const struct icap_seen *icap_server_seen(const struct icap_server *server);

#endif
