#ifndef GATEWAY_MIME_PARAM_H
#define GATEWAY_MIME_PARAM_H

#include <stdbool.h>

#include "gateway/base/buf.h"

/*
 * The value of Content-Type or Content-Disposition: a word and parameters
 * (RFC 2045, 5.1; RFC 2231). Reads whatever can be read somehow; `odd` says
 * what readers may differ on.
 */
#define MIME_PARAM_MAX 64 /* those behind are not looked at: odd */
#define MIME_SECTION_MAX 1000
#define MIME_WHOLE (-1)

struct mime_param {
	struct slice name; /* without '*' and number; in any case */
	int section;	   /* of name*N; MIME_WHOLE */
	bool extended;	   /* name*: percent-coded, perhaps with charset */
	bool plain;	   /* a token, or quoted: nothing strange in it */
	struct slice value;
};

struct mime_params {
	struct slice value; /* "image/png", "inline"; in any case */
	const char *odd;    /* static; NULL */
	struct mime_param list[MIME_PARAM_MAX];
	size_t count;
};

/* field: unfolded. What is in out lies in field and in scratch, whose cap is
 * at least field's length; it is emptied first. */
void mime_params_parse(struct mime_params *out, struct slice field,
		       struct buf *scratch);

/*
 * A parameter's value, its sections joined, in UTF-8, appended to out; false:
 * there is none. The two ways of saying it are asked for one by one: plain is
 * name=, else name*= and name*N=. *odd is set (once) as in mime_params.
 */
bool mime_params_get(const struct mime_params *params, const char *name,
		     bool plain, struct buf *out, const char **odd);

#endif
