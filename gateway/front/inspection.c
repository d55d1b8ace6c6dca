/*
 * The life of a scan job between two threads. While one is under way the scan
 * thread reads its parts, its login and the body; none of them may go before
 * the job's done has run, and what done pushed has arrived here. So whoever
 * loses interest (the client has gone) only says so: the job is canceled, and
 * the object ends with its note like every other.
 *
 * Giving up is not the end either: the verdict may be on its way already, and
 * then it counts.
 */
#include "gateway/front/inspection.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/front/checks.h"

/* On the scan thread: hand it over, nothing else. */
static void
on_verdict(struct scan_job *job)
{
	struct inspection *i =
	    (struct inspection *)((char *)job -
				  offsetof(struct inspection, job));

	worker_push(i->worker, &i->note);
}

/* On the scan thread. */
static int64_t
on_read(void *body, uint64_t offset, void *p, size_t n)
{
	return spool_body_read(body, offset, p, n);
}

struct inspection *
inspection_create(struct transaction *t)
{
	struct inspection *i = mem_zalloc(sizeof(*i));

	i->note.kind = NOTE_SCAN;
	i->worker = t->session->worker;
	i->transaction = t;
	i->attachments = t->scan.attachments;
	t->scan.attachments = NULL;
	i->body = t->body;
	i->login = mem_strdup(t->session->login.cred);
	i->job = (struct scan_job){
	    .parts = i->attachments->parts,
	    .part_count = i->attachments->count,
	    .read = on_read,
	    .read_arg = i->body,
	    .client = t->session->peer.ip,
	    .login = i->login,
	    .done = on_verdict,
	};
	return i;
}

static void
inspection_free(struct inspection *i)
{
	timer_cancel(&i->timer);
	attachments_destroy(&i->attachments);
	free(i->login);
	free(i);
}

static void
give_up(struct inspection *i)
{
	timer_cancel(&i->timer);
	if (i->given_up)
		return;
	i->given_up = true;
	scan_job_cancel(i->worker->shared->scan, &i->job);
}

static void
on_time(void *arg)
{
	struct inspection *i = arg;

	i->timer = NULL;
	give_up(i);
}

void
inspection_start(struct inspection *i)
{
	const struct session *session = i->transaction->session;

	i->since_ms = loop_now_ms(i->worker->loop);
	i->timer = timer_start(
	    i->worker->loop, session->snapshot->conf.scan_wait_ms, on_time, i);
	i->worker->scans++;
	i->waited = i->under_way = true;
	scan_job_start(i->worker->shared->scan, &i->job);
}

void
inspection_hurry(struct inspection *i)
{
	if (!i->given_up)
		i->stopping = true;
	give_up(i);
}

void
inspection_destroy(struct inspection **inspection)
{
	struct inspection *i = *inspection;

	if (i == NULL)
		return;
	*inspection = NULL;
	if (!i->under_way) {
		inspection_free(i);
		return;
	}
	i->transaction->body = NULL; /* ours from here on */
	i->transaction = NULL;
	give_up(i);
}

void
inspection_done(struct note *note)
{
	struct inspection *i = (struct inspection *)note;
	int64_t now_ms = loop_now_ms(i->worker->loop);

	i->worker->scans--;
	i->under_way = false;
	timer_cancel(&i->timer);
	if (i->transaction == NULL) {
		spool_body_destroy(&i->body);
		inspection_free(i);
		return;
	}
	i->ms = now_ms - i->since_ms;
	histogram_add(&i->worker->scan_wait, (uint64_t)i->ms * 1000, now_ms);
	/* else its reaper is under way, and ends the transaction */
	if (i->transaction->session->state != SESSION_CLOSING)
		checks_resume(i->transaction);
}
