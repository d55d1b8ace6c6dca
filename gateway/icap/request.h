#ifndef GATEWAY_ICAP_REQUEST_H
#define GATEWAY_ICAP_REQUEST_H

#include "gateway/icap/options.h"

/* Most that a head of ours takes; whatever is longer is cut or left out. */
#define ICAP_REQUEST_MAX 8192

struct icap_request {
	const struct icap_service *service;
	const struct icap_terms *terms;
	const struct icap_req *req;
	int32_t preview; /* -1: none */
};

/* Everything in front of the body: the ICAP head and the HTTP heads in it. */
void icap_request_put(struct buf *out, const struct icap_request *request);
void icap_request_options_put(struct buf *out,
			      const struct icap_service *service);

#endif
