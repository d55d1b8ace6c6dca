/*
 * The front's threads as one: start, stop, reload, figures.
 */
#include "gateway/front/front.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/front/worker.h"

#define THREADS_MAX 64

struct front {
	struct shared shared;
	struct worker *workers[THREADS_MAX];
	unsigned worker_count;
	unsigned started; /* threads that run */
};

static unsigned
thread_count(unsigned wanted)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (wanted == 0)
		wanted = cores > 0 ? (unsigned)cores : 1;
	return wanted < THREADS_MAX ? wanted : THREADS_MAX;
}

static void
front_free(struct front *front)
{
	for (unsigned i = 0; i < front->worker_count; i++)
		worker_destroy(&front->workers[i]);
	crowd_destroy(&front->shared.crowd);
	free(front);
}

static void
push_stop(struct front *front, int64_t grace_ms)
{
	struct note_stop *stop;

	for (unsigned i = 0; i < front->started; i++) {
		stop = mem_zalloc(sizeof(*stop));
		stop->note.kind = NOTE_STOP;
		stop->grace_ms = grace_ms;
		worker_push(front->workers[i], &stop->note);
	}
}

void
front_stop(struct front **front, int64_t grace_ms)
{
	if (*front == NULL)
		return;
	push_stop(*front, grace_ms);
	for (unsigned i = 0; i < (*front)->started; i++)
		worker_join((*front)->workers[i]);
	front_free(*front);
	*front = NULL;
}

int
front_start(struct front **front, const struct front_opts *opts, char *error,
	    size_t error_size)
{
	struct front *f = mem_zalloc(sizeof(*f));
	struct snapshot *snapshot = snapshot_create(opts->conf);
	int err = 0;

	f->shared.spool = opts->spool;
	f->shared.auth = opts->auth;
	f->shared.limits = opts->limits;
	f->shared.blocklist = opts->blocklist;
	f->shared.accounts = opts->accounts;
	f->shared.decisions = opts->decisions;
	f->shared.top = opts->top;
	f->shared.dns_cache = opts->dns_cache;
	f->shared.domains = opts->domains;
	f->shared.scan = opts->scan;
	f->shared.signer = opts->signer;
	f->shared.campaigns = opts->campaigns;
	f->shared.utf8_fn = opts->utf8_fn;
	f->shared.utf8_arg = opts->utf8_arg;
	f->shared.crowd = crowd_create();
	f->worker_count = thread_count(opts->thread_count);
	for (unsigned i = 0; i < f->worker_count; i++)
		f->workers[i] = worker_create(&f->shared, snapshot);
	for (unsigned i = 0; i < f->worker_count && err == 0; i++) {
		err = worker_start(f->workers[i]);
		if (err == 0)
			f->started++;
	}
	snapshot_release(&snapshot);
	if (err != 0) {
		snprintf(error, error_size, "cannot start front threads: %s",
			 gw_err_text(err));
		front_stop(&f, 0);
		return err;
	}
	*front = f;
	return 0;
}

void
front_reload(struct front *front, const struct front_conf *conf)
{
	struct snapshot *snapshot = snapshot_create(conf);
	struct note_conf *note;

	for (unsigned i = 0; i < front->started; i++) {
		note = mem_zalloc(sizeof(*note));
		note->note.kind = NOTE_CONF;
		note->snapshot = snapshot_share(snapshot);
		note->fds = worker_fds(conf);
		worker_push(front->workers[i], &note->note);
	}
	snapshot_release(&snapshot);
}

#define SUM(what) \
	(status->what += atomic_load_explicit(&c->what, memory_order_relaxed))

static void
status_add(struct front_status *status, const struct counters *c)
{
	SUM(sessions);
	SUM(sessions_tls);
	SUM(sessions_authenticated);
	SUM(connections_total);
	SUM(connections_refused);
	SUM(auth_ok);
	SUM(auth_failed);
	SUM(auth_busy);
	SUM(messages_accepted);
	SUM(messages_refused);
	SUM(messages_duplicate);
	SUM(recipients_accepted);
	SUM(recipients_refused);
	SUM(bytes_accepted);
	SUM(limit_paced);
	SUM(limit_held);
	SUM(limit_bulk);
	SUM(limit_deferred);
	SUM(limit_rejected);
	SUM(limit_observed);
	SUM(blocked);
	SUM(sender_refused);
	SUM(sender_observed);
	SUM(sender_dead);
	SUM(domain_refused);
	SUM(domain_dropped);
	SUM(domain_unverified);
	SUM(scan_clean);
	SUM(scan_infected);
	SUM(scan_unscannable);
	SUM(scan_pending);
	SUM(scan_open);
	SUM(scan_token);
	SUM(dkim_signed);
	SUM(dkim_failed);
}

static double
quantile_ms(struct histogram *const *of, unsigned count, double quantile)
{
	return (double)histogram_quantile_us(of, count, quantile,
					     clock_mono_ms()) /
	       1000;
}

void
front_status_get(const struct front *front, struct front_status *status)
{
	struct histogram *dot[THREADS_MAX], *rcpt[THREADS_MAX];
	struct histogram *scan[THREADS_MAX];
	unsigned count = front->worker_count;

	*status = (struct front_status){0};
	for (unsigned i = 0; i < count; i++) {
		status_add(status, &front->workers[i]->counters);
		dot[i] = &front->workers[i]->dot_latency;
		rcpt[i] = &front->workers[i]->rcpt_wait;
		scan[i] = &front->workers[i]->scan_wait;
	}
	status->dot_p50_ms = quantile_ms(dot, count, 0.5);
	status->dot_p99_ms = quantile_ms(dot, count, 0.99);
	status->rcpt_wait_p99_ms = quantile_ms(rcpt, count, 0.99);
	status->scan_wait_p99_ms = quantile_ms(scan, count, 0.99);
}
