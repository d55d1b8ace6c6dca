#include "gateway/front/signing.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/front/checks.h"

/* On a thread of the pool: hand it over, nothing else. */
static void
on_signed(struct dkim_job *job)
{
	struct signing *s =
	    (struct signing *)((char *)job - offsetof(struct signing, job));

	worker_push(s->worker, &s->note);
}

static char *
join(struct slice a, struct slice b)
{
	char *p = mem_alloc(a.n + b.n + 1);

	if (a.n > 0)
		memcpy(p, a.p, a.n);
	if (b.n > 0)
		memcpy(p + a.n, b.p, b.n);
	return p;
}

void
signing_start(struct transaction *t, struct slice more)
{
	struct signing *s = mem_zalloc(sizeof(*s));
	struct worker *worker = t->session->worker;

	s->note.kind = NOTE_SIGN;
	s->worker = worker;
	s->transaction = t;
	s->keys = dkim_keys_share(t->session->snapshot->conf.dkim);
	s->message = t->sign.message;
	t->sign.message = NULL;
	s->prefix = join(t->msg->prefix, more);
	s->job = (struct dkim_job){
	    .signing = {.domain = t->sign.from,
			.message = s->message,
			.prefix =
			    slice_of(s->prefix, t->msg->prefix.n + more.n),
			.now_wall_s = clock_wall_s()},
	    .done = on_signed,
	};
	s->under_way = true;
	t->sign.signing = s;
	worker->signings++;
	dkim_pool_start(worker->shared->signer, &s->job);
}

void
signing_end(struct signing **signing)
{
	struct signing *s = *signing;

	*signing = NULL;
	buf_fini(&s->job.fields);
	dkim_message_destroy(&s->message);
	dkim_keys_release(&s->keys);
	free(s->prefix);
	free(s);
}

void
signing_leave(struct signing **signing)
{
	struct signing *s = *signing;

	if (s == NULL)
		return;
	s->transaction = NULL;
	if (s->under_way)
		*signing = NULL;
	else
		signing_end(signing);
}

void
signing_done(struct note *note)
{
	struct signing *s = (struct signing *)note;

	s->worker->signings--;
	s->under_way = false;
	if (s->transaction == NULL) {
		signing_end(&s);
		return;
	}
	/* else its reaper is under way, and ends the transaction */
	if (s->transaction->session->state != SESSION_CLOSING)
		checks_resume(s->transaction);
}
