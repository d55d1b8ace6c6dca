#ifndef GATEWAY_SMTP_REPLY_PARSE_H
#define GATEWAY_SMTP_REPLY_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/slice.h"

/*
 * The replies of a server (RFC 5321, 4.2; RFC 2034, 3463). A pull parser that
 * uses whole lines only: what it leaves of the input belongs in front of the
 * next bytes. Nothing a server sends makes it keep more than this struct.
 */
#define REPLY_LINE_MAX 2048 /* octets with CRLF; RFC 5321 says 512 */
#define REPLY_LINES_MAX 100
#define REPLY_TEXT_MAX 512

/* What the peer said, or what went wrong before it said anything. */
struct smtp_reply {
	int err;	     /* 0: a reply; else gw_err, code is 0 */
	int code;	     /* 200..599 */
	uint8_t enhanced[3]; /* class is 0 when there was none */
	struct slice text;   /* of all lines joined by a space, without the
			      * codes, escaped, <= 512; also filled in for
			      * errors */
};

struct reply_parse {
	int code; /* 0: no line yet */
	uint32_t lines;
	uint8_t enhanced[3];
	bool full; /* text was cut: nothing more is added */
	size_t text_n;
	char text[REPLY_TEXT_MAX];
};

enum reply_step {
	REPLY_MORE,   /* need more bytes */
	REPLY_LINE,   /* one line was used, it is not the last */
	REPLY_DONE,   /* that was the last line: see reply_parse_get */
	REPLY_BROKEN, /* not a reply, or over a cap: drop the connection */
};

void reply_parse_init(struct reply_parse *r); /* before each reply */

/* Cuts at most one line off *in. line: its text behind the code, as sent (for
 * EHLO), borrowed from in; set for LINE and DONE. */
enum reply_step reply_parse_next(struct reply_parse *r, struct slice *in,
				 struct slice *line);

/* text is borrowed from r. */
void reply_parse_get(const struct reply_parse *r, struct smtp_reply *reply);

/* Appends text, escaped, to the n bytes in out; never cuts a character or an
 * escape in two. False: it did not all fit. */
bool reply_text_add(char out[REPLY_TEXT_MAX], size_t *n, struct slice text);

/* As much of what is escaped already as fits; returns how much. */
size_t reply_text_copy(char *out, size_t room, struct slice escaped);

#endif
