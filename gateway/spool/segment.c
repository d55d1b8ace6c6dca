#include "gateway/spool/segment.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
 * Writing is in place.c.
 */

#if defined(__GNUC__) && !defined(__clang__)
/* gcc's analyzer takes what uthash's table holds for leaked. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

#define FREE_PREFIX "free."

void
segment_name(uint64_t id, char name[SEGMENT_NAME_SIZE])
{
	snprintf(name, SEGMENT_NAME_SIZE, "%016" PRIx64, id);
}

void
segment_spare_name(uint64_t id, char name[SEGMENT_NAME_SIZE])
{
	snprintf(name, SEGMENT_NAME_SIZE, FREE_PREFIX "%016" PRIx64, id);
}

struct segment *
segment_create(uint64_t id)
{
	struct segment *seg = mem_zalloc(sizeof(*seg));

	seg->id = id;
	seg->fd = -1;
	return seg;
}

void
segments_add(struct segments *segs, struct segment *seg)
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

struct segment *
segments_load_row(struct segments *segs, uint64_t id,
		  const struct record_segment *rec)
{
	struct segment *seg = segment_create(id);

	seg->rec = *rec;
	seg->sealed = true;
	seg->missing = true;
	id_seen(segs, id);
	segments_add(segs, seg);
	return seg;
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
	segment_spare_name(id, spare);
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
		segment_spare_name(id, name);
		file_remove(segs, name);
	}
}

struct segment *
segments_touch(struct segments *segs, uint64_t id)
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

struct segment *
segments_add_large(struct segments *segs, uint64_t id, uint64_t size)
{
	struct segment *seg = segment_create(id);

	seg->size = size;
	seg->sealed = true;
	seg->rec.large = true;
	segments_add(segs, seg);
	return seg;
}

/* --- the transaction's view
 * --------------------------------------------------- */

void
segments_gain(struct segments *segs, const struct spool_ref *ref, uint64_t id)
{
	struct segment *seg = segments_touch(segs, ref->segment);

	if (seg != NULL)
		record_segment_gain(&seg->next, ref, id);
}

void
segments_lose(struct segments *segs, const struct spool_ref *ref)
{
	struct segment *seg = segments_touch(segs, ref->segment);

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
