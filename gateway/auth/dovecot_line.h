#ifndef GATEWAY_AUTH_DOVECOT_LINE_H
#define GATEWAY_AUTH_DOVECOT_LINE_H

#include "gateway/base/buf.h"

/*
 * The lines of Dovecot's auth protocol: fields between tabs, in which NUL,
 * \001, tab, CR and LF are written as \001 and a letter.
 */
enum dovecot_word {
	DOVECOT_WORD_OTHER, /* later versions may say more */
	DOVECOT_WORD_VERSION,
	DOVECOT_WORD_MECH,
	DOVECOT_WORD_DONE,
	DOVECOT_WORD_OK,
	DOVECOT_WORD_CONT,
	DOVECOT_WORD_FAIL,
};

struct dovecot_line {
	enum dovecot_word word;
	uint32_t id;	     /* OK, CONT, FAIL; VERSION: the major number */
	struct slice name;   /* MECH: the mechanism */
	struct slice fields; /* what follows, still escaped */
};

/* The longest line it takes before it closes the connection (2.3). */
#define DOVECOT_REQUEST_MAX 8192
/* The longest we take. */
#define DOVECOT_ANSWER_MAX 32768

/* line comes without its LF. GW_EPROTO: a word we know, without what it must
 * have. */
int dovecot_line_parse(struct slice line, struct dovecot_line *out);

/* The first field that is `key` or begins with `key=`; *value is still
 * escaped, and empty for the bare word. */
bool dovecot_field(struct slice fields, const char *key, struct slice *value);

void dovecot_escape(struct buf *out, struct slice s);
int dovecot_unescape(struct buf *out, struct slice s); /* GW_EPROTO */

#endif
