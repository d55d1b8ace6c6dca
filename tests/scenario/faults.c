/*
 * Preloaded into the daemon: its spool's disk fails when a test says so.
 * FAULTS names a file of int32_t, mapped by both sides, one for each kind of
 * call: an errno, or 0 for "works". FAULTS_IN is a part of the paths that are
 * meant; MAP_BYTES makes LMDB's map that small.
 *
 * The index (data.mdb) and the segments fail apart: a body that cannot be
 * written and a commit that cannot are different stories.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum fault_call {
	SEGMENT_WRITE,
	SEGMENT_SYNC,
	INDEX_WRITE,
	INDEX_SYNC,
	FAULT_CALLS
};

static const int32_t *faults;
static const char *part;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
setup(void)
{
	const char *path = getenv("FAULTS");
	void *map;
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	part = getenv("FAULTS_IN");
	if (fd < 0 || part == NULL)
		return;
	map = mmap(NULL, FAULT_CALLS * sizeof(*faults), PROT_READ, MAP_SHARED,
		   fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		faults = map;
}

/* The errno that this call is to fail with; 0: none. */
static int
fault(int fd, enum fault_call segment, enum fault_call index)
{
	char link[64], path[4096];
	ssize_t n;

	pthread_once(&once, setup);
	if (faults == NULL || (faults[segment] == 0 && faults[index] == 0))
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return 0;
	path[n] = '\0';
	if (strstr(path, part) == NULL)
		return 0;
	return faults[strstr(path, ".mdb") != NULL ? index : segment];
}

static bool
fails(int fd, enum fault_call segment, enum fault_call index)
{
	int saved = errno, errnum = fault(fd, segment, index);

	errno = errnum != 0 ? errnum : saved;
	return errnum != 0;
}

#define REAL(name) \
	(real ? real : (*(void **)&real = dlsym(RTLD_NEXT, name), real))

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	static ssize_t (*real)(int, const void *, size_t, off_t);

	if (fails(fd, SEGMENT_WRITE, INDEX_WRITE))
		return -1;
	return REAL("pwrite")(fd, p, n, at);
}

ssize_t
pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	static ssize_t (*real)(int, const void *, size_t, off64_t);

	if (fails(fd, SEGMENT_WRITE, INDEX_WRITE))
		return -1;
	return REAL("pwrite64")(fd, p, n, at);
}

ssize_t
pwritev(int fd, const struct iovec *iov, int count, off_t at)
{
	static ssize_t (*real)(int, const struct iovec *, int, off_t);

	if (fails(fd, SEGMENT_WRITE, INDEX_WRITE))
		return -1;
	return REAL("pwritev")(fd, iov, count, at);
}

ssize_t
pwritev64(int fd, const struct iovec *iov, int count, off64_t at)
{
	static ssize_t (*real)(int, const struct iovec *, int, off64_t);

	if (fails(fd, SEGMENT_WRITE, INDEX_WRITE))
		return -1;
	return REAL("pwritev64")(fd, iov, count, at);
}

ssize_t
writev(int fd, const struct iovec *iov, int count)
{
	static ssize_t (*real)(int, const struct iovec *, int);

	if (fails(fd, SEGMENT_WRITE, INDEX_WRITE))
		return -1;
	return REAL("writev")(fd, iov, count);
}

ssize_t
write(int fd, const void *p, size_t n)
{
	static ssize_t (*real)(int, const void *, size_t);

	if (fails(fd, SEGMENT_WRITE, INDEX_WRITE))
		return -1;
	return REAL("write")(fd, p, n);
}

int
fdatasync(int fd)
{
	static int (*real)(int);

	if (fails(fd, SEGMENT_SYNC, INDEX_SYNC))
		return -1;
	return REAL("fdatasync")(fd);
}

int
fsync(int fd)
{
	static int (*real)(int);

	if (fails(fd, SEGMENT_SYNC, INDEX_SYNC))
		return -1;
	return REAL("fsync")(fd);
}

int
mdb_env_set_mapsize(MDB_env *env, size_t size)
{
	static int (*real)(MDB_env *, size_t);
	const char *text = getenv("MAP_BYTES");

	if (text != NULL)
		size = strtoul(text, NULL, 10);
	return REAL("mdb_env_set_mapsize")(env, size);
}
