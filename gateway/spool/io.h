#ifndef GATEWAY_SPOOL_IO_H
#define GATEWAY_SPOOL_IO_H

#include <stdint.h>
#include <sys/uio.h>

/*
 * Every touch of the disk by the spool goes through these, so that a test can
 * make the nth one fail. 0 or a gw_err, if not said otherwise. dir_fd is the
 * directory the name is in.
 */
enum io_call {
	IO_OPEN,
	IO_WRITE,
	IO_READ,
	IO_SYNC,
	IO_SYNC_DIR,
	IO_RENAME,
	IO_UNLINK,
	IO_RESERVE,
	IO_SPACE,
	IO_CALLS
};

/* Tests only: an errno instead of the call, or 0 to let it pass. On IO_WRITE
 * *n may be lowered: a short write. Any thread. */
typedef int io_fault_fn(enum io_call call, size_t *n);
void io_set_fault(io_fault_fn *fn);

int io_open_dir(const char *path, int *fd); /* made if missing, durably */
int io_open(int dir_fd, const char *name, int flags, int *fd);
void io_close(int *fd);
/* All of it, however the kernel splits it; iov is used up. */
int io_write(int fd, struct iovec *iov, int count, uint64_t offset);
/* Bytes read, fewer than n only at the end of the file; or a gw_err. */
int64_t io_read(int fd, void *p, size_t n, uint64_t offset);
int io_sync(int fd);
void io_sync_begin(int fd, uint64_t offset, uint64_t n); /* a hint */
int io_sync_dir(int fd);
int io_rename(int dir_fd, const char *from, const char *to);
int io_unlink(int dir_fd, const char *name);
int io_reserve(int fd, uint64_t bytes); /* real blocks, 0 gives them back */
int io_size(int fd, uint64_t *bytes);
int io_space(int fd, uint64_t *free_bytes, uint64_t *total_bytes);

#endif
