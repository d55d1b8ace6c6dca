#ifndef GATEWAY_ICAP_OPTIONS_H
#define GATEWAY_ICAP_OPTIONS_H

#include "gateway/icap/answer.h"
#include "gateway/icap/icap.h"
#include "gateway/icap/profile.h"

#define ICAP_TRANSFER_MAX 4096

/* What of OPTIONS nobody but the client needs. */
struct icap_terms {
	const struct icap_profile *profile;
	bool client_username; /* X-Include asks for X-Client-Username */
	struct buf complete;  /* Transfer-Complete: extensions, commas */
};

void icap_terms_init(struct icap_terms *terms);
void icap_terms_fini(struct icap_terms *terms);

/* A good answer to OPTIONS. profile: NULL to go by what it says. */
void icap_options_parse(struct icap_options *options, struct icap_terms *terms,
			const struct icap_answer *answer, const char *profile,
			int64_t now_ms);

/* Bytes to send ahead of a file of that name; -1: send it in one go. */
int32_t icap_preview(const struct icap_options *options,
		     const struct icap_terms *terms, const char *name,
		     uint32_t preview_max);

#endif
