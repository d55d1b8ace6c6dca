#ifndef GATEWAY_AUTH_DOVECOT_H
#define GATEWAY_AUTH_DOVECOT_H

#include <stdbool.h>

#include "gateway/base/addr.h"
#include "gateway/net/loop.h"

/*
 * A client of Dovecot's authentication socket (auth protocol 1.x): one
 * connection a loop, any number of requests on it, made again with growing
 * pauses when it breaks.
 */
struct dovecot;

struct dovecot *dovecot_create(struct loop *loop, const char *path);
void dovecot_destroy(struct dovecot **dovecot); /* after its ops */

/* What it offers, without private ones, ANONYMOUS and EXTERNAL; NULL while it
 * is away. Borrowed until the next turn. */
const char *dovecot_mechanisms(struct dovecot *dovecot);

enum dovecot_verdict {
	DOVECOT_OK,	   /* user is set */
	DOVECOT_CHALLENGE, /* challenge is set, base64 */
	DOVECOT_DENIED,	   /* user may be set */
	DOVECOT_TEMPORARY, /* its own backend is ill */
	DOVECOT_AWAY,	   /* the connection is or was lost, or silent */
	DOVECOT_FULL,	   /* too many requests under way */
	DOVECOT_MALFORMED, /* not base64, or longer than it takes */
	DOVECOT_NO_MECHANISM,
};

struct dovecot_result {
	enum dovecot_verdict verdict;
	struct slice challenge;
	struct slice user;
};

struct dovecot_req {
	struct slice mechanism;
	struct slice initial; /* base64; p NULL: none */
	struct ip_addr client;
	struct ip_addr local;
	bool secured;
	const char *session; /* or NULL */
};

/* As in style.md 3, but that DOVECOT_CHALLENGE leaves the op alive until
 * dovecot_respond, and that done must not destroy the dovecot. */
struct dovecot_op;
typedef void dovecot_done_fn(void *arg, const struct dovecot_result *result);
struct dovecot_op *dovecot_start(struct dovecot *dovecot,
				 const struct dovecot_req *req,
				 dovecot_done_fn *done, void *arg);
void dovecot_respond(struct dovecot_op *op, struct slice response);
void dovecot_cancel(struct dovecot_op **op);

#endif
