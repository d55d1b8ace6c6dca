#ifndef GATEWAY_SCAN_TOKEN_H
#define GATEWAY_SCAN_TOKEN_H

#include "gateway/base/buf.h"
#include "gateway/scan/scan.h"

/*
 * What one gateway of a site tells the next: "these contents were found clean
 * by a scanner with that ISTag, then". One header field, which whoever lacks
 * the key cannot make:
 *
 *   X-Sluice-Scan: v=1; k=KEYID; t=UNIXTIME; i=ISTAG; d=CONTENTS; s=HMAC
 *
 * i, d and s are base64url. The HMAC-SHA256 is over all the others, each with
 * its length; CONTENTS is a digest over what the scanner was given and nothing
 * else, so a Received line more does not matter. Pure; time is an argument.
 */
#define TOKEN_FIELD "X-Sluice-Scan"

#define TOKEN_ID_MAX 32	    /* letters, digits, '.', '_', '-' */
#define TOKEN_SECRET_MIN 32 /* bytes */
#define TOKEN_SECRET_MAX 128
#define TOKEN_KEYS_MAX 8
#define TOKEN_LINE_MAX 400 /* the whole field with its CRLF */
#define TOKEN_AHEAD_S 300  /* so far the other's clock may be ahead */

struct token_key {
	const char *id;
	struct slice secret;
};

/* What a scan is asked about, in one digest: of each part what it decodes to,
 * its name and its type, in their order. */
void token_contents(const struct scan_part *parts, size_t count,
		    uint8_t out[DIGEST_SIZE]);

/* Adds the field with its CRLF; false: there is nothing to vouch with (no
 * ISTag), and out is as it was. */
bool token_make(struct buf *out, const struct token_key *key,
		int64_t now_wall_s, const char *istag,
		const uint8_t contents[DIGEST_SIZE]);

enum token_verdict {
	TOKEN_GOOD,
	TOKEN_MALFORMED,
	TOKEN_UNKNOWN_KEY,
	TOKEN_FORGED, /* the HMAC is another */
	TOKEN_OLD,
	TOKEN_EARLY, /* from the future */
	TOKEN_OTHER, /* right, but of other contents */
};

struct token_check {
	const struct token_key *keys;
	size_t key_count;
	int64_t now_wall_s;
	int64_t age_s; /* believed for so long */
	const uint8_t *contents;
};

struct token {
	const struct token_key *key; /* of the check; NULL: unknown */
	int64_t made_wall_s;
	/* Whether it still counts is the caller's to say. */
	char istag[SCAN_ISTAG_SIZE];
};

/* value: behind the field's colon, without blanks around it. token is filled
 * in when GOOD. */
enum token_verdict token_check(const struct token_check *check,
			       struct slice value, struct token *token);
const char *token_word(enum token_verdict verdict); /* for the log */

/* A line of a header begins this field, also with blanks before the colon. */
bool token_begins(struct slice line);

#endif
