#ifndef GATEWAY_ICAP_ANSWER_H
#define GATEWAY_ICAP_ANSWER_H

#include "gateway/icap/chunked.h"
#include "gateway/icap/head.h"

/*
 * An ICAP answer while it comes: its head, the HTTP heads inside it, the body.
 * A pull parser; the heads are kept, the body is not.
 */
enum icap_answer_state {
	ANSWER_AT_HEAD,
	ANSWER_AT_REQ, /* a req-hdr */
	ANSWER_AT_RES,
	ANSWER_AT_HEADS_END,
	ANSWER_AT_BODY,
	ANSWER_AT_END,
	ANSWER_AT_BAD,
};

struct icap_answer {
	enum icap_answer_state state;
	int status;	   /* 100 to 599; 0: its head is not there yet */
	int http_status;   /* of the res-hdr; 0: none */
	bool head;	   /* the ICAP head is whole */
	bool encapsulated; /* there is an Encapsulated: */
	bool has_req, has_res, has_body;
	bool close; /* Connection: close */
	struct icap_head icap, req, res;
	struct icap_chunked chunked;
	const char *bad; /* what was wrong: static; or NULL */
};

enum icap_answer_step {
	ICAP_ANSWER_MORE,
	ICAP_ANSWER_CONTINUE, /* 100; another answer follows */
	ICAP_ANSWER_HEADS,    /* all heads are there; told once */
	ICAP_ANSWER_BODY,     /* *data */
	ICAP_ANSWER_END,
	ICAP_ANSWER_BAD,
};

void icap_answer_init(struct icap_answer *answer);
void icap_answer_fini(struct icap_answer *answer);
void icap_answer_reset(struct icap_answer *answer);
/* Takes from *in what belongs to the answer; nothing after END or BAD. */
enum icap_answer_step icap_answer_next(struct icap_answer *answer,
				       struct slice *in, struct slice *data);

#endif
