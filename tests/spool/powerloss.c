/*
 * LD_PRELOAD: writes down, in order, everything that is done to the files
 * under POWERLOSS_DIR, so that powercut.py can build what a power cut would
 * leave. POWERLOSS_LOG names the record.
 *
 * Seen with strace, LMDB 0.9.24 writes pages with pwrite, or lseek and writev,
 * then fdatasync, then its meta page with pwrite on a second descriptor opened
 * with O_DSYNC. All of these are caught; its data file is mapped for reading
 * only.
 *
 * A sync is written down twice, as it begins and when it returned: only what
 * was complete at its beginning is safe. Everything else is written down when
 * it returned, so another thread's sync that overlaps it never counts for it.
 *
 * POWERLOSS_DROP=TEXT: a sync of a path with that text in it is not written
 * down, as if the program had forgotten it. To see the test fail.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum record_kind {
	R_ROOT = 1,   /* ino */
	R_CREATE = 2, /* parent, name, ino */
	R_MKDIR = 3,
	R_WRITE = 4,	  /* ino, offset, flag: durable on return; data */
	R_SIZE = 5,	  /* ino, offset: the new size */
	R_RENAME = 6,	  /* parent, ino: the new parent; "old\0new" */
	R_UNLINK = 7,	  /* parent, name */
	R_SYNC_BEGIN = 8, /* ino, offset: a number */
	R_SYNC_END = 9,
	R_MARK = 10, /* the program's own words */
};

struct record {
	uint32_t kind;
	uint32_t flag;
	uint64_t parent;
	uint64_t ino;
	uint64_t offset;
	uint64_t length; /* of what follows */
};

void powerloss_mark(const char *text);
void powerloss_init(void) __attribute__((constructor));

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static char root[PATH_MAX];
static const char *drop;
static _Atomic uint64_t sync_count;

static void
record_write(struct record *r, const void *data)
{
	struct iovec iov[2] = {
	    {.iov_base = r, .iov_len = sizeof(*r)},
	    {.iov_base = (void *)(uintptr_t)data, .iov_len = r->length}};

	pthread_mutex_lock(&log_lock);
	if (syscall(SYS_writev, log_fd, iov, 2) !=
	    (long)(sizeof(*r) + r->length))
		abort();
	pthread_mutex_unlock(&log_lock);
}

static uint64_t
ino_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_ino : 0;
}

void
powerloss_init(void)
{
	const char *dir = getenv("POWERLOSS_DIR");
	const char *name = getenv("POWERLOSS_LOG");
	struct record r = {.kind = R_ROOT};

	if (dir == NULL || name == NULL || realpath(dir, root) == NULL)
		return;
	drop = getenv("POWERLOSS_DROP");
	log_fd = (int)syscall(SYS_openat, AT_FDCWD, name,
			      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log_fd < 0)
		abort();
	r.ino = ino_of(root);
	record_write(&r, NULL);
}

void
powerloss_mark(const char *text)
{
	struct record r = {.kind = R_MARK, .length = strlen(text)};

	if (log_fd >= 0)
		record_write(&r, text);
}

/* --- paths
 * --------------------------------------------------------------------- */

static bool
under_root(const char *path)
{
	size_t n = strlen(root);

	return log_fd >= 0 && strncmp(path, root, n) == 0 &&
	       (path[n] == '/' || path[n] == '\0');
}

static bool
path_of_fd(int fd, char path[PATH_MAX])
{
	char name[64];
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, path, PATH_MAX - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	return under_root(path);
}

static bool
fd_ino(int fd, uint64_t *ino, char path[PATH_MAX])
{
	struct stat st;
	int saved = errno;
	bool ours;

	ours = log_fd >= 0 && path_of_fd(fd, path) && fstat(fd, &st) == 0;
	if (ours)
		*ino = st.st_ino;
	errno = saved;
	return ours;
}

/* The whole path, its parent's inode and its last name. */
static bool
path_split(int dir_fd, const char *path, char whole[PATH_MAX], uint64_t *parent,
	   const char **last)
{
	char start[PATH_MAX] = "";
	char *slash;

	if (log_fd < 0)
		return false;
	if (path[0] != '/') {
		if (dir_fd == AT_FDCWD) {
			if (getcwd(start, sizeof(start)) == NULL)
				return false;
		} else if (!path_of_fd(dir_fd, start)) {
			return false;
		}
	}
	if (snprintf(whole, PATH_MAX, "%s%s%s", start, start[0] ? "/" : "",
		     path) >= PATH_MAX)
		return false;
	slash = strrchr(whole, '/');
	if (!under_root(whole) || slash == NULL || slash == whole)
		return false;
	*slash = '\0';
	*parent = ino_of(whole);
	*slash = '/';
	*last = slash + 1;
	return true;
}

#define REAL(name)                     \
	static __typeof__(&name) real; \
	if (real == NULL)              \
	*(void **)&real = dlsym(RTLD_NEXT, #name)

/* --- creating, renaming
 * ----------------------------------------------------------- */

static int
open_noted(int dir_fd, const char *path, int flags, mode_t mode)
{
	char whole[PATH_MAX];
	const char *name;
	uint64_t parent;
	bool ours = false, was = false;
	struct record r = {.kind = R_CREATE};
	struct stat st;
	int fd;

	if (flags & (O_CREAT | O_TRUNC)) {
		ours = path_split(dir_fd, path, whole, &parent, &name);
		was = ours && access(whole, F_OK) == 0;
	}
	fd = (int)syscall(SYS_openat, dir_fd, path, flags, mode);
	if (fd < 0 || !ours || fstat(fd, &st) != 0)
		return fd;
	r.parent = parent;
	r.ino = st.st_ino;
	r.length = strlen(name);
	if (!was) {
		record_write(&r, name);
	} else if (flags & O_TRUNC) {
		r.kind = R_SIZE;
		r.length = 0;
		record_write(&r, NULL);
	}
	return fd;
}

#define OPEN_BODY(dir_fd)                       \
	mode_t mode = 0;                        \
	if (flags & (O_CREAT | O_TMPFILE)) {    \
		va_list ap;                     \
		va_start(ap, flags);            \
		mode = (mode_t)va_arg(ap, int); \
		va_end(ap);                     \
	}                                       \
	return open_noted(dir_fd, path, flags, mode)

int
open(const char *path, int flags, ...)
{
	OPEN_BODY(AT_FDCWD);
}

int
open64(const char *path, int flags, ...)
{
	OPEN_BODY(AT_FDCWD);
}

int
openat(int dir_fd, const char *path, int flags, ...)
{
	OPEN_BODY(dir_fd);
}

int
openat64(int dir_fd, const char *path, int flags, ...)
{
	OPEN_BODY(dir_fd);
}

int
mkdir(const char *path, mode_t mode)
{
	char whole[PATH_MAX];
	struct record r = {.kind = R_MKDIR};
	const char *name;
	int rc = (int)syscall(SYS_mkdir, path, mode);

	if (rc == 0 && path_split(AT_FDCWD, path, whole, &r.parent, &name)) {
		r.ino = ino_of(whole);
		r.length = strlen(name);
		record_write(&r, name);
	}
	return rc;
}

int
renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	char a[PATH_MAX], b[PATH_MAX], names[2 * NAME_MAX + 2];
	const char *old_name, *new_name;
	struct record r = {.kind = R_RENAME};
	bool ours = path_split(from_fd, from, a, &r.parent, &old_name) &&
		    path_split(to_fd, to, b, &r.ino, &new_name);
	int rc = (int)syscall(SYS_renameat, from_fd, from, to_fd, to);

	if (rc == 0 && ours) {
		int n =
		    snprintf(names, sizeof(names), "%s/%s", old_name, new_name);

		r.length = (uint64_t)n;
		record_write(&r, names);
	}
	return rc;
}

int
rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int
unlinkat(int dir_fd, const char *path, int flags)
{
	char whole[PATH_MAX];
	struct record r = {.kind = R_UNLINK};
	const char *name;
	bool ours = path_split(dir_fd, path, whole, &r.parent, &name);
	int rc = (int)syscall(SYS_unlinkat, dir_fd, path, flags);

	if (rc == 0 && ours) {
		r.length = strlen(name);
		record_write(&r, name);
	}
	return rc;
}

int
unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int
rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

/* --- content
 * -------------------------------------------------------------------- */

static void
write_note(int fd, const struct iovec *iov, int count, uint64_t offset,
	   ssize_t wrote)
{
	char path[PATH_MAX];
	struct record r = {.kind = R_WRITE, .offset = offset};
	char *data, *to;
	size_t left;

	if (wrote <= 0 || !fd_ino(fd, &r.ino, path))
		return;
	r.flag = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
	r.length = left = (size_t)wrote;
	data = to = malloc(left);
	if (data == NULL)
		abort();
	for (int i = 0; i < count && left > 0; i++) {
		size_t n = iov[i].iov_len < left ? iov[i].iov_len : left;

		memcpy(to, iov[i].iov_base, n);
		to += n;
		left -= n;
	}
	record_write(&r, data);
	free(data);
}

ssize_t
pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	ssize_t n;

	REAL(pwritev);
	n = real(fd, iov, count, offset);
	write_note(fd, iov, count, (uint64_t)offset, n);
	return n;
}

ssize_t
pwritev64(int fd, const struct iovec *iov, int count, off64_t offset)
{
	return pwritev(fd, iov, count, offset);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t offset)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};
	ssize_t wrote;

	REAL(pwrite);
	wrote = real(fd, p, n, offset);
	write_note(fd, &iov, 1, (uint64_t)offset, wrote);
	return wrote;
}

ssize_t
pwrite64(int fd, const void *p, size_t n, off64_t offset)
{
	return pwrite(fd, p, n, offset);
}

ssize_t
writev(int fd, const struct iovec *iov, int count)
{
	off_t offset = lseek(fd, 0, SEEK_CUR);
	ssize_t n;

	REAL(writev);
	n = real(fd, iov, count);
	if (offset >= 0)
		write_note(fd, iov, count, (uint64_t)offset, n);
	return n;
}

ssize_t
write(int fd, const void *p, size_t n)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};
	off_t offset = lseek(fd, 0, SEEK_CUR);
	ssize_t wrote;

	REAL(write);
	wrote = real(fd, p, n);
	if (offset >= 0)
		write_note(fd, &iov, 1, (uint64_t)offset, wrote);
	return wrote;
}

int
ftruncate(int fd, off_t size)
{
	char path[PATH_MAX];
	struct record r = {.kind = R_SIZE, .offset = (uint64_t)size};
	int rc;

	REAL(ftruncate);
	rc = real(fd, size);
	if (rc == 0 && fd_ino(fd, &r.ino, path))
		record_write(&r, NULL);
	return rc;
}

int
ftruncate64(int fd, off64_t size)
{
	return ftruncate(fd, size);
}

/* --- syncing
 * --------------------------------------------------------------------- */

static int
sync_noted(int fd, long call)
{
	char path[PATH_MAX];
	struct record r = {.kind = R_SYNC_BEGIN};
	bool ours = fd_ino(fd, &r.ino, path);
	int rc;

	if (ours && drop != NULL && strstr(path, drop) != NULL)
		ours = false;
	r.offset = ++sync_count;
	if (ours)
		record_write(&r, NULL);
	rc = (int)syscall(call, fd);
	r.kind = R_SYNC_END;
	if (ours && rc == 0)
		record_write(&r, NULL);
	return rc;
}

int
fsync(int fd)
{
	return sync_noted(fd, SYS_fsync);
}

int
fdatasync(int fd)
{
	return sync_noted(fd, SYS_fdatasync);
}
