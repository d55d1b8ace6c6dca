/*
 * Preloaded into the daemon: its wall time is ahead by the seconds that stand
 * in the file named WALL_CLOCK, as 8 octets, and may be changed at any time. So
 * the end of an hour's TTL is tested now. Monotonic time stays.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *ts);

static _Atomic int64_t *
ahead_s(void)
{
	static _Atomic(_Atomic int64_t *) known;
	_Atomic int64_t *map = known;
	int fd;

	if (map != NULL)
		return map;
	fd = open(getenv("WALL_CLOCK"), O_RDONLY | O_CLOEXEC);
	map = mmap(NULL, sizeof(*map), PROT_READ, MAP_SHARED, fd, 0);
	if (fd < 0 || (void *)map == MAP_FAILED)
		abort();
	close(fd);
	known = map; /* two threads at once: one more mapping, no harm */
	return map;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	int result;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	result = real(id, ts);
	if (result == 0 &&
	    (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ts->tv_sec += *ahead_s();
	return result;
}
