#ifndef GATEWAY_MIME_NAME_H
#define GATEWAY_MIME_NAME_H

#include "gateway/base/buf.h"
#include "gateway/mime/param.h"
#include "gateway/mime/walk.h"

/* A part's file name, from all the places where one may stand. */

/* The words of RFC 2047 in a text that readers decode them in, appended to
 * out as UTF-8. *odd is set when a word's charset is not known. */
void mime_words_decode(struct slice text, struct buf *out, const char **odd);

/* Without path, control and direction characters and blanks around it, cut at
 * a character. text may be any bytes. */
void mime_name_clean(struct slice text, char out[MIME_NAME_SIZE]);

/* disposition's filename, else type's name (either may be NULL), or "". *odd
 * is set when they name different files, or one is hard to read. */
void mime_name_choose(const struct mime_params *type,
		      const struct mime_params *disposition,
		      char out[MIME_NAME_SIZE], const char **odd);

#endif
