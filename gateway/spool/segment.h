#ifndef GATEWAY_SPOOL_SEGMENT_H
#define GATEWAY_SPOOL_SEGMENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "gateway/base/hash.h"
#include "gateway/spool/record.h"
#include "gateway/store/env.h"

/*
 * The segment files: which there are, how much of each lives, the one being
 * written, who reads which. Names are the segment's id in hex; a file waiting
 * to be used again is named free.ID and gets a new id when it is, so a
 * reference can never reach bytes of another life.
 */
struct segment {
	UT_hash_handle hh; /* by id, while it may be found */
	uint64_t id;
	struct record_segment rec;  /* as committed */
	struct record_segment next; /* as the transaction will leave it */
	bool touched;		    /* next is valid */
	struct segment *touched_next;
	int fd;	       /* -1: each reader opens its own */
	uint64_t size; /* of the file: what was written once */
	unsigned pins;
	bool sealed;
	bool missing;	/* live messages but no file */
	bool failed;	/* a write or sync failed: never used again */
	bool unmovable; /* compaction gave it up */
	bool recounted; /* its row was lost: counted anew from the messages */
	bool dead;	/* nothing lives here; goes when pins is 0 */
	int64_t sealed_ms;
	struct segment *dead_next;
};

#define SEGMENT_POOL_MAX 4
#define SEGMENT_IOV_MAX 1000
#define SEGMENT_NAME_SIZE 24

struct segments {
	/* Guards table, pins, dead, fd, rec, the pool and the moves. Only the
	 * store thread changes table and rec; it reads them unlocked. */
	pthread_mutex_t lock;
	struct segment *table;
	struct moves *moves; /* compact.c */
	uint32_t open_count;
	struct {
		uint64_t id, size;
	} pool[SEGMENT_POOL_MAX];
	unsigned pool_count;

	int dir_fd;
	uint64_t segment_bytes;
	_Atomic uint64_t next_id;
	_Atomic bool thrifty; /* space is short: unlink, recycle nothing */

	/* The store thread's. */
	struct segment *current;
	uint64_t append; /* where the next group goes in current */
	struct iovec iov[SEGMENT_IOV_MAX + 8];
	int iov_count;
	uint64_t group_bytes;
	bool unsynced;
	struct segment *touched;

	/* Whoever makes a segment dead and unpinned hands it over here. */
	void (*dispose)(void *arg, struct segment *seg);
	void *dispose_arg;
};

void segment_name(uint64_t id, char name[SEGMENT_NAME_SIZE]);

void segment_spare_name(uint64_t id, char name[SEGMENT_NAME_SIZE]);
struct segment *segment_create(uint64_t id);
void segments_add(struct segments *segs, struct segment *seg);

/* dir_fd is taken. */
void segments_init(struct segments *segs, int dir_fd, uint64_t segment_bytes);
void segments_fini(struct segments *segs);
/* At start: the rows, then what lies in the directory. Both log what is
 * wrong; a live segment without its file stays known, as missing. */
struct segment *segments_load_row(struct segments *segs, uint64_t id,
				  const struct record_segment *rec);
int segments_load_dir(struct segments *segs);

/* --- writing: the store thread ------------------------------------------ */

/*
 * Gives the body its place and remembers it; it must stay valid until
 * segments_flush, which writes the group. segments_sync makes it durable.
 * After a failure the segment is sealed and the whole batch is to be placed
 * anew. GW_ENOSPC, GW_EIO.
 */
int segments_place(struct segments *segs, struct slice body,
		   struct spool_ref *ref);
int segments_flush(struct segments *segs);
int segments_sync(struct segments *segs);
void segments_seal(struct segments *segs, bool failed);
/* A file of one message, written and synced by the writer thread. */
struct segment *segments_add_large(struct segments *segs, uint64_t id,
				   uint64_t size);

/* Its end decides what becomes of a segment: NULL when there is none. */
struct segment *segments_touch(struct segments *segs, uint64_t id);
struct segment *segments_find(struct segments *segs, uint64_t id);
/* In the transaction under way: a message came to or left this place. */
void segments_gain(struct segments *segs, const struct spool_ref *ref,
		   uint64_t id);
void segments_lose(struct segments *segs, const struct spool_ref *ref);
void segments_put_rows(struct segments *segs, struct store_txn *txn);
void segments_committed(struct segments *segs);
void segments_rolled_back(struct segments *segs);
/* Gives space back: unlinks what waits to be used again. */
void segments_drop_pool(struct segments *segs);

/* --- reading: any thread -------------------------------------------------- */

/* NULL: no such segment. */
struct segment *segment_pin(struct segments *segs, uint64_t id);
void segment_unpin(struct segments *segs, struct segment *seg);

/* The writer thread: keep the file for later or unlink it; frees seg. */
void segment_dispose(struct segments *segs, struct segment *seg);

#endif
