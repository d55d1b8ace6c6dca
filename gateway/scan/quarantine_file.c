#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"
#include "gateway/scan/quarantine_int.h"
#include "gateway/store/key.h"

/*
 * The files: a header, then the message's bytes, masked with the header's key.
 *
 * A file is written under another name, synced, named, and its directory
 * synced: under its own name it is whole, also after a cut of power. What
 * happens to be there without a record was never committed, and is swept.
 *
 * The bytes are checked against the digest while they go in: what was altered
 * on the way must not be what an administrator releases later.
 */

/* No quarantine takes the room in which outcomes are written. */
#define FREE_MIN ((uint64_t)16 << 20)
#define PIECE 65536

#define MAGIC "SLQ\001" /* with the version */

enum {
	MAGIC_SIZE = 4,
	ID_AT = MAGIC_SIZE,
	BYTES_AT = ID_AT + 8,
	KEY_AT = BYTES_AT + 8,
	DIGEST_AT = KEY_AT + MASK_KEY_SIZE,
	HEADER_SIZE = DIGEST_AT + DIGEST_SIZE,
};

struct quarantine_reader {
	int fd;
	uint64_t bytes;
	uint8_t key[MASK_KEY_SIZE];
};

void
quarantine_name(uint64_t id, char name[QUARANTINE_NAME_SIZE])
{
	id_format(id, name);
}

void
quarantine_new_name(uint64_t id, char name[QUARANTINE_NAME_SIZE])
{
	id_format(id, name);
	strcpy(name + ID_TEXT_SIZE - 1, ".new");
}

/* --- writing */

/* What is on its way in. */
struct writing {
	int fd;
	uint64_t done; /* of the message's bytes */
	struct digest *digest;
	uint8_t header[HEADER_SIZE];
	char piece[PIECE];
};

static int
write_all(int fd, const char *p, size_t n, uint64_t offset)
{
	ssize_t done;

	while (n > 0) {
		done = pwrite(fd, p, n, (off_t)offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return gw_err_from_errno(errno) == GW_ENOSPC ? GW_ENOSPC
								     : GW_EIO;
		if (done == 0)
			return GW_EIO;
		p += done;
		n -= (size_t)done;
		offset += (uint64_t)done;
	}
	return 0;
}

static int
space_check(const struct quarantine *quarantine, uint64_t bytes)
{
	struct statvfs st;
	uint64_t unused;

	if (fstatvfs(quarantine->dir_fd, &st) != 0)
		return GW_EIO;
	unused = (uint64_t)st.f_bavail * st.f_frsize;
	return unused < FREE_MIN || unused - FREE_MIN < bytes ? GW_ENOSPC : 0;
}

static void
header_make(uint8_t header[HEADER_SIZE], uint64_t id, uint64_t bytes,
	    const uint8_t digest[DIGEST_SIZE])
{
	memcpy(header, MAGIC, MAGIC_SIZE);
	key_put_u64(header + ID_AT, id);
	key_put_u64(header + BYTES_AT, bytes);
	secret_random(header + KEY_AT, MASK_KEY_SIZE);
	memcpy(header + DIGEST_AT, digest, DIGEST_SIZE);
}

/* The next piece of the message's bytes. */
static int
piece_write(struct writing *w, uint64_t left,
	    int64_t (*read)(void *arg, uint64_t offset, void *p, size_t n),
	    void *read_arg)
{
	size_t n = left < PIECE ? (size_t)left : PIECE;
	int64_t got = read(read_arg, w->done, w->piece, n);
	int err;

	if (got < 0)
		return (int)got;
	if (got == 0 || (uint64_t)got > n)
		return GW_ECORRUPT; /* there should be more, or less */
	n = (size_t)got;
	digest_add(w->digest, slice_of(w->piece, n));
	mask_apply(w->header + KEY_AT, w->done, w->piece, n);
	err = write_all(w->fd, w->piece, n, HEADER_SIZE + w->done);
	w->done += n;
	return err;
}

static int
body_write(struct writing *w, uint64_t bytes,
	   int64_t (*read)(void *arg, uint64_t offset, void *p, size_t n),
	   void *read_arg)
{
	uint8_t sum[DIGEST_SIZE];
	int err = write_all(w->fd, (const char *)w->header, HEADER_SIZE, 0);

	while (err == 0 && w->done < bytes)
		err = piece_write(w, bytes - w->done, read, read_arg);
	if (err != 0)
		return err;
	digest_final(w->digest, sum);
	if (memcmp(sum, w->header + DIGEST_AT, DIGEST_SIZE) != 0)
		return GW_ECORRUPT;
	return 0;
}

/* From here on it is to be found under its name, whatever happens. */
static int
file_name(const struct quarantine *quarantine, int fd, const char *from,
	  uint64_t id)
{
	char name[QUARANTINE_NAME_SIZE];

	quarantine_name(id, name);
	if (fsync(fd) != 0 ||
	    renameat(quarantine->dir_fd, from, quarantine->dir_fd, name) != 0 ||
	    fsync(quarantine->dir_fd) != 0)
		return gw_err_from_errno(errno) == GW_ENOSPC ? GW_ENOSPC
							     : GW_EIO;
	return 0;
}

int
quarantine_write(struct quarantine *quarantine, uint64_t id, uint64_t bytes,
		 const uint8_t digest[DIGEST_SIZE],
		 int64_t (*read)(void *arg, uint64_t offset, void *p, size_t n),
		 void *read_arg)
{
	struct writing *w;
	char name[QUARANTINE_NAME_SIZE];
	int err = space_check(quarantine, bytes);

	if (err != 0)
		return err;
	w = mem_zalloc(sizeof(*w));
	quarantine_new_name(id, name);
	w->fd =
	    openat(quarantine->dir_fd, name,
		   O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->fd < 0) {
		err =
		    gw_err_from_errno(errno) == GW_ENOSPC ? GW_ENOSPC : GW_EIO;
		free(w);
		return err;
	}
	w->digest = digest_create();
	header_make(w->header, id, bytes, digest);
	err = body_write(w, bytes, read, read_arg);
	if (err == 0)
		err = file_name(quarantine, w->fd, name, id);
	close(w->fd);
	if (err != 0)
		unlinkat(quarantine->dir_fd, name, 0);
	digest_destroy(&w->digest);
	free(w);
	return err;
}

/* A cut of power may bring it back: then the next start sweeps it. */
void
quarantine_unlink(struct quarantine *quarantine, uint64_t id)
{
	char name[QUARANTINE_NAME_SIZE];

	quarantine_name(id, name);
	if (unlinkat(quarantine->dir_fd, name, 0) != 0 && errno != ENOENT)
		log_event(GW_LOG_WARN, "quarantine-unlink", LF_STR("msg", name),
			  LF_ERR(gw_err_from_errno(errno)));
}

/* --- reading */

static int64_t
read_all(int fd, void *p, size_t n, uint64_t offset)
{
	size_t done = 0;
	ssize_t got;

	while (done < n) {
		got = pread(fd, (char *)p + done, n - done,
			    (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return GW_EIO;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (int64_t)done;
}

static int
header_read(struct quarantine_reader *reader, uint64_t id)
{
	uint8_t header[HEADER_SIZE];
	struct stat st;
	int64_t got = read_all(reader->fd, header, HEADER_SIZE, 0);

	if (got < 0 || fstat(reader->fd, &st) != 0)
		return GW_EIO;
	if (got < HEADER_SIZE || memcmp(header, MAGIC, MAGIC_SIZE) != 0 ||
	    key_get_u64(header + ID_AT) != id || !S_ISREG(st.st_mode))
		return GW_ECORRUPT;
	reader->bytes = key_get_u64(header + BYTES_AT);
	memcpy(reader->key, header + KEY_AT, MASK_KEY_SIZE);
	if ((uint64_t)st.st_size - HEADER_SIZE != reader->bytes)
		return GW_ECORRUPT;
	return 0;
}

int
quarantine_reader_open(struct quarantine *quarantine, uint64_t id,
		       struct quarantine_reader **reader)
{
	char name[QUARANTINE_NAME_SIZE];
	struct quarantine_reader *r;
	int err, fd;

	*reader = NULL;
	quarantine_name(id, name);
	/* Not waiting for a writer, should it be a pipe. */
	fd = openat(quarantine->dir_fd, name,
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? GW_ENOENT : GW_EIO;
	r = mem_zalloc(sizeof(*r));
	r->fd = fd;
	err = header_read(r, id);
	if (err != 0)
		quarantine_reader_close(&r);
	*reader = r;
	return err;
}

int64_t
quarantine_reader_read(void *reader, uint64_t offset, void *p, size_t n)
{
	struct quarantine_reader *r = reader;
	int64_t got;

	if (offset >= r->bytes)
		return 0;
	if (n > r->bytes - offset)
		n = (size_t)(r->bytes - offset);
	got = read_all(r->fd, p, n, HEADER_SIZE + offset);
	if (got > 0)
		mask_apply(r->key, offset, p, (size_t)got);
	return got;
}

void
quarantine_reader_close(struct quarantine_reader **reader)
{
	struct quarantine_reader *r = *reader;

	*reader = NULL;
	if (r == NULL)
		return;
	close(r->fd);
	free(r);
}
