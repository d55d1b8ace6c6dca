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
 * lock guards the line and everything of a stream but what a turn uses: the
 * descriptor, the segment and what was written are the thread's own until
 * done has run.
 *
 * drained runs with the lock held: whoever has freed a stream will not be
 * called about it any more.
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
	TAILQ_ENTRY(stream) link;
	struct writer *writer;
	struct pieces pieces;
	uint64_t waiting; /* bytes handed over and not yet written */
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
TAILQ_HEAD(streams, stream);

struct writer {
	struct spool *spool;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_cond_t idle;
	bool busy;
	struct streams line;
	struct segment *dead;
	bool stop;
};

/* --- the thread's side ---------------------------------------------------- */

static int
stream_open(struct large *stream)
{
	struct segments *segs = &stream->writer->spool->segs;
	char name[SEGMENT_NAME_SIZE];

	stream->segment = atomic_fetch_add(&segs->next_id, 1);
	segment_name(stream->segment, name);
	return io_open(segs->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL,
		       &stream->fd);
}

/* Streams stop before the last half of the reserve: it is for outcomes. */
static int
stream_space(struct large *stream)
{
	struct spool *spool = stream->writer->spool;
	uint64_t unused, total;
	int err = io_space(spool->dir_fd, &unused, &total);

	if (err == 0 && unused < spool->opts.reserve_bytes / 2)
		err = GW_ENOSPC;
	return err;
}

static int
stream_write(struct large *stream, struct pieces *pieces)
{
	struct iovec iov[TURN_IOV];
	struct piece *piece;
	uint64_t bytes = 0;
	int count = 0, err;

	STAILQ_FOREACH (piece, pieces, link) {
		iov[count++] =
		    (struct iovec){.iov_base = piece->p, .iov_len = piece->n};
		bytes += piece->n;
	}
	err = stream_space(stream);
	if (err == 0 && stream->fd < 0)
		err = stream_open(stream);
	if (err == 0)
		err = io_write(stream->fd, iov, count, stream->written);
	if (err != 0)
		return err;
	io_sync_begin(stream->fd, stream->written, bytes);
	stream->written += bytes;
	return 0;
}

static int
stream_sync(struct large *stream)
{
	int err = stream->fd < 0 ? stream_open(stream) : 0;

	if (err == 0)
		err = io_sync(stream->fd);
	if (err == 0)
		err = io_sync_dir(stream->writer->spool->segs.dir_fd);
	io_close(&stream->fd);
	return err;
}

static uint64_t
pieces_free(struct pieces *pieces)
{
	struct piece *piece;
	uint64_t bytes = 0;

	while ((piece = STAILQ_FIRST(pieces)) != NULL) {
		STAILQ_REMOVE_HEAD(pieces, link);
		bytes += piece->n;
		free(piece->p);
		free(piece);
	}
	return bytes;
}

static void
stream_unlink(struct large *stream)
{
	char name[SEGMENT_NAME_SIZE];
	int err;

	if (stream->segment == 0 || stream->keep)
		return;
	segment_name(stream->segment, name);
	err = io_unlink(stream->writer->spool->segs.dir_fd, name);
	if (err != 0 && err != GW_ENOENT)
		log_event(GW_LOG_WARN, "spool-unlink", LF_STR("file", name),
			  LF_ERR(err));
}

/* Locked; unlocks while it touches the disk. */
static void
stream_bury(struct writer *writer, struct large *stream)
{
	pthread_mutex_unlock(&writer->lock);
	pieces_free(&stream->pieces);
	io_close(&stream->fd);
	stream_unlink(stream);
	free(stream);
	pthread_mutex_lock(&writer->lock);
}

static void
pieces_take(struct large *stream, struct pieces *pieces)
{
	uint64_t bytes = 0;
	struct piece *piece;
	int count = 0;

	STAILQ_INIT(pieces);
	while ((piece = STAILQ_FIRST(&stream->pieces)) != NULL &&
	       count < TURN_IOV && bytes < TURN_BYTES) {
		STAILQ_REMOVE_HEAD(&stream->pieces, link);
		STAILQ_INSERT_TAIL(pieces, piece, link);
		bytes += piece->n;
		count++;
	}
}

static void
drained_run(struct large *stream)
{
	spool_drained_fn *drained = stream->drained;

	if (drained == NULL || stream->waiting > SPOOL_BACKLOG_MAX / 2)
		return;
	stream->drained = NULL;
	drained(stream->drained_arg);
}

static void
line_join(struct large *stream)
{
	if (stream->listed || stream->working)
		return;
	stream->listed = true;
	TAILQ_INSERT_TAIL(&stream->writer->line, stream, link);
	pthread_cond_signal(&stream->writer->wake);
}

/* Locked at entry and exit. After done the stream may be gone. */
static void
turn(struct writer *writer, struct large *stream)
{
	struct pieces pieces;
	uint64_t bytes;
	bool last;

	stream->working = true;
	pieces_take(stream, &pieces);
	last = stream->finish && STAILQ_EMPTY(&stream->pieces);
	pthread_mutex_unlock(&writer->lock);
	if (stream->err == 0 && !STAILQ_EMPTY(&pieces))
		stream->err = stream_write(stream, &pieces);
	if (stream->err == 0 && last)
		stream->err = stream_sync(stream);
	bytes = pieces_free(&pieces);
	pthread_mutex_lock(&writer->lock);
	stream->working = false;
	stream->waiting -= bytes;
	if (stream->freed) {
		stream_bury(writer, stream);
		return;
	}
	drained_run(stream);
	if (last) {
		stream->finished = true;
		pthread_mutex_unlock(&writer->lock);
		stream->done(stream->done_arg);
		pthread_mutex_lock(&writer->lock);
	} else if (!STAILQ_EMPTY(&stream->pieces) || stream->finish) {
		line_join(stream);
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
	struct large *stream;

	pthread_mutex_lock(&writer->lock);
	for (;;) {
		stream = TAILQ_FIRST(&writer->line);
		if (stream != NULL) {
			TAILQ_REMOVE(&writer->line, stream, link);
			stream->listed = false;
			if (stream->freed)
				stream_bury(writer, stream);
			else
				turn(writer, stream);
		}
		if (writer->dead != NULL)
			dispose_all(writer);
		else if (stream == NULL && writer->stop)
			break;
		else if (stream == NULL)
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
	struct large *stream = mem_zalloc(sizeof(*stream));

	stream->writer = writer;
	stream->fd = -1;
	STAILQ_INIT(&stream->pieces);
	return stream;
}

void
large_add(struct large *stream, char *p, size_t n)
{
	struct piece *piece = mem_alloc(sizeof(*piece));

	piece->p = p;
	piece->n = n;
	pthread_mutex_lock(&stream->writer->lock);
	STAILQ_INSERT_TAIL(&stream->pieces, piece, link);
	stream->waiting += n;
	line_join(stream);
	pthread_mutex_unlock(&stream->writer->lock);
}

bool
large_backlogged(struct large *stream, spool_drained_fn *drained, void *arg)
{
	bool over;

	pthread_mutex_lock(&stream->writer->lock);
	over = stream->waiting > SPOOL_BACKLOG_MAX;
	stream->drained = over ? drained : NULL;
	stream->drained_arg = arg;
	pthread_mutex_unlock(&stream->writer->lock);
	return over;
}

void
large_finish(struct large *stream, void (*done)(void *arg), void *arg)
{
	pthread_mutex_lock(&stream->writer->lock);
	stream->finish = true;
	stream->drained = NULL;
	stream->done = done;
	stream->done_arg = arg;
	line_join(stream);
	pthread_mutex_unlock(&stream->writer->lock);
}

int
large_result(const struct large *stream, uint64_t *segment, uint64_t *bytes)
{
	*segment = stream->segment;
	*bytes = stream->written;
	return stream->err;
}

void
large_keep(struct large *stream)
{
	stream->keep = true;
}

void
large_free(struct large **stream)
{
	struct large *s = *stream;
	struct writer *writer;

	*stream = NULL;
	if (s == NULL)
		return;
	writer = s->writer;
	pthread_mutex_lock(&writer->lock);
	s->freed = true;
	s->drained = NULL;
	line_join(s);
	pthread_mutex_unlock(&writer->lock);
}
