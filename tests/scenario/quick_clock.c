/*
 * Preloaded into the daemon: its monotonic time passes QUICK_CLOCK times as
 * fast, and waiting for it ends as much sooner. So a limit of a minute is
 * tested in seconds, in the program as it is shipped. Wall time stays.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

#define NS_PER_S 1000000000
#define WALL_LEAST_S 1600000000

int clock_gettime(clockid_t id, struct timespec *ts);
int epoll_wait(int fd, struct epoll_event *events, int most, int timeout_ms);

static int64_t
factor(void)
{
	static int64_t known;

	if (known == 0) {
		const char *text = getenv("QUICK_CLOCK");

		known = text != NULL && atoi(text) > 0 ? atoi(text) : 1;
	}
	return known;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	int64_t ns;
	int result;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	result = real(id, ts);
	if (result != 0 ||
	    (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE &&
	     id != CLOCK_BOOTTIME))
		return result;
	/* years of uptime by a factor of some dozens fit easily */
	ns = ((int64_t)ts->tv_sec * NS_PER_S + ts->tv_nsec) * factor();
	ts->tv_sec = ns / NS_PER_S;
	ts->tv_nsec = ns % NS_PER_S;
	return 0;
}

int
epoll_wait(int fd, struct epoll_event *events, int most, int timeout_ms)
{
	static int (*real)(int, struct epoll_event *, int, int);
	int64_t ms = timeout_ms;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "epoll_wait");
	if (ms > 0)
		ms = (ms + factor() - 1) / factor();
	return real(fd, events, most, (int)ms);
}

/* A deadline of this year is wall time; the other clock began at boot. */
int
pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
		       const struct timespec *deadline)
{
	static int (*real)(pthread_cond_t *, pthread_mutex_t *,
			   const struct timespec *);
	struct timespec at = *deadline;
	int64_t ns;

	if (real == NULL)
		*(void **)&real =
		    dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
	if (real == NULL) /* not this machine's first version of it */
		*(void **)&real = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
	if (at.tv_sec < WALL_LEAST_S) {
		ns = ((int64_t)at.tv_sec * NS_PER_S + at.tv_nsec) / factor();
		at.tv_sec = ns / NS_PER_S;
		at.tv_nsec = ns % NS_PER_S;
	}
	return real(cond, mutex, &at);
}
