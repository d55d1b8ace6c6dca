#include "gateway/spool/spool.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/mem.h"
#include "gateway/spool/internal.h"
#include "gateway/spool/io.h"
#include "gateway/spool/resub.h"

/*
 * Opening and closing. In the spool's directory: index/ (LMDB), index.lock,
 * segments/, and reserve, a file of blocks for the day the disk is full.
 *
 * Opening trusts the index alone (load.c). It says which segments live; a file
 * nobody names was never accepted or is dead, and a file that is missing or
 * short is an error in the log and a message that will not match its digest.
 */

#define USAGE_MS 10000
#define RESUB_MAX 4000000	      /* 55 to 85 MB of memory */
#define RECORD_MAX (64 * 1024 * 1024) /* the scratch buffer's cap */

static void
opts_fill(struct spool_opts *opts)
{
	if (opts->segment_bytes == 0)
		opts->segment_bytes = 64ull << 20;
	if (opts->large_bytes == 0)
		opts->large_bytes = 256 << 10;
	if (opts->map_bytes == 0)
		opts->map_bytes = 64ull << 30;
	if (opts->reserve_bytes == 0)
		opts->reserve_bytes = 64 << 20;
	if (opts->resub_window_s == 0)
		opts->resub_window_s = 86400;
	if (opts->resub_max == 0)
		opts->resub_max = RESUB_MAX;
	if (opts->compact_after_s == 0)
		opts->compact_after_s = 600;
}

static int
say(char *error, size_t size, int err, const char *path, const char *what)
{
	snprintf(error, size, "%s: %s: %s", path, what, gw_err_text(err));
	return err;
}

static struct spool *
spool_create(const struct spool_opts *opts)
{
	struct spool *spool = mem_zalloc(sizeof(*spool));
	pthread_condattr_t attr;

	spool->opts = *opts;
	opts_fill(&spool->opts);
	spool->dir_fd = spool->reserve_fd = -1;
	spool->changes.tail = &spool->changes.head;
	spool->outcomes.tail = &spool->outcomes.head;
	spool->accepts.tail = &spool->accepts.head;
	spool->undos.tail = &spool->undos.head;
	spool->trash_slice = TRASH_SLICE;
	buf_init(&spool->scratch, RECORD_MAX);
	pthread_mutex_init(&spool->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&spool->wake, &attr);
	pthread_condattr_destroy(&attr);
	segments_init(&spool->segs, -1, spool->opts.segment_bytes);
	return spool;
}

static void
spool_free(struct spool *spool)
{
	segments_fini(&spool->segs);
	resub_fini(spool);
	store_close(&spool->store);
	io_close(&spool->reserve_fd);
	io_close(&spool->dir_fd);
	buf_fini(&spool->scratch);
	pthread_cond_destroy(&spool->wake);
	pthread_mutex_destroy(&spool->lock);
	free(spool);
}

static int
spool_start(struct spool *spool, char *error, size_t size)
{
	const char *path = spool->opts.path;
	char name[PATH_MAX];
	struct store_opts store = {.path = name,
				   .map_bytes = spool->opts.map_bytes};
	int err = io_open_dir(path, &spool->dir_fd);

	if (err != 0)
		return say(error, size, err, path, "spool directory");
	if (snprintf(name, sizeof(name), "%s/index", path) >= (int)sizeof(name))
		return say(error, size, GW_EINVAL, path, "path too long");
	err = store_open(&spool->store, &store, error, size);
	if (err != 0)
		return err;
	err = state_load(spool);
	if (err != 0)
		return say(error, size, err, name, "reading");
	resub_load(spool);
	snprintf(name, sizeof(name), "%s/segments", path);
	err = io_open_dir(name, &spool->segs.dir_fd);
	if (err == 0)
		err = segments_load_dir(&spool->segs);
	if (err != 0)
		return say(error, size, err, name, "segments");
	return 0;
}

int
spool_open(struct spool **spool, const struct spool_opts *opts, char *error,
	   size_t error_size)
{
	struct spool *s = spool_create(opts);
	int err = spool_start(s, error, error_size);

	*spool = NULL;
	if (err != 0) {
		spool_free(s);
		return err;
	}
	id_start(clock_wall_ms(), s->largest_id);
	space_open(s);
	s->opts.path = NULL; /* the caller's */
	s->writer = writer_create(s);
	s->segs.dispose = writer_dispose;
	s->segs.dispose_arg = s->writer;
	if (pthread_create(&s->thread, NULL, spool_thread, s) != 0)
		abort();
	*spool = s;
	return 0;
}

void
spool_close(struct spool **spool)
{
	struct spool *s = *spool;

	if (s == NULL)
		return;
	writer_drain(s->writer); /* its finishes go to the store thread */
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	s->asleep = false;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	/* An answer may have handed in more, and that through the writer. */
	do {
		writer_drain(s->writer);
		spool_thread(s);
		writer_drain(s->writer);
	} while (!spool_idle(s));
	*spool = NULL;
	compact_fini(s);
	segments_seal(&s->segs, false);
	segments_rolled_back(&s->segs);
	writer_destroy(&s->writer); /* buries what the last batch left */
	spool_free(s);
}

/* The exact use walks LMDB's list of free pages: now and then is enough. */
static void
usage_get(struct spool *spool, struct spool_status *status)
{
	int64_t now_ms = clock_mono_ms();
	int64_t at_ms = atomic_load(&spool->usage_ms);

	if ((at_ms == 0 || now_ms - at_ms >= USAGE_MS) &&
	    atomic_compare_exchange_strong(&spool->usage_ms, &at_ms, now_ms)) {
		uint64_t used, map;

		store_usage(spool->store, &used, &map);
		atomic_store(&spool->usage_bytes, used);
	}
	store_high_water(spool->store, &status->map_used_bytes,
			 &status->map_bytes);
	if (atomic_load(&spool->usage_bytes) > 0)
		status->map_used_bytes = atomic_load(&spool->usage_bytes);
}

void
spool_status_get(struct spool *spool, struct spool_status *status)
{
	const struct segment *seg;

	memset(status, 0, sizeof(*status));
	io_space(spool->dir_fd, &status->disk_free_bytes,
		 &status->disk_total_bytes);
	usage_get(spool, status);
	pthread_mutex_lock(&spool->segs.lock);
	for (seg = spool->segs.table; seg != NULL; seg = seg->hh.next) {
		status->segments++;
		status->live_bytes += seg->rec.live_bytes;
		status->segment_bytes +=
		    seg->size > seg->rec.end ? seg->size : seg->rec.end;
	}
	pthread_mutex_unlock(&spool->segs.lock);
	status->commits = atomic_load(&spool->commits);
	status->accepts = atomic_load(&spool->accepted);
	status->full = atomic_load(&spool->full);
	status->failing = atomic_load(&spool->failing);
	status->needs_restart = store_is_dead(spool->store);
}

struct store_env *
spool_store(struct spool *spool)
{
	return spool->store;
}
