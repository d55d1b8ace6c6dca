/*
 * The door to the scan thread: other threads push, the scan thread takes.
 * Nothing of it is touched from outside but atomics and what a lock guards.
 *
 * A job belongs to its caller again once done has run, and may be gone by the
 * time a cancellation is taken: so that one carries the job's number, which is
 * in job->internal since the start and is looked up, never the job.
 */
#include "gateway/scan/scan.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/net/queue.h"

struct scan {
	pthread_t thread;
	struct loop *loop;
	struct queue *queue;
	_Atomic int64_t bypass_until_wall_s;
	_Atomic uint64_t jobs;
};

struct item {
	struct queue_item queue;
	void (*take)(struct scan *scan, struct item *item);
	struct scan_job *job;
};

static void
on_item(void *arg, struct queue_item *queued)
{
	struct item *item = (struct item *)queued;

	item->take(arg, item);
}

static struct item *
item_create(void (*take)(struct scan *scan, struct item *item))
{
	struct item *item = mem_zalloc(sizeof(*item));

	item->take = take;
	return item;
}

static void *
scan_main(void *arg)
{
	struct scan *scan = arg;

	pthread_setname_np(pthread_self(), "scan");
	loop_run(scan->loop);
	return NULL;
}

static void
scan_free(struct scan **scanp)
{
	struct scan *scan = *scanp;

	*scanp = NULL;
	if (scan->queue)
		queue_destroy(&scan->queue);
	if (scan->loop)
		loop_destroy(&scan->loop);
	free(scan);
}

int
scan_start(struct scan **scanp, const struct scan_opts *opts, char *error,
	   size_t error_size)
{
	struct scan *scan = mem_zalloc(sizeof(*scan));

	(void)opts;
	*scanp = NULL;
	scan->loop = loop_create();
	scan->queue =
	    scan->loop ? queue_create(scan->loop, on_item, scan) : NULL;
	if (!scan->queue) {
		(void)snprintf(error, error_size, "out of descriptors");
		scan_free(&scan);
		return GW_EIO;
	}
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
	free(item);
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

int
scan_reload(struct scan *scan, const struct scan_conf *conf, char *error,
	    size_t error_size)
{
	(void)scan;
	(void)conf;
	(void)error;
	(void)error_size;
	return 0;
}

bool
scan_known(struct scan *scan, struct scan_job *job)
{
	(void)scan;
	memset(&job->verdict, 0, sizeof(job->verdict));
	job->part = 0;
	job->cached = (uint32_t)job->part_count;
	return true;
}

static void
take_job(struct scan *scan, struct item *item)
{
	struct scan_job *job = item->job;

	free(item);
	(void)scan_known(scan, job);
	atomic_fetch_sub(&scan->jobs, 1);
	job->done(job);
}

void
scan_job_start(struct scan *scan, struct scan_job *job)
{
	struct item *item = item_create(take_job);

	item->job = job;
	atomic_fetch_add(&scan->jobs, 1);
	queue_push(scan->queue, &item->queue);
}

void
scan_job_cancel(struct scan *scan, struct scan_job *job)
{
	(void)scan;
	(void)job;
}

size_t
scan_servers_get(struct scan *scan, struct scan_server_status *out, size_t max)
{
	(void)scan;
	(void)out;
	(void)max;
	return 0;
}

void
scan_status_get(struct scan *scan, struct scan_status *status)
{
	memset(status, 0, sizeof(*status));
	status->jobs = atomic_load(&scan->jobs);
	status->bypass_until_wall_s = atomic_load(&scan->bypass_until_wall_s);
}

void
scan_on_change(struct scan *scan, scan_changed_fn *fn, void *arg)
{
	(void)scan;
	(void)fn;
	(void)arg;
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
	(void)scan;
	return 0;
}
