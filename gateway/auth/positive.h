#ifndef GATEWAY_AUTH_POSITIVE_H
#define GATEWAY_AUTH_POSITIVE_H

#include "gateway/base/slice.h"

/*
 * Logins that were right a moment ago, so that a client which connects for
 * each message does not cost 25 ms of hashing each time. Keeps an HMAC of name
 * and password under a random key of the process, never the password. Any
 * thread; time (monotonic ms) is an argument.
 */
struct positive;

/* What an entry says of its login; the strings are the caller's to free. */
struct positive_facts {
	char *owner; /* or NULL */
	char *class; /* or NULL */
};

struct positive *positive_create(int64_t ttl_ms, size_t max_count);
void positive_destroy(struct positive **positive);

bool positive_get(struct positive *positive, struct slice name,
		  struct slice password, int64_t now_ms,
		  struct positive_facts *facts);

/*
 * Take a mark before the user is read; a put with an older mark than the last
 * forget does nothing: the password that was just found right may be the one
 * that was just changed.
 */
uint64_t positive_mark(struct positive *positive);
void positive_put(struct positive *positive, uint64_t mark, struct slice name,
		  struct slice password, const struct positive_facts *facts,
		  int64_t now_ms);
void positive_forget(struct positive *positive, struct slice name);

#endif
