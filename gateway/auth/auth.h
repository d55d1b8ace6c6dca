#ifndef GATEWAY_AUTH_AUTH_H
#define GATEWAY_AUTH_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/slice.h"
#include "gateway/net/loop.h"
#include "gateway/store/env.h"

/*
 * Who is it? SASL PLAIN and LOGIN against the users in the store, or whatever
 * Dovecot's auth socket offers. The pool is shared by all front threads: hash
 * workers, what they found right (the positive cache) or wrong (30 s) a moment
 * ago, the failures of each address. An auth is one loop's door to it.
 */
struct auth_pool;
struct auth;

enum auth_backend { AUTH_LOCAL, AUTH_DOVECOT };

struct auth_opts {
	enum auth_backend backend;
	struct store_env *store;    /* AUTH_LOCAL */
	const char *dovecot_socket; /* AUTH_DOVECOT */
	const char *domain;	    /* NULL: none; bob@domain is bob */
	unsigned worker_count;	    /* 0: 2 */
	unsigned queue_max;	    /* hashes waiting; 0: 256 */
	int64_t queue_wait_ms;	    /* 0: 10 s; then AUTH_BUSY */
	int64_t cache_ms;	    /* 0: 60 s, also the maximum; <0: off */
	unsigned fail_max;	    /* failures an address; 0: 10; /48: 8x */
	int64_t fail_window_ms;	    /* 0: 10 min */
	int64_t fail_block_ms;	    /* 0: 15 min, doubling to 24 h */
	int64_t fail_delay_ms;	    /* 0: 2 s, growing to 5/2 of it; <0: none */
};

int auth_pool_create(struct auth_pool **pool, const struct auth_opts *opts,
		     char *error, size_t error_size);
void auth_pool_destroy(struct auth_pool **pool); /* after every auth */
/* A password, class or address changed, a login was blocked: forget it. */
void auth_pool_forget(struct auth_pool *pool,
		      struct slice cred); /* any thread */

struct auth *auth_create(struct loop *loop, struct auth_pool *pool);
void auth_destroy(struct auth **auth);
/* "PLAIN LOGIN", or Dovecot's list; NULL while Dovecot is away. Borrowed until
 * the next turn. */
const char *auth_mechanisms(struct auth *auth);

/*
 * The failures of an address (/32, /64) and of a v6 /48, which takes eight
 * times as many. until_wall_s: not before; 0: welcome.
 * Nothing here ever locks a login: a known address is not met by others'
 * failures.
 */
int64_t auth_address_closed(struct auth *auth, const struct ip_addr *client,
			    int64_t now_ms, int64_t now_wall_s);

enum auth_verdict {
	AUTH_OK,
	AUTH_CHALLENGE,	   /* answer with auth_respond */
	AUTH_DENIED,	   /* 535 5.7.8 */
	AUTH_BUSY,	   /* 454 4.7.0: the hash queue stayed full */
	AUTH_UNAVAILABLE,  /* 454 4.7.0: backend away */
	AUTH_MALFORMED,	   /* 501 5.5.2: base64 or SASL grammar */
	AUTH_NO_MECHANISM, /* 504 5.5.4 */
};

struct auth_result {
	enum auth_verdict verdict;
	struct slice challenge; /* base64, for 334 */
	/* For AUTH_OK. The one key of this login: NFC where UTF-8, lower case,
	 * no spaces around, domain as configured; Dovecot: the name it
	 * returned. */
	const char *cred;
	const char *owner; /* registered address, or NULL */
	const char *class; /* or NULL */
	/* For AUTH_DENIED: the name that was tried, escaped by the log; none
	 * when it is not known. */
	struct slice tried;
	bool cached;
	bool suffixed; /* the name had auth_req's suffix */
};

/* A right password that is to look like a wrong one in everything: answer,
 * delay, count of failures. arg is auth_start's. */
typedef bool auth_deny_fn(void *arg, const char *cred);

struct auth_req {
	struct slice mechanism;
	struct slice initial; /* base64; p NULL: none; n 0 with p: empty */
	struct ip_addr client;
	struct ip_addr local;
	bool tls;
	const char *session;
	auth_deny_fn *deny; /* NULL: nobody */
	/* "bulk": ann+bulk is ann, and result.suffixed; NULL: a name is a
	 * name. PLAIN and LOGIN only. */
	const char *suffix;
};

/* As in style.md 3, but that done with AUTH_CHALLENGE leaves the op alive
 * until auth_respond. A failed login is delayed in here (equal time for
 * unknown users); failures are counted in here. */
struct auth_op;
typedef void auth_done_fn(void *arg, const struct auth_result *result);
struct auth_op *auth_start(struct auth *auth, const struct auth_req *req,
			   auth_done_fn *done, void *arg);
void auth_respond(struct auth_op *op, struct slice response); /* base64 */
void auth_cancel(struct auth_op **op);
/* Its password is looked at, or was wrong and the answer is on its way: who
 * hangs up now has failed, or a guess would be free. NULL is fine. */
bool auth_hanging_up_fails(const struct auth_op *op);

#endif
