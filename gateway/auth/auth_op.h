#ifndef GATEWAY_AUTH_AUTH_OP_H
#define GATEWAY_AUTH_AUTH_OP_H

#include <pthread.h>

#include "gateway/auth/auth.h"
#include "gateway/auth/dovecot.h"
#include "gateway/auth/negative.h"
#include "gateway/auth/penalty.h"
#include "gateway/auth/plus.h"
#include "gateway/auth/positive.h"
#include "gateway/auth/sasl.h"
#include "gateway/auth/user.h"
#include "gateway/auth/verify.h"

/*
 * What auth.c and the two backends share; nobody else includes this. A backend
 * moves an op until it has an answer and hands that to one of the auth_op_*
 * functions, once a step; when and whether the caller hears it is theirs.
 */
struct auth_pool {
	enum auth_backend backend;
	struct store_env *store;
	char *domain;	      /* or NULL */
	char *dovecot_socket; /* or NULL */
	int64_t queue_wait_ms;
	int64_t fail_delay_ms; /* 0: none */
	unsigned fail_max;
	char *dummy_hash;	    /* AUTH_LOCAL: for who does not exist */
	struct verify_pool *hashes; /* AUTH_LOCAL */
	struct positive *positive;  /* AUTH_LOCAL */
	struct negative *negative;  /* AUTH_LOCAL */
	pthread_mutex_t lock;	    /* penalty */
	struct penalty *penalty;
};

struct auth {
	struct loop *loop;
	struct auth_pool *pool;
	struct verify *verify;	 /* AUTH_LOCAL */
	struct dovecot *dovecot; /* AUTH_DOVECOT */
	size_t op_count;
};

struct auth_op {
	struct auth *auth;
	auth_done_fn *done;
	auth_deny_fn *deny; /* or NULL */
	void *arg;
	struct ip_addr client;
	struct timer_op *timer; /* the answer on its way to the caller */
	int64_t step_ms;	/* when the client's last answer came */
	uint64_t tried;		/* keyed hash of what it tried; 0: none yet */
	bool awaiting;		/* the caller's turn: auth_respond */
	enum auth_verdict verdict;
	bool cached;
	struct buf challenge;
	struct buf name; /* local: normalised; else what Dovecot called it */
	struct buf tried_name; /* as the client wrote it */
	struct auth_plus plus;
	char *owner;
	char *class;
	/* AUTH_LOCAL */
	struct sasl sasl;
	struct user user;
	uint64_t mark; /* of the positive cache */
	struct verify_op *verify;
	/* AUTH_DOVECOT */
	struct dovecot_op *dovecot;
};

/* The answers. name, owner and class are set before accept. */
void auth_op_challenge(struct auth_op *op, struct slice challenge);
void auth_op_accept(struct auth_op *op);
/* counted: the password was looked at. */
void auth_op_deny(struct auth_op *op, bool counted);
void auth_op_fail(struct auth_op *op, enum auth_verdict verdict);
/* The address is closed to this login (op->name; empty: to any). */
bool auth_op_closed(struct auth_op *op);

void auth_local_start(struct auth_op *op, const struct auth_req *req);
void auth_local_respond(struct auth_op *op, struct slice response);
void auth_local_stop(struct auth_op *op);

void auth_dovecot_start(struct auth_op *op, const struct auth_req *req);
void auth_dovecot_respond(struct auth_op *op, struct slice response);
void auth_dovecot_stop(struct auth_op *op);

#endif
