#include "gateway/spool/writer.h"

#include <fcntl.h>
#include <stdlib.h>

#include <bsd/sys/queue.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/spool/internal.h"
#include "gateway/spool/io.h"

/*
 * Large mails must not hold up the group, so their bytes reach the disk here,
 * while they arrive, and their acceptance joins a batch only when they are
 * durable: then it costs the batch no more than a small one.
 *
 * Streams with work stand in one line and get a turn of TURN_BYTES each. One
 * lock guards the line and everything of a large body but what a turn uses: the
 * descriptor, the segment and what was written are the thread's own until
 * done has run.
 *
 * drained runs with the lock held: whoever has freed a large body will not be
 * called about it any more.
 *
 * A scan reads a body before anybody decides whether it is kept. It reads what
 * was written, through the same descriptor: that stays open until large_finish,
 * and what the thread says of it under the lock (readable, broken) comes after
 * the bytes themselves.
 */

#define TURN_BYTES (1024 * 1024)
#define TURN_IOV 32

struct piece {
	STAILQ_ENTRY(piece) link;
	char *p;
	size_t n;
};
STAILQ_HEAD(pieces, piece);

struct large {
	TAILQ_ENTRY(large) link;
	struct writer *writer;
	struct pieces pieces;
	uint64_t waiting;  /* bytes handed over and not yet written */
	uint64_t readable; /* written, for a reader */
	bool broken;	   /* no more will be */
	bool awaited;	   /* somebody waits for either */
	spool_drained_fn *drained;
	void *drained_arg;
	void (*done)(void *arg);
	void *done_arg;
	bool listed;  /* stands in line */
	bool working; /* has its turn */
	bool finish;
	bool finished;
	bool freed;
	bool keep;
	/* The thread's. */
	int fd;
	uint64_t segment;
	uint64_t written;
	int err;
};
TAILQ_HEAD(larges, large);

struct writer {
	struct spool *spool;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_cond_t idle;
	pthread_cond_t moved; /* a body that is read grew, or broke */
	bool busy;
	struct larges line;
	struct segment *dead;
	bool stop;
};

/* --- the thread's side ---------------------------------------------------- */

static int
large_open(struct large *large)
{
	struct segments *segs = &large->writer->spool->segs;
	char name[SEGMENT_NAME_SIZE];

	large->segment = atomic_fetch_add(&segs->next_id, 1);
	segment_name(large->segment, name);
	return io_open(segs->dir_fd, name, O_RDWR | O_CREAT | O_EXCL,
		       &large->fd);
}

/* Streams stop before the last half of the reserve: it is for outcomes. */
static int
large_space(struct large *large)
{
	struct spool *spool = large->writer->spool;
	uint64_t unused, total;
	int err = io_space(spool->dir_fd, &unused, &total);

	if (err == 0 && unused < spool->opts.reserve_bytes / 2)
		err = GW_ENOSPC;
	return err;
}

static int
large_write(struct large *large, struct piece *const *pieces, int count)
{
	struct iovec iov[TURN_IOV];
	uint64_t bytes = 0;
	int err;

	for (int i = 0; i < count; i++) {
		iov[i] = (struct iovec){.iov_base = pieces[i]->p,
					.iov_len = pieces[i]->n};
		bytes += pieces[i]->n;
	}
	err = large_space(large);
	if (err == 0 && large->fd < 0)
		err = large_open(large);
	if (err == 0)
		err = io_write(large->fd, iov, count, large->written);
	if (err != 0)
		return err;
	io_sync_begin(large->fd, large->written, bytes);
	large->written += bytes;
	return 0;
}

static int
large_sync(struct large *large)
{
	int err = large->fd < 0 ? large_open(large) : 0;

	if (err == 0)
		err = io_sync(large->fd);
	if (err == 0)
		err = io_sync_dir(large->writer->spool->segs.dir_fd);
	io_close(&large->fd);
	return err;
}

static uint64_t
piece_free(struct piece *piece)
{
	uint64_t bytes = piece->n;

	free(piece->p);
	free(piece);
	return bytes;
}

static void
large_unlink(struct large *large)
{
	char name[SEGMENT_NAME_SIZE];
	int err;

	if (large->segment == 0 || large->keep)
		return;
	segment_name(large->segment, name);
	err = io_unlink(large->writer->spool->segs.dir_fd, name);
	if (err != 0 && err != GW_ENOENT)
		log_event(GW_LOG_WARN, "spool-unlink", LF_STR("file", name),
			  LF_ERR(err));
}

/* Locked; unlocks while it touches the disk. */
static void
large_bury(struct writer *writer, struct large *large)
{
	struct piece *piece;

	pthread_mutex_unlock(&writer->lock);
	while ((piece = STAILQ_FIRST(&large->pieces)) != NULL) {
		STAILQ_REMOVE_HEAD(&large->pieces, link);
		piece_free(piece);
	}
	io_close(&large->fd);
	large_unlink(large);
	free(large);
	pthread_mutex_lock(&writer->lock);
}

static int
pieces_take(struct large *large, struct piece *pieces[TURN_IOV])
{
	uint64_t bytes = 0;
	struct piece *piece;
	int count = 0;

	while ((piece = STAILQ_FIRST(&large->pieces)) != NULL &&
	       count < TURN_IOV && bytes < TURN_BYTES) {
		STAILQ_REMOVE_HEAD(&large->pieces, link);
		pieces[count++] = piece;
		bytes += piece->n;
	}
	return count;
}

static void
drained_run(struct large *large)
{
	spool_drained_fn *drained = large->drained;

	if (drained == NULL || large->waiting > SPOOL_BACKLOG_MAX / 2)
		return;
	large->drained = NULL;
	drained(large->drained_arg);
}

/* One lock and one condition for all: few bodies are read while they are still
 * written. */
static void
progress_tell(struct large *large)
{
	large->readable = large->written;
	large->broken = large->err != 0;
	if (large->awaited)
		pthread_cond_broadcast(&large->writer->moved);
}

static void
line_join(struct large *large)
{
	if (large->listed || large->working)
		return;
	large->listed = true;
	TAILQ_INSERT_TAIL(&large->writer->line, large, link);
	pthread_cond_signal(&large->writer->wake);
}

/* Locked at entry and exit. After done the stream may be gone. */
static void
turn(struct writer *writer, struct large *large)
{
	struct piece *pieces[TURN_IOV];
	uint64_t bytes = 0;
	bool last;
	int count;

	large->working = true;
	count = pieces_take(large, pieces);
	last = large->finish && STAILQ_EMPTY(&large->pieces);
	pthread_mutex_unlock(&writer->lock);
	if (large->err == 0 && count > 0)
		large->err = large_write(large, pieces, count);
	if (large->err == 0 && last)
		large->err = large_sync(large);
	for (int i = 0; i < count; i++)
		bytes += piece_free(pieces[i]);
	pthread_mutex_lock(&writer->lock);
	large->working = false;
	large->waiting -= bytes;
	progress_tell(large);
	if (large->freed) {
		large_bury(writer, large);
		return;
	}
	drained_run(large);
	if (last) {
		large->finished = true;
		pthread_mutex_unlock(&writer->lock);
		large->done(large->done_arg);
		pthread_mutex_lock(&writer->lock);
	} else if (!STAILQ_EMPTY(&large->pieces) || large->finish) {
		line_join(large);
	}
}

static void
dispose_all(struct writer *writer)
{
	struct segment *seg, *list = writer->dead;

	writer->dead = NULL;
	pthread_mutex_unlock(&writer->lock);
	while ((seg = list) != NULL) {
		list = seg->dead_next;
		segment_dispose(&writer->spool->segs, seg);
	}
	pthread_mutex_lock(&writer->lock);
}

static void
wait_for_work(struct writer *writer)
{
	writer->busy = false;
	pthread_cond_broadcast(&writer->idle);
	pthread_cond_wait(&writer->wake, &writer->lock);
	writer->busy = true;
}

static void *
writer_thread(void *arg)
{
	struct writer *writer = arg;
	struct large *large;

	pthread_mutex_lock(&writer->lock);
	for (;;) {
		large = TAILQ_FIRST(&writer->line);
		if (large != NULL) {
			TAILQ_REMOVE(&writer->line, large, link);
			large->listed = false;
			if (large->freed)
				large_bury(writer, large);
			else
				turn(writer, large);
		}
		if (writer->dead != NULL)
			dispose_all(writer);
		else if (large == NULL && writer->stop)
			break;
		else if (large == NULL)
			wait_for_work(writer);
	}
	pthread_mutex_unlock(&writer->lock);
	return NULL;
}

/* --- everybody's side -------------------------------------------------------
 */

struct writer *
writer_create(struct spool *spool)
{
	struct writer *writer = mem_zalloc(sizeof(*writer));

	writer->spool = spool;
	TAILQ_INIT(&writer->line);
	pthread_mutex_init(&writer->lock, NULL);
	pthread_cond_init(&writer->wake, NULL);
	pthread_cond_init(&writer->idle, NULL);
	pthread_cond_init(&writer->moved, NULL);
	writer->busy = true;
	if (pthread_create(&writer->thread, NULL, writer_thread, writer) != 0)
		abort();
	return writer;
}

void
writer_drain(struct writer *writer)
{
	pthread_mutex_lock(&writer->lock);
	while (writer->busy || !TAILQ_EMPTY(&writer->line))
		pthread_cond_wait(&writer->idle, &writer->lock);
	pthread_mutex_unlock(&writer->lock);
}

void
writer_destroy(struct writer **writer)
{
	struct writer *w = *writer;

	*writer = NULL;
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->wake);
	pthread_cond_destroy(&w->idle);
	pthread_cond_destroy(&w->moved);
	free(w);
}

void
writer_dispose(void *arg, struct segment *seg)
{
	struct writer *writer = arg;

	pthread_mutex_lock(&writer->lock);
	seg->dead_next = writer->dead;
	writer->dead = seg;
	pthread_cond_signal(&writer->wake);
	pthread_mutex_unlock(&writer->lock);
}

struct large *
large_create(struct writer *writer)
{
	struct large *large = mem_zalloc(sizeof(*large));

	large->writer = writer;
	large->fd = -1;
	STAILQ_INIT(&large->pieces);
	return large;
}

void
large_add(struct large *large, char *p, size_t n)
{
	struct piece *piece = mem_alloc(sizeof(*piece));

	piece->p = p;
	piece->n = n;
	pthread_mutex_lock(&large->writer->lock);
	STAILQ_INSERT_TAIL(&large->pieces, piece, link);
	large->waiting += n;
	line_join(large);
	pthread_mutex_unlock(&large->writer->lock);
}

bool
large_backlogged(struct large *large, spool_drained_fn *drained, void *arg)
{
	bool over;

	pthread_mutex_lock(&large->writer->lock);
	over = large->waiting > SPOOL_BACKLOG_MAX;
	large->drained = over ? drained : NULL;
	large->drained_arg = arg;
	pthread_mutex_unlock(&large->writer->lock);
	return over;
}

int64_t
large_read(struct large *large, uint64_t offset, void *p, size_t n)
{
	struct writer *writer = large->writer;
	bool there;
	int fd;

	pthread_mutex_lock(&writer->lock);
	large->awaited = true;
	while (!large->broken && large->readable < offset + n)
		pthread_cond_wait(&writer->moved, &writer->lock);
	large->awaited = false;
	there = large->readable >= offset + n;
	fd = large->fd;
	pthread_mutex_unlock(&writer->lock);
	if (!there || io_read(fd, p, n, offset) != (int64_t)n)
		return GW_EIO;
	return (int64_t)n;
}

void
large_finish(struct large *large, void (*done)(void *arg), void *arg)
{
	pthread_mutex_lock(&large->writer->lock);
	large->finish = true;
	large->drained = NULL;
	large->done = done;
	large->done_arg = arg;
	line_join(large);
	pthread_mutex_unlock(&large->writer->lock);
}

int
large_result(const struct large *large, uint64_t *segment, uint64_t *bytes)
{
	*segment = large->segment;
	*bytes = large->written;
	return large->err;
}

void
large_keep(struct large *large)
{
	large->keep = true;
}

void
large_free(struct large **large)
{
	struct large *s = *large;
	struct writer *writer;

	*large = NULL;
	if (s == NULL)
		return;
	writer = s->writer;
	pthread_mutex_lock(&writer->lock);
	s->freed = true;
	s->drained = NULL;
	line_join(s);
	pthread_mutex_unlock(&writer->lock);
}
