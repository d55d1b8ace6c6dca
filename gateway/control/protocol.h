#ifndef GATEWAY_CONTROL_PROTOCOL_H
#define GATEWAY_CONTROL_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/buf.h"

/*
 * What `sluice` and `sluiced` say to each other over the command socket. One
 * command a connection: a request and, when it says so, a secret, or a file in
 * as many frames as it takes and an empty one behind them; back come text for
 * standard output and standard error in any order, and the exit status, which
 * is the last frame.
 *
 * A frame is a type (u8), the length of its body (u32), the body; all numbers
 * are big-endian. Both ends are the same release: a version that differs is
 * refused, there is no negotiation.
 */
#define PROTOCOL_SOCKET "/run/sluice/control.sock"
#define PROTOCOL_VERSION 2

enum frame_type {
	FRAME_REQUEST = 1,
	FRAME_SECRET = 2,
	FRAME_INPUT = 3, /* an empty one is the end */
	FRAME_STDOUT = 16,
	FRAME_STDERR = 17,
	FRAME_EXIT = 18, /* u8 */
};

#define FRAME_HEADER_SIZE 5
#define FRAME_MAX 65536 /* with its header */
#define SECRET_MAX 511	/* what crypt(3) takes */
#define INPUT_MAX (64 * 1024 * 1024)
#define REQUEST_WORDS 64 /* and at least one */
#define REQUEST_WORD_MAX 4096

/* How a command ended; `sluice` exits with it. */
enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_UNAVAILABLE = 69, /* no daemon to talk to */
	EXIT_AGAIN = 75,       /* --watch: ask again in a while */
};

struct frame {
	enum frame_type type;
	struct slice body;
};

/* The frame at the start of in: 1 and *used bytes, 0 (more bytes are needed),
 * or GW_EPROTO: an unknown type, or longer than FRAME_MAX. */
int frame_get(struct slice in, struct frame *frame, size_t *used);
void frame_put(struct buf *out, enum frame_type type, struct slice body);
/* Text of any length, as many frames as it takes. */
void frame_put_text(struct buf *out, enum frame_type type, struct slice text);

struct request {
	const char *words[REQUEST_WORDS]; /* borrowed */
	size_t count;
	bool json;
	bool tty;	  /* standard output is a terminal */
	bool secret;	  /* a FRAME_SECRET follows */
	bool input;	  /* FRAME_INPUTs follow */
	uint16_t columns; /* of the terminal; 0: not known */
};

/* The body of a FRAME_REQUEST. GW_ETOOBIG: over a cap; GW_EINVAL: no word. */
int request_encode(const struct request *request, struct buf *out);
/* The words point into body. GW_EPROTO; GW_ENOTSUP: another version. */
int request_decode(struct slice body, struct request *request);

#endif
