#include "gateway/spool/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "gateway/base/error.h"

/*
 * Calls to the disk, each with its loop for EINTR and short results and a
 * place where a test's fault comes in. Nothing is decided here: what a failure
 * means is for the caller. No retry of a failed sync, ever: the kernel has by
 * then marked the pages clean that it could not write.
 */

static _Atomic(io_fault_fn *) fault;

void
io_set_fault(io_fault_fn *fn)
{
	atomic_store(&fault, fn);
}

static int
faulted(enum io_call call, size_t *n)
{
	io_fault_fn *fn = atomic_load_explicit(&fault, memory_order_acquire);

	return fn != NULL ? fn(call, n) : 0;
}

static bool
denied(enum io_call call)
{
	size_t n = 0;
	int errnum = faulted(call, &n);

	if (errnum != 0)
		errno = errnum;
	return errnum != 0;
}

static int
result(int rc)
{
	return rc == 0 ? 0 : gw_err_from_errno(errno);
}

static int
parent_sync(const char *path)
{
	char parent[PATH_MAX];
	char *slash;
	int fd, err;

	if (snprintf(parent, sizeof(parent), "%s", path) >= (int)sizeof(parent))
		return GW_EINVAL;
	slash = strrchr(parent, '/');
	if (slash == NULL)
		strcpy(parent, ".");
	else
		slash[slash == parent ? 1 : 0] = '\0';
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return gw_err_from_errno(errno);
	err = io_sync_dir(fd);
	io_close(&fd);
	return err;
}

int
io_open_dir(const char *path, int *fd)
{
	int err;

	*fd = -1;
	if (denied(IO_OPEN))
		return gw_err_from_errno(errno);
	if (mkdir(path, 0700) == 0) {
		err = parent_sync(path);
		if (err != 0)
			return err;
	} else if (errno != EEXIST) {
		return gw_err_from_errno(errno);
	}
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd < 0 ? gw_err_from_errno(errno) : 0;
}

int
io_open(int dir_fd, const char *name, int flags, int *fd)
{
	*fd = -1;
	if (denied(IO_OPEN))
		return gw_err_from_errno(errno);
	*fd = openat(dir_fd, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	return *fd < 0 ? gw_err_from_errno(errno) : 0;
}

void
io_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Steps over n bytes already written. */
static void
iov_advance(struct iovec **iov, int *count, size_t n)
{
	while (*count > 0 && n >= (*iov)->iov_len) {
		n -= (*iov)->iov_len;
		(*iov)++;
		(*count)--;
	}
	if (*count > 0) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + n;
		(*iov)->iov_len -= n;
	}
}

static ssize_t
write_some(int fd, struct iovec *iov, int count, uint64_t offset)
{
	size_t n = SIZE_MAX;
	int errnum = faulted(IO_WRITE, &n);

	if (errnum != 0) {
		errno = errnum;
		return -1;
	}
	if (n < iov[0].iov_len)
		return pwrite(fd, iov[0].iov_base, n, (off_t)offset);
	if (count > IOV_MAX)
		count = IOV_MAX;
	return pwritev(fd, iov, count, (off_t)offset);
}

int
io_write(int fd, struct iovec *iov, int count, uint64_t offset)
{
	ssize_t n;

	iov_advance(&iov, &count, 0);
	while (count > 0) {
		n = write_some(fd, iov, count, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return gw_err_from_errno(errno);
		if (n == 0)
			return GW_EIO;
		offset += (uint64_t)n;
		iov_advance(&iov, &count, (size_t)n);
	}
	return 0;
}

int64_t
io_read(int fd, void *p, size_t n, uint64_t offset)
{
	size_t done = 0;
	ssize_t got;

	if (denied(IO_READ))
		return gw_err_from_errno(errno);
	while (done < n) {
		got = pread(fd, (char *)p + done, n - done,
			    (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return gw_err_from_errno(errno);
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (int64_t)done;
}

int
io_sync(int fd)
{
	return denied(IO_SYNC) ? gw_err_from_errno(errno)
			       : result(fdatasync(fd));
}

void
io_sync_begin(int fd, uint64_t offset, uint64_t n)
{
	sync_file_range(fd, (off_t)offset, (off_t)n, SYNC_FILE_RANGE_WRITE);
}

int
io_sync_dir(int fd)
{
	return denied(IO_SYNC_DIR) ? gw_err_from_errno(errno)
				   : result(fsync(fd));
}

int
io_rename(int dir_fd, const char *from, const char *to)
{
	return denied(IO_RENAME) ? gw_err_from_errno(errno)
				 : result(renameat(dir_fd, from, dir_fd, to));
}

int
io_unlink(int dir_fd, const char *name)
{
	return denied(IO_UNLINK) ? gw_err_from_errno(errno)
				 : result(unlinkat(dir_fd, name, 0));
}

int
io_reserve(int fd, uint64_t bytes)
{
	if (bytes == 0)
		return result(ftruncate(fd, 0));
	if (denied(IO_RESERVE))
		return gw_err_from_errno(errno);
	/* Not posix_fallocate: where it is not supported that would write
	 * zeroes for a second, and without the file we still have the
	 * threshold. */
	return result(fallocate(fd, 0, 0, (off_t)bytes));
}

int
io_size(int fd, uint64_t *bytes)
{
	struct stat st;

	*bytes = 0;
	if (fstat(fd, &st) != 0)
		return gw_err_from_errno(errno);
	*bytes = (uint64_t)st.st_size;
	return 0;
}

int
io_space(int fd, uint64_t *free_bytes, uint64_t *total_bytes)
{
	struct statvfs st;

	*free_bytes = *total_bytes = 0;
	if (denied(IO_SPACE))
		return gw_err_from_errno(errno);
	if (fstatvfs(fd, &st) != 0)
		return gw_err_from_errno(errno);
	*free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
	*total_bytes = (uint64_t)st.f_blocks * st.f_frsize;
	return 0;
}
