#ifndef GATEWAY_SMTP_LINES_H
#define GATEWAY_SMTP_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/slice.h"

/*
 * THE line-ending policy, for both directions. A line ends at CRLF and nowhere
 * else; data ends at CRLF.CRLF and nowhere else, so that no next hop can see
 * an end of data that we did not (SMTP smuggling, CVE-2023-51764 to -51766).
 */

/* How a bare CR or LF in a message is met. */
enum line_ending_policy { LINE_REFUSE, LINE_NORMALISE };

#define LINES_TEXT_MAX 998 /* octets of a line without CRLF: RFC 5321 */

/* ---- Inbound: the bytes of DATA or BDAT ---- */

enum lines_step {
	LINES_MORE, /* go on */
	LINES_END,  /* CRLF.CRLF: *in stands behind it. With dots only */
	LINES_BARE, /* a bare CR or LF under LINE_REFUSE: nothing more is read
		     */
};

/* The first thing found wrong. From there on no bytes come out, but the end of
 * data is still found, so that the stream stays in step. */
enum lines_fault {
	LINES_FINE,
	LINES_FAULT_NUL,
	LINES_FAULT_LONG,
	LINES_FAULT_BARE,
};

struct lines {
	enum line_ending_policy policy;
	enum lines_fault fault;
	uint32_t column; /* octets of the line under way */
	uint8_t state;
	bool dots;     /* DATA: unstuff, and end at the lone dot */
	bool eightbit; /* an octet over 127 was seen */
};

void lines_init(struct lines *l, enum line_ending_policy policy, bool dots);

/*
 * Cuts bytes off the front of *in and shows in *out what they mean: zero or
 * more octets, borrowed from in or static, all of them lines. Call until in is
 * empty or it says something else than MORE. The octets that come out do not
 * depend on how the input was cut.
 */
enum lines_step lines_next(struct lines *l, struct slice *in,
			   struct slice *out);

/*
 * The message ends here by count (BDAT LAST). *out is a CRLF when the last
 * line had none: RFC 3030 leaves it to whoever forwards with DATA, and adding
 * it on arrival keeps one form of the message everywhere. A lone CR at the
 * end is a bare one.
 */
enum lines_step lines_finish(struct lines *l, struct slice *out);

/* ---- Outbound: a stored message to a next hop's DATA ---- */

struct lines_stuff {
	uint8_t state;
};

void lines_stuff_init(struct lines_stuff *s);

/* Appends in with its dots doubled. GW_EPROTO: a bare CR or LF, or a NUL;
 * nothing of in was appended that could be taken for an end of data, and the
 * connection must be dropped. GW_ETOOBIG: out is at its cap. A CR at the end
 * of in is kept back until the next call. */
int lines_stuff(struct lines_stuff *s, struct slice in, struct buf *out);

/* Appends the end of data: CRLF when the last line has none, dot, CRLF. */
int lines_stuff_end(struct lines_stuff *s, struct buf *out);

#endif
