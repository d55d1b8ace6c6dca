#include <fcntl.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/spool/io.h"
#include "gateway/spool/segment.h"

/*
 * Writing bodies: each is given its place in the current segment, the group
 * goes out in one write, and one sync makes it durable. Decides when a segment
 * is sealed; what then becomes of it is segment.c's.
 *
 * Where a committed message lies is never written again: a group starts on a
 * fresh page, and the place of a group that failed is not used anew. After a
 * failed write or sync the file is never written again at all.
 */

#if defined(__GNUC__) && !defined(__clang__)
/* gcc's analyzer takes what uthash's table holds for leaked. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

#define PAGE 4096
#define OPEN_MAX_COUNT 64 /* sealed segments that keep their descriptor */

static int
file_open(struct segments *segs, uint64_t id, int *fd, uint64_t *size)
{
	char name[SEGMENT_NAME_SIZE], spare[SEGMENT_NAME_SIZE];
	uint64_t old = 0;
	int err;

	segment_name(id, name);
	*size = 0;
	pthread_mutex_lock(&segs->lock);
	if (segs->pool_count > 0) {
		old = segs->pool[--segs->pool_count].id;
		*size = segs->pool[segs->pool_count].size;
	}
	pthread_mutex_unlock(&segs->lock);
	if (old != 0) {
		segment_spare_name(old, spare);
		if (io_rename(segs->dir_fd, spare, name) == 0 &&
		    io_open(segs->dir_fd, name, O_RDWR, fd) == 0)
			return 0;
		*size = 0;
	}
	err = io_open(segs->dir_fd, name, O_RDWR | O_CREAT | O_TRUNC, fd);
	return err;
}

static int
current_open(struct segments *segs)
{
	struct segment *seg;
	uint64_t size;
	int fd, err;
	uint64_t id = atomic_fetch_add(&segs->next_id, 1);

	err = file_open(segs, id, &fd, &size);
	if (err == 0)
		err = io_sync_dir(segs->dir_fd);
	if (err != 0) {
		char name[SEGMENT_NAME_SIZE];

		io_close(&fd);
		segment_name(id, name);
		io_unlink(segs->dir_fd, name); /* or the next start does */
		return err;
	}
	seg = segment_create(id);
	seg->fd = fd;
	seg->size = size;
	segments_add(segs, seg);
	pthread_mutex_lock(&segs->lock);
	segs->open_count++;
	pthread_mutex_unlock(&segs->lock);
	segs->current = seg;
	segs->append = 0;
	return 0;
}

void
segments_seal(struct segments *segs, bool failed)
{
	struct segment *seg = segs->current;

	segs->iov_count = 0;
	segs->group_bytes = 0;
	segs->unsynced = false;
	segs->current = NULL;
	if (seg == NULL)
		return;
	seg->failed = failed;
	seg->sealed = true;
	seg->sealed_ms = clock_mono_ms();
	pthread_mutex_lock(&segs->lock);
	if (segs->open_count > OPEN_MAX_COUNT && seg->pins == 0) {
		io_close(&seg->fd);
		segs->open_count--;
	}
	pthread_mutex_unlock(&segs->lock);
	/* The end of the transaction under way decides whether it is dead:
	 * the batch may just have placed its first messages here. */
	segments_touch(segs, seg->id);
}

static uint64_t
page_up(uint64_t n)
{
	return (n + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

/*
 * Fills the last page, so that the kernel need not read what was there. A
 * small group at the end of a growing file goes on for a while: blocks written
 * once cost one flush when they are written again, growing costs two.
 */
static uint64_t
padding(const struct segments *segs)
{
	enum { SMALL = 65536, AHEAD = 262144 };
	uint64_t end = segs->append + segs->group_bytes;
	uint64_t to = page_up(end);

	if (to > segs->current->size && segs->group_bytes < SMALL &&
	    to + AHEAD <= segs->segment_bytes)
		to += AHEAD;
	return to - end;
}

static void
pad(struct segments *segs, uint64_t n)
{
	static const char zeroes[65536];

	while (n > 0) {
		size_t part = n < sizeof(zeroes) ? (size_t)n : sizeof(zeroes);

		segs->iov[segs->iov_count++] = (struct iovec){
		    .iov_base = (void *)(uintptr_t)zeroes, .iov_len = part};
		segs->group_bytes += part;
		n -= part;
	}
}

int
segments_flush(struct segments *segs)
{
	uint64_t end, padded;
	int err;

	if (segs->iov_count == 0)
		return 0;
	padded = padding(segs);
	end = page_up(segs->append + segs->group_bytes);
	pad(segs, padded);
	err = io_write(segs->current->fd, segs->iov, segs->iov_count,
		       segs->append);
	if (err != 0) {
		segments_seal(segs, true);
		return err;
	}
	io_sync_begin(segs->current->fd, segs->append, segs->group_bytes);
	segs->unsynced = true;
	if (segs->append + segs->group_bytes > segs->current->size) {
		pthread_mutex_lock(&segs->lock);
		segs->current->size = segs->append + segs->group_bytes;
		pthread_mutex_unlock(&segs->lock);
	}
	segs->append = end;
	segs->iov_count = 0;
	segs->group_bytes = 0;
	return 0;
}

int
segments_sync(struct segments *segs)
{
	int err;

	if (!segs->unsynced)
		return 0;
	err = io_sync(segs->current->fd);
	segs->unsynced = false;
	if (err != 0)
		segments_seal(segs, true);
	return err;
}

static int
roll(struct segments *segs)
{
	int err = segments_flush(segs);

	if (err == 0)
		err = segments_sync(segs);
	if (err != 0)
		return err;
	segments_seal(segs, false);
	return current_open(segs);
}

int
segments_place(struct segments *segs, struct slice body, struct spool_ref *ref)
{
	int err = 0;

	if (segs->current == NULL)
		err = current_open(segs);
	else if (segs->append + segs->group_bytes > 0 &&
		 segs->append + segs->group_bytes + body.n >
		     segs->segment_bytes)
		err = roll(segs);
	if (err == 0 && segs->iov_count == SEGMENT_IOV_MAX)
		err = segments_flush(segs);
	if (err != 0)
		return err;
	ref->segment = segs->current->id;
	ref->offset = segs->append + segs->group_bytes;
	ref->length = body.n;
	if (body.n > 0)
		segs->iov[segs->iov_count++] = (struct iovec){
		    .iov_base = (void *)(uintptr_t)body.p, .iov_len = body.n};
	segs->group_bytes += body.n;
	return 0;
}
