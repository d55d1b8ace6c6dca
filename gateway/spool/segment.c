#include "gateway/spool/segment.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/spool/io.h"
#include "gateway/store/key.h"

/*
 * What lies where, what of it lives, and who reads it. Decides when a segment
 * is dead; leaves to the writer thread what then happens to its file.
 *
 * The invariants that cost a mail when they break:
 * 1. A file is renamed or unlinked only after the commit that took its last
 *    live message, and only when no reader pins it.
 * 2. An id is never given twice. A file used again gets a new one by rename,
 *    and that rename is durable before a commit can name it.
 * 3. Where a committed message lies is never written again: a group starts on
 *    a fresh page, and a failed group's place is not reused.
 */

#if defined(__GNUC__) && !defined(__clang__)
/* gcc's analyzer takes what uthash's table holds for leaked. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

#define PAGE 4096
#define FREE_PREFIX "free."
#define OPEN_MAX_COUNT 64 /* sealed segments that keep their descriptor */

void
segment_name(uint64_t id, char name[SEGMENT_NAME_SIZE])
{
	snprintf(name, SEGMENT_NAME_SIZE, "%016" PRIx64, id);
}

static void
free_name(uint64_t id, char name[SEGMENT_NAME_SIZE])
{
	snprintf(name, SEGMENT_NAME_SIZE, FREE_PREFIX "%016" PRIx64, id);
}

static struct segment *
segment_create(uint64_t id)
{
	struct segment *seg = mem_zalloc(sizeof(*seg));

	seg->id = id;
	seg->fd = -1;
	return seg;
}

static void
table_add(struct segments *segs, struct segment *seg)
{
	pthread_mutex_lock(&segs->lock);
	HASH_ADD(hh, segs->table, id, sizeof(seg->id), seg);
	pthread_mutex_unlock(&segs->lock);
}

void
segments_init(struct segments *segs, int dir_fd, uint64_t segment_bytes)
{
	memset(segs, 0, sizeof(*segs));
	pthread_mutex_init(&segs->lock, NULL);
	segs->dir_fd = dir_fd;
	segs->segment_bytes = segment_bytes;
	atomic_init(&segs->next_id, 1);
}

static void
segment_free(struct segment *seg)
{
	io_close(&seg->fd);
	free(seg);
}

void
segments_fini(struct segments *segs)
{
	struct segment *seg, *tmp;

	HASH_ITER(hh, segs->table, seg, tmp)
	{
		HASH_DEL(segs->table, seg);
		segment_free(seg);
	}
	io_close(&segs->dir_fd);
	pthread_mutex_destroy(&segs->lock);
}

/* --- at start ------------------------------------------------------------- */

static void
id_seen(struct segments *segs, uint64_t id)
{
	if (id >= atomic_load(&segs->next_id))
		atomic_store(&segs->next_id, id + 1);
}

void
segments_load_row(struct segments *segs, uint64_t id,
		  const struct record_segment *rec)
{
	struct segment *seg = segment_create(id);

	seg->rec = *rec;
	seg->sealed = true;
	seg->missing = true;
	id_seen(segs, id);
	table_add(segs, seg);
}

static void
file_remove(struct segments *segs, const char *name)
{
	int err = io_unlink(segs->dir_fd, name);

	if (err != 0)
		log_event(GW_LOG_WARN, "spool-unlink", LF_STR("file", name),
			  LF_ERR(err));
}

/* Keeps the file for later under its free name, or unlinks it. */
static void
file_retire(struct segments *segs, const char *name, uint64_t id, uint64_t size)
{
	char spare[SEGMENT_NAME_SIZE];
	bool keep;

	pthread_mutex_lock(&segs->lock);
	keep = size >= segs->segment_bytes / 4 &&
	       segs->pool_count < SEGMENT_POOL_MAX &&
	       !atomic_load(&segs->thrifty);
	pthread_mutex_unlock(&segs->lock);
	free_name(id, spare);
	if (keep && strcmp(name, spare) != 0)
		keep = io_rename(segs->dir_fd, name, spare) == 0;
	if (!keep) {
		file_remove(segs, name);
		return;
	}
	pthread_mutex_lock(&segs->lock);
	segs->pool[segs->pool_count].id = id;
	segs->pool[segs->pool_count++].size = size;
	pthread_mutex_unlock(&segs->lock);
}

static bool
name_parse(const char *name, uint64_t *id)
{
	size_t n = strspn(name, "0123456789abcdef");

	if (n != 16 || name[n] != '\0')
		return false;
	*id = strtoull(name, NULL, 16);
	return *id != 0;
}

static void
file_found(struct segments *segs, const char *name)
{
	bool spare = strncmp(name, FREE_PREFIX, strlen(FREE_PREFIX)) == 0;
	struct segment *seg;
	uint64_t id, size = 0;
	int fd;

	if (!name_parse(spare ? name + strlen(FREE_PREFIX) : name, &id)) {
		log_event(GW_LOG_WARN, "spool-stranger", LF_STR("file", name));
		return;
	}
	id_seen(segs, id);
	if (io_open(segs->dir_fd, name, O_RDONLY, &fd) == 0)
		io_size(fd, &size);
	io_close(&fd);
	seg = spare ? NULL : segments_find(segs, id);
	if (seg == NULL) {
		file_retire(segs, name, id, size);
		return;
	}
	seg->missing = false;
	seg->size = size;
}

static void
segments_complain(const struct segments *segs)
{
	const struct segment *seg;
	char name[SEGMENT_NAME_SIZE];

	for (seg = segs->table; seg != NULL; seg = seg->hh.next) {
		if (!seg->missing && seg->size >= seg->rec.end)
			continue;
		segment_name(seg->id, name);
		log_event(GW_LOG_ERROR,
			  seg->missing ? "spool-segment-missing"
				       : "spool-segment-short",
			  LF_STR("segment", name), LF_U64("bytes", seg->size),
			  LF_U64("needed", seg->rec.end),
			  LF_U64("messages", seg->rec.live_count));
	}
}

int
segments_load_dir(struct segments *segs)
{
	int fd = fcntl(segs->dir_fd, F_DUPFD_CLOEXEC, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (dir == NULL) {
		io_close(&fd);
		return GW_EIO;
	}
	rewinddir(dir);
	while ((entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			file_found(segs, entry->d_name);
	closedir(dir);
	segments_complain(segs);
	return 0;
}

/* --- pins -------------------------------------------------------------------
 */

struct segment *
segments_find(struct segments *segs, uint64_t id)
{
	struct segment *seg;

	HASH_FIND(hh, segs->table, &id, sizeof(id), seg);
	return seg;
}

struct segment *
segment_pin(struct segments *segs, uint64_t id)
{
	struct segment *seg;

	pthread_mutex_lock(&segs->lock);
	seg = segments_find(segs, id);
	if (seg != NULL)
		seg->pins++;
	pthread_mutex_unlock(&segs->lock);
	return seg;
}

void
segment_unpin(struct segments *segs, struct segment *seg)
{
	bool gone;

	pthread_mutex_lock(&segs->lock);
	gone = --seg->pins == 0 && seg->dead;
	pthread_mutex_unlock(&segs->lock);
	if (gone)
		segs->dispose(segs->dispose_arg, seg);
}

/* Nothing live is left and nothing will come. */
static void
segment_die(struct segments *segs, struct segment *seg)
{
	bool gone;

	pthread_mutex_lock(&segs->lock);
	HASH_DEL(segs->table, seg);
	seg->dead = true;
	gone = seg->pins == 0;
	pthread_mutex_unlock(&segs->lock);
	if (gone)
		segs->dispose(segs->dispose_arg, seg);
}

void
segment_dispose(struct segments *segs, struct segment *seg)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(seg->id, name);
	if (seg->fd >= 0) {
		pthread_mutex_lock(&segs->lock);
		segs->open_count--;
		pthread_mutex_unlock(&segs->lock);
	}
	if (seg->failed || seg->rec.large)
		file_remove(segs, name);
	else if (!seg->missing)
		file_retire(segs, name, seg->id, seg->size);
	segment_free(seg);
}

void
segments_drop_pool(struct segments *segs)
{
	char name[SEGMENT_NAME_SIZE];
	uint64_t id;

	for (;;) {
		pthread_mutex_lock(&segs->lock);
		id = segs->pool_count > 0 ? segs->pool[--segs->pool_count].id
					  : 0;
		pthread_mutex_unlock(&segs->lock);
		if (id == 0)
			return;
		free_name(id, name);
		file_remove(segs, name);
	}
}

static struct segment *
touch(struct segments *segs, uint64_t id)
{
	struct segment *seg = segments_find(segs, id);

	if (seg == NULL || seg->touched)
		return seg;
	seg->next = seg->rec;
	seg->touched = true;
	seg->touched_next = segs->touched;
	segs->touched = seg;
	return seg;
}

/* --- writing ----------------------------------------------------------------
 */

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
		free_name(old, spare);
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
	table_add(segs, seg);
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
	touch(segs, seg->id);
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

struct segment *
segments_add_large(struct segments *segs, uint64_t id, uint64_t size)
{
	struct segment *seg = segment_create(id);

	seg->size = size;
	seg->sealed = true;
	seg->rec.large = true;
	table_add(segs, seg);
	return seg;
}

/* --- the transaction's view
 * --------------------------------------------------- */

void
segments_gain(struct segments *segs, const struct spool_ref *ref, uint64_t id)
{
	struct segment *seg = touch(segs, ref->segment);
	struct record_segment *next;

	if (seg == NULL)
		return;
	next = &seg->next;
	if (next->end == 0 || id < next->first_id)
		next->first_id = id;
	if (id > next->last_id)
		next->last_id = id;
	next->live_count++;
	next->live_bytes += ref->length;
	if (ref->offset + ref->length > next->end)
		next->end = ref->offset + ref->length;
}

void
segments_lose(struct segments *segs, const struct spool_ref *ref)
{
	struct segment *seg = touch(segs, ref->segment);

	/* A record that was damaged may name any place: never count below
	 * zero, that would keep the segment, or lose it, for good. */
	if (seg == NULL || seg->next.live_count == 0)
		return;
	seg->next.live_count--;
	if (seg->next.live_bytes >= ref->length)
		seg->next.live_bytes -= ref->length;
}

void
segments_put_rows(struct segments *segs, struct store_txn *txn)
{
	uint8_t key[8];
	uint8_t value[RECORD_SEGMENT_SIZE];

	for (struct segment *s = segs->touched; s; s = s->touched_next) {
		key_put_u64(key, s->id);
		if (s->next.live_count == 0) {
			if (s->rec.live_count != 0)
				store_delete(txn, STORE_SEGMENT,
					     slice_of(key, sizeof(key)));
			continue;
		}
		record_segment_encode(&s->next, value);
		store_put(txn, STORE_SEGMENT, slice_of(key, sizeof(key)),
			  slice_of(value, sizeof(value)));
	}
}

/* The file still belongs to the body that was to be accepted. */
static void
large_forget(struct segments *segs, struct segment *seg)
{
	pthread_mutex_lock(&segs->lock);
	HASH_DEL(segs->table, seg);
	pthread_mutex_unlock(&segs->lock);
	segment_free(seg);
}

static void
touched_end(struct segments *segs, bool committed)
{
	struct segment *seg;

	while ((seg = segs->touched) != NULL) {
		segs->touched = seg->touched_next;
		seg->touched = false;
		if (committed) {
			pthread_mutex_lock(&segs->lock);
			seg->rec = seg->next;
			pthread_mutex_unlock(&segs->lock);
		}
		if (!seg->sealed || seg->rec.live_count > 0)
			continue;
		if (seg->rec.large && !committed)
			large_forget(segs, seg);
		else
			segment_die(segs, seg);
	}
}

void
segments_committed(struct segments *segs)
{
	touched_end(segs, true);
}

void
segments_rolled_back(struct segments *segs)
{
	touched_end(segs, false);
}
