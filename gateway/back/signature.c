/*
 * The message is read back from where it was just written: so whoever makes
 * one need not know that it is signed, and a cleaned copy of many megabytes is
 * not kept in memory for it.
 */
#include "gateway/back/signature.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "policy/binding.h"

#define CHUNK 65536

struct signatures {
	struct dkim_job job; /* first */
	struct dkim_keys *keys;
	struct spool_outcome *op;
	signature_done_fn *done;
	void *arg;
};

/* NULL: the disk does not give it. */
static struct dkim_message *
read_message(struct spool_body *body)
{
	struct dkim_message *m = dkim_message_create();
	char *chunk = mem_alloc(CHUNK);
	uint64_t at = 0;
	int64_t got;

	while ((got = spool_body_read(body, at, chunk, CHUNK)) > 0) {
		dkim_message_add(m, slice_of(chunk, (size_t)got));
		at += (uint64_t)got;
	}
	free(chunk);
	dkim_message_end(m);
	if (got < 0)
		dkim_message_destroy(&m);
	return m;
}

static const struct dkim_domain *
domain_of(const struct dkim_keys *keys, const struct spool_msg *msg,
	  const struct dkim_message *m)
{
	const struct dkim_domain *domain;
	char name[BINDING_DOMAIN_SIZE];

	if (dkim_message_bad(m) || !binding_author(dkim_message_from(m), name))
		return NULL;
	domain = dkim_keys_find(keys, slice_str(name));
	return domain != NULL && domain->bulk && msg->lane != LANE_BULK
		   ? NULL
		   : domain;
}

void
signature_drop(struct spool_msg *msg)
{
	struct slice rest = msg->prefix, before = rest;
	char *p = arena_alloc(msg->arena, msg->prefix.n + 1);
	struct dkim_field field;
	size_t n = 0;

	while (dkim_field_next(&rest, &field)) {
		if (!slice_ieq(field.name, SLICE_LIT("DKIM-Signature"))) {
			memcpy(p + n, field.raw.p, field.raw.n);
			n += field.raw.n;
		}
		before = rest;
	}
	/* no field: the empty line of ours that ends a header */
	if (before.n > 0)
		memcpy(p + n, before.p, before.n);
	n += before.n;
	msg->prefix = n > 0 ? slice_of(p, n) : SLICE_NONE;
}

static void
put_fields(struct spool_msg *msg, struct slice fields)
{
	char *p = arena_alloc(msg->arena, fields.n + msg->prefix.n);

	memcpy(p, fields.p, fields.n);
	if (msg->prefix.n > 0)
		memcpy(p + fields.n, msg->prefix.p, msg->prefix.n);
	msg->prefix = slice_of(p, fields.n + msg->prefix.n);
}

static void
tell_failed(const struct spool_msg *msg, const char *domain, int err)
{
	char id[ID_TEXT_SIZE];

	id_format(msg->id, id);
	log_event(GW_LOG_ERROR, "dkim-unsigned", LF_STR("msg", id),
		  LF_STR("domain", domain), LF_ERR(err));
}

static void
sign(const struct dkim_signing *signing, struct spool_msg *msg)
{
	struct buf fields = {.cap = DKIM_FIELDS_MAX};
	int err = dkim_sign(signing, &fields);

	if (err == 0)
		put_fields(msg, buf_slice(&fields));
	else
		tell_failed(msg, signing->domain->name, err);
	buf_fini(&fields);
}

void
signature_make(const struct dkim_keys *keys, struct spool_msg *msg,
	       struct spool_body *body)
{
	struct dkim_signing signing = {.prefix = msg->prefix};
	struct dkim_message *m;

	if (dkim_keys_next(keys, NULL) == NULL)
		return;
	m = read_message(body);
	if (m == NULL)
		return; /* whoever sends it will say */
	signing.domain = domain_of(keys, msg, m);
	signing.message = m;
	signing.now_wall_s = clock_wall_s();
	if (signing.domain != NULL)
		sign(&signing, msg);
	dkim_message_destroy(&m);
}

static void
run(struct dkim_job *job)
{
	struct signatures *s = (struct signatures *)job;

	if (s->op->dsn != NULL)
		signature_make(s->keys, s->op->dsn, s->op->dsn_body);
	if (s->op->extra != NULL)
		signature_make(s->keys, s->op->extra, s->op->extra_body);
}

static void
on_signed(struct dkim_job *job)
{
	struct signatures *s = (struct signatures *)job;
	signature_done_fn *done = s->done;
	void *arg = s->arg;

	dkim_keys_release(&s->keys);
	free(s);
	done(arg);
}

void
signature_start(struct dkim_pool *pool, struct dkim_keys *keys,
		struct spool_outcome *op, signature_done_fn *done, void *arg)
{
	struct signatures *s = mem_zalloc(sizeof(*s));

	s->job.run = run;
	s->job.done = on_signed;
	s->keys = dkim_keys_share(keys);
	s->op = op;
	s->done = done;
	s->arg = arg;
	dkim_pool_start(pool, &s->job);
}
