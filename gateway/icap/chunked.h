#ifndef GATEWAY_ICAP_CHUNKED_H
#define GATEWAY_ICAP_CHUNKED_H

#include "gateway/base/slice.h"

/*
 * A chunked body (RFC 3507, 4.4.2; RFC 9112, 7.1) taken apart while it comes.
 * Extensions and trailers are passed over and capped; lines may end in LF
 * alone. It keeps no bytes.
 */
#define ICAP_CHUNK_LINE_MAX 1024
#define ICAP_TRAILER_MAX 8192

enum icap_chunked_state {
	CHUNKED_AT_SIZE,
	CHUNKED_AT_PAD,	    /* blanks behind the size */
	CHUNKED_AT_EXT,	    /* after ';' */
	CHUNKED_AT_SIZE_LF, /* a CR was there */
	CHUNKED_AT_DATA,
	CHUNKED_AT_DATA_CR,
	CHUNKED_AT_DATA_LF,
	CHUNKED_AT_TRAILER,  /* at the begin of a line */
	CHUNKED_AT_TRAILING, /* inside one */
	CHUNKED_AT_LAST_LF,  /* the CR of the empty line was there */
	CHUNKED_AT_END,
	CHUNKED_AT_BAD,
};

struct icap_chunked {
	enum icap_chunked_state state;
	uint64_t left;	/* of the chunk */
	uint32_t spent; /* bytes of the size line, or of the trailers */
	bool digits;
};

enum icap_chunked_step {
	ICAP_CHUNKED_MORE,
	ICAP_CHUNKED_DATA, /* *data lies in what was *in */
	ICAP_CHUNKED_END,
	ICAP_CHUNKED_BAD,
};

void icap_chunked_init(struct icap_chunked *chunked);
/* Takes from *in what belongs to the body; nothing after END or BAD. */
enum icap_chunked_step icap_chunked_next(struct icap_chunked *chunked,
					 struct slice *in, struct slice *data);

#endif
