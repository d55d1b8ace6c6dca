#ifndef GATEWAY_AUTH_NEGATIVE_H
#define GATEWAY_AUTH_NEGATIVE_H

#include "gateway/base/slice.h"

/*
 * Passwords that hashing proved wrong a moment ago, so that a client which
 * repeats one does not cost 25 ms of hashing each time. Keeps an HMAC under a
 * random key of the process, never the password. Any thread; time (monotonic
 * ms) is an argument.
 */
struct negative;

/* What was proved: this password is not the one of this hash. So a changed
 * record, which has another hash, is never met by what is remembered. */
struct negative_claim {
	struct slice name; /* normalised; empty: no login can have it */
	struct slice hash; /* the record's, or that of who does not exist */
	struct slice password;
};

struct negative *negative_create(int64_t ttl_ms, size_t max_count);
void negative_destroy(struct negative **negative);

bool negative_has(struct negative *negative, const struct negative_claim *claim,
		  int64_t now_ms);
/* Only what a hash was computed for, to its end. */
void negative_put(struct negative *negative, const struct negative_claim *claim,
		  int64_t now_ms);
void negative_forget(struct negative *negative, struct slice name);

#endif
