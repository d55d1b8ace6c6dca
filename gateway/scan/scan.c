/*
 * The door to the scan thread: other threads push, the scan thread takes.
 * Nothing of it is touched from outside but atomics, the verdicts (which have
 * a lock of their own) and what scan->lock guards.
 *
 * A job belongs to its caller again once done has run, and may be gone by the
 * time a cancellation is taken: so that one carries the job's number, which is
 * in job->internal since the start and is looked up, never the job.
 */
#include "gateway/scan/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/scan/scan_int.h"

#define TICK_MS 250

struct item {
	struct queue_item queue;
	void (*take)(struct scan *scan, struct item *item);
	struct scan_job *job;
	uint64_t id;
	struct scan_settings *settings;
};

static void
on_item(void *arg, struct queue_item *queued)
{
	struct item *item = (struct item *)queued;

	item->take(arg, item);
	free(item);
}

static struct item *
item_create(void (*take)(struct scan *scan, struct item *item))
{
	struct item *item = mem_zalloc(sizeof(*item));

	item->take = take;
	return item;
}

/* --- whether there is a scanner ------------------------------------------- */

void
scan_tell_changed(struct scan *scan)
{
	pthread_mutex_lock(&scan->change_lock);
	if (scan->changed)
		scan->changed(scan->changed_arg, scan->up);
	pthread_mutex_unlock(&scan->change_lock);
}

void
scan_update_up(struct scan *scan)
{
	const struct scan_server *server;
	bool up = false, unsteady = false, changed;

	TAILQ_FOREACH (server, &scan->servers, link) {
		up = up || server->health.state == SCAN_UP;
		unsteady = unsteady || server->istag.unsteady;
	}
	changed = scan->up != up;
	pthread_mutex_lock(&scan->lock);
	scan->up = up;
	scan->unsteady = unsteady;
	if (changed && !up)
		scan->down_since_wall_s = clock_wall_s();
	pthread_mutex_unlock(&scan->lock);
	if (changed)
		scan_tell_changed(scan);
}

/* --- settings ------------------------------------------------------------- */

static void
apply_dns(struct scan *scan)
{
	const struct dns_opts *opts = &scan->settings->conf.dns;

	if (scan->settings->conf.server_count == 0)
		return;
	if (!scan->dns)
		scan->dns = dns_create(scan->loop, opts);
	else if (dns_reconfigure(scan->dns, opts) == 0)
		return;
	if (!scan->dns)
		log_event(GW_LOG_ERROR, "scan-resolver",
			  LF_STR("error", "cannot be used"));
}

static void
apply(struct scan *scan)
{
	const struct scan_conf *conf = &scan->settings->conf;
	struct verdicts_conf verdicts = {
	    .count_max = conf->cache_max,
	    .age_ms = conf->cache_age_s * 1000,
	    .rescans_per_s = conf->rescans_per_s,
	    .policy = conf->policy_version,
	};

	if (scan->verdicts)
		verdicts_configure(scan->verdicts, &verdicts);
	else
		scan->verdicts = verdicts_create(&verdicts);
	apply_dns(scan);
	atomic_store(&scan->bytes_max, conf->bytes_max);
	scan_servers_apply(scan);
	atomic_store(&scan->on, conf->server_count > 0);
	content_pump(scan);
}

static void
on_tick(void *arg)
{
	struct scan *scan = arg;
	struct scan_server *server;

	scan->tick = timer_start(scan->loop, TICK_MS, on_tick, scan);
	TAILQ_FOREACH (server, &scan->servers, link) {
		scan_probe_tick(server);
		scan_server_publish(server);
	}
	content_pump(scan);
}

/* --- start and stop ------------------------------------------------------- */

static void *
scan_main(void *arg)
{
	struct scan *scan = arg;

	pthread_setname_np(pthread_self(), "scan");
	loop_run(scan->loop);
	return NULL;
}

static void
servers_destroy(struct scan *scan)
{
	struct scan_server *server;

	while ((server = TAILQ_FIRST(&scan->servers))) {
		pthread_mutex_lock(&scan->lock);
		TAILQ_REMOVE(&scan->servers, server, link);
		pthread_mutex_unlock(&scan->lock);
		scan_server_destroy(&server);
	}
}

/* The thread is gone, or never was. */
static void
scan_free(struct scan **scanp)
{
	struct scan *scan = *scanp;

	*scanp = NULL;
	scan->stopping = true;
	/* Jobs that came behind the stop end as canceled. */
	if (scan->queue)
		queue_destroy(&scan->queue);
	servers_destroy(scan);
	content_drop_all(scan);
	timer_cancel(&scan->tick);
	dns_destroy(&scan->dns);
	if (scan->loop)
		loop_destroy(&scan->loop);
	verdicts_destroy(&scan->verdicts);
	scan_settings_destroy(&scan->settings);
	pthread_mutex_destroy(&scan->lock);
	pthread_mutex_destroy(&scan->change_lock);
	free(scan);
}

static struct scan *
scan_create(struct scan_settings *settings)
{
	struct scan *scan = mem_zalloc(sizeof(*scan));

	scan->settings = settings;
	pthread_mutex_init(&scan->lock, NULL);
	pthread_mutex_init(&scan->change_lock, NULL);
	TAILQ_INIT(&scan->servers);
	TAILQ_INIT(&scan->queue_front);
	TAILQ_INIT(&scan->queue_late);
	scan->down_since_wall_s = clock_wall_s();
	scan->loop = loop_create();
	scan->queue =
	    scan->loop ? queue_create(scan->loop, on_item, scan) : NULL;
	return scan;
}

int
scan_start(struct scan **scanp, const struct scan_opts *opts, char *error,
	   size_t error_size)
{
	struct scan_settings *settings;
	struct scan *scan;
	int err;

	*scanp = NULL;
	err = scan_settings_create(&settings, opts->conf, error, error_size);
	if (err != 0)
		return err;
	scan = scan_create(settings);
	if (!scan->queue) {
		(void)snprintf(error, error_size, "out of descriptors");
		scan_free(&scan);
		return GW_EIO;
	}
	apply(scan);
	if (settings->conf.server_count > 0 && !scan->dns) {
		(void)snprintf(error, error_size,
			       "the resolver cannot be used");
		scan_free(&scan);
		return GW_EINVAL;
	}
	scan->tick = timer_start(scan->loop, TICK_MS, on_tick, scan);
	if (pthread_create(&scan->thread, NULL, scan_main, scan) != 0) {
		(void)snprintf(error, error_size, "no thread could be made");
		scan_free(&scan);
		return GW_EIO;
	}
	*scanp = scan;
	return 0;
}

static void
take_stop(struct scan *scan, struct item *item)
{
	(void)item;
	scan->stopping = true;
	work_cancel_all(scan);
	loop_stop(scan->loop);
}

void
scan_stop(struct scan **scan)
{
	if (!*scan)
		return;
	queue_push((*scan)->queue, &item_create(take_stop)->queue);
	pthread_join((*scan)->thread, NULL);
	scan_free(scan);
}

static void
take_reload(struct scan *scan, struct item *item)
{
	struct scan_settings *settings = item->settings;

	if (!scan->stopping) {
		settings = scan->settings;
		scan->settings = item->settings;
		apply(scan);
		scan_tell_changed(scan);
	}
	scan_settings_destroy(&settings);
}

int
scan_reload(struct scan *scan, const struct scan_conf *conf, char *error,
	    size_t error_size)
{
	struct scan_settings *settings;
	struct item *item;
	int err = scan_settings_create(&settings, conf, error, error_size);

	if (err != 0)
		return err;
	item = item_create(take_reload);
	item->settings = settings;
	queue_push(scan->queue, &item->queue);
	return 0;
}

/* --- jobs ----------------------------------------------------------------- */

bool
scan_known(struct scan *scan, struct scan_job *job)
{
	return work_known(scan, job);
}

bool
scan_known_virus(struct scan *scan, struct scan_job *job)
{
	return work_known_virus(scan, job);
}

static void
take_job(struct scan *scan, struct item *item)
{
	work_begin(scan, item->job);
}

void
scan_job_start(struct scan *scan, struct scan_job *job)
{
	struct item *item = item_create(take_job);

	item->job = job;
	job->internal =
	    (void *)(uintptr_t)(atomic_fetch_add(&scan->last_id, 1) + 1);
	atomic_fetch_add(&scan->jobs, 1);
	queue_push(scan->queue, &item->queue);
}

static void
take_cancel(struct scan *scan, struct item *item)
{
	work_cancel(scan, item->id);
}

void
scan_job_cancel(struct scan *scan, struct scan_job *job)
{
	struct item *item = item_create(take_cancel);

	item->id = (uintptr_t)job->internal;
	queue_push(scan->queue, &item->queue);
}

/* --- what they see -------------------------------------------------------- */

size_t
scan_servers_get(struct scan *scan, struct scan_server_status *out, size_t max)
{
	struct scan_server *server;
	struct histogram *times;
	int64_t now_ms = clock_mono_ms();
	size_t n = 0;

	pthread_mutex_lock(&scan->lock);
	TAILQ_FOREACH (server, &scan->servers, link) {
		if (n < max) {
			times = &server->times;
			out[n] = server->status;
			out[n].p50_ms = (double)histogram_quantile_us(
					    &times, 1, 0.5, now_ms) /
					1000;
			out[n].p95_ms = (double)histogram_quantile_us(
					    &times, 1, 0.95, now_ms) /
					1000;
		}
		n++;
	}
	pthread_mutex_unlock(&scan->lock);
	return n;
}

bool
scan_istag_counts(struct scan *scan, const char *istag)
{
	const struct scan_server *server;
	bool counts = false;

	if (istag[0] == '\0')
		return false;
	pthread_mutex_lock(&scan->lock);
	TAILQ_FOREACH (server, &scan->servers, link)
		counts = counts || (server->status.health == SCAN_UP &&
				    strcmp(server->status.istag, istag) == 0);
	counts = counts && !scan->unsteady;
	pthread_mutex_unlock(&scan->lock);
	return counts;
}

void
scan_status_get(struct scan *scan, struct scan_status *status)
{
	memset(status, 0, sizeof(*status));
	pthread_mutex_lock(&scan->lock);
	status->up = scan->up;
	status->istag_unsteady = scan->unsteady;
	status->down_since_wall_s = scan->up ? 0 : scan->down_since_wall_s;
	pthread_mutex_unlock(&scan->lock);
	status->on = atomic_load(&scan->on);
	status->bypass_until_wall_s = atomic_load(&scan->bypass_until_wall_s);
	status->jobs = atomic_load(&scan->jobs);
	status->cache_count = verdicts_count(scan->verdicts);
	status->cache_hits = atomic_load(&scan->hits);
	status->cache_misses = atomic_load(&scan->misses);
	status->shared = atomic_load(&scan->shared);
	status->parts_scanned = atomic_load(&scan->scanned);
	status->bytes_scanned = atomic_load(&scan->scanned_bytes);
}

static void
take_test(struct scan *scan, struct item *item)
{
	if (!scan->stopping)
		scan_testing_begin(scan, item->id);
}

uint64_t
scan_test_start(struct scan *scan)
{
	struct item *item = item_create(take_test);
	uint64_t number = atomic_fetch_add(&scan->last_test, 1) + 1;

	item->id = number;
	queue_push(scan->queue, &item->queue);
	return number;
}

static void
take_told(struct scan *scan, struct item *item)
{
	(void)item;
	if (scan->up)
		scan_tell_changed(scan);
}

void
scan_on_change(struct scan *scan, scan_changed_fn *fn, void *arg)
{
	pthread_mutex_lock(&scan->change_lock);
	scan->changed = fn;
	scan->changed_arg = arg;
	pthread_mutex_unlock(&scan->change_lock);
	/* It may be up since before anybody wanted to know. */
	if (fn)
		queue_push(scan->queue, &item_create(take_told)->queue);
}

void
scan_bypass_set(struct scan *scan, int64_t until_wall_s)
{
	atomic_store(&scan->bypass_until_wall_s, until_wall_s);
}

bool
scan_bypassed(struct scan *scan, int64_t now_wall_s)
{
	return now_wall_s < atomic_load(&scan->bypass_until_wall_s);
}

uint64_t
scan_flush(struct scan *scan)
{
	return verdicts_flush(scan->verdicts);
}
