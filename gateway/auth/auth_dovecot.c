/*
 * Logins by Dovecot. The name it returns is the login's key, as it is: what
 * BOB and bob are to each other is its configuration. Nothing is cached here:
 * Dovecot has a cache of its own, and a token may have been revoked.
 */
#include "gateway/auth/auth_op.h"
#include "gateway/base/hash.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define NAME_MAX_BYTES 255

/* A name becomes a key, a field of the log and part of an address. */
static bool
name_ok(struct slice name)
{
	if (name.n == 0 || name.n > NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (c < 0x20 || c == 0x7f)
			return false;
	}
	return true;
}

/* name@domain, unless the name is an address already; NULL without domain. */
static char *
owner_of(struct slice name, const char *domain)
{
	struct buf owner;
	char *text = NULL;

	if (slice_find(name, '@') != name.n)
		return mem_strndup(name.p, name.n);
	if (domain == NULL)
		return NULL;
	buf_init(&owner, 1024);
	buf_add_slice(&owner, name);
	buf_add_byte(&owner, '@');
	buf_add_str(&owner, domain);
	if (!owner.overflow)
		text = mem_strdup(buf_cstr(&owner));
	buf_fini(&owner);
	return text;
}

static void
on_ok(struct auth_op *op, struct slice user)
{
	if (!name_ok(user)) {
		log_event(GW_LOG_ERROR, "auth-dovecot-name",
			  LF_SLICE("cred", user));
		auth_op_fail(op, AUTH_UNAVAILABLE);
		return;
	}
	buf_add_slice(&op->name, user);
	op->owner = owner_of(user, op->auth->pool->domain);
	auth_op_accept(op);
}

static void
on_denied(struct auth_op *op, struct slice user)
{
	buf_add_slice(&op->tried_name, slice_head(user, op->tried_name.cap));
	if (name_ok(user))
		buf_add_slice(&op->name, user);
	auth_op_deny(op, true);
}

static void
on_answer(void *arg, const struct dovecot_result *result)
{
	struct auth_op *op = arg;

	if (result->verdict == DOVECOT_CHALLENGE) {
		auth_op_challenge(op, result->challenge);
		return;
	}
	op->dovecot = NULL;
	switch (result->verdict) {
	case DOVECOT_OK:
		on_ok(op, result->user);
		break;
	case DOVECOT_DENIED:
		on_denied(op, result->user);
		break;
	case DOVECOT_TEMPORARY:
	case DOVECOT_AWAY:
		auth_op_fail(op, AUTH_UNAVAILABLE);
		break;
	case DOVECOT_FULL:
		auth_op_fail(op, AUTH_BUSY);
		break;
	case DOVECOT_MALFORMED:
		auth_op_fail(op, AUTH_MALFORMED);
		break;
	case DOVECOT_NO_MECHANISM:
		auth_op_fail(op, AUTH_NO_MECHANISM);
		break;
	case DOVECOT_CHALLENGE:
		break;
	}
}

/* What a plain-text mechanism sends is the same each time the same password is
 * tried; where a challenge makes it new, each failure counts. */
static void
note_tried(struct auth_op *op, struct slice response)
{
	uint64_t parts[2] = {op->tried, 0};

	if (response.n != 0)
		parts[1] = hash_bytes(response.p, response.n);
	op->tried = hash_bytes(parts, sizeof(parts));
}

void
auth_dovecot_start(struct auth_op *op, const struct auth_req *req)
{
	const struct dovecot_req request = {
	    .mechanism = req->mechanism,
	    .initial = req->initial,
	    .client = req->client,
	    .local = req->local,
	    .secured = req->tls,
	    .session = req->session,
	};

	note_tried(op, req->initial);
	/* Closed to all: the name is not known yet. If somebody is known here,
	 * Dovecot is asked, and the answer judged by the name. */
	if (auth_op_closed(op))
		auth_op_deny(op, false);
	else
		op->dovecot =
		    dovecot_start(op->auth->dovecot, &request, on_answer, op);
}

void
auth_dovecot_respond(struct auth_op *op, struct slice response)
{
	note_tried(op, response);
	dovecot_respond(op->dovecot, response);
}

void
auth_dovecot_stop(struct auth_op *op)
{
	dovecot_cancel(&op->dovecot);
}
