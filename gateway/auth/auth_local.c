/*
 * Logins against the users in the store.
 *
 * The name is read from the store on the loop (a few microseconds), the
 * password is hashed elsewhere. An unknown name goes the same way with a hash
 * made at start, so that the time does not tell which names exist; what is
 * refused sooner (empty, over-long, somebody else's authzid, a closed address)
 * does not depend on what the store holds.
 *
 * A wrong password repeated does not count again (penalty.h), so it must not
 * be hashed again either: one address would have the workers for itself. It is
 * asked for after the record is read, unknown names alike.
 */
#include "gateway/auth/auth_op.h"
#include "gateway/base/error.h"
#include "gateway/base/hash.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define PASSWORD_MAX_BYTES 511 /* of crypt(3) */

static void
accept_user(struct auth_op *op)
{
	const struct positive_facts facts = {
	    .owner = op->user.owner_address,
	    .class = op->user.class,
	};

	positive_put(op->auth->pool->positive, op->mark, buf_slice(&op->name),
		     op->sasl.password, &facts, op->step_ms);
	op->owner = mem_strdup(op->user.owner_address);
	op->class = mem_strdup(op->user.class);
	auth_op_accept(op);
}

/* What is compared: an unknown name has a hash, too. */
static const char *
record_hash(const struct auth_op *op)
{
	return op->user.name != NULL ? op->user.hash
				     : op->auth->pool->dummy_hash;
}

static struct negative_claim
wrong_claim(const struct auth_op *op)
{
	return (struct negative_claim){
	    .name = buf_slice(&op->name),
	    .hash = slice_str(record_hash(op)),
	    .password = op->sasl.password,
	};
}

static void
deny_hashed(struct auth_op *op)
{
	struct negative_claim claim = wrong_claim(op);

	negative_put(op->auth->pool->negative, &claim,
		     loop_now_ms(op->auth->loop));
	auth_op_deny(op, true);
}

static void
on_verified(void *arg, enum verify_verdict verdict)
{
	struct auth_op *op = arg;
	bool exists = op->user.name != NULL;

	op->verify = NULL;
	switch (verdict) {
	case VERIFY_MATCH:
		/* Somebody may guess the dummy's password: he is nobody. */
		if (exists)
			accept_user(op);
		else
			deny_hashed(op);
		break;
	case VERIFY_WRONG:
		deny_hashed(op);
		break;
	case VERIFY_BROKEN:
		log_event(GW_LOG_ERROR, "auth-hash-unusable",
			  LF_STR("cred", op->user.name));
		auth_op_fail(op, AUTH_UNAVAILABLE);
		break;
	case VERIFY_EXPIRED:
		auth_op_fail(op, AUTH_BUSY);
		break;
	}
}

/* False: the answer is given. */
static bool
user_read(struct auth_op *op)
{
	struct auth_pool *pool = op->auth->pool;
	int err;

	op->mark = positive_mark(pool->positive);
	if (op->name.n == 0)
		return true;
	err = user_get(pool->store, buf_slice(&op->name), &op->user);
	if (err == 0 || err == GW_ENOENT)
		return true;
	log_event(GW_LOG_ERROR, "auth-user-unreadable",
		  LF_SLICE("cred", buf_slice(&op->name)), LF_ERR(err));
	auth_op_fail(op, AUTH_UNAVAILABLE);
	return false;
}

/* An authzid is fine when it names who logs in; acting for others is not
 * offered. */
static bool
authzid_ok(struct auth_op *op)
{
	struct buf other;
	bool same;

	if (op->sasl.authzid.n == 0)
		return true;
	buf_init(&other, op->name.cap);
	same = user_normalise(op->sasl.authzid, op->auth->pool->domain,
			      &other) == 0 &&
	       slice_eq(buf_slice(&other), buf_slice(&op->name));
	buf_fini(&other);
	return same;
}

static bool
try_cache(struct auth_op *op)
{
	struct positive_facts facts;

	if (op->name.n == 0 ||
	    !positive_get(op->auth->pool->positive, buf_slice(&op->name),
			  op->sasl.password, op->step_ms, &facts))
		return false;
	op->cached = true;
	op->owner = facts.owner;
	op->class = facts.class;
	auth_op_accept(op);
	return true;
}

/* The same denial as after the hash, as late as that: see auth.c. */
static bool
try_wrong(struct auth_op *op)
{
	struct negative_claim claim = wrong_claim(op);

	if (!negative_has(op->auth->pool->negative, &claim,
			  loop_now_ms(op->auth->loop)))
		return false;
	auth_op_deny(op, true);
	return true;
}

/* Name and password are there. */
static void
login(struct auth_op *op)
{
	struct auth_pool *pool = op->auth->pool;
	struct slice password = op->sasl.password;
	struct verify_req req = {
	    .password = password,
	    .wait_ms = pool->queue_wait_ms,
	};
	uint64_t parts[2];

	buf_add_slice(&op->tried_name,
		      slice_head(op->sasl.authcid, op->tried_name.cap));
	/* An ill name stays empty and is treated as unknown. */
	(void)user_normalise(op->sasl.authcid, pool->domain, &op->name);
	parts[0] = op->name.n != 0
		       ? hash_bytes(op->name.p, op->name.n)
		       : hash_bytes(op->sasl.authcid.p, op->sasl.authcid.n);
	parts[1] = hash_bytes(password.p, password.n);
	op->tried = hash_bytes(parts, sizeof(parts));
	if (auth_op_closed(op)) {
		auth_op_deny(op, false);
		return;
	}
	if (password.n == 0 || password.n > PASSWORD_MAX_BYTES ||
	    !authzid_ok(op)) {
		auth_op_deny(op, true);
		return;
	}
	if (try_cache(op) || !user_read(op) || try_wrong(op))
		return;
	req.hash = record_hash(op);
	op->verify = verify_start(op->auth->verify, &req, on_verified, op);
}

static void
step(struct auth_op *op, struct slice response)
{
	struct slice challenge;

	switch (sasl_step(&op->sasl, response, &challenge)) {
	case SASL_CHALLENGE:
		auth_op_challenge(op, challenge);
		break;
	case SASL_READY:
		login(op);
		break;
	case SASL_MALFORMED:
		auth_op_fail(op, AUTH_MALFORMED);
		break;
	}
}

void
auth_local_start(struct auth_op *op, const struct auth_req *req)
{
	enum sasl_mechanism mechanism = sasl_mechanism(req->mechanism);

	sasl_init(&op->sasl, mechanism);
	if (mechanism == SASL_UNKNOWN)
		auth_op_fail(op, AUTH_NO_MECHANISM);
	else
		step(op, req->initial);
}

void
auth_local_respond(struct auth_op *op, struct slice response)
{
	step(op, response);
}

void
auth_local_stop(struct auth_op *op)
{
	verify_cancel(&op->verify);
	sasl_fini(&op->sasl);
	user_fini(&op->user);
}
