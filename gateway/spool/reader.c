#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/spool/internal.h"
#include "gateway/spool/io.h"
#include "gateway/store/key.h"

/*
 * Bodies, from any thread. One that compaction moved is found under its old
 * reference too, as long as the move is remembered: whoever holds a message in
 * memory need not know.
 */

#define MOVES_FOLLOWED 4
#define CHECK_BYTES 65536

struct spool_reader {
	struct spool *spool;
	struct segment *seg;
	struct spool_ref ref;
	int fd;
	bool own_fd;
};

/* Where the message's body lies now. */
static int
ref_now(struct spool *spool, uint64_t id, struct spool_ref *ref)
{
	struct store_txn *txn = store_read(spool->store);
	uint8_t key[KEY_ID_SIZE];
	struct spool_msg msg;
	struct slice value;
	int err;

	key_put_u64(key, id);
	err = store_get(txn, STORE_MESSAGE, slice_of(key, sizeof(key)), &value);
	if (err == 0)
		err = record_msg_decode(value, &msg);
	if (err == 0)
		*ref = msg.body;
	store_abort(&txn);
	return err;
}

static int
ref_pin(struct spool *spool, struct spool_ref *ref, struct segment **seg)
{
	uint64_t id;
	int err;

	for (int i = 0; i < MOVES_FOLLOWED; i++) {
		*seg = segment_pin(&spool->segs, ref->segment);
		if (*seg != NULL)
			return 0;
		id = moved_lookup(&spool->segs, ref);
		if (id == 0)
			break;
		err = ref_now(spool, id, ref);
		if (err != 0)
			return err;
	}
	return GW_ENOENT;
}

/* A file that is gone reads as an empty one: what that means for the mail is
 * decided where the digest is compared. */
static int
reader_fd(struct spool_reader *reader)
{
	struct segments *segs = &reader->spool->segs;
	char name[SEGMENT_NAME_SIZE];
	int err;

	pthread_mutex_lock(&segs->lock);
	reader->fd = reader->seg->fd;
	pthread_mutex_unlock(&segs->lock);
	if (reader->fd >= 0)
		return 0;
	segment_name(reader->seg->id, name);
	err = io_open(segs->dir_fd, name, O_RDONLY, &reader->fd);
	reader->own_fd = err == 0;
	return err == GW_ENOENT ? 0 : err;
}

int
spool_reader_open(struct spool *spool, const struct spool_ref *ref,
		  struct spool_reader **reader)
{
	struct spool_reader *r = mem_zalloc(sizeof(*r));
	int err;

	*reader = NULL;
	r->spool = spool;
	r->ref = *ref;
	r->fd = -1;
	err = ref_pin(spool, &r->ref, &r->seg);
	if (err != 0) {
		free(r);
		return err;
	}
	*reader = r;
	err = reader_fd(r);
	if (err != 0)
		spool_reader_close(reader);
	return err;
}

int64_t
spool_reader_read(struct spool_reader *reader, uint64_t offset, void *p,
		  size_t n)
{
	if (reader->fd < 0 || offset >= reader->ref.length)
		return 0;
	if (n > reader->ref.length - offset)
		n = (size_t)(reader->ref.length - offset);
	return io_read(reader->fd, p, n, reader->ref.offset + offset);
}

void
spool_reader_close(struct spool_reader **reader)
{
	struct spool_reader *r = *reader;

	*reader = NULL;
	if (r == NULL)
		return;
	if (r->own_fd)
		io_close(&r->fd);
	segment_unpin(&r->spool->segs, r->seg);
	free(r);
}

int
spool_digest_check(struct spool *spool, const struct spool_ref *ref)
{
	struct digest *digest = digest_create();
	uint8_t sum[DIGEST_SIZE];
	struct spool_reader *reader;
	char *p = mem_alloc(CHECK_BYTES);
	uint64_t done = 0;
	int64_t n;
	int err = spool_reader_open(spool, ref, &reader);

	while (err == 0 && done < ref->length) {
		n = spool_reader_read(reader, done, p, CHECK_BYTES);
		if (n < 0)
			err = (int)n;
		if (n <= 0)
			break;
		digest_add(digest, slice_of(p, (size_t)n));
		done += (uint64_t)n;
	}
	digest_final(digest, sum);
	if (err == 0 && memcmp(sum, ref->digest, DIGEST_SIZE) != 0)
		err = GW_ECORRUPT;
	spool_reader_close(&reader);
	digest_destroy(&digest);
	free(p);
	return err;
}
